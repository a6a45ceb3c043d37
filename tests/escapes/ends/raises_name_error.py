# Attempts: nothing hostile: an uncaught NameError.
# Expect: raised NameError
nowhere
