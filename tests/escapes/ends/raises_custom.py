# Attempts: nothing hostile: an exception of its own.
# Expect: raised Own
class Own(Exception): ...


raise Own('text')
