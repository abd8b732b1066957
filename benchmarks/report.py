"""How every benchmark measures and prints: medians, CPU beside wall, one JSON line.

Tables for people are printed with :func:`training.console.table`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import re
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Took(NamedTuple):
    """Medians over repeats, in seconds; CPU counts all threads, and children that have ended."""

    wall: float
    cpu: float


def arguments(what: str, argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The flags all benchmarks share: --quick (under a minute) and --seed."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, under a minute; judge on the full run"
    )
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args(argv)


def timed(run: Callable[[], Any], *, repeats: int = 3) -> tuple[Took, Any]:
    """Median wall and CPU seconds of some runs, and what the last one returned."""
    walls, cpus, result = [], [], None
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), _cpu()
        result = run()
        walls.append(time.perf_counter() - wall)
        cpus.append(_cpu() - cpu)
    return Took(statistics.median(walls), statistics.median(cpus)), result


def peak_mb() -> float:
    """The most memory this process has held so far, in MB.

    Linux lets a child begin with its parent's record; what the kernel says of the process itself does not.
    """
    if _STATUS.exists():
        return _status("VmHWM")
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def held_mb() -> float:
    """The memory this process holds now, in MB; NaN where only the most can be had."""
    return _status("VmRSS") if _STATUS.exists() else math.nan


def forget_peak() -> None:
    """Let :func:`peak_mb` begin anew, where the kernel can (Linux)."""
    if _STATUS.exists():
        Path("/proc/self/clear_refs").write_text("5")


_STATUS = Path("/proc/self/status")


def _status(name: str) -> float:
    return float(re.search(rf"{name}:\s+(\d+) kB", _STATUS.read_text())[1]) / (1 << 10)  # type: ignore[index]


def growth_exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Slope of log seconds on log size: 1 where twice the work takes twice the time.

    >>> round(growth_exponent([10, 20, 40], [1.0, 2.0, 4.0]), 6)
    1.0
    """
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def finish(figures: Mapping[str, Any]) -> None:
    """Say where this was measured, and print the figures as one JSON line."""
    print(f"\n{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(json.dumps(_rounded(figures)), flush=True)


def _rounded(figure: Any) -> Any:
    if isinstance(figure, Mapping):
        return {str(name): _rounded(value) for name, value in figure.items()}
    if isinstance(figure, (float, np.floating)):
        return None if not math.isfinite(figure) else float(f"{figure:.4g}")
    return int(figure) if isinstance(figure, np.integer) else figure


def _cpu() -> float:
    own, ended = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime
