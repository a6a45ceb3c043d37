# Attempts: predict the names of another execution's semaphores.
# Expect: completed
# Repeat: 10 distinct
import multiprocessing.synchronize

import sklearn

print(multiprocessing.synchronize.SemLock._make_name(), sklearn.__name__)
