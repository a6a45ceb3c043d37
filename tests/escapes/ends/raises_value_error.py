# Attempts: nothing hostile: an uncaught ValueError.
# Expect: raised ValueError
raise ValueError("no")
