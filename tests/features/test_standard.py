"""The standard set reads well on a card."""

from __future__ import annotations

import re

import numpy as np

import nba
from nba.contracts import Action
from nba.explain.wording import load_book
from nba.features import STANDARD, EngagementFeatures


def test_every_sentence_template_that_is_named_is_known() -> None:
    data = nba.simulate.territory(seed=1, hcps=40, days=60).engagement
    features = EngagementFeatures(STANDARD).fit(data, until="2026-10-01")

    wordings = {feature.wording for feature in features.catalogue_}

    assert wordings <= {"count", "rate", "recency", "streak", "decayed", "attribute", "fit"}
    assert all(feature.group and feature.label for feature in features.catalogue_)


def test_only_prescribing_is_restricted() -> None:
    data = nba.simulate.territory(seed=1, hcps=40, days=60).engagement
    features = EngagementFeatures.standard().fit(data, until="2026-10-01")

    assert [f.name for f in features.catalogue_ if f.visibility != "rep"] == ["attribute(decile)"]


def test_every_sentence_of_a_territory_can_be_read_to_a_person() -> None:
    data = nba.simulate.territory(seed=1, hcps=60, days=120).engagement
    content, people = data.columns("content"), data.columns("hcps")
    features = EngagementFeatures.standard().fit(data, until="2026-10-01")
    offered = zip(content["content_id"], content["channels"], strict=True)
    actions = tuple(Action(channel, key) for key, channels in offered for channel in channels)
    n = len(people["hcp_id"])
    pair = np.arange(n) % len(actions)

    _, evidence = features.evidence(
        features.events(data), people, hcps=people["hcp_id"], at=np.full(n, data.observed_until),
        actions=actions, pair=pair,
    )  # fmt: skip

    titles = dict(zip(content["content_id"], content["title"], strict=True))
    said = [
        load_book().sentence(feature, evidence[i].get(feature.name), sign=sign, names={
            "this channel": actions[pair[i]].channel, "this content": titles[actions[pair[i]].content],
            "this topic": "dosing",
        })
        for i in range(n) for feature in features.catalogue_ for sign in (1, -1)
    ]  # fmt: skip
    told = {sentence for sentence in said if sentence}
    assert len(told) > 200
    assert not [s for s in told if re.search(r"_|\bthis\b|  |\{|\b1 \w+s by\b", s) or len(s) > 90]
    assert not [s for s in told if not (s[0].isupper() or s[0].isdigit())]
