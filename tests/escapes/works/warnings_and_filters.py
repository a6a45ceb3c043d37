# Attempts: nothing hostile: warnings are shown once, recorded, or turned into errors.
# Expect: completed works
import sys
import warnings


def old():
    warnings.warn("use new", DeprecationWarning, stacklevel=2)


with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    old()
    old()
assert [warning.category for warning in caught] == [DeprecationWarning] * 2
assert caught[0].filename == __file__ and caught[0].lineno == 13, (caught[0].filename, caught[0].lineno)
with warnings.catch_warnings():
    warnings.simplefilter("error")
    try:
        old()
        raise SystemExit("no error")
    except DeprecationWarning as error:
        assert str(error) == "use new"
with warnings.catch_warnings(record=True) as caught:
    warnings.resetwarnings()
    warnings.simplefilter("default")
    for _ in range(3):
        warnings.warn("only once per place")
assert len(caught) == 1
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    compile("x = 1 is 1", "<text>", "exec")
assert caught[0].category is SyntaxWarning
assert not sys.warnoptions
warnings.warn("on standard error")
print("works")
