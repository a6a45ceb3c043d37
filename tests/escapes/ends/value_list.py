# Attempts: nothing hostile: a list as last expression.
# Expect: completed value [1, 2.5, None, True]
[1, 2.5, None, True]
