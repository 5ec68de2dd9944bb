"""Which bytes of memory are secret: a bit a byte."""


class Shadow:
    def __init__(self) -> None:
        self.lines: dict[int, int] = {}

    def load(self, place: int, size: int) -> int:
        """The bits of so many bytes, the first lowest."""
        line, at = place >> 6, place & 63
        bits = self.lines.get(line, 0) >> at
        got = 64 - at
        while got < size:
            line += 1
            bits |= self.lines.get(line, 0) << got
            got += 64
        return bits & ((1 << size) - 1)

    def store(self, place: int, size: int, bits: int) -> None:
        line, at = place >> 6, place & 63
        while size > 0:
            count = min(size, 64 - at)
            mask = ((1 << count) - 1) << at
            old = self.lines.get(line, 0)
            self.lines[line] = (old & ~mask) | ((bits << at) & mask)
            bits >>= count
            size -= count
            line, at = line + 1, 0
