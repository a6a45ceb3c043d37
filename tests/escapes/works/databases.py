# Attempts: nothing hostile: SQLite with transactions, threads, own functions and a full-text index.
# Expect: completed works
import sqlite3
import threading

connection = sqlite3.connect("/tmp/shop.db", timeout=10)
connection.execute("pragma journal_mode=wal")
connection.execute("create table items(id integer primary key, name text unique, price real)")
with connection:
    connection.executemany("insert into items(name, price) values (?, ?)", [(f"item {n}", n / 4) for n in range(1000)])
try:
    with connection:
        connection.execute("insert into items(name) values ('new')")
        connection.execute("insert into items(name) values ('item 1')")
except sqlite3.IntegrityError as error:
    print(error)
assert connection.execute("select count(*) from items").fetchone() == (1000,)


class Longest:
    def __init__(self):
        self.text = ""

    def step(self, value):
        self.text = max(self.text, value, key=len)

    def finalize(self):
        return self.text


connection.create_function("half", 1, lambda value: value / 2)
connection.create_aggregate("longest", 1, Longest)
connection.create_collation("backwards", lambda a, b: (a < b) - (a > b))
assert connection.execute("select longest(name), half(max(price)) from items").fetchone() == ("item 100", 124.875)
assert connection.execute("select name from items order by name collate backwards limit 1").fetchone() == ("item 999",)


def add(number):
    own = sqlite3.connect("/tmp/shop.db", timeout=10)
    with own:
        own.execute("insert into items(name) values (?)", (f"thread {number}",))
    own.close()


threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert connection.execute("select count(*) from items where name like 'thread%'").fetchone() == (4,)
copy = sqlite3.connect(":memory:")
connection.backup(copy)
assert copy.execute("pragma integrity_check").fetchone() == ("ok",)
print(copy.execute("select sum(price), json_extract('{\"a\": 5}', '$.a') from items").fetchone())
print("works")
