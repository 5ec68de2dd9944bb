"""Follows a program instruction by instruction, and says where a branch or an address comes of a secret.

    python -m scan PROGRAM VERDICT BACKEND...        every call on these backends; VERDICT: the line of gcm.rs that judges a tag; of ARM
                                                     BACKEND@CPU, for an emulated CPU
    python -m scan --few PROGRAM VERDICT BACKEND...  some calls, without a look at what did not run: for what must be found
    python -m scan --controls PROGRAM                functions that leak, each of which must be found

What the program `entries` marks as secret is followed through every register, flag and byte of memory, as valgrind's memcheck
does it. But a CPU runs each instruction, this one or an emulated ARM, so that what no valgrind knows is seen too. A branch, an
address, a count, a division, a jump, a call or a return that comes of a secret is a leak.

An instruction that did not run was not looked at. So the core's functions are decoded, and every instruction that could leak
must have run, but those that lead to a panic and nothing else, and those that are another copy of a line that ran: compilers
copy a line that is inlined to places where a part of it cannot come to pass.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

from .cover import Cover
from .elf import Program

BACKENDS = ("vaes512", "vaes256", "aesni", "armv8", "portable")
BEGIN, NAME, HIDE, SHOW, END, MASKS = 1, 2, 3, 4, 5, 6
CONTROLS = {"none": "", "branch": "branch", "look-up": "address", "early exit": "branch", "division": "division"}

# Lines of the core that need not run here, by a part of any function that they were inlined into, and why.
ELSEWHERE = {
    "::portable": "valgrind runs that backend",
    "tablecrypt_core::cpu::": "what CPU this is, asked before there is a key",
    "tablecrypt_core::ct::clear_stack": "zeros over the stack, of the size that portable takes",
    "tablecrypt_core::backend::Kernel::encrypted": "backends that derive a key by way of memory",
    "tablecrypt_core::backend::lazy": "the thread that comes second, of two that make the same",
}
# The same, by a part of the function that they stand in themselves.
THERE = {
    "tablecrypt_core::backend::Expanded::": "which backend, by the CPU's word",
    "<tablecrypt_core::backend::Expanded as": "which backend, by the key's word",
    "::from_residual": "an error for a length, or for a backend that is not there",
    "tablecrypt_core::gcm::check_limits": "a length that is refused",
}


@dataclass
class Result:
    steps: int
    seen: set[int]
    leaks: Counter[tuple[str, int, str]]


def machine(program: Program) -> tuple[ModuleType, ModuleType, str]:
    """How its instructions are followed, how it is run, and what tells lines."""
    if program.machine == 183:  # EM_AARCH64
        from . import arm, gdb

        return arm, gdb, "aarch64-linux-gnu-addr2line"
    from . import linux, x86

    return x86, linux, "addr2line"


def follow(program: Program, words: list[str]) -> Result:
    """One run of the program, from its mark `begin` to its mark `end`."""
    word, _, cpu = words[0].partition("@")
    instructions, runner, _ = machine(program)
    process = runner.Process([str(program.path), word, *words[1:]], cpu)
    leaks: Counter[tuple[str, int, str]] = Counter()
    seen: set[int] = set()
    case = ""
    base = 0

    def hear() -> bool:
        """What a mark says; whether instructions are to be followed."""
        nonlocal case
        word, place, length = process.mark()
        if word == MASKS:
            process.masks_at = place
        elif word in (BEGIN, NAME):
            case = process.read(place, length).decode()
        elif word in (HIDE, SHOW):
            taint.memory.store(place, length, (1 << length) - 1 if word == HIDE else 0)
        return word not in (END, MASKS)

    taint = instructions.Taint(lambda place, kind: leaks.update([(case, place - base, kind)]))
    following = False
    while not following:
        if not process.go_on():
            raise ValueError("the program ended without a mark")
        following = hear()
        process.skip()
        process.moved = False
    base = process.base() if program.moves else 0
    steps = 0
    marks: set[int] = set()
    known, step, read = taint.compiled, taint.step, process.read
    for place in process.steps():
        steps += 1
        seen.add(place - base)
        if place not in known and (place in marks or read(place, 4)[: len(runner.MARK)] == runner.MARK):
            marks.add(place)
            if not hear():
                break
            process.skip()
            continue
        step(place, lambda: read(place, 15), process)
    process.skip()
    if process.go_on():
        raise ValueError("a mark after the end")
    process.close()
    return Result(steps, seen, leaks)


def where(program: Program, places: list[int]) -> dict[int, list[str]]:
    """The functions and lines that an instruction was made of, the innermost first."""
    if not places:
        return {}
    tool = machine(program)[2]
    output = subprocess.run(
        [tool, "-aifCs", "-e", str(program.path)],
        input="\n".join(map(hex, places)),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    frames: dict[int, list[str]] = {}
    current: list[str] = []
    name = ""
    for line in output:
        if line.startswith("0x"):
            current, name = frames.setdefault(int(line, 16), []), ""
        elif name:
            current.append(f"{name} {line.split(' (discriminator')[0]}")
            name = ""
        else:
            name = line
    return frames


def report(program: Program, word: str, result: Result, verdict: str, few: bool) -> int:
    """The leaks of a run, without the branch that judges a tag."""
    lines = where(program, sorted({place for _, place, _ in result.leaks}))
    judged = leaks = 0
    for (case, place, kind), count in sorted(result.leaks.items()):
        if kind == "branch" and lines[place][:1] == [f"tablecrypt_core::gcm::verdict gcm.rs:{verdict}"]:
            judged += count
            continue
        leaks += 1
        print(f"LEAK: {word}, {case}: {kind} at {place:#x}, {count} times: {'; '.join(lines[place][:4])}")
    print(f"scan: {word}: {result.steps} instructions followed, {leaks} leak; {judged} tags judged")
    if judged == 0 and not few:
        sys.exit(f"scan: {word}: no tag was judged, so the line of the verdict is another")
    return leaks


def cover(program: Program, words: list[str], seen: set[int]) -> int:
    """What of the core's functions was not looked at."""
    looked = Cover(program, machine(program)[0].flows, seen)
    for function in program.functions:
        if "tablecrypt_core" in function.name:
            looked.look(function)
    names = {word.partition("@")[0] for word in words}
    parts = (*ELSEWHERE, *(f"::{name}::" for name in BACKENDS if name not in names))
    for word in sorted(names):
        kernels = [function for function in program.functions if f"tablecrypt_core7backend{len(word)}{word}" in function.name]
        idle = [function.name for function in kernels if function.name in looked.idle]
        if not kernels or idle:
            print(f"MISSED: {word}: {len(kernels)} functions, nothing followed of {', '.join(idle) or 'any'}")
            return 1
    # A function of which nothing ran is another backend's, as some line in it tells, or does not belong here.
    others = 0
    for function in program.functions:
        if function.name not in looked.idle:
            continue
        places = [flow.place for flow in machine(program)[0].flows(program, function)]
        frames = [frame for lines in where(program, places).values() for frame in lines]
        if any(part in frame for part in (*parts, *THERE, "::fmt ") for frame in frames):
            others += 1
        else:
            print(f"MISSED: nothing followed of {function.name}: {'; '.join(frames[:4])}")
            return 1
    ran = {frames[0] for frames in where(program, sorted(seen)).values() if frames}
    copies, elsewhere, missed = 0, 0, 0
    for place, frames in where(program, looked.missed).items():
        inside = any(part in frame for part in parts for frame in frames)
        if inside or frames and any(part in frames[0] for part in THERE):
            elsewhere += 1
        elif frames and (frames[0] in ran or frames[0].endswith("?")):
            copies += 1
        else:
            missed += 1
            print(f"MISSED: {place:#x}, which no call came to: {'; '.join(frames[:4])}")
    followed = looked.instructions - looked.panics - looked.harmless - len(looked.missed)
    print(
        f"scan: {looked.functions} functions, {looked.instructions} instructions: {followed} followed, {looked.panics} lead to "
        f"a panic; of the others that could leak {copies} are copies of lines that ran, {elsewhere} not of these backends "
        f"or cases, {missed} missed; {others} functions of others"
    )
    return missed


def controls(program: Program) -> int:
    found = follow(program, ["controls"]).leaks
    wrong = 0
    for name, kind in CONTROLS.items():
        kinds = {leak for case, _, leak in found if case == f"control {name}"}
        if (kind not in kinds) if kind else kinds:
            print(f"MISSED: the control {name}: found {kinds or 'nothing'}")
            wrong += 1
    print(f"scan: {len(CONTROLS) - wrong} of {len(CONTROLS)} controls as they must be")
    return wrong


def main() -> None:
    arguments = sys.argv[1:]
    if arguments[0] == "--controls":
        sys.exit(controls(Program(Path(arguments[1]))) > 0)
    few = arguments[0] == "--few"
    path, verdict, *words = arguments[few:]
    program = Program(Path(path))
    with ProcessPoolExecutor(2) as pool:
        results = list(pool.map(partial(follow, program), [[word, "few"] if few else [word] for word in words]))
    bad = sum(report(program, word, result, verdict, few) for word, result in zip(words, results, strict=True))
    if not few:
        bad += cover(program, words, set().union(*(result.seen for result in results)))
    sys.exit(bad > 0 or not words)


if __name__ == "__main__":
    main()
