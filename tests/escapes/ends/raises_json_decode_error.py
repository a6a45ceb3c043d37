# Attempts: nothing hostile: an uncaught JSONDecodeError.
# Expect: raised JSONDecodeError
import json

json.loads("{")
