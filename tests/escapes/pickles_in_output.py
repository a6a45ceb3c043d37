# Attempts: have the host unpickle what it left behind.
# Expect: completed
# Artifacts: result.pkl present, count <= 20
# Host: /tmp/hognose-pickle-canary absent
import os
import pickle


class Payload:
    def __reduce__(self):
        return os.mkdir, ("/tmp/hognose-pickle-canary",)


for name in ("result.pkl", "state.pickle", "model.joblib", "array.npy", "__result__.pkl"):
    with open(f"output/{name}", "wb") as file:
        file.write(pickle.dumps(Payload()))
