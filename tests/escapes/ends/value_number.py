# Attempts: nothing hostile: a number as last expression.
# Expect: completed value 42
6 * 7
