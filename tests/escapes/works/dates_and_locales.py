# Attempts: nothing hostile: time zones, calendars, clocks and the locale.
# Expect: completed works
import calendar
import datetime
import locale
import os
import time
import zoneinfo

berlin = zoneinfo.ZoneInfo("Europe/Berlin")
summer = datetime.datetime(2024, 7, 1, 12, tzinfo=berlin)
assert summer.astimezone(datetime.timezone.utc).hour == 10 and summer.tzname() == "CEST"
gap = datetime.datetime(2024, 3, 31, 2, 30, tzinfo=berlin).astimezone(datetime.timezone.utc).astimezone(berlin)
assert gap.hour == 3
assert len(zoneinfo.available_timezones()) > 400
assert datetime.datetime.strptime("29 Feb 2024", "%d %b %Y").timetuple().tm_yday == 60
assert datetime.date.fromisocalendar(2020, 53, 7) == datetime.date(2021, 1, 3)
print(datetime.datetime(2024, 2, 29, 5, 6, 7, 89).isoformat(), datetime.timedelta(days=-1, seconds=5))
assert calendar.monthrange(2024, 2) == (3, 29)
assert locale.getpreferredencoding(False).upper() == "UTF-8"
os.environ["TZ"] = "America/New_York"
time.tzset()
assert time.localtime(0).tm_hour == 19 and time.tzname[0] == "EST"
del os.environ["TZ"]
time.tzset()
assert time.strftime("%A %d %B %Y", time.gmtime(0)) == "Thursday 01 January 1970"
assert locale.setlocale(locale.LC_ALL, "") and locale.setlocale(locale.LC_ALL, "C") == "C"
assert locale.localeconv()["decimal_point"] == "."
try:
    locale.setlocale(locale.LC_ALL, "xx_YY")
except locale.Error as error:
    print(error)
clocks = [time.monotonic(), time.perf_counter(), time.process_time(), time.thread_time()]
time.sleep(0.02)
sum(range(200_000))
after = [time.monotonic(), time.perf_counter(), time.process_time(), time.thread_time()]
assert all(late > early for early, late in zip(clocks, after))
assert after[2] - clocks[2] < after[0] - clocks[0] + 0.05
assert time.time() > 1_600_000_000
print("works")
