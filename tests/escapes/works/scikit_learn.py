# Attempts: nothing hostile: a forest trained by two workers.
# Expect: completed works
# Limits: memory_bytes=1073741824 wall_ms=60000 cpu_ms=60000
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier

points, labels = make_classification(300, random_state=0)
assert RandomForestClassifier(20, n_jobs=2).fit(points, labels).score(points, labels) > 0.8
print("works")
