"""The true probability: what moves it, and what must not."""

from dataclasses import replace

import numpy as np
import pytest

from nba.contracts import DAY
from nba.simulate import Territory
from nba.simulate.catalogue import CHANNEL, CHANNELS, CONVERSATIONS
from nba.simulate.surface import Past, Touched, Warmed
from nba.tables import as_moment

AT = "2026-09-15"


def actions_of(world: Territory) -> list[tuple[str, str]]:
    return [(channel, name) for channel in CHANNELS for name in world._world.content_ids]


def truth(world: Territory, past: Past) -> np.ndarray:
    changed = replace(world, _past=past)
    return changed.response_probability(list(world.engagement.hcps["hcp_id"]), AT, actions_of(world))


def today_of(world: Territory) -> int:
    return (as_moment(AT) - world._world.start) // DAY


def with_touches(world: Territory, channel: str, *, held: bool, days_ago: tuple[int, ...]) -> Past:
    """The past, with one more touch of everybody on some days."""
    touched, n = world._past.touched, world._world.size
    more = [
        Touched(
            np.full(n, today_of(world) - ago),
            np.arange(n),
            np.full(n, CHANNEL[channel]),
            np.zeros(n, dtype=np.int64),
            np.full(n, held),
        )
        for ago in days_ago
    ]
    longer = [np.concatenate(parts) for parts in zip(touched, *more, strict=True)]
    order = np.argsort(longer[0], kind="stable")
    return world._past._replace(touched=Touched._make(part[order] for part in longer))


@pytest.mark.parametrize("channel", ["hq_email", "rep_visit", "push"])
def test_more_touches_make_everybody_less_likely_to_respond_to_anything(small, channel):
    rested = truth(small, small._past)
    tired = truth(small, with_touches(small, channel, held=False, days_ago=(1, 2, 3)))

    assert (tired < rested).all()


def test_the_touched_channel_tires_most(small):
    rested = truth(small, small._past)
    tired = truth(small, with_touches(small, "hq_email", held=False, days_ago=(1, 2, 3)))

    kept = (tired / rested).reshape(-1, len(CHANNELS), len(small.engagement.content)).mean(axis=(0, 2))
    assert CHANNELS[int(kept.argmin())] == "hq_email"


def test_a_touch_long_ago_weighs_less_than_one_of_yesterday(small):
    recent = truth(small, with_touches(small, "hq_email", held=False, days_ago=(1,)))
    past = truth(small, with_touches(small, "hq_email", held=False, days_ago=(40,)))

    assert (recent < past).all()


def test_a_document_shown_often_wears_out_before_others(small):
    rested = truth(small, small._past)
    shown = truth(small, with_touches(small, "hq_email", held=False, days_ago=(1, 2, 3, 4)))

    kept = (shown / rested).reshape(-1, len(CHANNELS), len(small.engagement.content)).mean(axis=(0, 1))
    family = small._world.library.family
    assert kept[family == 0].max() < kept[family != 0].min()


def test_declined_visits_make_the_next_one_harder_than_held_ones(small):
    held = truth(small, with_touches(small, "rep_visit", held=True, days_ago=(1, 2)))
    declined = truth(small, with_touches(small, "rep_visit", held=False, days_ago=(1, 2)))

    shape = (-1, len(CHANNELS), len(small.engagement.content))
    assert (declined.reshape(shape)[:, CONVERSATIONS] < held.reshape(shape)[:, CONVERSATIONS]).all()


def test_engagement_with_a_topic_warms_that_topic_only(small):
    warmed, n = small._past.warmed, small._world.size
    more = Warmed(np.full(n, today_of(small) - 1), np.arange(n), np.full(n, 2))
    longer = [np.concatenate(parts) for parts in zip(warmed, more, strict=True)]
    order = np.argsort(longer[0], kind="stable")

    before = truth(small, small._past)
    after = truth(small, small._past._replace(warmed=Warmed._make(part[order] for part in longer)))

    same = np.tile(small._world.library.topic == 2, len(CHANNELS))
    assert (after[:, same] > before[:, same]).mean() > 0.99
    np.testing.assert_array_equal(after[:, ~same], before[:, ~same])


def test_nothing_that_happens_at_or_after_a_moment_moves_the_truth_at_it(small):
    day = today_of(small)
    touched, warmed = small._past
    cut = Past(
        Touched._make(part[touched.day < day] for part in touched),
        Warmed._make(part[warmed.day < day] for part in warmed),
    )

    np.testing.assert_array_equal(truth(small, cut), truth(small, small._past))


def test_documents_in_a_foreign_language_reach_less(small):
    rested = truth(small, small._past).reshape(-1, len(CHANNELS), len(small.engagement.content))
    library, language = small._world.library, small._world.language

    own = library.language == language[:, None]
    assert rested.mean(axis=1)[own].mean() > 2.0 * rested.mean(axis=1)[~own].mean()
