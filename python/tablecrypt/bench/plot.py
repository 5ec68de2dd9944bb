"""GB/s against size, by matplotlib where it is installed."""

import sys
from importlib import import_module
from pathlib import Path

from tablecrypt.bench.aead import head


def draw(speeds: dict[str, dict[str, dict[int, float]]], file: Path) -> bool:
    """Whether it was drawn."""
    try:
        import_module("matplotlib").use("agg")
        pyplot = import_module("matplotlib.pyplot")
    except ImportError:
        print(f"{file} was not drawn: matplotlib is not installed", file=sys.stderr)
        return False
    figure, panels = pyplot.subplots(1, len(speeds), figsize=(12, 5), sharey=True, squeeze=False)
    for panel, (direction, libraries) in zip(panels[0], speeds.items(), strict=True):
        for name, taken in libraries.items():
            panel.plot(list(taken), [size / seconds / 1e9 for size, seconds in taken.items()], marker="o", label=name)
        sizes = list(next(iter(libraries.values())))
        panel.set(title=f"{direction}, from Python", xscale="log", yscale="log", xlabel="message")
        panel.set_xticks(sizes, [head(size) for size in sizes], rotation=45)
        panel.minorticks_off()
        panel.grid(visible=True, alpha=0.3)
    panels[0][0].set_ylabel("GB/s")
    panels[0][-1].legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(file)
    pyplot.close(figure)
    return True
