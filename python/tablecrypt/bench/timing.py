"""How a call is timed.

All calls of a comparison take turns, a short batch each, so that whatever slows the machine down meets all of them; of its
batches the fastest counts. The interpreter's loop around a call is timed with it, for all alike: it is part of what a call from
Python costs. The garbage collector rests meanwhile.
"""

import gc
import time
from collections.abc import Callable
from itertools import repeat
from typing import Any

BATCH = 0.004
ROUNDS, QUICK_ROUNDS = 120, 25

Call = tuple[Callable[..., object], tuple[Any, ...]]


def measure(calls: dict[str, Call], quick: bool) -> dict[str, float]:
    """The seconds that each of these calls takes."""
    batches = {name: batch(*call) for name, call in calls.items()}
    counts = {name: count(run) for name, run in batches.items()}
    least = dict.fromkeys(calls, float("inf"))
    was_on = gc.isenabled()
    gc.disable()
    try:
        for _ in range(QUICK_ROUNDS if quick else ROUNDS):
            for name, run in batches.items():
                least[name] = min(least[name], run(counts[name]) / counts[name])
    finally:
        if was_on:
            gc.enable()
    return least


def batch(function: Callable[..., object], arguments: tuple[Any, ...]) -> Callable[[int], float]:
    """What runs the call so many times, and says how long that took. The arguments are written out, as in code that calls it."""
    names = [f"a{index}" for index in range(len(arguments))]
    source = (
        f"def run(times):\n    begin = clock()\n    for _ in repeat(None, times):\n        function({', '.join(names)})\n"
        "    return clock() - begin\n"
    )
    # Locals are faster to find than globals, and fairer: every call is found alike.
    outer = f"def make(function, clock, repeat, {', '.join(names)}):\n" + "".join(
        f"    {line}\n" for line in [*source.splitlines(), "return run"]
    )
    space: dict[str, Any] = {}
    exec(outer, space)
    run: Callable[[int], float] = space["make"](function, time.perf_counter, repeat, *arguments)
    return run


def count(run: Callable[[int], float]) -> int:
    """How many calls take about as long as a batch should. Of three runs the fastest: one may have met another program."""
    times = 1
    while (taken := min(run(times) for _ in range(3))) < BATCH / 4:
        times *= 4
    return max(1, round(times * BATCH / taken))
