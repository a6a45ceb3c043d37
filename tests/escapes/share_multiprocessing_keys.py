# Attempts: predict the key with which another execution's processes trust each other.
# Expect: completed
# Repeat: 10 distinct
# pandas brings the module along before the fork.
import multiprocessing

import sklearn

print(bytes(multiprocessing.current_process().authkey).hex(), sklearn.__name__)
