# Attempts: nothing hostile: a source with broken indentation.
# Expect: raised IndentationError | raised SyntaxError | rejected
if True:
x = 1
