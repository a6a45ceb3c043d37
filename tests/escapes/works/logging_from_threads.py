# Attempts: nothing hostile: records of many threads, to files, memory and queues, none lost.
# Expect: completed works
import io
import logging
import logging.config
import logging.handlers
import queue
import threading

stream, records = io.StringIO(), queue.Queue()
logging.config.dictConfig({
    "version": 1,
    "formatters": {"short": {"format": "%(levelname)s %(name)s %(threadName)s %(message)s"}},
    "handlers": {
        "stream": {"class": "logging.StreamHandler", "stream": stream, "formatter": "short"},
        "file": {"class": "logging.handlers.RotatingFileHandler", "filename": "log.txt", "maxBytes": 5000, "backupCount": 3},
    },
    "root": {"level": "INFO", "handlers": ["stream", "file"]},
})
logger = logging.getLogger("part.inner")
listener = logging.handlers.QueueListener(records, logging.handlers.MemoryHandler(10_000))
logger.addHandler(logging.handlers.QueueHandler(records))
listener.start()


def work(number):
    for index in range(50):
        logger.info("%d of %d", index, number)
    logger.debug("never seen")


threads = [threading.Thread(target=work, args=(number,), name=f"t{number}") for number in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
listener.stop()
lines = stream.getvalue().splitlines()
assert len(lines) == 400 and len(listener.handlers[0].buffer) == 400
assert sum(line.startswith("INFO part.inner t3 ") for line in lines) == 50
try:
    1 // 0
except ZeroDivisionError:
    logger.exception("failed")
assert "ZeroDivisionError" in stream.getvalue() and "line" in stream.getvalue()
logging.captureWarnings(True)
__import__("warnings").warn("odd")
assert "UserWarning: odd" in stream.getvalue()
logging.captureWarnings(False)
open("log.txt").close()
logging.shutdown()
print("works")
