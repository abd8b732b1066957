"""Fits side by side: threads here, or wherever joblib is told."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import cache
from typing import TypeVar

_Task = TypeVar("_Task")
_Found = TypeVar("_Found")


def side_by_side(work: Callable[[_Task], _Found], tasks: Iterable[_Task], *, n_jobs: int) -> list[_Found]:
    """What ``work`` gives for every task, in their order.

    No backend is named: threads of this process by default, and ``joblib.parallel_config("dask")`` around a
    fit spreads it over a cluster. The numbers depend on neither.

    Examples
    --------
    >>> side_by_side(abs, [-1, 2, -3], n_jobs=2)
    [1, 2, 3]
    """
    tasks = list(tasks)
    if n_jobs == 1 or len(tasks) < 2:
        return [work(task) for task in tasks]
    from joblib import Parallel, delayed  # scoring alone never needs it

    found: list[_Found] = Parallel(n_jobs=min(n_jobs, len(tasks)), prefer="threads")(
        delayed(work)(task) for task in tasks
    )
    return found


def threads(n_jobs: int) -> int:
    """How many to use where -1 stands for one a processor.

    Examples
    --------
    >>> threads(3)
    3
    """
    return _processors() if n_jobs == -1 else n_jobs


@cache
def _processors() -> int:
    return os.cpu_count() or 1  # reading it takes longer than scoring an HCP
