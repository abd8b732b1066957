"""Receipts in few bytes: what decisions share is kept once."""

from __future__ import annotations

import hashlib
import itertools
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Action, Receipt
from nba.store.receipts import from_head, from_json, to_head, to_json

_WHOLE, _PARTED = b"J", b"P"
_SAMPLE = 32_000  # deflate looks back 32 kB: a longer sample would not be found again
_HIGH = 2  # of a probability's eight bytes the two highest repeat, the others are noise
_LEVEL = 3

Actions: TypeAlias = tuple[Action, ...]


class Packed(NamedTuple):
    """A receipt as the log keeps it, and the SHA-256 of what it says."""

    body: bytes
    sha256: bytes


@dataclass(frozen=True)
class Part:
    """What the receipts of a batch share: the names of actions and codes, and how such a receipt reads.

    Attributes
    ----------
    actions, codes : every action and every code of removal; a receipt holds their positions
    sample : one receipt without its lists of actions; the others are written as what differs from it
    """

    actions: Actions
    codes: tuple[str, ...]
    sample: bytes
    _place: dict[tuple[str, str], int] = field(init=False, repr=False, compare=False)
    _code: dict[str, int] = field(init=False, repr=False, compare=False)
    _seen: dict[tuple[Any, ...], tuple[bytes, bytes]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "_place", {action: p for p, action in enumerate(self.actions)})
        object.__setattr__(self, "_code", {code: p for p, code in enumerate(self.codes)})

    @classmethod
    def of(cls, receipts: Sequence[Receipt], *, before: Part | None = None) -> Part:
        """The part that these receipts share with what ``before`` covers.

        Batches of two countries, one after the other, so come to share one part.
        """
        actions = {action for receipt in receipts for action, _ in (*receipt.eligible, *receipt.removed)}
        codes = {code for receipt in receipts for _, code in receipt.removed}
        if before is not None:
            actions, codes = actions | set(before.actions), codes | set(before.codes)
        # A part outlives the people in it: its sample is of nobody.
        nobody: dict[str, Any] = dict.fromkeys(("decision_id", "batch_id", "hcp_id", "features_digest"), "")
        nobody |= {"propensity": None, "spread": None, "draw": 0.0, "priority": 0.0}
        sample = to_head(replace(receipts[0], **nobody))
        return cls(tuple(sorted(actions)), tuple(sorted(codes)), sample[:_SAMPLE])

    @classmethod
    def from_bytes(cls, content: bytes) -> Part:
        """The part that :meth:`to_bytes` wrote."""
        plain = json.loads(zlib.decompress(content))
        actions = tuple(Action(*action) for action in plain["actions"])
        return cls(actions, tuple(plain["codes"]), plain["sample"].encode("ascii"))

    def to_bytes(self) -> bytes:
        """Compressed JSON; the same part gives the same bytes."""
        plain = {
            "actions": [list(action) for action in self.actions],
            "codes": list(self.codes),
            "sample": self.sample.decode("ascii"),
        }
        return zlib.compress(json.dumps(plain, separators=(",", ":"), sort_keys=True).encode("ascii"), 9)

    def pack(self, receipt: Receipt) -> Packed:
        """A receipt as bytes; :meth:`unpack` gives it back equal in every bit.

        Raises
        ------
        KeyError
            If it names an action or a code that is not of this part.
        """
        eligible, probs = tuple(zip(*receipt.eligible, strict=True)) or ((), ())
        gone, codes = tuple(zip(*receipt.removed, strict=True)) or ((), ())
        if not {float, np.float64}.issuperset(map(type, probs)):
            text = to_json(receipt).encode("ascii")  # rare: a probability that is a whole number, or none
            return Packed(_WHOLE + zlib.compress(text, _LEVEL), hashlib.sha256(text).digest())
        head = to_head(receipt)
        floats = np.array(probs, dtype="<f8")
        high, low = _planes(floats)
        sizes = np.array([len(head), len(probs), len(codes)], dtype="<u4").tobytes()
        names, places = self._of_actions(eligible)
        removed, gone_from = self._of_actions(gone)
        why, numbers = self._of_codes(codes)
        squeeze = zlib.compressobj(_LEVEL, zdict=self.sample)
        body = squeeze.compress(b"".join((sizes, head, places, gone_from, numbers, high))) + squeeze.flush()
        return Packed(_PARTED + body + low, _said(head, names, removed, why, floats))

    def unpack(self, body: bytes) -> tuple[Receipt, bytes]:
        """The receipt, and the SHA-256 of what it says: the one that `pack` gave, if nothing was altered."""
        kind, body = body[:1], body[1:]
        if kind == _WHOLE:
            text = zlib.decompress(body)
            return from_json(text.decode("ascii")), hashlib.sha256(text).digest()
        if kind != _PARTED:
            raise ValueError("no receipt begins like this")
        squeeze = zlib.decompressobj(zdict=self.sample)
        plain = squeeze.decompress(body) + squeeze.flush()
        n_head, n, m = (int(size) for size in np.frombuffer(plain, dtype="<u4", count=3))
        cuts = np.cumsum([12, n_head, 4 * n, 4 * m, 2 * m, _HIGH * n]).tolist()
        head, places, gone, numbers, high = (plain[a:b] for a, b in itertools.pairwise(cuts))
        floats = _floats(high, squeeze.unused_data, n)
        eligible = tuple(self.actions[p] for p in np.cumsum(np.frombuffer(places, dtype="<i4")).tolist())
        removed = tuple(self.actions[p] for p in np.cumsum(np.frombuffer(gone, dtype="<i4")).tolist())
        codes = [self.codes[p] for p in np.frombuffer(numbers, dtype="<u2").tolist()]
        receipt = from_head(
            head,
            eligible=tuple(zip(eligible, floats.tolist(), strict=True)),
            removed=tuple(zip(removed, codes, strict=True)),
        )
        return receipt, _said(head, _names(eligible), _names(removed), _listed(codes), floats)

    def _of_actions(self, actions: Actions) -> tuple[bytes, bytes]:
        """(what the hash reads, positions as differences) of actions; most receipts share theirs."""
        found = self._seen.get(actions)
        if found is None:
            places = np.array([self._place[action] for action in actions], dtype="<i4")
            found = _names(actions), np.diff(places, prepend=np.int32(0)).astype("<i4").tobytes()
            self._remember(actions, found)
        return found

    def _of_codes(self, codes: tuple[str, ...]) -> tuple[bytes, bytes]:
        """(what the hash reads, numbers) of codes of removal."""
        key = ("codes", *codes)
        found = self._seen.get(key)
        if found is None:
            numbers = np.array([self._code[code] for code in codes], dtype="<u2").tobytes()
            found = _listed(codes), numbers
            self._remember(key, found)
        return found

    def _remember(self, key: tuple[Any, ...], found: tuple[bytes, bytes]) -> None:
        if len(self._seen) < 10_000:
            self._seen[key] = found


def _names(actions: Actions) -> bytes:
    return _listed([name for action in actions for name in action])


def _listed(texts: Sequence[str]) -> bytes:
    return json.dumps(texts).encode("ascii")


def _said(head: bytes, names: bytes, removed: bytes, codes: bytes, floats: NDArray[np.float64]) -> bytes:
    """SHA-256 of everything a receipt says, whatever part it is written with."""
    told = hashlib.sha256()
    for piece in (head, names, removed, codes, floats.tobytes()):
        told.update(len(piece).to_bytes(8, "little"))
        told.update(piece)
    return told.digest()


def _planes(floats: NDArray[np.float64]) -> tuple[bytes, bytes]:
    planes = floats.view(np.uint8).reshape(-1, 8).T
    return planes[8 - _HIGH :].tobytes(), planes[: 8 - _HIGH].tobytes()


def _floats(high: bytes, low: bytes, n: int) -> NDArray[np.float64]:
    planes = np.frombuffer(low + high, dtype=np.uint8).reshape(8, n)
    return np.ascontiguousarray(planes.T).view("<f8").reshape(n)
