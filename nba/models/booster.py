"""Gradient boosting on an offset; trees leave as arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Floats, Ints
from nba.errors import ArgumentError
from nba.models.forest import NEVER_MISSING, Forest
from nba.models.shapley import LEAF

_MOST_CATEGORY = 65_535
_TOLD_FROM = 50_000
"""Rows that bins are settled on at most; of more, every so manieth."""
_PIECE = 8_192


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
            "feature_pre_filter": False,
            "verbosity": -1,
        }


@dataclass(frozen=True, eq=False)
class Binned:
    """Rows whose values are sorted into bins once, for many forests on parts of them.

    Holds a byte a value; the values themselves are read piece by piece, and not kept. Bins look at values
    alone, never at outcomes. Sent to another process, rows are sorted anew there, to the same bits.

    Attributes
    ----------
    read : gives the values (k, n_features) of rows at k places; float64 or float32, NaN where missing
    y, weight : (n,) as for ``Boosting.fit``
    bins : values of a column that splits tell apart, at most

    Examples
    --------
    >>> x, y = np.arange(100.0)[:, None], (np.arange(100) > 49).astype(float)
    >>> rows = Binned(lambda places: x[places], y, bins=63)
    >>> growing = Growing(rows, Boosting(), np.arange(20, 80), offset=np.zeros(60))
    >>> growing.forest(trees=5).n_trees, growing.forest(trees=15).n_trees
    (5, 15)
    """

    read: Callable[[Ints], Floats]
    y: Floats
    weight: Floats | None = field(default=None, kw_only=True)
    bins: int = field(default=255, kw_only=True)

    @cached_property
    def rows(self) -> Any:
        """The ``lightgbm.Dataset``; None where there is no column."""
        import lightgbm

        read, n = self.read, len(self.y)

        class Pieces(lightgbm.Sequence):
            batch_size = _PIECE

            def __len__(self) -> int:
                return n

            def __getitem__(self, places: Any) -> Floats:  # slices alone, for bins come from elsewhere
                return read(np.arange(places.start, places.stop))

        some = read(np.arange(0, n, -(-n // _TOLD_FROM)))
        if not some.shape[1]:
            return None
        params = Boosting(bins=self.bins)._params()
        edges = lightgbm.Dataset(some, label=np.zeros(len(some)), params=params)
        rows = lightgbm.Dataset(Pieces(), label=self.y, weight=self.weight, reference=edges, params=params)
        return rows.construct()

    def __getstate__(self) -> dict[str, Any]:
        return _declared(self)


@dataclass(frozen=True, eq=False)
class Growing:
    """A forest that grows on from where it stopped, or from the start where it was sent elsewhere.

    10 trees and 20 more are the same as 30 at once, where every tree may read every column.

    Attributes
    ----------
    binned : rows, of which the forest is grown on some
    boosting : how; ``trees`` and ``patience`` say nothing here, and ``bins`` are those of the rows
    places : (k,) of the rows, rising
    offset : (k,) margins to start from
    """

    binned: Binned
    boosting: Boosting
    places: Ints
    offset: Floats = field(kw_only=True)

    def forest(self, *, trees: int) -> Forest:
        """So many trees, no fewer than the last time; fewer alone where nothing can be split any more."""
        if self._booster is None:
            return Forest.empty(0)
        self._booster.reset_parameter({"verbosity": -1})  # a thread that grows on has to be told again
        while self._booster.num_trees() < trees and not self._booster.update():
            pass
        return read_forest(self._booster)

    @cached_property
    def _booster(self) -> Any:
        import lightgbm

        if self.binned.rows is None:
            return None
        rows = self.binned.rows.subset(self.places).construct()
        rows.set_init_score(np.array(self.offset))
        return lightgbm.Booster(self.boosting._params() | {"max_bin": self.binned.bins}, rows)

    def __getstate__(self) -> dict[str, Any]:
        return _declared(self)


def _declared(instance: Any) -> dict[str, Any]:
    """What a dataclass was made of: what LightGBM made of that cannot leave the process."""
    return {of.name: getattr(instance, of.name) for of in fields(instance)}


def read_forest(booster: Any) -> Forest:
    """The trees of a trained ``lightgbm.Booster`` as arrays.

    They are read from its text, which holds every number to its last bit and is read several times faster
    than its JSON.

    Raises
    ------
    ArgumentError
        If it has several outputs, averages its trees, or has linear functions in its leaves.
    """
    header, *trees = booster.model_to_string().partition("\nend of trees")[0].split("\nTree=")
    about = _fields(header)
    if about["num_tree_per_iteration"] != "1" or "average_output" in header.split("\n"):
        raise ArgumentError(
            "The booster has several outputs or averages its trees; expected one sum of trees. "
            "Train it as gbdt, for one outcome."
        )
    found = [_fields(tree) for tree in trees]
    if any(tree.get("is_linear") == "1" for tree in found):
        raise ArgumentError(
            "The booster has linear functions in its leaves; train it with linear_tree=False."
        )
    return _assembled(found, n_features=int(about["max_feature_idx"]) + 1)


def _fields(text: str) -> dict[str, str]:
    """Values by name, of lines "name=value"."""
    return {name: value for name, _, value in (line.partition("=") for line in text.split("\n"))}


def _assembled(trees: Sequence[dict[str, str]], *, n_features: int) -> Forest:
    """Trees one behind the other: splits in LightGBM's order, parents before children, and then leaves."""

    def each(name: str, none: str = "") -> Floats:
        return np.array(" ".join(tree.get(name) or none for tree in trees).split(), dtype=float)

    leaves = each("num_leaves").astype(int)
    splits = leaves - 1
    root = np.cumsum(leaves + splits) - leaves - splits
    tree = np.repeat(np.arange(len(trees)), splits)
    split_at, leaf_at = root[tree] + _numbered(splits), np.repeat(root + splits, leaves) + _numbered(leaves)

    def nodes(of_splits: Floats | Ints, of_leaves: Floats | float) -> Floats:
        every = np.empty(len(split_at) + len(leaf_at))
        every[split_at], every[leaf_at] = of_splits, of_leaves
        return every

    def child(side: str) -> Floats:
        code = each(side).astype(int)  # of a leaf it is ~ the leaf's number
        return nodes(root[tree] + np.where(code >= 0, code, splits[tree] + ~code), LEAF)

    kind, threshold = each("decision_type").astype(int), each("threshold")
    by_category = kind & 1 == 1
    categories, at, size = _categories(trees, tree[by_category], threshold[by_category].astype(int))
    # The text has no word for infinity: 1e300 parts what is known, however large, from what is missing.
    threshold = np.where(np.abs(threshold) < 1e300, threshold, np.copysign(np.inf, threshold))
    parts: dict[str, Any] = {
        "root": root,
        "feature": nodes(each("split_feature"), LEAF),
        "threshold": nodes(np.where(by_category, 0.0, threshold), 0.0),
        "left": child("left_child"),
        "right": child("right_child"),
        "missing": nodes(kind >> 2 & 3, NEVER_MISSING),  # LightGBM numbers them as we do
        "default_left": nodes(kind & 2, 0.0),
        "category_at": nodes(_placed(by_category, at, LEAF), LEAF),
        "category_bytes": nodes(_placed(by_category, size, 0), 0),
        "categories": categories,
        "value": nodes(0.0 * kind, each("leaf_value")),
        # A lone leaf may come without its count, which nothing is divided by.
        "cover": np.maximum(nodes(each("internal_count"), each("leaf_count", none="1")), 1.0),
    }
    return Forest.from_lists(parts, n_features=n_features)


def _categories(
    trees: Sequence[dict[str, str]], tree: Ints, number: Ints
) -> tuple[NDArray[np.uint8], Ints, Ints]:
    """Bits of all trees' sets of categories, and where those of splits stand, by tree and number in it."""
    ends = [np.array(of.get("cat_boundaries", "0").split(), dtype=int) for of in trees]
    words = [np.array(of.get("cat_threshold", "").split(), dtype=np.int64).astype("<u4") for of in trees]
    before = np.cumsum([0, *(len(of_tree) for of_tree in words)])
    at = [4 * (before[t] + ends[t][i]) for t, i in zip(tree, number, strict=True)]
    size = [4 * (ends[t][i + 1] - ends[t][i]) for t, i in zip(tree, number, strict=True)]
    bits = np.concatenate([np.zeros(0, "<u4"), *words]).view(np.uint8)
    return bits, np.array(at, dtype=int), np.array(size, dtype=int)


def _placed(where: NDArray[np.bool_], values: Ints, other: int) -> Ints:
    """``values`` in order where it holds, and the other one elsewhere."""
    out = np.full(len(where), other)
    out[where] = values
    return out


def _numbered(counts: Ints) -> Ints:
    """0 to count - 1, for each count."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


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
