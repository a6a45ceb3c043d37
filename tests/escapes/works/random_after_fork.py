# Attempts: nothing hostile: processes that the program forks get random numbers of their own.
# Expect: completed works
import os
import random
import secrets
import ssl
import tempfile
import uuid


def forked():
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        names = next(tempfile._get_candidate_names())
        os.write(writer, repr((random.random(), names, uuid.uuid4(), secrets.token_hex(), ssl.RAND_bytes(8))).encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    return said[1:-1].split(", ")


rounds = [forked() for _ in range(5)]
for values in zip(*rounds):
    assert len(set(values)) == 5, values
assert str(random.random()) not in [values[0] for values in rounds]
print("works")
