# Attempts: nothing hostile: a child process that aborts.
# Expect: completed prints -6
import multiprocessing
import os

worker = multiprocessing.get_context('fork').Process(target=os.abort)
worker.start()
worker.join()
print(worker.exitcode)
