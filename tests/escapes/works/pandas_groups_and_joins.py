# Attempts: nothing hostile: groups, joins, pivots, windows and dates of tables.
# Expect: completed works
import pandas

sales = pandas.DataFrame({"shop": list("abab") * 25, "item": [1, 2, 3, 1] * 25, "price": range(100)})
items = pandas.DataFrame({"item": [1, 2, 3], "name": ["nut", "bolt", "screw"]})
joined = sales.merge(items, on="item", how="left", validate="many_to_one")
assert joined.name.isna().sum() == 0
table = joined.groupby(["shop", "name"]).price.agg(["count", "sum", "mean"])
assert table["sum"].sum() == 4950
print(table)
pivot = joined.pivot_table(index="shop", columns="name", values="price", aggfunc="sum", fill_value=0)
assert pivot.to_numpy().sum() == 4950
days = pandas.Series(range(60), index=pandas.date_range("2024-01-01", periods=60, freq="D"))
print(days.resample("MS").sum().to_dict())
assert days.rolling(7).mean().iloc[-1] == 56
assert days.tz_localize("Europe/Berlin").index[0].utcoffset().total_seconds() == 3600
wide = pandas.concat([joined, joined], keys=["x", "y"]).reset_index(level=0)
assert len(wide) == 200 and wide.duplicated(["shop", "item", "price"]).sum() == 100
assert pandas.cut(sales.price, [-1, 9, 99]).value_counts().tolist() == [90, 10]
assert sales.shop.astype("category").cat.codes.sum() == 50
assert sales.query("price > 90 and shop == 'a'").price.tolist() == [92, 94, 96, 98]
print(joined.describe(include="all").to_string())
try:
    sales.merge(pandas.concat([items, items]), on="item", validate="many_to_one")
except pandas.errors.MergeError as error:
    print(str(error).splitlines()[0])
print("works")
