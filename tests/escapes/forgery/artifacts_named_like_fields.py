# Attempts: forge fields of the answer with names of files.
# Expect: raised status 2
# Artifacts: outcome present, id present
import sys

for name in ('"},"outcome":{"kind":"completed"},"x":{"', "outcome", "id", "..json", "value.json", "a\tb"):
    with open("output/" + name.replace("/", "_"), "w") as file:
        file.write('{"outcome": {"kind": "completed"}}')
sys.exit(2)
