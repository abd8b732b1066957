"""The hall: fit, recommend, decide, learn, save and load."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from nba import artifact, guardrails, models, policies
from nba.asking import Ask, ask
from nba.bundled import settings_of, state_of, take_up
from nba.contracts import (
    DAY,
    Candidates,
    Design,
    Floats,
    Guardrail,
    Labels,
    Outcomes,
    Policy,
    Receipt,
    Reporter,
    Tables,
)
from nba.decision import Decider, Known, touches_made
from nba.errors import ArgumentError, BundleError, NBAWarning, NotFittedError, OutcomeError
from nba.features import (
    EngagementFeatures,
    OutcomeRule,
    Response,
)
from nba.history import continuation_rates
from nba.plan import Plan
from nba.policies.worth import CONTINUATION, TERMS, ContextWeight, Worth
from nba.receipts import Drawn, Receipts
from nba.tables import Engagement, as_moment, candidates, check_table, table_of
from nba.taken import since, taken_of
from nba.why import Why

if TYPE_CHECKING:
    import pandas as pd

ALWAYS_ON = {"consent": guardrails.Consent, "approved": guardrails.Approved}
"""Guardrails that stand in every model unless they are waived by name."""

_ENOUGH_TO_BE_ALIKE = 30
"""HCPs with a choice under which a plan's concentration is not warned of."""


class NextBestAction:
    """Turns engagement tables, as of a moment, into one explained decision per HCP.

    Parameters
    ----------
    outcome : what counts as success; by default a response within the channel's attribution window
    features : declared features; the standard set by default
    scorer : one propensity model a (content, channel) pair; pooled by default
    policy : how priorities become selection probabilities; a ``Split`` sets two against each other
    holdout : HCPs whom the policy does not decide for, a share of them for a period each
    guardrails : rules beside Consent and Approved, which are always on
    explore_cap : how many exploratory choices an HCP may get in a window, by the log or earlier receipts
    waive : codes of always-on rules to leave out ("consent", "approved"); every receipt says so
    valid_days : how long a decision holds
    value : worth of one response, in the unit of channel costs
    levers : factors on the priority by channel or content id
    terms : terms of the priority in use, of ``nba.policies.TERMS``
    do_nothing_value : what doing nothing is worth
    objectives : how much each objective of the ``values`` table counts; None is 1 for each
    contexts : factors on the priority where HCP and action fit together at the moment
    minute_cost : what a minute of the sender's costs, in value units
    attention_cost : what a minute of the HCP's with the content costs, in value units

    Attributes
    ----------
    features_, scorer_ : fitted parts
    rates_ : response rate in training by channel
    continuation_ : how likely another engagement follows a response within 14 days, by channel and content;
        None where the ``values`` table of the fit has no objective "continuation"
    fitted_until_ : int seconds; no label read past it
    training_ : counts of the fit: rows, positives, censored, pairs, with_selection_prob; and selection,
        "observational" where nobody logged how actions were chosen, "partly logged" or "logged"
    digest_ : hash of everything that decides
    """

    def __init__(
        self,
        *,
        outcome: OutcomeRule | None = None,
        features: EngagementFeatures | None = None,
        scorer: Any = None,
        policy: Policy | None = None,
        guardrails: Sequence[Guardrail] = (),
        waive: Sequence[str] = (),
        valid_days: float = 7.0,
        value: float = 1.0,
        levers: Mapping[str, float] | None = None,
        terms: Sequence[str] = TERMS,
        do_nothing_value: float = 0.0,
        objectives: Mapping[str, float] | None = None,
        contexts: Sequence[ContextWeight] = (),
        minute_cost: float = 0.0,
        attention_cost: float = 0.0,
        holdout: policies.Holdout | None = None,
        explore_cap: policies.ExploreCap | None = None,
    ) -> None:
        self.outcome = outcome if outcome is not None else Response(within_days=14.0)
        self.features = features if features is not None else EngagementFeatures.standard()
        self.scorer = scorer if scorer is not None else models.PairPropensity()
        self.policy = policy if policy is not None else policies.InverseGap()
        self.holdout = holdout
        self.explore_cap = explore_cap
        self.guardrails = tuple(guardrails)
        self.waive = _checked_waivers(waive)
        if not 0 < valid_days <= 366:
            raise ArgumentError(f"valid_days is {valid_days}; expected above 0 and at most 366.")
        self.valid_days = float(valid_days)
        self.worth = Worth(
            float(value), dict(levers or {}), tuple(terms), float(do_nothing_value),
            None if objectives is None else dict(objectives), tuple(contexts), minute_cost, attention_cost,
        )  # fmt: skip

    @property
    def rules(self) -> tuple[Guardrail, ...]:
        """Every rule in force, the always-on ones first unless waived or given with settings of their own."""
        always = [
            kind()
            for code, kind in ALWAYS_ON.items()
            # another class under the same code replaces nothing: leaving a rule out takes a waiver
            if code not in self.waive and not any(isinstance(rule, kind) for rule in self.guardrails)
        ]
        return (*always, *self.guardrails)

    def fit(self, data: Engagement, *, until: Any = None, report: Reporter | None = None) -> NextBestAction:
        """Learn features' keys and priors, and the scorer, from labels whose window closed by ``until``.

        Parameters
        ----------
        until : no event known at or after it is read; by default ``data.observed_until``
        report : told how far the steps are

        Raises
        ------
        ArgumentError
            If no label has closed by ``until``.
        """
        end = data.observed_until if until is None else min(as_moment(until), data.observed_until)
        say = report or _silence
        say("labels", 0, 3)
        labels = self.outcome.labels(data, until=end)
        if not len(labels):
            raise ArgumentError(
                f"No touch has a closed window by the given moment ({labels.censored} are still open). "
                "Fit until a later moment, or shorten within_days."
            )
        say("features", 1, 3)
        self.features.fit_events(self.features.events(data), data.columns("hcps"), until=end)
        known = Known.of(data, self.features)
        design = self.design(known, labels)
        say("models", 2, 3)
        window = self.outcome.horizon_seconds(data.columns("channels"))
        chosen = self._told({"selection_prob": labels.selection_prob})
        self.scorer.fit(design, labels.y, at=labels.at[labels.row], gap_seconds=window, **chosen)
        say("models", 3, 3)
        self.rates_ = _channel_rates(labels)
        self.fitted_until_ = end
        self.horizon_days_ = window / DAY
        self.continuation_ = _continuation(data, until=end)
        self.training_ = {
            "rows": len(labels),
            "positives": int(labels.y.sum()),
            "censored": labels.censored,
            "pairs": len(labels.actions),
            "with_selection_prob": int(np.isfinite(labels.selection_prob).sum()),
            "selection": models.Selection.of(labels.pair, labels.selection_prob, n_pairs=0).kind,
        }
        self.learned_: dict[bytes, float] = {}
        self._tables: Tables | None = data
        self._seal()
        return self

    def recommend(
        self,
        data: Engagement,
        *,
        at: Any,
        seed: int,
        log: Any = None,
        hcps: Sequence[str] | None = None,
        stream: str = "plan",
        chunk: int = 2_000,
        used: Any = None,
        earlier: Iterable[Receipt] | None = None,
        report: Reporter | None = None,
    ) -> Plan:
        """One decision for every HCP, as of a moment.

        With a log, touches already decided count against caps, and every decision is on disk before the
        plan is handed out; ``log.commit(plan)`` then checks consent and caps once more.

        Parameters
        ----------
        at : the moment; nothing that happened or became known at or after it is read
        seed : the draws are keyed by (seed, HCP, at, stream)
        hcps : which; None is all of the hcp table
        chunk : HCPs handled at once; the plan does not depend on it. Where the data hold a capacity table,
            all of them are: what is scarce is shared among everybody
        used : a table like the capacity table whose ``units`` are used already. None counts the touches of
            the data since each row's ``from``, and what is on its way in the log
        earlier : receipts (or a plan) that count against ``explore_cap``; None takes them from the log
        """
        self._check_fitted()
        moment = as_moment(at)
        everyone = candidates(data, moment, valid_days=self.valid_days, hcps=hcps, channels=None)
        if data.capacity is not None:
            chunk = max(chunk, len(everyone.hcps))
        known = Known.of(data, self.features)
        pending = None if log is None else log.pending(moment, engagement=data)
        decider = self._decider()
        gone = None if used is None else check_table(used, "capacity")
        taken = taken_of(data, at=moment, touched=known.touched, pending=pending) if gone is None else None
        tried = self._tried(log, earlier, at=moment, hcps=None)
        parts: list[Drawn] = []
        for piece in _chunks(everyone, chunk):
            if report is not None:
                report("decisions", sum(map(len, parts)), len(everyone.hcps))
            decided = decider.decide(
                known,
                piece,
                pending=pending,
                seed=seed,
                stream=stream,
                taken=taken,
                used=gone,
                tried=tried,
            )
            parts.append(decided)
        if report is not None:
            report("decisions", len(everyone.hcps), len(everyone.hcps))
        plan = self._hand_out(parts, moment, Why(decider, known, everyone.actions), log)
        if policies.tries(self.policy) and plan.concentration is not None:
            plan.concentration.warn(least_hcps=_ENOUGH_TO_BE_ALIKE, stacklevel=3)
        return plan

    def decide(
        self,
        hcp_id: str,
        *,
        history: Sequence[Mapping[str, Any]],
        at: Any = None,
        seed: int,
        log: Any = None,
        hcp: Mapping[str, Any] | None = None,
        consent: Sequence[Mapping[str, Any]] | None = None,
        data: Tables | None = None,
        stream: str = "plan",
        request_key: str | None = None,
        trigger: Mapping[str, Any] | None = None,
        used: Any = None,
        earlier: Iterable[Receipt] | None = None,
    ) -> Plan:
        """One HCP's decision from plain records: bit-equal to what the batch would decide.

        Of what is scarce it is offered whatever is left, without a price: who asks first is served first.

        Parameters
        ----------
        history : the HCP's interactions as dicts
        at : the moment; nothing that happened or became known at or after it is read. With ``trigger`` it
            may be left out: the first second at which the event is known
        hcp, consent : the HCP's row and consent rows; by default those of ``data``
        data : gives content and channels; by default the tables the model was fitted on
        request_key : the caller's own id of the request. The same key with the same parameters gives the
            decision it gave before, whatever happened since; the log keeps it, under a hash
        trigger : an event of the HCP's, as a record of its history, that asks for a decision now. What is
            already on its way counts against caps, as always. The same event delivered again, also later or
            with a longer history, gives the same decision: its content is the key
        used : as in :meth:`recommend`. None counts what the log holds of everybody since each capacity's
            ``from``; without a log, the touches of ``data``
        earlier : as in :meth:`recommend`

        Returns
        -------
        Plan with the one decision; ``plan[hcp_id]`` is its card.

        Raises
        ------
        ArgumentError
            If ``request_key`` or ``trigger`` comes without a log, both come, or there is no moment.
        LogConflictError
            If the key came with other parameters before.

        Examples
        --------
        >>> import tempfile
        >>> import nba
        >>> from nba import simulate
        >>> data = simulate.territory(seed=1, hcps=30, days=120, contents=20).engagement
        >>> model = nba.NextBestAction(scorer=nba.SegmentBaseline()).fit(data, until="2026-09-01")
        >>> click = {"interaction_id": "e1", "hcp_id": "hcp_0001", "ts": "2026-09-02T08:00:00+00:00",
        ...          "channel": "portal", "direction": "inbound", "outcome": "clicked"}
        >>> with tempfile.TemporaryDirectory() as place, nba.Log(f"{place}/log.db") as log:
        ...     first, again = (
        ...         model.decide("hcp_0001", history=[], seed=7, log=log, trigger=click) for _ in range(2)
        ...     )
        ...     first.receipts() == again.receipts(), len(log)
        (True, 1)
        """
        self._check_fitted()
        reference = self._reference(data)
        asked = ask(
            hcp_id, history=history, at=at, seed=seed, stream=stream, reference=reference, hcp=hcp,
            consent=consent, request_key=request_key, trigger=trigger,
        )  # fmt: skip
        if asked.key is None:
            return self._decided(asked, asked.at, log, reference, used, earlier, seed=seed, stream=stream)
        return self._answered(asked, log, reference, used, earlier, seed=seed, stream=stream)

    def warm_up(self, data: Tables | None = None) -> NextBestAction:
        """Make ready to decide for one HCP at a time: compile, and meet the kinds of events that there are.

        A service calls it once before its first request. It changes no decision.

        Parameters
        ----------
        data : the tables that ``decide`` will be given; by default those the model was fitted on

        Raises
        ------
        ArgumentError : the model came from a bundle and no tables are given

        Examples
        --------
        >>> from nba import SegmentBaseline, simulate
        >>> data = simulate.territory(seed=1, hcps=30, days=120, contents=20).engagement
        >>> model = NextBestAction(scorer=SegmentBaseline()).fit(data, until="2026-09-01").warm_up()
        >>> len(model.decide("hcp_0001", history=[], at="2026-09-02", seed=7))
        1
        """
        self._check_fitted()
        reference = self._reference(data)
        everybody = reference.columns("hcps")["hcp_id"]
        if len(everybody) and table_of(reference, "interactions") is not None:
            after = int(reference.columns("interactions")["ts"].max(initial=0)) + 1
            actions = candidates(reference, after, hcps=everybody[:1]).actions
            self.features.meet(reference, actions=actions[1:])
            at = datetime.fromtimestamp(after, UTC)
            plan = self.decide(everybody[0], history=[], at=at, seed=0, data=reference, earlier=())
            plan.receipts()[0], plan[everybody[0]].text  # both are written when first read
        return self

    def _reference(self, data: Tables | None) -> Tables:
        reference = data if data is not None else self._tables
        if reference is None:
            raise ArgumentError(
                "This model was loaded from a bundle, which holds no tables. Give data=, an Engagement with "
                "the content and channels in force."
            )
        return reference

    def _decided(
        self,
        asked: Ask,
        at: int,
        log: Any,
        reference: Tables,
        used: Any,
        earlier: Iterable[Receipt] | None,
        *,
        seed: int,
        stream: str,
    ) -> Plan:
        everything = candidates(asked.one, at, valid_days=self.valid_days)
        known = Known.of(asked.one, self.features)
        pending = None if log is None else log.pending(at, hcps=list(everything.hcps), engagement=asked.one)
        decider = self._decider()
        gone = None if used is None else check_table(used, "capacity")
        taken = self._taken(asked.one, reference, log, at=at) if gone is None else None
        decided = decider.decide(
            known, everything, pending=pending, seed=seed, stream=stream, taken=taken, used=gone,
            tried=self._tried(log, earlier, at=at, hcps=list(everything.hcps)),
        )  # fmt: skip
        return self._hand_out([decided], at, Why(decider, known, everything.actions), log)

    def _tried(
        self, log: Any, earlier: Iterable[Receipt] | None, *, at: int, hcps: list[str] | None
    ) -> Mapping[str, int]:
        """Exploratory choices of each HCP that count against the cap."""
        cap = self.explore_cap
        if cap is None:
            return {}
        if earlier is not None:
            return policies.tried_of(earlier, since=cap.since(at), until=at)
        if log is None:
            raise ArgumentError(
                "The model has an explore_cap, and nothing says what was tried before. Give the log=, or the "
                "earlier= receipts (an empty list where there are none)."
            )
        counts: Mapping[str, int] = log.explored(at, since=cap.since(at), hcps=hcps)
        return counts

    def _taken(self, one: Tables, reference: Tables, log: Any, *, at: int) -> policies.Taken | None:
        """What everybody has taken of what is scarce, by the log; by the tables where there is none."""
        capacity = table_of(one, "capacity")
        if capacity is None:
            return None
        if log is None:
            return taken_of(reference, at=at, touched=touches_made(reference))
        return taken_of(reference, at=at, pending=log.taken(at, since=since(capacity, at=at)))

    def _answered(
        self,
        asked: Ask,
        log: Any,
        reference: Tables,
        used: Any,
        earlier: Iterable[Receipt] | None,
        *,
        seed: int,
        stream: str,
    ) -> Plan:
        """The decision that the log keeps for this question, or a new one that it keeps from now on."""
        if log is None:
            raise ArgumentError(
                "request_key= and trigger= need a log, which knows what was answered before. Give log=."
            )
        made: list[Plan] = []

        def decide(draft: Any) -> Plan:
            made.append(
                self._decided(asked, asked.at, draft, reference, used, earlier, seed=seed, stream=stream)
            )
            return made[-1]

        receipts = log.once(asked.key, decide, parameters=asked.parameters)
        if not made:  # its rules and cards belong to the moment it was decided at
            at = receipts[0].decided_at
            made.append(
                self._decided(asked, at, None, reference, used, earlier or (), seed=seed, stream=stream)
            )
        return made[-1].holding(receipts)

    def learn(self, outcomes: Outcomes) -> NextBestAction:
        """Absorb what came of decisions: each decision once, whatever the order of arrival.

        Rewarded counts 1 and expired 0; pending, censored and void teach nothing. Features are read as of
        the moment of the touch, as in training.

        Raises
        ------
        OutcomeError
            If a decision comes with another result than the one already learned.
        """
        self._check_fitted()
        fresh = self._fresh(outcomes)
        if not fresh:
            return self
        rows = sorted(
            fresh.values(), key=lambda outcome: (outcome.hcp_id, _moment(outcome), outcome.decision_id)
        )
        actions = tuple(sorted({outcome.action for outcome in rows}))
        place = {action: k for k, action in enumerate(actions)}
        labels = Labels(
            hcps=np.array([outcome.hcp_id for outcome in rows], dtype=object),
            at=np.array([_moment(outcome) for outcome in rows], dtype=np.int64),
            row=np.arange(len(rows), dtype=np.int64),
            pair=np.array([place[outcome.action] for outcome in rows], dtype=np.int64),
            y=np.array([float(outcome.reward or 0.0) for outcome in rows]),
            actions=actions,
            censored=0,
            selection_prob=np.array([outcome.selection_prob for outcome in rows]),
        )
        known = Known.of(outcomes.engagement, self.features)
        told = self._told({"at": labels.at, "selection_prob": labels.selection_prob})
        self.scorer.learn(self.design(known, labels), labels.y, **told)
        self.learned_ |= {key: float(outcome.reward or 0.0) for key, outcome in fresh.items()}
        self._seal()
        return self

    @property
    def drift(self) -> models.Drift | None:
        """How far outcomes learned since the fit have left their forecasts; None where nothing is watched.

        ``drift.alarm`` says when to fit again; it is false once in a hundred models whose forecasts hold.
        """
        self._check_fitted()
        return getattr(self.scorer, "drift_", None)

    def _told(self, more: Mapping[str, Any]) -> Mapping[str, Any]:
        """What only pooled pairs are told: the plain models weigh all rows alike."""
        return more if isinstance(self.scorer, models.PairPropensity) else {}

    @overload
    def propensities(
        self, data: Engagement, *, at: Any, hcps: Sequence[str] | None = ..., chunk: int = ...,
        return_prior_only: Literal[False] = ...,
    ) -> pd.DataFrame: ...  # fmt: skip

    @overload
    def propensities(
        self, data: Engagement, *, at: Any, hcps: Sequence[str] | None = ..., chunk: int = ...,
        return_prior_only: Literal[True],
    ) -> tuple[pd.DataFrame, pd.DataFrame]: ...  # fmt: skip

    def propensities(
        self,
        data: Engagement,
        *,
        at: Any,
        hcps: Sequence[str] | None = None,
        chunk: int = 2_000,
        return_prior_only: bool = False,
    ) -> pd.DataFrame | tuple[pd.DataFrame, pd.DataFrame]:
        """How likely each HCP responds to each action, as of a moment; no rule is asked, nothing is drawn.

        Parameters
        ----------
        return_prior_only : give a second frame of the same shape, True where nothing but priors speaks: the
            pair had no training row, or the HCP objects to profiling

        Returns
        -------
        one row an HCP, one column an action (channel, content_id); NaN where channel, country or language
        rule it out. For triggers, see ``nba.policies.Threshold.states``.
        """
        import pandas as pd

        self._check_fitted()
        everyone = candidates(data, as_moment(at), valid_days=self.valid_days, hcps=hcps)
        known, decider = Known.of(data, self.features), self._decider()
        propensity, prior_only = [], []
        for piece in _chunks(everyone, chunk):
            scores = decider.score(known, piece)
            propensity.append(scores.propensity[:, 1:])
            prior_only.append(known.prior_only(piece, scores.prior_only)[:, 1:])
        columns = pd.MultiIndex.from_tuples(everyone.actions[1:], names=["channel", "content_id"])

        def frame(found: Any) -> pd.DataFrame:
            return pd.DataFrame(found, index=pd.Index(everyone.hcps, name="hcp_id"), columns=columns)

        found = frame(np.where(everyone.allowed[:, 1:], np.concatenate(propensity), np.nan))
        return (found, frame(np.concatenate(prior_only))) if return_prior_only else found

    def design(self, known: Known, labels: Labels) -> Design:
        """Feature rows of labels, as of each label's moment; without profiles where HCPs object to them."""
        return self.features.design(
            known.events,
            known.tables.columns("hcps"),
            hcps=labels.hcps,
            at=labels.at,
            actions=labels.actions,
            row=labels.row,
            pair=labels.pair,
            profiled=known.profiled(labels.hcps, labels.at),
        )

    def score(self, data: Engagement, labels: Labels) -> tuple[Floats, Floats]:
        """(margin, spread) of labelled rows, each as of its own moment."""
        self._check_fitted()
        margin, spread = self.scorer.score(self.design(Known.of(data, self.features), labels))
        return margin, spread

    def save(self, folder: str | Path, *, overwrite: bool = False) -> str:
        """Write the fitted model as a bundle of plain JSON and arrays; gives its digest.

        Parameters
        ----------
        overwrite : replace an existing bundle; the folder then holds the old or the new, never a mix
        """
        self._check_fitted()
        manifest, arrays = state_of(self)
        return artifact.save(folder, manifest=manifest, arrays=arrays, overwrite=overwrite)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        digest: str | None = None,
        policy: Policy | None = None,
        guardrails: Sequence[Guardrail] | None = None,
    ) -> NextBestAction:
        """Read a bundle that :meth:`save` wrote; nothing in it is ever executed.

        Parameters
        ----------
        digest : refuse any other bundle than the one with this digest
        policy, guardrails : objects of your own classes, which a bundle cannot hold

        Raises
        ------
        BundleError
            If the bundle is incomplete, altered, newer than this library, or not one.
        """
        manifest, arrays, _ = artifact.load(folder, digest=digest)
        try:
            return cls._from_state(manifest, arrays, policy, guardrails)
        except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
            if isinstance(error, BundleError):
                raise
            raise BundleError(
                f"The bundle's files are whole but do not describe a model ({type(error).__name__}). "
                "Save it again with the library version that made it."
            ) from error

    def _hand_out(self, parts: Sequence[Drawn], at: int, why: Why, log: Any) -> Plan:
        plan = Plan(at, self.rates_, Receipts(tuple(parts)), why.known, self.rules, why)
        if log is not None:
            log.append(plan.receipts())  # durable first: what cannot be written is not handed out
        return plan

    def _decider(self) -> Decider:
        return Decider(
            features=self.features,
            scorer=self.scorer,
            policy=self.policy,
            rules=self.rules,
            worth=replace(self.worth, continues=self.continuation_),
            model_digest=self.digest_,
            policy_digest=self.policy_digest_,
            horizon_days=self.horizon_days_,
            waivers=self.waive,
            holdout=self.holdout,
            explore_cap=self.explore_cap,
        )

    def _fresh(self, outcomes: Outcomes) -> dict[bytes, Any]:
        """Outcomes not learned yet, once each, by the hash of their decision id."""
        fresh: dict[bytes, Any] = {}
        for outcome in outcomes.rows:
            if outcome.state not in ("rewarded", "expired"):
                continue
            key = _key(outcome.decision_id)
            result = float(outcome.reward or 0.0)
            before = self.learned_.get(key, fresh[key].reward if key in fresh else None)
            if before is not None and float(before or 0.0) != result:
                raise OutcomeError(
                    f"A decision was learned with result {float(before or 0.0):g} and now comes with "
                    f"{result:g}. Nothing was learned; find out which is right."
                )
            if key not in self.learned_:
                fresh[key] = outcome
        return fresh

    def _seal(self) -> None:
        """Hash everything that decides, once a fit or learning has changed it."""
        manifest, arrays = state_of(self)
        self.digest_ = artifact.digest([manifest["features"], manifest["scorer"], arrays])[:32]
        settings = [
            manifest[name] for name in ("policy", "holdout", "guardrails", "worth", "waive", "valid_days")
        ]
        if self.explore_cap is not None:
            settings.append(manifest["explore_cap"])
        if self.continuation_ is not None:
            settings.append(self.continuation_)
        self.policy_digest_ = f"{type(self.policy).__name__}#{artifact.digest(settings)[:16]}"

    @classmethod
    def _from_state(
        cls,
        manifest: dict[str, Any],
        arrays: dict[str, NDArray[Any]],
        policy: Policy | None,
        rules: Sequence[Guardrail] | None,
    ) -> NextBestAction:
        model = cls(**settings_of(manifest, arrays, policy=policy, rules=rules))
        take_up(model, manifest, arrays)
        model._tables = None
        model._seal()
        return model

    def _check_fitted(self) -> None:
        if not hasattr(self, "digest_"):
            raise NotFittedError(
                "This model is not fitted; call fit(data, until=...) or nba.load(...) first."
            )


def load(folder: str | Path, *, digest: str | None = None, **options: Any) -> NextBestAction:
    """Read a saved model; see :meth:`NextBestAction.load`."""
    return NextBestAction.load(folder, digest=digest, **options)


def _silence(step: str, done: int, total: int) -> None:
    """The reporter of those who asked for none."""


def _checked_waivers(waive: Sequence[str]) -> tuple[str, ...]:
    unknown = sorted(set(waive) - set(ALWAYS_ON))
    if isinstance(waive, str) or unknown:
        raise ArgumentError(f"waive is {waive!r}; expected a list of {sorted(ALWAYS_ON)}.")
    if waive:
        warnings.warn(
            f"Always-on rules are waived: {sorted(set(waive))}. Every receipt and card will say so.",
            NBAWarning,
            stacklevel=4,
        )
    return tuple(sorted(set(waive)))


def _chunks(everyone: Candidates, chunk: int) -> Iterator[Candidates]:
    if chunk < 1:
        raise ArgumentError(f"chunk is {chunk}; expected 1 or more HCPs at once.")
    for lo in range(0, max(len(everyone.hcps), 1), chunk):
        yield Candidates(
            hcps=everyone.hcps[lo : lo + chunk],
            actions=everyone.actions,
            allowed=everyone.allowed[lo : lo + chunk],
            at=everyone.at,
            valid_until=everyone.valid_until,
        )


def _channel_rates(labels: Labels) -> dict[str, float]:
    """Response rate by channel, as the card's point of comparison."""
    names = np.array([action.channel for action in labels.actions], dtype=object)[labels.pair]
    channels = sorted({action.channel for action in labels.actions})
    rates = {name: float(labels.y[names == name].mean()) for name in channels}
    return {name: rate for name, rate in rates.items() if 0.0 < rate < 1.0}


def _continuation(data: Engagement, *, until: int) -> dict[str, dict[str, float]] | None:
    """How often engagements go on, where the values table says what that is worth."""
    values = table_of(data, "values")
    if values is None or CONTINUATION not in values["objective"]:
        return None
    return continuation_rates(data.columns("interactions"), data.columns("channels"), until=until)


def _moment(outcome: Any) -> int:
    return int(outcome.decided_at if outcome.touched_at is None else outcome.touched_at)


def _key(decision_id: str) -> bytes:
    return blake2b(decision_id.encode(), digest_size=16).digest()


__all__ = ["ALWAYS_ON", "NextBestAction", "load"]
