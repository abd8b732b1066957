"""Gradient boosting on an offset; trees leave as arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from nba.contracts import Floats
from nba.errors import ArgumentError
from nba.models.forest import NAN_MISSING, NEVER_MISSING, ZERO_MISSING, Forest
from nba.models.shapley import LEAF

_MISSING = {"None": NEVER_MISSING, "Zero": ZERO_MISSING, "NaN": NAN_MISSING}
_MOST_CATEGORY = 65_535


@dataclass(frozen=True, kw_only=True)
class Boosting:
    """How a small forest is grown on what a first model left over.

    The same rows in the same order give the same forest, on any machine's threads. Another order may give
    another forest (rows are grouped into bins, and sums round): sort rows canonically before the fit.

    Attributes
    ----------
    objective : "binary" for outcomes of 0 and 1 (margins in log-odds), "regression" for squared error
    trees, leaves : how many trees, and leaves of each at most
    learning_rate : in (0, 1]
    least_rows : training rows in a leaf at least
    ridge : L2 penalty on leaf values, in units of curvature
    bins : values of a column that splits tell apart, at most
    feature_share : in (0, 1], the share of columns each tree may read
    patience : trees without a gain on the rows that judge before growing stops; 0 never stops
    seed : of that choice

    Examples
    --------
    >>> x = np.arange(100.0)[:, None]
    >>> forest = Boosting(trees=5).fit(x, (x[:, 0] > 49).astype(float))
    >>> bool(forest.score(x)[99] > forest.score(x)[0])
    True
    """

    objective: Literal["binary", "regression"] = "binary"
    trees: int = 100
    leaves: int = 8
    learning_rate: float = 0.1
    least_rows: int = 20
    ridge: float = 5.0
    bins: int = 255
    feature_share: float = 1.0
    patience: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        _check(
            self.objective in ("binary", "regression"), "objective", self.objective, "binary or regression"
        )
        _check(self.trees >= 1, "trees", self.trees, "1 or more")
        _check(2 <= self.leaves <= 256, "leaves", self.leaves, "2 to 256")
        _check(0 < self.learning_rate <= 1, "learning_rate", self.learning_rate, "a number in (0, 1]")
        _check(self.least_rows >= 1, "least_rows", self.least_rows, "1 or more")
        _check(0 <= self.ridge < math.inf, "ridge", self.ridge, "a finite number >= 0")
        _check(2 <= self.bins <= 65_535, "bins", self.bins, "2 to 65535")
        _check(0 < self.feature_share <= 1, "feature_share", self.feature_share, "a number in (0, 1]")
        _check(self.patience >= 0, "patience", self.patience, "0 or more")
        _check(0 <= self.seed < 2**31, "seed", self.seed, "a whole number from 0 to 2**31 - 1")

    def fit(
        self,
        x: Floats,
        y: Floats,
        *,
        offset: Floats | None = None,
        weight: Floats | None = None,
        categories: Sequence[int] = (),
        judge: tuple[Floats, Floats, Floats] | None = None,
    ) -> Forest:
        """Grow trees so that offset plus their margins fits the outcomes.

        Parameters
        ----------
        x : (n, n_features) float64 or float32, NaN where missing; sorted canonically
        y : (n,) outcomes: 0 or 1, or any finite numbers for "regression"
        offset : (n,) margins to start from; None starts from 0, so the forest holds the level too
        weight : (n,) of each row, above 0; None is 1 each
        categories : columns of x that hold codes: whole numbers from 0 to 65535, or NaN
        judge : (x, y, offset) of other rows, for ``patience``: the forest ends where it served them best

        Returns
        -------
        The forest of the correction alone: a row's margin is its offset plus the forest's.

        Raises
        ------
        ArgumentError
            If arrays do not match, or hold values outside of the above.
        """
        _check_training(x, y, offset, weight, binary=self.objective == "binary")
        _check_codes(x, categories)
        if not x.shape[1]:
            return Forest.empty(0)
        import lightgbm

        start = np.zeros(len(y)) if offset is None else offset
        params = self._params()
        rows = lightgbm.Dataset(
            x, label=y, weight=weight, init_score=start, categorical_feature=sorted(categories), params=params
        )
        if judge is None or not self.patience:
            return read_forest(lightgbm.train(params, rows, num_boost_round=self.trees))
        _check_training(*judge, None, binary=self.objective == "binary")
        others = lightgbm.Dataset(
            judge[0], label=judge[1], init_score=judge[2], reference=rows, params=params
        )
        stop = lightgbm.early_stopping(self.patience, verbose=False)
        grown = lightgbm.train(
            params, rows, num_boost_round=self.trees, valid_sets=[others], callbacks=[stop]
        )
        return read_forest(grown)

    def _params(self) -> dict[str, Any]:
        return {
            "objective": self.objective,
            "num_leaves": self.leaves,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.least_rows,
            "lambda_l2": self.ridge,
            "max_bin": self.bins,
            "feature_fraction": self.feature_share,
            "seed": self.seed,
            "boost_from_average": False,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }


def read_forest(booster: Any) -> Forest:
    """The trees of a trained ``lightgbm.Booster`` as arrays.

    Raises
    ------
    ArgumentError
        If it has several outputs, averages its trees, or has linear functions in its leaves.
    """
    dump = booster.dump_model()
    if dump["num_tree_per_iteration"] != 1 or dump["average_output"]:
        raise ArgumentError(
            "The booster has several outputs or averages its trees; expected one sum of trees. "
            "Train it as gbdt, for one outcome."
        )
    parts: dict[str, list[Any]] = {name: [] for name in _FIELDS}
    for tree in dump["tree_info"]:
        parts["root"].append(len(parts["feature"]))
        _add_tree(parts, tree["tree_structure"])
    return Forest.from_lists(parts, n_features=int(dump["max_feature_idx"]) + 1)


_NODE = {
    "feature": LEAF,
    "threshold": 0.0,
    "left": LEAF,
    "right": LEAF,
    "missing": NEVER_MISSING,
    "default_left": False,
    "category_at": LEAF,
    "category_bytes": 0,
    "value": 0.0,
    "cover": 1.0,
}
_FIELDS = ("root", "categories", *_NODE)


def _add_tree(parts: dict[str, list[Any]], structure: dict[str, Any]) -> None:
    """Add a tree's nodes, a parent before its children; no recursion, for trees may be deep."""
    waiting = [(structure, -1, "left")]
    while waiting:
        node, parent, side = waiting.pop()
        at = len(parts["feature"])
        if parent >= 0:
            parts[side][parent] = at
        for name, value in (_NODE | _read_node(node, parts["categories"])).items():
            parts[name].append(value)
        if "split_feature" in node:
            waiting += [(node["right_child"], at, "right"), (node["left_child"], at, "left")]


def _read_node(node: dict[str, Any], categories: list[int]) -> dict[str, Any]:
    if "split_feature" not in node:
        if "leaf_coeff" in node:
            raise ArgumentError(
                "The booster has linear functions in its leaves; train it with linear_tree=False."
            )
        # A lone leaf may come without its count, which nothing is divided by.
        return {"value": node["leaf_value"], "cover": max(node.get("leaf_count", 1), 1)}
    read = {
        "feature": node["split_feature"],
        "missing": _MISSING[node["missing_type"]],
        "default_left": node["default_left"],
        "cover": node["internal_count"],
    }
    if node["decision_type"] != "==":
        threshold = float(node["threshold"])
        # The dump has no word for infinity: 1e300 parts what is known, however large, from what is missing.
        return read | {
            "threshold": threshold if abs(threshold) < 1e300 else math.copysign(math.inf, threshold)
        }
    bits = _bits([int(c) for c in node["threshold"].split("||")])
    place = len(categories)
    categories += bits
    return read | {"category_at": place, "category_bytes": len(bits)}


def _bits(codes: list[int]) -> list[int]:
    """Bytes in which bit c % 8 of byte c // 8 is set for each code c."""
    flags = np.zeros(max(codes) + 1, dtype=np.uint8)
    flags[codes] = 1
    packed: list[int] = np.packbits(flags, bitorder="little").tolist()
    return packed


def _check_training(
    x: Floats, y: Floats, offset: Floats | None, weight: Floats | None, *, binary: bool
) -> None:
    if x.ndim != 2 or x.dtype.kind != "f" or not len(x):
        raise ArgumentError(
            f"Rows have dtype {x.dtype} and shape {x.shape}; expected floats of shape (n, n_features), n > 0."
        )
    if np.isinf(x).any():
        columns = np.flatnonzero(np.isinf(x).any(axis=0))[:5].tolist()
        raise ArgumentError(
            f"Columns {columns} hold infinite values; expected finite numbers, or NaN where missing."
        )
    for name, array in (("y", y), ("offset", offset), ("weight", weight)):
        if array is not None and (array.shape != (len(x),) or not np.isfinite(array).all()):
            raise ArgumentError(
                f"{name} has shape {array.shape}; expected ({len(x)},) finite numbers, one a row."
            )
    if binary and not ((y == 0) | (y == 1)).all():
        odd = np.flatnonzero((y != 0) & (y != 1))
        raise ArgumentError(
            f"{len(odd)} outcomes are neither 0 nor 1 (first at row {odd[0]}); leave unknown ones out, "
            'or use objective="regression".'
        )
    if weight is not None and (weight <= 0).any():
        raise ArgumentError(f"{int((weight <= 0).sum())} weights are not above 0; leave those rows out.")


def _check_codes(x: Floats, categories: Sequence[int]) -> None:
    for j in categories:
        if not 0 <= j < x.shape[1]:
            raise ArgumentError(f"categories names column {j}; expected 0 to {x.shape[1] - 1}.")
        codes = x[~np.isnan(x[:, j]), j]
        if ((codes < 0) | (codes > _MOST_CATEGORY) | (codes != np.floor(codes))).any():
            raise ArgumentError(
                f"Column {j} holds numbers that are no category codes; expected whole numbers from 0 to "
                f"{_MOST_CATEGORY}, or NaN. Number the categories first."
            )


def _check(holds: bool, name: str, found: object, expected: str) -> None:
    if not holds:
        raise ArgumentError(f"{name} is {found!r}; expected {expected}.")
