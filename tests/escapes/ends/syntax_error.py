# Attempts: nothing hostile: a source that is no Python.
# Expect: raised SyntaxError | rejected
x = = 1
