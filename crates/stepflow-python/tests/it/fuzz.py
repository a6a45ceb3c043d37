"""A program with a little of everything, to cut holes into."""
from __future__ import annotations

import os.path as p, json
from sys import modules as m, argv
from . import sibling

LIMIT: int = 3


@decorator(1, *p.sep, key=lambda a, /, b=2, *c, d, **e: (yield))
class A(B, metaclass=M):
    x, *y = 1, 2
    z: dict[str, int] = {"a": 1, **{}}

    async def f(self, a, /, b: int = 2, *c: str, d=None, **e) -> str:
        """Doc
            indented"""
        async with a as (b, c), d:
            return f"{a!r:>{b}} {'é' + f'{c}'}" + rf'\d{a}' 'x'
        async for i in (j async for j in b if j):
            await i
        else:
            del i, self.q[0]


def g(h=open):
    global k
    nonlocal_ = [eval for k in range(3) if (w := k)]
    try:
        k = getattr(p, "os").system
    except* (OSError, ValueError) as error:
        raise error from None
    finally:
        pass
    match h:
        case {"a": [1, *rest], **more} if rest:
            return rest
        case A(x=1) | None | -1 + 2j | "s" as s:
            return s
        case _:
            while not h:
                break
            else:
                return lambda: h[1:2, ...] @ ~h ** -1 if h else not h
    return __import__("os").system, m["os"], vars(json)["loads"], globals()["p"]


type T[X: int = 3, *Y, **Z] = X
if __name__ == "__main__":
    print(*g(), sep="\n"); assert 1 < 2 <= 3 != 4, "no"
