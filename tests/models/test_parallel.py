"""Fits side by side: threads here, or wherever joblib is told."""

import threading
import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from threadpoolctl import threadpool_info, threadpool_limits

from nba.models import LightGBMPerPair, PairPropensity
from nba.models.parallel import one_blas_thread, side_by_side


def test_answers_come_in_the_order_of_tasks_whoever_is_first():
    done = [threading.Event() for _ in range(4)]

    def work(task):
        if task < 3:
            done[task + 1].wait(5)  # the last ends first
        done[task].set()
        return task * task

    assert side_by_side(work, range(4), n_jobs=4) == [0, 1, 4, 9]


def test_one_thread_asks_nobody_else():
    here = threading.get_ident()

    assert side_by_side(lambda _: threading.get_ident(), range(3), n_jobs=1) == [here] * 3


def test_an_error_in_a_task_is_raised():
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda task: 1 / task, [1, 0], n_jobs=2)


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_linear_algebra_has_one_thread_until_the_outermost_leaves():
    with threadpool_limits(2):
        with one_blas_thread():
            with one_blas_thread():
                inner = blas_threads()
            held = blas_threads()
        after = blas_threads()

    assert inner == held == {1}
    assert after == {2}


def test_an_error_sets_linear_algebra_free():
    with threadpool_limits(2):
        with pytest.raises(ZeroDivisionError), one_blas_thread():
            raise ZeroDivisionError
        assert blas_threads() == {2}
        with one_blas_thread():
            assert blas_threads() == {1}


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_cluster_of_dask_gives_the_same_bits(world):
    distributed = pytest.importorskip("distributed", reason="dask is not installed (group oracle)")
    import joblib

    made = world(requests=12_000, level=-1.0)
    at = np.random.default_rng(0).integers(0, 300, len(made.y)) * 86_400
    fits = {
        "pairs": lambda: PairPropensity(n_jobs=2).fit(made.design, made.y, at=at),
        "trees": lambda: LightGBMPerPair(settings="small", n_jobs=2).fit(made.design, made.y, at=at),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        here = {name: fit().score(made.design)[0] for name, fit in fits.items()}
        with (
            distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
            distributed.Client(cluster) as client,
            joblib.parallel_config("dask"),
        ):
            there = {name: fit().score(made.design)[0] for name, fit in fits.items()}
            work = client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.transition_counter)

    assert work > 0  # it was the cluster that worked
    for name in fits:
        assert_array_equal(there[name], here[name])
