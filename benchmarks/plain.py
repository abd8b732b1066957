"""The plain stack: pandas features, a LightGBM a pair, SHAP."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from inspect import signature
from typing import Any, TypeAlias

import lightgbm
import numpy as np
import pandas as pd
import shap
from numpy.typing import NDArray

from nba.contracts import Action, Design, Floats, Ints
from nba.features import Attribute, Count, Decayed, EngagementFeatures, Fit, Rate, Recency, Streak
from nba.tables import Engagement

Model: TypeAlias = lightgbm.LGBMClassifier | float
"""A pair's classifier, or its rate where there is too little to learn from."""

EXPLORE = 0.05
LEAST_ROWS = 100
"""Rows under which a pair keeps its rate: early stopping needs rows to look at."""
_BY = {"channel": "channel", "content": "content_id", "topic": "topic", "pair": "pair"}


@dataclass(frozen=True)
class PlainFeatures:
    """The declared features as a careful pandas user computes them: filter, group, unstack.

    Strings become categories once, and events are filtered once a kind; every table is one groupby.

    Parameters
    ----------
    declared : a fitted set, for its names, keys and priors; no number is taken from it
    data : the tables
    at : the moment
    """

    declared: EngagementFeatures
    data: Engagement
    at: pd.Timestamp

    @cached_property
    def hcps(self) -> pd.DataFrame:
        return self.data.hcps.set_index("hcp_id").sort_index()

    @cached_property
    def known(self) -> pd.DataFrame:
        """Events that had happened and arrived before the moment."""
        log = self.data.interactions
        log = log[(log["ts"] < self.at) & (log["recorded_at"].fillna(log["ts"]) < self.at)]
        content = self.data.content.set_index("content_id")
        topic = log["content_id"].map(content["topic"])
        if "topic" in log:
            topic = log["topic"].where(log["topic"].notna() & (log["topic"] != ""), topic)
        known = log[["ts", "recorded_at", "outcome", "touch", "engaged", "machine"]].copy()
        known["hcp_id"] = pd.Categorical(log["hcp_id"], categories=self.hcps.index)
        known["channel"] = log["channel"].astype("category")
        known["content_id"] = log["content_id"].astype("category")
        known["topic"] = topic.astype("category")
        known["pair"] = (log["channel"] + " / " + log["content_id"]).astype("category")
        known["answers"] = log["interaction_id"].where(
            log["touch"] | log["parent_id"].isna(), log["parent_id"]
        )
        return known

    @cached_property
    def events(self) -> dict[str, pd.DataFrame]:
        """Touches, engagements, and the first success of every touch."""
        known = self.known
        wins = self.data.channels[["channel", "success"]].explode("success")
        won = pd.MultiIndex.from_frame(known[["channel", "outcome"]].astype(object)).isin(
            pd.MultiIndex.from_frame(wins.astype(object))
        )
        success = known[won & ~known["machine"]]
        arrived = success["recorded_at"].where(success["recorded_at"] > success["ts"], success["ts"])
        first = success.loc[arrived.sort_values(kind="stable").index].drop_duplicates(["hcp_id", "answers"])
        return {"touches": known[known["touch"]], "engagements": known[known["engaged"]], "responses": first}

    @cached_property
    def shared(self) -> pd.DataFrame:
        """The HCP's columns, in the declared order."""
        blocks = []
        for i, measure in enumerate(self.declared.measures):
            if isinstance(measure, Attribute):
                blocks.append(self._attribute(measure, [f.key for f in self.declared.columns_[i]]))
            elif not isinstance(measure, Fit) and not measure.own:
                keys = [f.key for f in self.declared.columns_[i]]
                blocks.append(self._table(measure, keys, self.declared.priors_.get(i, ())))
        together = pd.concat(blocks, axis=1)
        together.columns = pd.Index([f.name for f in self.declared.shared_features_])
        return together

    def own(self, actions: Sequence[Action]) -> dict[Action, Floats]:
        """For each pair its view of every HCP: (n_hcps, n_own), in the declared order."""
        topics = self.data.content.set_index("content_id")["topic"]
        keys = {
            "channel": [a.channel for a in actions],
            "content": [a.content for a in actions],
            "topic": [topics[a.content] for a in actions],
            "pair": [str(a) for a in actions],
        }
        columns = []
        for i, measure in enumerate(self.declared.measures):
            if isinstance(measure, Fit):
                columns.append(self._fits(measure, actions))
            elif not isinstance(measure, Attribute) and measure.own:
                of = keys[str(measure.by)]
                distinct = sorted(set(of))
                wide = self._table(measure, distinct, self.declared.priors_.get(i, ()))
                values, place = wide.to_numpy(), {key: j for j, key in enumerate(distinct)}
                columns.append([values[:, place[key]] for key in of])
        return {
            action: np.column_stack([column[k] for column in columns]) for k, action in enumerate(actions)
        }

    def _table(self, measure: Any, keys: Sequence[str], priors: Sequence[Any]) -> pd.DataFrame:
        """(n_hcps, n_keys) one declared measure; a single column where it is not by anything."""
        by = None if measure.by is None else _BY[measure.by]
        if isinstance(measure, Count):
            return self._counts(measure.of, by, keys, days=measure.window_days)
        if isinstance(measure, Rate):
            touches = self._counts("touches", by, keys, days=measure.window_days)
            answered = np.minimum(self._counts(measure.of, by, keys, days=measure.window_days), touches)
            mean, strength = (
                np.resize([getattr(p, name) for p in priors], len(keys)) for name in ("mean", "strength")
            )
            return (answered + strength * mean) / (touches + strength)
        if isinstance(measure, Recency):
            latest = self._grouped(self.events[measure.of], by)["ts"].max()
            return self._wide((self.at - latest) / pd.Timedelta(days=1), by, keys)
        if isinstance(measure, Decayed):
            age = (self.at - self.events[measure.of]["ts"]) / pd.Timedelta(days=measure.half_life_days)
            weighed = self.events[measure.of].assign(weight=0.5**age)
            return self._wide(self._grouped(weighed, by)["weight"].sum(), by, keys).fillna(0.0)
        if isinstance(measure, Streak):
            return self._streaks(by, keys)
        raise TypeError(f"{type(measure).__name__} is not computed here.")

    def _counts(self, of: str, by: str | None, keys: Sequence[str], *, days: int | None) -> pd.DataFrame:
        events = self.events[of]
        if days is not None:
            events = events[events["ts"] >= self.at - pd.Timedelta(days=days)]
        return self._wide(self._grouped(events, by).size(), by, keys).fillna(0.0)

    def _streaks(self, by: str | None, keys: Sequence[str]) -> pd.DataFrame:
        """Touches since the latest response."""
        names = ["hcp_id"] if by is None else ["hcp_id", by]
        latest = self._grouped(self.events["responses"], by)["ts"].max().rename("latest").reset_index()
        touches = self.events["touches"].merge(latest, on=names, how="left")
        since = touches[touches["latest"].isna() | (touches["ts"] > touches["latest"])]
        return self._wide(self._grouped(since, by).size(), by, keys).fillna(0.0)

    def _grouped(self, events: pd.DataFrame, by: str | None) -> Any:
        return events.groupby(["hcp_id"] if by is None else ["hcp_id", by], observed=True)

    def _wide(self, series: pd.Series, by: str | None, keys: Sequence[str]) -> pd.DataFrame:
        if by is None:
            return series.reindex(self.hcps.index).to_frame()
        return series.unstack().reindex(index=self.hcps.index, columns=list(keys))

    def _attribute(self, measure: Attribute, keys: Sequence[str]) -> pd.DataFrame:
        values = self.hcps[measure.column]
        if measure.visibility == "restricted":
            values = values.mask(self.hcps["pdrp_opt_out"].astype(bool))
        if list(keys) == [""]:
            return values.astype(float).to_frame()
        flags = pd.get_dummies(values, dtype=float).reindex(columns=list(keys), fill_value=0.0)
        return flags.mask(values.isna(), np.nan)

    def _fits(self, measure: Fit, actions: Sequence[Action]) -> list[Floats]:
        audience = self.data.content.set_index("content_id")[measure.audience]
        of_hcp = self.hcps[measure.column]
        return [of_hcp.isin(list(audience[a.content])).to_numpy(dtype=float) for a in actions]


@dataclass(frozen=True)
class PlainModels:
    """One LGBMClassifier a pair, stopped early on the latest fifth of its rows."""

    models: dict[Action, Model]
    base_rate: float

    @classmethod
    def fit(cls, design: Design, y: Floats, *, at: Ints, seed: int) -> PlainModels:
        """Learn from the same rows and columns as ours; ``y`` and ``at`` have one entry a request."""

        def one(k: int) -> Model:
            rows = np.flatnonzero(design.pair == k)
            rows = rows[np.argsort(at[rows], kind="stable")]
            x = np.hstack([design.shared[design.row[rows]], design.own[rows]])
            return _fit_one(x, y[rows], seed=seed)

        fitted = _over_pairs(one, len(design.actions))
        return cls(dict(zip(design.actions, fitted, strict=True)), float(y.mean()))

    def propensities(self, shared: Floats, own: dict[Action, Floats]) -> Floats:
        """(n_hcps, K) predict_proba of every HCP under every pair's model."""
        actions = list(own)

        def one(k: int) -> Floats:
            model = self.models.get(actions[k], self.base_rate)
            if isinstance(model, float):
                return np.full(len(shared), model)
            proba: Floats = model.predict_proba(np.hstack([shared, own[actions[k]]]))[:, 1]
            return proba

        return np.column_stack(_over_pairs(one, len(actions)))

    def reasons(self, shared: Floats, own: dict[Action, Floats], chosen: Ints, *, most: int = 3) -> Ints:
        """(n_hcps, most) columns with the largest SHAP values of the chosen pair's model; -1: no model."""
        found = np.full((len(shared), most), -1, dtype=np.int64)
        actions = list(own)

        def one(k: int) -> None:
            model, rows = self.models.get(actions[k], self.base_rate), np.flatnonzero(chosen == k)
            if not isinstance(model, float) and len(rows):
                x = np.hstack([shared[rows], own[actions[k]][rows]])
                with warnings.catch_warnings():  # that its output's shape is not what it was years ago
                    warnings.simplefilter("ignore", UserWarning)
                    values = shap.TreeExplainer(model).shap_values(x)
                values = values[1] if isinstance(values, list) else values
                found[rows] = np.argsort(-np.abs(values), axis=1)[:, :most]

        _over_pairs(one, len(actions))
        return found


def choose(propensity: Floats, *, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """Epsilon-greedy: the action of each HCP, and how likely it was."""
    n, k = propensity.shape
    pmf = np.full((n, k), EXPLORE / k)
    pmf[np.arange(n), propensity.argmax(axis=1)] += 1.0 - EXPLORE
    action = (pmf.cumsum(axis=1) < rng.random(n)[:, None]).sum(axis=1).clip(max=k - 1)
    return action, pmf[np.arange(n), action]


def _fit_one(x: Floats, y: NDArray[Any], *, seed: int) -> Model:
    cut = int(len(y) * 0.8)
    if len(y) < LEAST_ROWS or min(len(set(y[:cut].tolist())), len(set(y[cut:].tolist()))) < 2:
        return float((y.sum() + 0.5) / (len(y) + 1.0))
    model = lightgbm.LGBMClassifier(
        n_estimators=500, learning_rate=0.05, random_state=seed, n_jobs=1, verbosity=-1
    )
    late = {"eval_set": [(x[cut:], y[cut:])]} if _OLD else {"eval_X": x[cut:], "eval_y": y[cut:]}
    stop = lightgbm.early_stopping(25, verbose=False)
    return model.fit(x[:cut], y[:cut], eval_metric="logloss", callbacks=[stop], **late)


_OLD = "eval_X" not in signature(lightgbm.LGBMClassifier.fit).parameters


def _over_pairs(one: Callable[[int], Any], n_pairs: int) -> list[Any]:
    """A thread a core and one in each model: many small models are fastest so."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(one, range(n_pairs)))
