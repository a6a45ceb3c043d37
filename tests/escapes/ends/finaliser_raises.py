# Attempts: nothing hostile: an exception in a finaliser.
# Expect: completed prints on
class Loud:
    def __del__(self):
        raise ValueError


Loud()
print('on')
