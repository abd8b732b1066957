"""Features behave as scikit-learn expects, as far as tables in time allow."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone

from nba.errors import ArgumentError, NotFittedError
from nba.features import Count, EngagementFeatures

AT = "2026-02-15"
CANNOT = {
    "fit(X, y) on any array": "it reads several tables, and only what was known before `until`",
    "transform(X) keeps the rows": "its rows are HCPs as of a moment, not the rows of the log",
    "n_features_in_ and feature_names_in_": "its input is tables, whose columns are the schema's",
    "idempotent fit on shuffled rows of X": "held, and tested in test_engine.py on the log itself",
    "a Pipeline": "the moment is an argument: nba.NextBestAction is the pipeline",
}
"""scikit-learn's own checks that cannot be met, and why."""


@pytest.fixture(name="features")
def _features(world: Any) -> tuple[EngagementFeatures, Any]:
    data = world.engagement(world.random_records(3))
    return EngagementFeatures(world.MEASURES, dtype="float64", n_jobs=2).fit(data, until=AT), data


def test_a_clone_declares_the_same_and_is_not_fitted(features: Any) -> None:
    fitted, data = features

    twin = clone(fitted)

    assert twin.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        twin.transform(data, at=AT)
    assert twin.fit(data, until=AT).transform(data, at=AT).equals(fitted.transform(data, at=AT))


def test_parameters_are_set_by_name_and_checked(features: Any) -> None:
    fitted, _ = features

    assert fitted.set_params(dtype="float32").get_params()["dtype"] == "float32"
    with pytest.raises(ArgumentError, match="'colour'"):
        fitted.set_params(colour="red")
    with pytest.raises(ArgumentError, match="n_jobs is 0"):
        fitted.set_params(n_jobs=0)
    assert fitted.n_jobs == 2
    assert fitted.set_params(measures=[Count()]).measures == (Count(),)


@pytest.mark.parametrize("frame", ["polars", "pyarrow"])
def test_other_frames_hold_the_same_numbers(features: Any, frame: str) -> None:
    pytest.importorskip(frame, reason=f"{frame} is not installed")
    fitted, data = features
    expected = fitted.transform(data, at=AT)

    found = fitted.set_output(transform=frame).transform(data, at=AT)

    assert type(found).__module__.startswith(frame)
    columns = found.columns if frame == "polars" else found.column_names
    assert list(columns) == ["hcp_id", *expected.columns]
    assert list(found["hcp_id"].to_numpy()) == expected.index.tolist()
    values = np.column_stack([np.asarray(found[name].to_numpy(), float) for name in expected.columns])
    assert_array_equal(values, expected.to_numpy())
    assert fitted.set_output(transform="default").transform(data, at=AT).equals(expected)


def test_an_unknown_frame_is_refused(features: Any) -> None:
    with pytest.raises(ArgumentError, match="'spark'; expected one of pandas, polars, pyarrow"):
        features[0].set_output(transform="spark")


def test_a_pickle_gives_the_same_numbers(features: Any) -> None:
    fitted, data = features

    again = pickle.loads(pickle.dumps(fitted))

    assert again.transform(data, at=AT).equals(fitted.transform(data, at=AT))
