"""The standard set reads well on a card."""

from __future__ import annotations

import nba
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
