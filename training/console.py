"""What the commands print: progress for people, tables, errors."""

from __future__ import annotations

import signal
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from nba.errors import NBAError, NBAWarning


class Progress:
    """A bar for each long step on a terminal; elsewhere it is silent."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._step = ""
        self._shown = sys.stderr.isatty()

    def __call__(self, step: str, done: int, total: int) -> None:
        """Move the bar of a step; a finished one closes."""
        if not self._shown:
            return
        if self._bar is None or step != self._step:
            self.close()
            self._bar, self._step = _bar(step, total), step
        self._bar.update(done - self._bar.n)
        if done >= total:
            self.close()

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _bar(step: str, total: int) -> Any:
    try:
        from tqdm import tqdm
    except ImportError:
        return _Silent()
    return tqdm(desc=f"  {step}", total=total, leave=False, delay=2.0)


class _Silent:
    n = 0

    def update(self, by: int) -> None:
        """Nothing is shown."""

    def close(self) -> None:
        """Nothing is shown."""


@contextmanager
def step(name: str) -> Iterator[None]:
    """Say what is being done, and how long it took."""
    start = time.perf_counter()
    print(f"{name} ...", flush=True)
    yield
    print(f"  done in {time.perf_counter() - start:.1f} s", flush=True)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A plain text table: the first column to the left, the others to the right."""
    cells = [list(header), *[list(row) for row in rows]]
    widths = [max(len(row[c]) for row in cells) for c in range(len(header))]
    lines = [
        "  ".join(
            cell.ljust(w) if c == 0 else cell.rjust(w)
            for c, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]
    return "\n".join([lines[0], "  ".join("-" * w for w in widths), *lines[1:]])


def main(run: Any) -> None:
    """Run a command: errors of ours are printed as one message and exit with 2."""
    warnings.showwarning = _show_warning  # type: ignore[assignment]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # told to stop, what is open is still closed
    try:
        run()
    except NBAError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)


def _show_warning(message: Any, category: type[Warning], filename: str, lineno: int, *_: Any) -> None:
    where = "" if issubclass(category, NBAWarning) else f"{filename}:{lineno}: {category.__name__}: "
    print(f"note: {where}{message}", file=sys.stderr)
