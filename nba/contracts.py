"""What the rooms promise each other, on one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.floating[Any]]
Ints: TypeAlias = NDArray[np.integer[Any]]
Bools: TypeAlias = NDArray[np.bool_]
Strings: TypeAlias = NDArray[np.object_]
Columns: TypeAlias = Mapping[str, NDArray[Any]]
"""A table as plain arrays: texts as object arrays ("" where missing), moments as int64 seconds UTC."""

State: TypeAlias = tuple[dict[str, Any], dict[str, NDArray[Any]]]
"""What a room gives to be saved: plain JSON and plain arrays."""

DAY = 86_400
FOREVER = 2**62
"""Stands for "no end" in columns of moments (an empty expiry)."""
NEVER = -(2**62)
"""Stands for "no moment" in columns of moments (an empty start)."""


class Tables(Protocol):
    """Anything that gives tables as columns: an Engagement, or one HCP's records."""

    def columns(self, table: str, /) -> Columns:
        """A table as plain arrays; ArgumentError where there is none of that name."""
        ...


class Action(NamedTuple):
    """A (channel, content) pair: what is said, and through what."""

    channel: str
    content: str

    def __str__(self) -> str:
        return f"{self.channel} / {self.content}" if self.content else self.channel


DO_NOTHING = Action("do_nothing", "")
"""Always a candidate, always eligible; chosen alone it is an abstention."""


@dataclass(frozen=True)
class Feature:
    """What one number about an HCP means, and who may see it.

    Attributes
    ----------
    name : unique within a feature set; stable across versions
    label : what a person calls it
    unit : "count", "share", "days", "per day", "flag", "number"
    family : behavioural, clinical or contextual
    visibility : who may see it, or anything that lets it be inferred
    group : the human reason it belongs to; contributions of a group are summed
    window_days : how far back it looks; None is the whole history
    wording : template key in the reviewed template book
    key : the value of the table column it is about ("approved_email"); "" is none
    """

    name: str
    label: str
    unit: str = "number"
    family: Literal["behavioural", "clinical", "contextual"] = "behavioural"
    visibility: Literal["rep", "hq", "restricted"] = "rep"
    group: str = ""
    window_days: int | None = None
    wording: str = ""
    key: str = ""


@dataclass(frozen=True)
class Evidence:
    """The counts behind one feature of one HCP: "5 of 10 in 90 days".

    ``of`` is None where there is no denominator; ``days_ago`` is set for recencies.
    """

    count: int
    of: int | None = None
    days_ago: float | None = None


@dataclass(frozen=True)
class Facet:
    """One thing known about an HCP, with how well it is known."""

    name: str
    value: float | str | None
    n: float = 0.0
    interval: tuple[float, float] | None = None
    status: Literal["ok", "prior_only", "confounded", "not_available"] = "ok"


@dataclass(frozen=True)
class Design:
    """Feature rows as models see them: shared HCP columns, and each request's own view.

    A *request* asks for one pair at one (HCP, moment) row. A grid of n rows and K pairs has
    n * K requests in row-major order.

    Attributes
    ----------
    shared : (n_rows, n_shared), one row a (HCP, moment); NaN where not defined
    own : (n_requests, n_own), the pair's own channel's, topic's and content's columns
    row : (n_requests,) index into ``shared``, never decreasing
    pair : (n_requests,) index into ``actions``
    actions : the pairs, K of them, without DO_NOTHING
    groups : for each pair the groups it is shrunk to, its channel first: ("channel=email", "topic=HF")
    """

    shared: Floats
    own: Floats
    row: Ints
    pair: Ints
    actions: tuple[Action, ...]
    groups: tuple[tuple[str, ...], ...]
    shared_features: tuple[Feature, ...]
    own_features: tuple[Feature, ...]

    @property
    def features(self) -> tuple[Feature, ...]:
        """All columns a pair's model sees, shared first."""
        return self.shared_features + self.own_features

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True)
class Labels:
    """Training rows: who, when, which pair, and what came of it.

    Attributes
    ----------
    hcps, at : (n_rows,) who, and the moment (int64 seconds) features are read as of
    row : (n,) index into them, never decreasing
    pair : (n,) index into ``actions``
    y : (n,) float64, 0 or 1
    actions : the pairs
    censored : rows left out because their window was still open
    selection_prob : (n,) logged selection probability, NaN where none was logged
    """

    hcps: Strings
    at: Ints
    row: Ints
    pair: Ints
    y: Floats
    actions: tuple[Action, ...]
    censored: int
    selection_prob: Floats

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True)
class Candidates:
    """The HCP x action combinations that channel, country and language allow, at a moment.

    Attributes
    ----------
    hcps : (n,) str, sorted, unique
    actions : K actions; ``actions[0]`` is DO_NOTHING
    allowed : (n, K) bool; column 0 is all true
    at, valid_until : int seconds UTC; a decision holds from ``at`` to ``valid_until``
    """

    hcps: Strings
    actions: tuple[Action, ...]
    allowed: Bools
    at: int
    valid_until: int


@dataclass(frozen=True)
class Context:
    """What guardrails may read about the candidates, already as of their moment.

    Attributes
    ----------
    hcps : columns of the hcp table, one row per ``Candidates.hcps`` in the same order
    content, channels : the whole tables
    consent : the rows of these HCPs and perhaps of others, of every moment (rules about time are the
        guardrail's); None when there is no table
    touches : row (index into hcps), ts, channel, content_id, pending (bool): every outbound touch
        known strictly before the moment, and every decision already handed out and not yet sent; where
        the log names it also product_id ("" means that of the content)
    tables : further tables that rules read, whole and by name ("labels", "reps", "states"); one that is
        missing is not among them. "engagements" has what humans did with content: hcp_id, ts, channel,
        content_id, outcome, duration_s (NaN: not known) and step, of these HCPs (no row of one who objects
        to profiling) and known strictly before the moment
    """

    hcps: Columns
    content: Columns
    channels: Columns
    consent: Columns | None
    touches: Columns
    tables: Mapping[str, Columns] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What one rule says of every candidate.

    Attributes
    ----------
    rule : the guardrail's code, "frequency_cap"
    reason : (n, K) int8, 0 is eligible, else an index into ``reasons``
    reasons : reason codes; ``reasons[0]`` is ""
    facts : arrays that broadcast to (n, K): what the card may say ("contacts", "cap", "since")
    note : a first line for the funnel where the rule acts on missing tables, else ""
    about : what tells this rule from others of its code in the funnel ("rep_visit, 14 days"), else ""
    """

    rule: str
    reason: NDArray[np.int8]
    reasons: tuple[str, ...]
    facts: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    note: str = ""
    about: str = ""

    @property
    def eligible(self) -> Bools:
        eligible: Bools = self.reason == 0
        return eligible

    def fact(self, row: int, action: int) -> dict[str, Any]:
        """The facts about one candidate, as plain values."""
        return {name: _cell(values, row, action) for name, values in self.facts.items()}


def _cell(values: NDArray[Any], row: int, action: int) -> Any:
    """One plain value of an array that broadcasts to (n, K), without broadcasting it."""
    index = tuple(
        place if length > 1 else 0
        for place, length in zip((row, action)[2 - values.ndim :], values.shape, strict=True)
    )
    cell = values[index]
    return cell.item() if isinstance(cell, np.generic) else cell


def probability(margin: Floats) -> Floats:
    """Log-odds as probabilities in [0, 1], of the same shape.

    Examples
    --------
    >>> probability(np.array([-np.inf, 0.0, 1_000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    with np.errstate(over="ignore"):  # what is beyond all doubt is exactly 0
        share: Floats = 1.0 / (1.0 + np.exp(-margin))
    return share


@dataclass(frozen=True)
class Scores:
    """How likely each HCP responds to each action, and how well that is known.

    Attributes
    ----------
    margin : (n, K) calibrated log-odds of the mean; -inf for DO_NOTHING
    spread : (n, K) standard deviation of the margin; 0 for DO_NOTHING
    n : (K,) training rows of the pair
    prior_only : (K,) True where the pair had no training row of its own
    slope : (n, K) how much the priority grows with the propensity (value, lever and whatever else is
        multiplied); None where it is not known, and policies then take costs for nothing
    responses : (K,) training rows of the pair with a response; None where the scorer does not tell
    """

    margin: Floats
    spread: Floats
    n: Floats
    prior_only: Bools
    slope: Floats | None = None
    responses: Floats | None = None

    @property
    def propensity(self) -> Floats:
        """(n, K) probabilities in [0, 1]."""
        return probability(self.margin)


@dataclass(frozen=True)
class Term:
    """One factor of the priority, broadcastable to (n, K); costs are subtracted, in value units."""

    name: str
    factor: Floats
    kind: Literal["times", "minus"] = "times"


@dataclass(frozen=True)
class Pmf:
    """How likely each action is to be chosen; every row sums to one over its eligible actions.

    Attributes
    ----------
    probs : (n, K) selection probabilities, exactly 0 where not eligible
    priorities : (n, K), -inf where not eligible
    eligible : (n, K) bool
    explore : share of the probability that is spread evenly over the eligible
    """

    probs: Floats
    priorities: Floats
    eligible: Bools
    explore: float


@dataclass(frozen=True)
class Choice:
    """One action an HCP, drawn from exactly the logged probabilities.

    Attributes
    ----------
    action : (n,) index into the candidates' actions
    selection_prob : (n,) the pmf's entry at ``action``, bit-equal
    draw : (n,) the keyed uniform number in [0, 1) that chose it
    explored : (n,) True where the action is not the one of highest priority
    """

    action: Ints
    selection_prob: Floats
    draw: Floats
    explored: Bools


@dataclass(frozen=True)
class Contributions:
    """Exact parts of margins: ``base + values.sum(axis=1)`` equals ``margin``.

    Attributes
    ----------
    base : (m,) log-odds where every feature stands at its reference
    values : (m, n_features) log-odds
    margin : (m,)
    features : what the columns mean
    spread : (m,) standard deviation of each margin, where it came of the same work; None asks ``score``
    """

    base: Floats
    values: Floats
    margin: Floats
    features: tuple[Feature, ...]
    spread: Floats | None = None


@dataclass(frozen=True)
class Reason:
    """One human reason: a group of features, its exact log-odds, and the words that may be shown.

    ``sign`` is +1 or -1 and always that of ``log_odds``; ``text`` is "" where nothing may be said.
    """

    group: str
    log_odds: float
    sign: int
    text: str
    visibility: Literal["rep", "hq", "restricted"]


@dataclass(frozen=True)
class Receipt:
    """Everything needed to replay and audit one decision.

    Plain values only, so that it is JSON without loss: moments are int seconds UTC.
    """

    decision_id: str
    batch_id: str
    hcp_id: str
    decided_at: int
    valid_until: int
    action: Action
    document_number: str
    version: str
    propensity: float | None
    spread: float | None
    n: float
    prior_only: bool
    terms: dict[str, float]
    priority: float
    selection_prob: float
    explored: bool
    draw: float
    eligible: tuple[tuple[Action, float], ...]
    removed: tuple[tuple[Action, str], ...]
    facts: dict[str, dict[str, Any]]
    reasons: tuple[Reason, ...]
    holdout: str
    policy: str
    model_digest: str
    features_digest: str
    horizon_days: float
    seed: int
    stream: str
    waivers: tuple[str, ...] = ()
    book: str = ""
    """SHA-256 of the template book that worded the reasons."""
    arm_prob: float = 1.0
    """How likely the HCP was to be in its arm (``holdout``); arm_prob * selection_prob is both together."""
    group: str = ""
    """The capacity group it was drawn in, "" where it was drawn alone: replay and cluster by it."""
    prices: tuple[tuple[str, float, float], ...] = ()
    """For each scarce thing in reach: name, price of a unit, and the share kept of what was wanted."""


OutcomeState = Literal["pending", "rewarded", "expired", "censored", "void"]


@dataclass(frozen=True)
class Outcome:
    """What came of one decision. Only rewarded (1) and expired (0) are learned from."""

    decision_id: str
    hcp_id: str
    decided_at: int
    action: Action
    state: OutcomeState
    reward: float | None
    selection_prob: float
    touched_at: int | None = None
    """When the suggested touch was made; None while there is none."""


@dataclass(frozen=True)
class Outcomes:
    """Outcomes with the engagement they were joined from, so that features can be read as of then."""

    rows: tuple[Outcome, ...]
    engagement: Any

    def __len__(self) -> int:
        return len(self.rows)

    def __add__(self, other: Outcomes) -> Outcomes:
        return Outcomes(rows=self.rows + other.rows, engagement=self.engagement)

    def counts(self) -> dict[str, int]:
        """How many decisions are in each state."""
        states = [row.state for row in self.rows]
        return {state: states.count(state) for state in sorted(set(states))}


@runtime_checkable
class Guardrail(Protocol):
    """A rule that removes candidates; one method, no state that changes."""

    @property
    def code(self) -> str:
        """The rule's name in verdicts, funnels and receipts: "frequency_cap"."""
        ...

    def check(self, candidates: Candidates, context: Context) -> Verdict:
        """Say of every candidate whether it may be chosen, and why not."""
        ...


@runtime_checkable
class Policy(Protocol):
    """Turns the priorities of the eligible into a probability for each."""

    @property
    def explore(self) -> float:
        """The share of the probability that is spread evenly over the eligible."""
        ...

    def weights(self, priorities: Floats, scores: Scores, eligible: Bools) -> Floats:
        """(n, K) non-negative weights summing to one over the eligible of each row."""
        ...


@runtime_checkable
class Scorer(Protocol):
    """A model of how likely each pair gets a response."""

    def fit(self, design: Design, y: Floats, *, at: Ints | None = None) -> Any:
        """Learn from requests and what came of them; ``at`` (n_requests,) allows splits in time."""
        ...

    def score(self, design: Design) -> tuple[Floats, Floats]:
        """(margin, spread) of each request, on the calibrated log-odds scale."""
        ...

    def contributions(self, design: Design) -> Contributions:
        """The exact parts of each request's calibrated margin."""
        ...

    def support(self, design: Design) -> tuple[Floats, Bools]:
        """(n, prior_only) of each of the design's pairs: training rows, and whether there were none."""
        ...


@runtime_checkable
class Reporter(Protocol):
    """Says how far a long step is; ``None`` is silence."""

    def __call__(self, step: str, done: int, total: int) -> None: ...


def as_actions(pairs: Sequence[tuple[str, str]]) -> tuple[Action, ...]:
    """Actions from plain (channel, content) tuples."""
    return tuple(Action(channel, content) for channel, content in pairs)
