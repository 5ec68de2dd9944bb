"""A process in QEMU, one instruction at a time, by the protocol that GDB speaks to its stub (GDB manual, appendix E)."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PC = 32
MARK = (0xD4200020).to_bytes(4, "little")  # brk #1


class Process:
    """A program of AArch64 that stopped before its first instruction."""

    def __init__(self, command: list[str], cpu: str) -> None:
        self.folder = tempfile.mkdtemp()
        place = Path(self.folder) / "socket"
        self.child = subprocess.Popen(["qemu-aarch64-static", "-cpu", cpu or "cortex-a72", "-g", str(place), *command])
        self.wire = socket.socket(socket.AF_UNIX)
        for _ in range(600):
            try:
                self.wire.connect(str(place))
                break
            except OSError:
                time.sleep(0.1)
        self.wire.settimeout(120)
        self.kept = b""
        self.ask(b"?")
        self.registers = b""
        self.moved = False

    def close(self) -> None:
        self.child.kill()
        self.child.wait()
        shutil.rmtree(self.folder)

    def ask(self, words: bytes) -> bytes:
        # The plus says that the answer before came.
        self.wire.sendall(b"+$%s#%02x" % (words, sum(words) & 255))
        while True:
            start = self.kept.find(b"$")
            end = self.kept.find(b"#", start)
            if start >= 0 and end >= 0 and len(self.kept) >= end + 3:
                answer = self.kept[start + 1 : end]
                self.kept = self.kept[end + 3 :]
                return answer
            got = self.wire.recv(65536)
            if not got:
                raise ValueError("the emulator is gone")
            self.kept += got

    def base(self) -> int:
        return 0

    def go_on(self) -> bool:
        """To the next mark; False at the end."""
        return self._judge(self.ask(b"c"))

    def steps(self) -> Iterator[int]:
        while True:
            self.fetch()
            yield self.general(PC)
            if self.moved:
                self.moved = False
                continue
            if not self._judge(self.ask(b"s")):
                return

    def fetch(self) -> None:
        self.registers = bytes.fromhex(self.ask(b"g").decode())

    def skip(self) -> None:
        """Past a mark, where a CPU of ARM stands still."""
        self.fetch()
        place = (self.general(PC) + 4).to_bytes(8, "little")
        changed = self.registers[: 8 * PC] + place + self.registers[8 * PC + 8 :]
        if self.ask(b"G" + changed.hex().encode()) != b"OK":
            raise ValueError("the emulator does not move")
        self.moved = True

    def mark(self) -> tuple[int, int, int]:
        self.fetch()
        return self.general(8), self.general(0), self.general(1)

    def read(self, place: int, count: int) -> bytes:
        return bytes.fromhex(self.ask(b"m%x,%x" % (place, count)).decode())

    def general(self, number: int) -> int:
        return int.from_bytes(self.registers[8 * number : 8 * number + 8], "little")

    def _judge(self, answer: bytes) -> bool:
        if answer[:1] == b"W" and int(answer[1:3], 16) == 0:
            return False
        if answer[:3] == b"T05" or answer[:3] == b"S05":
            return True
        raise ValueError(f"the program ended, or stopped, with {answer!r}")
