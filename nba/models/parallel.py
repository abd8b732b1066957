"""Fits side by side: threads here, or wherever joblib is told."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

from threadpoolctl import threadpool_limits

_Task = TypeVar("_Task")
_Found = TypeVar("_Found")
_held = threading.local()


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


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Inside, linear algebra runs on one thread: the same bits whatever the machine offers.

    To find the libraries takes longer than a small regression, so that a thread that is inside already looks
    for nothing.

    Examples
    --------
    >>> from threadpoolctl import threadpool_info
    >>> with one_blas_thread(), one_blas_thread():
    ...     {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
    {1}
    """
    import scipy.linalg.lapack  # noqa: F401 - limits hold for what is loaded, and fits load it

    if getattr(_held, "inside", False):
        yield
        return
    with threadpool_limits(1):
        _held.inside = True
        try:
            yield
        finally:
            _held.inside = False


@cache
def _processors() -> int:
    return os.cpu_count() or 1  # reading it takes longer than scoring an HCP
