"""What every guardrail has to hold, on random worlds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nba.contracts import Columns, Context, Guardrail, Verdict
from nba.errors import CheckError, NBAError
from nba.guardrails import check_all
from nba.testing.worlds import World, locked, random_world

TABLES = ("consent", "labels", "reps", "states", "values", "engagements")


@dataclass(frozen=True)
class Checked:
    """What a guardrail did in the worlds it was checked in.

    Attributes
    ----------
    rule : its code
    worlds : how many it was asked about
    candidates : HCP x action combinations in them, do_nothing not counted
    removed : how many it removed, by reason
    """

    rule: str
    worlds: int
    candidates: int
    removed: Mapping[str, int]

    def __str__(self) -> str:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in self.removed.items())
        return f"{self.rule}: {self.worlds} worlds, {self.candidates:,} candidates; removed {reasons}"


def check_guardrail(
    rule: Guardrail, *, worlds: Sequence[World] | None = None, seeds: int = 25, must_remove: bool = True
) -> Checked:
    """Check a guardrail of your own before you trust it with a plan.

    In every world it has to: give a verdict that fits the candidates and never removes do_nothing; say the
    same when asked again; leave what it is given untouched; say of an HCP alone what it says in the batch,
    and of actions what it says in any order; not depend on the order of the tables' rows; work with tables
    missing, without touches and without HCPs; use reason codes in lower case with underscores; give facts
    that fit, and are plain values. Over all worlds it has to remove something, and not everything.

    Parameters
    ----------
    rule : anything with ``code`` and ``check(candidates, context)``
    worlds : your own worlds; None makes ``seeds`` random ones
    must_remove : False for a rule that rightly finds nothing in the random worlds

    Returns
    -------
    what it removed, and why

    Raises
    ------
    CheckError
        At the first thing that does not hold.

    Examples
    --------
    >>> from nba import guardrails
    >>> checked = check_guardrail(guardrails.MinimumGap(2), seeds=3)
    >>> checked.rule, list(checked.removed)
    ('minimum_gap', ['minimum_gap'])
    """
    if not isinstance(rule, Guardrail):
        raise CheckError(
            f"{type(rule).__name__} is no guardrail: it needs a text `code` and check(candidates, context)."
        )
    made = list(worlds) if worlds is not None else [random_world(seed) for seed in range(seeds)]
    removed: Counter[str] = Counter()
    for world in made:
        verdict = _verdict(rule, world)
        removed.update({name: int((verdict.reason == i).sum()) for i, name in _codes(verdict)})
        _check_words(rule, verdict)
        _check_repeatable(rule, world, verdict)
        _check_alone(rule, world, verdict)
        _check_orders(rule, world, verdict)
    _check_edges(rule)
    total = sum(world.candidates.allowed[:, 1:].size for world in made)
    if must_remove:
        _check_power(rule, removed.total(), total)
    return Checked(rule.code, len(made), total, dict(removed))


def _codes(verdict: Verdict) -> list[tuple[int, str]]:
    return [(i, name) for i, name in enumerate(verdict.reasons) if i]


def _verdict(rule: Guardrail, world: World) -> Verdict:
    """The rule's verdict, and that it fits the candidates and leaves them untouched."""
    asked, context = locked(world)
    try:
        (verdict,) = check_all([rule], candidates=asked, context=context)
    except (ValueError, TypeError) as error:
        if isinstance(error, NBAError) or not _is_write(str(error)):
            raise
        raise _fault(rule, "check() changed what it was given", "copy before you write") from error
    return verdict


def _is_write(message: str) -> bool:
    return "read-only" in message or "does not support item assignment" in message


def _check_words(rule: Guardrail, verdict: Verdict) -> None:
    names = [name for _, name in _codes(verdict)]
    if verdict.rule != rule.code:
        raise _fault(rule, f"its verdict is called {verdict.rule!r}", "give Verdict(rule=self.code, ...)")
    if verdict.reasons[:1] != ("",) or len(set(names)) < len(names):
        raise _fault(rule, f"its reasons are {verdict.reasons}", "list '' first and every reason once")
    for name in (rule.code, *names):
        if not (name.isidentifier() and name == name.lower() and name.isascii()):
            raise _fault(rule, f"the code {name!r} is no code", "write codes like_this")
    for name, values in verdict.facts.items():
        try:
            np.broadcast_to(values, verdict.reason.shape)
        except ValueError:
            what = f"fact {name!r} has shape {np.shape(values)}"
            raise _fault(rule, what, f"give one that broadcasts to {verdict.reason.shape}") from None
    try:
        json.dumps(verdict.fact(0, 0) if verdict.reason.size else {})
    except TypeError:
        raise _fault(rule, "its facts are no plain values", "give texts, numbers and flags") from None


def _check_repeatable(rule: Guardrail, world: World, verdict: Verdict) -> None:
    if not _agree(_verdict(rule, world), verdict):
        raise _fault(rule, "asked twice, it says two things", "keep no state, draw nothing, read no clock")


def _check_alone(rule: Guardrail, world: World, verdict: Verdict) -> None:
    for i in range(len(world.candidates.hcps)):
        alone = _verdict(rule, _only(world, i))
        if (alone.reason[0] != verdict.reason[i]).any() or _facts(alone, 0) != _facts(verdict, i):
            raise _fault(
                rule,
                "it says something else of an HCP alone than in the batch",
                "read no other HCP's rows; look HCPs up by Candidates.hcps",
            )


def _check_orders(rule: Guardrail, world: World, verdict: Verdict) -> None:
    rng = np.random.default_rng(0)
    order = np.concatenate([[0], 1 + rng.permutation(len(world.candidates.actions) - 1)])
    asked = replace(
        world.candidates,
        actions=tuple(world.candidates.actions[k] for k in order),
        allowed=world.candidates.allowed[:, order],
    )
    turned = _verdict(rule, World(asked, world.context))
    if (turned.reason != verdict.reason[:, order]).any():
        raise _fault(rule, "it depends on the order of the actions", "look actions up by themselves")
    if not _agree(_verdict(rule, World(world.candidates, _shuffled(world.context, rng))), verdict):
        raise _fault(rule, "it depends on the order of a table's rows", "look rows up by their keys")


def _check_edges(rule: Guardrail) -> None:
    """Tables missing, no touches, no HCPs, no content: a verdict all the same."""
    for name in TABLES:
        try:
            _verdict(rule, random_world(0, without=(name,)))
        except (LookupError, TypeError, AttributeError) as error:
            found = f"without the table {name!r} it raised {type(error).__name__}"
            todo = "decide what holds then, and say so in Verdict.note"
            raise _fault(rule, found, todo) from error
    bare = _verdict(rule, random_world(0, without=TABLES, touches=0))
    _verdict(rule, random_world(0, hcps=0))
    _verdict(rule, random_world(0, contents=0))
    for name, values in bare.facts.items():
        if np.asarray(values).dtype.kind == "f" and np.isposinf(values).any():
            raise _fault(rule, f"fact {name!r} is infinite where nothing is known", "give -1 or NaN there")


def _check_power(rule: Guardrail, removed: int, total: int) -> None:
    if not removed:
        raise _fault(
            rule,
            f"it removed none of {total:,} candidates",
            "mend the rule, give worlds= in which it has to act, or pass must_remove=False",
        )
    if removed == total:
        raise _fault(rule, f"it removed all of {total:,} candidates", "mend the rule; nothing is ever left")


def _only(world: World, i: int) -> World:
    """One HCP of a world, with its rows alone."""
    asked, context = world
    mine = context.touches["row"] == i
    touches = {name: values[mine] for name, values in context.touches.items()}
    touches["row"] = np.zeros(int(mine.sum()), dtype=np.int64)
    hcp = asked.hcps[i]
    return World(
        replace(asked, hcps=asked.hcps[i : i + 1], allowed=asked.allowed[i : i + 1]),
        replace(
            context,
            hcps={name: values[i : i + 1] for name, values in context.hcps.items()},
            consent=None if context.consent is None else _rows_of(context.consent, hcp),
            touches=touches,
            tables={name: _rows_of(table, hcp) for name, table in context.tables.items()},
        ),
    )


def _rows_of(table: Columns, hcp: str) -> Columns:
    if "hcp_id" not in table:
        return table
    mine = table["hcp_id"] == hcp
    return {name: values[mine] for name, values in table.items()}


def _shuffled(context: Context, rng: np.random.Generator) -> Context:
    """The same tables, their rows in another order; only ``hcps`` is tied to the candidates."""
    return replace(
        context,
        content=_turned(context.content, rng),
        channels=_turned(context.channels, rng),
        consent=None if context.consent is None else _turned(context.consent, rng),
        touches=_turned(context.touches, rng),
        tables={name: _turned(table, rng) for name, table in context.tables.items()},
    )


def _turned(table: Columns, rng: np.random.Generator) -> Columns:
    order = rng.permutation(len(next(iter(table.values()))))
    return {name: values[order] for name, values in table.items()}


def _agree(one: Verdict, other: Verdict) -> bool:
    rows = range(len(one.reason))
    return bool((one.reason == other.reason).all()) and all(_facts(one, i) == _facts(other, i) for i in rows)


def _facts(verdict: Verdict, row: int) -> str:
    """All facts about an HCP as one text, in which a missing number equals itself."""
    return repr([verdict.fact(row, k) for k in range(verdict.reason.shape[1])])


def _fault(rule: Guardrail, found: str, todo: str) -> CheckError:
    return CheckError(f"{type(rule).__name__}: {found}. To mend it: {todo}.")
