# Attempts: nothing hostile: an uncaught GeneratorExit.
# Expect: raised GeneratorExit
raise GeneratorExit
