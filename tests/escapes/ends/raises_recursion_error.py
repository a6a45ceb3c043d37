# Attempts: nothing hostile: an uncaught RecursionError.
# Expect: raised RecursionError
def down():
    return down()


down()
