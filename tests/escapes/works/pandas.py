# Attempts: nothing hostile: a table out to CSV and back, groups, a pickle.
# Expect: completed works
import pandas

table = pandas.DataFrame({"a": range(1000), "g": list("ab") * 500, "t": pandas.date_range("2020-01-01", periods=1000, tz="UTC")})
table.to_csv("table.csv")
assert len(pandas.read_csv("table.csv")) == 1000
assert table.groupby("g").a.sum().sum() == 499500
table.to_json()
table.to_pickle("table.pkl")
assert len(pandas.read_pickle("table.pkl")) == 1000
print("works")
