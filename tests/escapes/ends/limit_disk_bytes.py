# Attempts: nothing hostile: more bytes than the workdir holds, and then a failure.
# Expect: limit_exceeded disk
# Limits: workdir_bytes=16777216
with open('big', 'wb') as file:
    while True:
        file.write(bytes(1 << 20))
