# Attempts: nothing hostile: CSV and JSON that do not parse raise the errors they should.
# Expect: completed works
import io

import pandas

ragged = "a,b\n1,2\n3,4,5\n"
try:
    pandas.read_csv(io.StringIO(ragged))
except pandas.errors.ParserError as error:
    print(error)
assert len(pandas.read_csv(io.StringIO(ragged), on_bad_lines="skip")) == 1
try:
    pandas.read_csv(io.StringIO(""))
except pandas.errors.EmptyDataError as error:
    print(error)
try:
    pandas.read_csv(io.StringIO("a\nx\n"), dtype={"a": int})
except ValueError as error:
    print(error)
try:
    pandas.read_csv(io.BytesIO(b"a\n\xff\n"))
except UnicodeDecodeError as error:
    print(error.reason)
try:
    pandas.read_json(io.StringIO("{broken"))
except ValueError as error:
    print(type(error).__name__)
try:
    pandas.DataFrame({"a": [1]})["b"]
except KeyError as error:
    print(error)
assert pandas.to_numeric(pandas.Series(["1", "x"]), errors="coerce").isna().sum() == 1
quoted = pandas.read_csv(io.StringIO('a;b\n"1;2";"x\ny"\n'), sep=";")
assert quoted.iloc[0].tolist() == ["1;2", "x\ny"]
chunks = pandas.read_csv(io.StringIO("n\n" + "\n".join(map(str, range(1000)))), chunksize=300)
assert [int(chunk.n.sum()) for chunk in chunks] == [44850, 134850, 224850, 94950]
print("works")
