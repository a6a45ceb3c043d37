# Attempts: nothing hostile: ordinary least squares, by matrices and by formula, and a series.
# Expect: completed works
import numpy
import pandas
import statsmodels.api as sm
import statsmodels.formula.api as smf

generator = numpy.random.RandomState(8)
table = pandas.DataFrame({"x": generator.rand(200), "group": ["a", "b"] * 100})
table["y"] = 1 + 2 * table.x + (table.group == "b") * 3 + generator.normal(0, 0.1, 200)
by_matrix = sm.OLS(table.y, sm.add_constant(table[["x"]])).fit()
by_formula = smf.ols("y ~ x + group", table).fit()
assert numpy.allclose(by_formula.params, [1, 3, 2], atol=0.1)
assert by_formula.rsquared > 0.99 > by_matrix.rsquared
assert "R-squared" in str(by_formula.summary())
counts = smf.logit("big ~ x", table.assign(big=(table.x + generator.normal(0, 0.3, 200) > 0.5).astype(int))).fit(disp=0)
assert counts.params["x"] > 0
series = sm.tsa.seasonal_decompose(numpy.tile([1.0, 2.0, 3.0, 4.0], 10), period=4)
assert abs(series.seasonal[:4].sum()) < 1e-9
print(by_formula.params.round(6).to_dict())
print("works")
