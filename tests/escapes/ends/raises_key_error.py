# Attempts: nothing hostile: an uncaught KeyError.
# Expect: raised KeyError
{}["missing"]
