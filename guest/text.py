"""Bounded text: every string of a report passes here, whatever the program made it of.

Units: limits are bytes of UTF-8. Lone surrogates, which JSON cannot carry, become escapes. All
work is done by methods of `str` itself, so a subclass of it cannot interfere.
"""


def clip(text: str, limit: int) -> str:
    """The first `limit` bytes of `text`."""
    head = str.__getitem__(text, slice(0, limit))
    return str.encode(head, "utf-8", "backslashreplace")[:limit].decode("utf-8", "ignore")


def describe(value: object, limit: int) -> str:
    """`str(value)` within `limit`, or a remark when `str` fails, as CPython prints it."""
    try:
        return clip(str(value), limit)
    except BaseException:
        return "<exception str() failed>"


class MiddleCut:
    """Collects pieces and keeps the first and the last half of `limit`, in constant memory.

    For tracebacks: their first lines say where it began, their last line says what it was.
    """

    def __init__(self, limit: int) -> None:
        self._half = limit // 2
        self._head = ""
        self._tail = ""
        self._dropped = 0

    def add(self, piece: str) -> None:
        """Appends one piece of any length."""
        room = self._half - len(self._head)
        if room > 0:
            self._head += str.__getitem__(piece, slice(0, room))
            piece = str.__getitem__(piece, slice(room, None))
        tail = str.__add__(self._tail, str.__getitem__(piece, slice(-self._half, None)))
        self._dropped += len(self._tail) + str.__len__(piece)
        self._tail = tail[-self._half :]
        self._dropped -= len(self._tail)

    def text(self) -> str:
        """What was kept, with a line in between that counts what was not."""
        head = clip(self._head, self._half)
        tail_bytes = str.encode(self._tail, "utf-8", "backslashreplace")[-self._half :]
        tail = tail_bytes.decode("utf-8", "ignore")
        if self._dropped == 0:
            return head + tail
        return f"{head}\n[... {self._dropped} characters cut ...]\n{tail}"
