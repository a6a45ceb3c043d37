# Attempts: nothing hostile: an uncaught ModuleNotFoundError.
# Expect: raised ModuleNotFoundError
import no_such_module_anywhere
