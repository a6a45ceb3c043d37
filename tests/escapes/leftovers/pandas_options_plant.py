# Attempts: leave changed pandas options behind.
# Expect: completed
# Pair: plant pandas_options
import pandas

pandas.set_option("display.max_rows", 7)
pandas.DataFrame.planted = 1
