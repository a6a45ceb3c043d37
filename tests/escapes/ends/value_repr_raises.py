# Attempts: nothing hostile: a value whose repr fails.
# Expect: completed
class Shy:
    def __repr__(self):
        raise RuntimeError("no")


Shy()
