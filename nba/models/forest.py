"""Fitted trees as plain arrays: margins and exact reasons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Floats, State
from nba.errors import ArgumentError, BundleError
from nba.models.shapley import LEAF, TINY, Nodes, Paths, add_contributions, add_margins

NEVER_MISSING, ZERO_MISSING, NAN_MISSING = range(3)
"""What a split reads as missing: nothing (NaN counts as 0), zero and NaN, or NaN alone."""
_DTYPES = {
    "root": "i4",
    "feature": "i4",
    "threshold": "f8",
    "left": "i4",
    "right": "i4",
    "missing": "u1",
    "default_left": "?",
    "category_at": "i4",
    "category_bytes": "i4",
    "categories": "u1",
    "value": "f8",
    "cover": "f8",
}
_SHIFTED = {"root", "left", "right", "category_at"}
"""Arrays that say where something stands, and so move when forests are joined."""
_DEEPEST = 256
_PIECE = 256


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees whose margins add up, and what each feature contributed to them.

    Nodes of all trees stand one behind the other, a parent before its children, so a walk always ends.
    Every number is summed in one fixed order, tree by tree: a row has the same bits alone, among a million
    others, and on any number of threads (none are started here; all of it runs outside the GIL).

    Attributes
    ----------
    n_features : columns of a row
    root : (n_trees,) first node of each tree
    feature : (n_nodes,) the column a split reads; -1 is a leaf
    threshold : (n_nodes,) a number at most this goes left; infinity sends every number left
    left, right : (n_nodes,) children; -1 at leaves
    missing : (n_nodes,) NEVER_MISSING, ZERO_MISSING or NAN_MISSING
    default_left : (n_nodes,) where what is missing goes
    category_at, category_bytes : (n_nodes,) where in ``categories`` a split's categories stand; -1 and 0
        for splits of numbers
    categories : bits, category c in byte c // 8; those set go left; unseen, negative and missing ones right
    value : (n_nodes,) what a leaf adds to the margin, log-odds for outcomes of 0 and 1
    cover : (n_nodes,) training rows at a node, which weigh its children when a feature is unknown

    Raises
    ------
    ArgumentError
        If the arrays are not trees: a wrong dtype or length, an index out of range, a node with two parents
        or none, a number that is not finite, or a path longer than 256.

    References
    ----------
    Lundberg et al. (2020), Nature Machine Intelligence 2:56-67, for the values (path-dependent TreeSHAP);
    Yang (2021), arXiv:2109.09847, for tables over patterns of decisions.

    Examples
    --------
    >>> forest = Forest.empty(2)
    >>> forest.score(np.zeros((3, 2)))
    array([0., 0., 0.])
    """

    n_features: int
    root: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: Floats
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    missing: NDArray[np.uint8]
    default_left: NDArray[np.bool_]
    category_at: NDArray[np.int32]
    category_bytes: NDArray[np.int32]
    categories: NDArray[np.uint8]
    value: Floats
    cover: Floats

    def __post_init__(self) -> None:
        self.validate()

    @classmethod
    def empty(cls, n_features: int) -> Forest:
        """No tree at all: every margin is 0."""
        return cls(n_features, **{name: np.zeros(0, dtype) for name, dtype in _DTYPES.items()})

    @classmethod
    def from_lists(cls, parts: Mapping[str, Sequence[Any]], *, n_features: int) -> Forest:
        """A forest from plain lists, one for each of its arrays."""
        return cls(n_features, **{name: np.array(parts[name], dtype) for name, dtype in _DTYPES.items()})

    @property
    def n_trees(self) -> int:
        """How many trees add up."""
        return len(self.root)

    @cached_property
    def used(self) -> NDArray[np.int64]:
        """The columns that some split reads, in order; all others contribute exactly 0."""
        return np.unique(self.feature[self.feature != LEAF]).astype(np.int64)

    def score(self, x: Floats) -> Floats:
        """Margins of rows, without any offset.

        Parameters
        ----------
        x : (n, n_features) float64 or float32, NaN where missing

        Returns
        -------
        (n,) in the unit of the leaves: log-odds for outcomes of 0 and 1.

        Raises
        ------
        ArgumentError
            If ``x`` is not such an array.
        """
        self._check_rows(x)
        margin = np.zeros(len(x))
        for rows, columns in self._pieces(x):
            add_margins(columns, self._nodes, self.paths.trees, margin[rows])
        return margin

    def contributions(self, x: Floats) -> tuple[Floats, float]:
        """What each feature added to the margin of each row, by path-dependent Shapley values.

        Parameters
        ----------
        x : (n, n_features) float64 or float32, NaN where missing

        Returns
        -------
        values and base: (n, n_features), and the mean margin of the training rows; a row's values and the
        base add up to its margin.

        Raises
        ------
        ArgumentError
            If ``x`` is not such an array.
        """
        self._check_rows(x)
        values = np.zeros((len(x), self.n_features))
        for rows, columns in self._pieces(x):
            added = np.zeros(columns.shape)
            add_contributions(columns, self._nodes, self.paths.trees, self.paths.tables, added)
            values[rows, self.used] = added.T
        return values, self.paths.base

    def to_state(self, prefix: str = "forest") -> State:
        """Plain JSON and arrays; names begin with the prefix."""
        arrays = {f"{prefix}_{name}": getattr(self, name) for name in _DTYPES}
        return {f"{prefix}_n_features": self.n_features}, arrays

    @classmethod
    def from_state(cls, state: State, prefix: str = "forest") -> Forest:
        """The forest that :meth:`to_state` described.

        Raises
        ------
        BundleError
            If an array is missing or the arrays are not trees.
        """
        plain, arrays = state
        try:
            return cls(
                plain[f"{prefix}_n_features"], **{name: arrays[f"{prefix}_{name}"] for name in _DTYPES}
            )
        except KeyError as error:
            raise BundleError(
                f"The state of trees lacks {error.args[0]!r}; take the bundle again from where it was saved."
            ) from None
        except ArgumentError as error:
            raise BundleError(f"The bundle's trees cannot be used. {error}") from None

    def validate(self) -> None:
        """Check everything that walking the trees relies on; runs whenever a forest is made.

        Raises
        ------
        ArgumentError
            At the first fault found.
        """
        _require(type(self.n_features) is int and self.n_features >= 0, "n_features", "a whole number >= 0")
        for name, dtype in _DTYPES.items():
            array = getattr(self, name)
            _require(
                isinstance(array, np.ndarray) and array.ndim == 1 and array.dtype == dtype,
                name,
                f"an array of one dimension and dtype {np.dtype(dtype)}",
            )
        for name in [name for name in _DTYPES if name not in ("root", "categories")]:
            _require(len(getattr(self, name)) == len(self.feature), name, "one entry a node")
        _require(not np.isnan(self.threshold).any(), "threshold", "no NaN")
        for name in ("value", "cover"):
            _require(bool(np.isfinite(getattr(self, name)).all()), name, "finite numbers")
        _require(bool((self.cover > 0).all()), "cover", "one training row a node at least")
        _require(bool((self.missing <= NAN_MISSING).all()), "missing", "0, 1 or 2")
        self._check_links()
        self._check_categories()

    def _check_links(self) -> None:
        """Every tree is a tree: one parent each, and parents stand before children within their tree."""
        n = len(self.feature)
        starts = self.root.astype(np.int64)
        ends = np.append(starts[1:], n)[: len(starts)]
        _require(
            bool((starts[:1] == 0).all()) and (n == 0) == (len(starts) == 0), "root", "a first tree at 0"
        )
        _require(bool((starts < ends).all()), "root", "rising positions within the nodes")
        inner = np.flatnonzero(self.feature != LEAF)
        end = np.repeat(ends, ends - starts)[inner]
        within = (self.feature[inner] >= 0) & (self.feature[inner] < self.n_features)
        _require(bool(within.all()), "feature", f"columns from 0 to {self.n_features - 1}, or -1 at leaves")
        children = np.concatenate([self.left[inner], self.right[inner]]).astype(np.int64)
        later = (children > np.tile(inner, 2)) & (children < np.tile(end, 2))
        _require(bool(later.all()), "left and right", "nodes behind their parent, within its tree")
        parents = np.bincount(children, minlength=n)
        parents[starts] += 1
        _require(bool((parents == 1).all()), "left and right", "exactly one parent for every node but roots")
        leaves = self.feature == LEAF
        _require(bool((self.left[leaves] == LEAF).all()), "left", "-1 at leaves")
        _require(bool((self.right[leaves] == LEAF).all()), "right", "-1 at leaves")
        level = starts
        for _ in range(_DEEPEST + 1):
            level = level[self.feature[level] != LEAF]
            if not len(level):
                return
            level = np.concatenate([self.left[level], self.right[level]]).astype(np.int64)
        _require(False, "left and right", f"no path longer than {_DEEPEST}")

    def _check_categories(self) -> None:
        at, size = self.category_at.astype(np.int64), self.category_bytes.astype(np.int64)
        numbers = at == LEAF
        _require(bool((size[numbers] == 0).all()), "category_bytes", "0 at splits of numbers and at leaves")
        within = (at >= LEAF) & (size >= 0) & (numbers | (at + size <= len(self.categories)))
        _require(bool(within.all()), "category_at and category_bytes", "places within categories")

    def _check_rows(self, x: Floats) -> None:
        found = f"dtype {x.dtype} and shape {x.shape}" if isinstance(x, np.ndarray) else type(x).__name__
        if (
            not isinstance(x, np.ndarray)
            or x.ndim != 2
            or x.shape[1] != self.n_features
            or x.dtype.kind != "f"
        ):
            raise ArgumentError(
                f"Rows have {found}; expected a float array of shape (n, {self.n_features}). "
                "Give the columns of the fit, in their order."
            )

    def _pieces(self, x: Floats) -> Iterator[tuple[slice, Floats]]:
        """A few rows at a time, used columns first: what compiled loops read side by side."""
        used = self.used
        for lo in range(0, len(x), _PIECE):
            rows = slice(lo, lo + _PIECE)
            yield rows, np.array(x[rows].T[used], dtype=np.float64, order="C")

    @cached_property
    def _nodes(self) -> Nodes:
        """Private copies, contiguous and writable, so that loops are compiled once."""
        column = np.searchsorted(self.used, self.feature).astype(np.int64)
        column[self.feature == LEAF] = LEAF
        never = self.missing == NEVER_MISSING
        plain = (
            np.array(getattr(self, name), order="C")
            for name in ("left", "right", "category_at", "category_bytes", "categories", "value", "cover")
        )
        left, right, category_at, category_bytes, categories, value, cover = plain
        return Nodes(
            root=np.array(self.root, order="C"),
            column=column,
            threshold=_around_zero(self.threshold),
            left=left,
            right=right,
            missing_left=np.where(never, self.threshold >= 0, self.default_left),
            zero_missing=self.missing == ZERO_MISSING,
            category_at=category_at,
            category_bytes=category_bytes,
            categories=categories,
            value=value,
            cover=cover,
        )

    @cached_property
    def paths(self) -> Paths:
        """What walking and explaining need of all trees, worked out once."""
        return Paths.of(self._nodes)


def joined(forests: Sequence[Forest]) -> tuple[Forest, NDArray[np.int64]]:
    """Forests of the same columns as one, and how many trees each of them has: (n_forests,)."""
    nodes = np.cumsum([0, *(len(forest.feature) for forest in forests)])
    bytes_at = np.cumsum([0, *(len(forest.categories) for forest in forests)])
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in _DTYPES}
    for forest, shift, shift_bytes in zip(forests, nodes, bytes_at, strict=False):
        for name in _DTYPES:
            array = getattr(forest, name)
            by = (shift_bytes if name == "category_at" else shift) if name in _SHIFTED else 0
            parts[name].append(np.where(array >= 0, array + by, array) if by else array)
    arrays = {
        name: np.concatenate([np.zeros(0, dtype), *parts[name]]).astype(dtype)
        for name, dtype in _DTYPES.items()
    }
    n_features = forests[0].n_features if forests else 0
    return Forest(n_features, **arrays), np.array([forest.n_trees for forest in forests], dtype=np.int64)


def parted(forest: Forest, trees: NDArray[np.int64]) -> tuple[Forest, ...]:
    """What :func:`joined` joined, given how many trees each had."""
    if trees.ndim != 1 or (trees < 0).any() or trees.sum() != forest.n_trees:
        raise BundleError(
            "The bundle's trees are not as many as its models say; take it again from where it was saved."
        )
    starts = np.append(forest.root, len(forest.feature)).astype(np.int64)
    found = []
    for first, last in pairwise(np.cumsum([0, *trees.tolist()]).tolist()):
        lo, hi = int(starts[first]), int(starts[last])
        of_nodes = {
            name: getattr(forest, name)[lo:hi] for name in _DTYPES if name not in ("root", "categories")
        }
        for name in ("left", "right"):
            of_nodes[name] = np.where(of_nodes[name] >= 0, of_nodes[name] - lo, LEAF).astype("i4")
        root = (forest.root[first:last] - lo).astype("i4")
        found.append(Forest(forest.n_features, root=root, categories=forest.categories, **of_nodes))
    return tuple(found)


def _require(holds: bool, what: str, expected: str) -> None:
    if not holds:
        raise ArgumentError(
            f"Trees do not hold together: {what} is not as expected ({expected}). "
            "Use the arrays as they were fitted or saved."
        )


def _around_zero(threshold: Floats) -> Floats:
    """Thresholds moved so that all tiny numbers go where zero goes, as LightGBM reads them as zero."""
    below = np.where((threshold >= -TINY) & (threshold < 0), np.nextafter(-TINY, -np.inf), threshold)
    moved: Floats = np.where((below >= 0) & (below < TINY), TINY, below)
    return moved
