"""What of the core's machine code a run has followed, and what it has not.

An instruction that never ran was not looked at. That is in order where every way from it ends in a panic: the program ends
there, and no kernel goes on. Anything else was missed.
"""

from dataclasses import dataclass, field
from typing import Protocol

from .elf import Function, Program

# Functions that never return, by parts of their names.
ENDS = (
    "panick", "panic_", "_fail", "unwrap_failed", "expect_failed", "_Unwind_Resume", "handle_alloc_error", "abort",
    "assert_failed",
)  # fmt: skip


@dataclass
class Flow:
    """One instruction: where it goes on, besides what comes next."""

    place: int
    size: int
    falls: bool  # to the next one
    targets: list[int]
    ends: bool  # it traps, or calls what never returns
    leaks: bool  # it could leak: a branch, a jump, an access of memory, a division


class Decode(Protocol):
    def __call__(self, program: Program, function: Function) -> list[Flow]: ...


@dataclass
class Cover:
    program: Program
    decode: Decode
    seen: set[int]
    functions: int = 0
    instructions: int = 0
    panics: int = 0
    idle: list[str] = field(default_factory=list)  # functions of which nothing ran
    missed: list[int] = field(default_factory=list)  # what did not run, could leak, and does not only lead to a panic
    harmless: int = 0  # what did not run and could not leak

    def look(self, function: Function) -> None:
        flows = {flow.place: flow for flow in self.decode(self.program, function)}
        unseen = [place for place in flows if place not in self.seen]
        if len(unseen) == len(flows):
            self.idle.append(function.name)
            return
        self.functions += 1
        self.instructions += len(flows)
        known: dict[int, bool] = {}
        for place in unseen:
            if self._only_panics(place, flows, known):
                self.panics += 1
            elif flows[place].leaks:
                self.missed.append(place)
            else:
                self.harmless += 1

    def _only_panics(self, start: int, flows: dict[int, Flow], known: dict[int, bool]) -> bool:
        """Whether every way from here ends in a panic, and none comes to an instruction that ran."""
        visited, waiting = set(), [start]
        while waiting:
            place = waiting.pop()
            if place in visited or known.get(place) is True:
                continue
            visited.add(place)
            flow = flows.get(place)
            if flow is None or place in self.seen or known.get(place) is False:
                known[start] = False
                return False
            if flow.ends:
                continue
            waiting.extend(flow.targets)
            if flow.falls:
                waiting.append(place + flow.size)
            elif not flow.targets:
                known[start] = False
                return False
        for place in visited:
            known[place] = True
        return True
