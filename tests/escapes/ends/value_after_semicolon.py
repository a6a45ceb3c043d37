# Attempts: nothing hostile: a last expression that shares its line.
# Expect: completed value 3
a = 1; a + 2
