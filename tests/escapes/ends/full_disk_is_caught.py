# Attempts: nothing hostile: a full disk that is caught.
# Expect: completed prints full
# Limits: workdir_bytes=8388608
try:
    with open('big', 'wb') as file:
        for _ in range(64):
            file.write(bytes(1 << 20))
except OSError:
    print('full')
