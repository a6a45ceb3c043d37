# Attempts: nothing hostile: joblib with worker processes and with threads.
# Expect: completed works
# Limits: memory_bytes=1073741824 wall_ms=60000 cpu_ms=60000
import joblib


def square(number):
    return number * number


expected = [number * number for number in range(20)]
for backend in ("loky", "threading", "multiprocessing"):
    with joblib.parallel_backend(backend, n_jobs=2):
        found = joblib.Parallel()(joblib.delayed(square)(number) for number in range(20))
    assert found == expected, backend
memory = joblib.Memory("/tmp/cache", verbose=0)
cached = memory.cache(square)
assert cached(7) == cached(7) == 49
joblib.dump(expected, "kept.joblib")
assert joblib.load("kept.joblib") == expected
print("works")
