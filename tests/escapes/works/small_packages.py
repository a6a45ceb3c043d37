# Attempts: nothing hostile: YAML, progress bars, tables in text, fuzzy dates.
# Expect: completed works
import io
import time

import dateutil.parser
import tabulate
import tqdm
import yaml

document = {"list": [1, 2.5, None, True], "text": "é: x", "nested": {"deep": [{"a": "b"}]}}
text = yaml.safe_dump(document, allow_unicode=True)
assert yaml.safe_load(text) == document
assert yaml.load("[1, 2]", Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) == [1, 2]
try:
    yaml.safe_load("a: [1")
except yaml.YAMLError as error:
    print(type(error).__name__)
try:
    yaml.safe_load("!!python/object/apply:os.system ['true']")
except yaml.constructor.ConstructorError:
    pass
bar = io.StringIO()
assert sum(tqdm.tqdm(range(50), file=bar, mininterval=0)) == 1225
assert "50/50" in bar.getvalue()
with tqdm.tqdm(total=3, file=bar) as steps:
    for _ in range(3):
        time.sleep(0.01)
        steps.update()
print(tabulate.tabulate([["a", 1], ["b", 22]], headers=["name", "n"], tablefmt="github"))
print(dateutil.parser.parse("3 March 2024 14:05 +0200").isoformat())
print("works")
