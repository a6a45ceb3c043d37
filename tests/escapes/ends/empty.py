# Attempts: nothing hostile: a program without a statement.
# Expect: completed

