# Attempts: find changed pandas options of an earlier run.
# Expect: completed safe
# Pair: check pandas_options x6
import json
import pandas

found = pandas.get_option("display.max_rows") == 7 or hasattr(pandas.DataFrame, "planted")

print(json.dumps({"escaped": bool(found)}))
