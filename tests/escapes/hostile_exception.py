# Attempts: break the report with an exception whose text, chain and traceback are hostile.
# Expect: raised | crashed | limit_exceeded memory | limit_exceeded wall
# Limits: wall_ms=15000
# Within: 20000


class Hostile(Exception):
    def __str__(self):
        return "A" * (64 << 20)

    __repr__ = __str__

    @property
    def __traceback__(self):
        raise SystemExit(0)


last = None
for _ in range(20000):
    link = Hostile()
    link.__cause__ = last
    last = link
raise last
