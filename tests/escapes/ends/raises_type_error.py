# Attempts: nothing hostile: an uncaught TypeError.
# Expect: raised TypeError
1 + "1"
