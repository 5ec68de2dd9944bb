"""A process of this machine, one instruction at a time (ptrace(2))."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
LIBC.ptrace.restype = ctypes.c_long
TRACEME, CONT, SINGLESTEP, GETREGS, GETREGSET, SETOPTIONS = 0, 7, 9, 12, 0x4204, 0x4200
XSTATE = 0x202

# struct user_regs_struct of x86-64.
ORDER = (
    "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base ds es fs gs"
).split()
GENERAL = [ORDER.index(name) for name in "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split()]
RIP, RAX, RDI, RSI, FS = (ORDER.index(name) for name in ("rip", "rax", "rdi", "rsi", "fs_base"))


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]


class Process:
    """A program that stopped before its first instruction."""

    def __init__(self, command: list[str], cpu: str) -> None:
        if cpu:
            raise ValueError("this CPU is no other")
        self.pid = os.fork()
        if self.pid == 0:
            LIBC.ptrace(TRACEME, 0, None, None)
            os.execve(command[0], command, {"PATH": "/usr/bin", "LD_BIND_NOW": "1"})
        self.registers = (ctypes.c_ulonglong * len(ORDER))()
        self.pointer = ctypes.cast(self.registers, ctypes.c_void_p)
        self.masks_at = 0
        self.moved = False
        self.status = os.waitpid(self.pid, 0)[1]
        LIBC.ptrace(SETOPTIONS, self.pid, None, 0x100000)  # PTRACE_O_EXITKILL
        self.memory = os.open(f"/proc/{self.pid}/mem", os.O_RDONLY)

    def base(self) -> int:
        """Where its file was loaded."""
        program = os.readlink(f"/proc/{self.pid}/exe")
        for line in Path(f"/proc/{self.pid}/maps").read_text().splitlines():
            if line.endswith(program):
                return int(line.split("-")[0], 16)
        raise ValueError(f"{program} is not in its own memory")

    def go_on(self) -> bool:
        """To the next mark; False at the end."""
        LIBC.ptrace(CONT, self.pid, None, None)
        return self._stopped()

    def steps(self) -> Iterator[int]:
        """Before each instruction, where it stands. Ends with the process alone."""
        registers, pid, pointer = self.registers, self.pid, self.pointer
        ptrace, wait = LIBC.ptrace, os.waitpid
        while True:
            ptrace(GETREGS, pid, None, pointer)
            yield registers[RIP]
            if self.moved:
                self.moved = False
                continue
            ptrace(SINGLESTEP, pid, None, None)
            status = wait(pid, 0)[1]
            if status != TRAPPED and not self._judge(status):
                return

    def skip(self) -> None:
        """Past a mark, if the process stands before it; one that it was stopped by is behind it."""
        LIBC.ptrace(GETREGS, self.pid, None, self.pointer)
        if self.read(self.registers[RIP], 1) == MARK:
            LIBC.ptrace(SINGLESTEP, self.pid, None, None)
            self.moved = self._stopped()

    def close(self) -> None:
        os.close(self.memory)

    def mark(self) -> tuple[int, int, int]:
        LIBC.ptrace(GETREGS, self.pid, None, self.pointer)
        return self.registers[RAX], self.registers[RDI], self.registers[RSI]

    def read(self, place: int, count: int) -> bytes:
        return os.pread(self.memory, count, place)

    def general(self, number: int) -> int:
        return self.registers[GENERAL[number]]

    def segment(self, _: int) -> int:
        return self.registers[FS]

    def mask(self, number: int) -> int:
        """A register of AVX-512's masks."""
        area = ctypes.create_string_buffer(16384)
        vector = Vector(ctypes.cast(area, ctypes.c_void_p), len(area))
        if LIBC.ptrace(GETREGSET, self.pid, ctypes.c_void_p(XSTATE), ctypes.byref(vector)) != 0 or not self.masks_at:
            raise ValueError("the masks cannot be read")
        at = self.masks_at + 8 * number
        return int.from_bytes(area.raw[at : at + 8], "little")

    def _stopped(self) -> bool:
        return self._judge(os.waitpid(self.pid, 0)[1])

    def _judge(self, status: int) -> bool:
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            return False
        if os.WIFSTOPPED(status) and os.WSTOPSIG(status) == signal.SIGTRAP:
            return True
        raise ValueError(f"the program ended, or stopped, with {status:#x}")


TRAPPED = 0x057F
MARK = b"\xcc"
