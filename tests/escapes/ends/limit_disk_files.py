# Attempts: nothing hostile: more files than the workdir holds, and then a failure.
# Expect: limit_exceeded disk
# Limits: workdir_inodes=200
number = 0
while True:
    open(f'file{number}', 'w').close()
    number += 1
