# Attempts: leave another locale and time zone behind.
# Expect: completed
# Pair: plant locale
import locale
import os
import time

os.environ["TZ"] = "Asia/Tokyo"
time.tzset()
locale.setlocale(locale.LC_ALL, "C")
