from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hall import UNTIL as HALL_AT
from hall import make_model, variant_of

import nba
from nba import guardrails, policies, simulate
from nba.contracts import DAY, DO_NOTHING, Labels
from nba.decision import Known
from nba.tables import Engagement, as_moment, candidates

AT = "2026-09-15"
NOW = as_moment(AT)
UNTIL = NOW + 7 * DAY
CAP, CAP_DAYS, GAP_DAYS = 3, 21, 4


@pytest.fixture(scope="module")
def world():
    return simulate.territory(seed=5, hcps=40, days=150, contents=20)


@pytest.fixture(scope="module")
def anything_goes(world):
    """Every eligible action has the same probability: what is chosen is bounded by the rules alone."""
    model = make_model(
        scorer=nba.SegmentBaseline(),
        policy=policies.EpsilonGreedy(1.0),
        guardrails=[guardrails.FrequencyCap(CAP, days=CAP_DAYS), guardrails.MinimumGap(GAP_DAYS)],
    )
    return model.fit(world.engagement, until=AT)


def random_tables(world, seed):
    """The territory with consent, approvals and recent touches at random."""
    rng = np.random.default_rng(seed)
    frames = {n: f for n, f in world.engagement.tables.items() if f is not None}
    log = frames["interactions"].drop(columns=["machine", "touch", "engaged"])
    kept = log[rng.random(len(log)) < rng.uniform(0.2, 1.0)]
    roots = set(kept["interaction_id"])
    kept = kept[[parent is None or parent != parent or parent in roots for parent in kept["parent_id"]]]
    consent = frames["consent"][rng.random(len(frames["consent"])) < rng.uniform(0.3, 1.0)].copy()
    consent["opt_type"] = rng.choice(
        ["opt_in", "opt_in", "opt_in", "opt_out", "opt_in_pending"], len(consent)
    )
    content = frames["content"].copy()
    content["approval_status"] = rng.choice(
        ["approved", "approved", "approved", "staged", "expired", "withdrawn"], len(content)
    )
    start = pd.to_datetime(NOW + rng.integers(-200, 10, len(content)) * DAY, unit="s", utc=True)
    content["approved_from"] = start.as_unit("s")
    end = start + pd.to_timedelta(rng.integers(20, 400, len(content)), unit="D")
    content["expiry"] = end.as_unit("s")
    changed = {"interactions": kept, "consent": consent, "content": content}
    return Engagement(**(frames | changed), observed_until="2026-10-01")


class Oracle:
    """Whether an action may be chosen, read from plain rows one by one."""

    def __init__(self, data):
        self.hcps = {row["hcp_id"]: row for row in data.hcps.to_dict("records")}
        self.content = {row["content_id"]: row for row in data.content.to_dict("records")}
        self.channels = {row["channel"]: row for row in data.channels.to_dict("records")}
        self.consent, self.touches = defaultdict(list), defaultdict(list)
        for row in data.consent.to_dict("records"):
            self.consent[row["hcp_id"], row["channel"]].append(row)
        touches = data.interactions[data.interactions["touch"]]
        for hcp, ts, known in zip(touches["hcp_id"], touches["ts"], touches["recorded_at"], strict=True):
            if ts.timestamp() < NOW and known.timestamp() < NOW:
                self.touches[hcp].append(ts.timestamp())

    def faults(self, hcp_id, action):
        hcp, content = self.hcps[hcp_id], self.content[action.content]
        found = []
        if (
            action.channel not in content["channels"]
            or hcp["country"] not in content["country"]
            or content["language"] != hcp["language"]
        ):
            found.append("candidates")
        found += self.consent_fault(hcp_id, action, content)
        found += self.approval_fault(hcp, content)
        touches = self.touches[hcp_id]
        if sum(ts >= NOW - CAP_DAYS * DAY for ts in touches) >= CAP:
            found.append("frequency_cap")
        if touches and NOW - max(touches) < GAP_DAYS * DAY:
            found.append("minimum_gap")
        return found

    def consent_fault(self, hcp_id, action, content):
        tags = ("product_id", "purpose", "content_type")
        about = [
            row
            for row in self.consent[hcp_id, action.channel]
            if all(missing(row.get(tag)) or row[tag] == content.get(tag) for tag in tags)
        ]
        outs = [r for r in about if r["opt_type"] == "opt_out" and r["captured_at"].timestamp() <= NOW]
        ins = [r for r in about if r["opt_type"] != "opt_out" and r["captured_at"].timestamp() < NOW]
        latest_out = max((r["captured_at"] for r in outs), default=None)
        if latest_out is not None:
            ins = [r for r in ins if r["captured_at"] > latest_out]
            if not ins:
                return ["consent"]
        if not self.channels[action.channel]["consent_required"]:
            return []
        if not ins:
            return ["consent"]
        newest = max(r["captured_at"] for r in ins)
        last = [r for r in ins if r["captured_at"] == newest]
        if any(r["opt_type"] == "opt_in_pending" for r in last):
            return ["consent"]
        ends = [r["expires_at"] for r in last if not missing(r.get("expires_at"))]
        return ["consent"] if any(end.timestamp() < UNTIL for end in ends) else []

    def approval_fault(self, hcp, content):
        def is_in_force(row):
            return row["approval_status"] == "approved" and row["approved_from"].timestamp() <= NOW

        if not is_in_force(content) or content["expiry"].timestamp() < UNTIL:
            return ["approved"]
        for other in filter(is_in_force, self.content.values()):
            if other.get("supersedes") == content["content_id"]:
                return ["approved"]
            same = (
                other["document_number"] == content["document_number"] and hcp["country"] in other["country"]
            )
            if same and float(other["version"]) > float(content["version"]):
                return ["approved"]
        return []


def missing(value):
    return value is None or value != value or value == ""


def test_no_ineligible_action_ever_has_probability_and_every_rule_bites(anything_goes, world):
    bites = Counter()
    for seed in range(12):
        data = random_tables(world, seed)
        plan = anything_goes.recommend(data, at=AT, seed=seed)
        oracle = Oracle(data)
        removed, total = Counter(), 0
        rng = np.random.default_rng(seed)
        actions = sorted({a for r in plan for a, _ in (*r.eligible, *r.removed) if a != DO_NOTHING})
        for receipt in plan:
            probs = dict(receipt.eligible)
            assert all(p > 0 for p in probs.values())
            for k in rng.permutation(len(actions))[:12]:
                action = actions[k]
                why = oracle.faults(receipt.hcp_id, action)
                assert (action in probs) == (not why), (seed, action, why)
                removed.update(set(why))
                total += 1
        for rule, count in removed.items():
            bites[rule] = max(bites[rule], count / total)

    assert {"candidates", "consent", "approved", "frequency_cap", "minimum_gap"} <= set(bites)
    assert all(share >= 0.3 for share in bites.values()), bites


def test_the_only_choice_left_is_an_abstention_with_every_removal(anything_goes, world):
    data = random_tables(world, 0)
    frames = {n: f for n, f in data.tables.items() if f is not None}
    content = frames["content"].assign(approval_status="withdrawn")
    log = frames["interactions"].drop(columns=["machine", "touch", "engaged"])
    closed = Engagement(**(frames | {"content": content, "interactions": log}), observed_until="2026-10-01")

    plan = anything_goes.recommend(closed, at=AT, seed=1)

    for receipt in plan:
        assert receipt.action == DO_NOTHING
        assert receipt.selection_prob == 1.0
        assert receipt.eligible == ((DO_NOTHING, 1.0),)
        assert receipt.removed


def test_priorities_are_the_product_of_their_terms_less_the_cost(anything_goes, world):
    plan = anything_goes.recommend(world.engagement, at=AT, seed=3)

    for receipt in plan:
        if receipt.action != DO_NOTHING:
            t = receipt.terms
            assert receipt.priority == t["propensity"] * t["value"] * t["lever"] - t["cost"]
            assert t["propensity"] == receipt.propensity


def with_objections(engagement, hcps, *, since="2026-08-20T00:00Z"):
    """The same tables with some HCPs' objections to profiling."""
    frames = {
        name: frame.drop(columns=["machine", "touch", "engaged"], errors="ignore")
        for name, frame in engagement.tables.items()
        if frame is not None
    }
    words = pd.DataFrame(
        {"hcp_id": hcps, "channel": "all", "purpose": "profiling", "opt_type": "opt_out",
         "captured_at": pd.to_datetime([since] * len(hcps)).as_unit("s")}
    )  # fmt: skip
    frames["consent"] = pd.concat([frames["consent"], words], ignore_index=True)
    frames["interactions"]["is_machine"] = engagement.interactions["machine"]
    return Engagement(**frames, observed_until=pd.Timestamp(engagement.observed_until, unit="s", tz="UTC"))


@pytest.fixture(scope="module")
def objecting(territory):
    """HCPs with a history of their own, and tables in which they object to profiling."""
    touched = territory.engagement.interactions
    hcps = sorted(touched["hcp_id"][touched["engaged"]].value_counts().index[:25])
    return hcps, with_objections(territory.engagement, hcps)


@pytest.fixture(scope="module")
def without_profiles(model, objecting):
    return model.recommend(objecting[1], at=HALL_AT, seed=7)


def test_who_objects_to_profiling_is_scored_without_history_and_everybody_else_as_before(
    model, plan, without_profiles, objecting
):
    hcps = set(objecting[0])
    bare = {r.hcp_id: r for r in without_profiles}

    for receipt in plan:
        if receipt.hcp_id not in hcps:
            assert replace(bare[receipt.hcp_id], batch_id="") == replace(receipt, batch_id="")
    for hcp in hcps:
        assert bare[hcp].facts["profiling"] == {"objected": True}
        assert bare[hcp].prior_only or bare[hcp].action == DO_NOTHING
    assert any(bare[r.hcp_id].eligible != r.eligible for r in plan if r.hcp_id in hcps)


def test_the_score_of_who_objects_does_not_depend_on_its_history(model, objecting):
    hcps, data = objecting
    log = data.interactions
    row = data.columns("hcps")

    for hcp in hcps[:6]:
        person = {name: row[name][list(row["hcp_id"]).index(hcp)] for name in row}
        consent = consent_records(data, hcp)
        scores = []
        for other in ("none", hcp, hcps[-1]):  # no history, the own one, somebody else's
            mine = log[log["hcp_id"] == other].drop(columns=["machine", "touch", "engaged"])
            records = [record | {"hcp_id": hcp} for record in plain_records(mine)]
            made = model.decide(
                hcp, history=records, hcp=person, consent=consent, at=HALL_AT, seed=7, data=data
            )
            scores.append(made._why.decider.score(made._known, asked_of(model, made)).margin)
        assert np.array_equal(scores[0], scores[1])
        assert np.array_equal(scores[0], scores[2])


def test_one_who_objects_is_decided_alone_as_in_the_batch(model, without_profiles, objecting):
    hcps, data = objecting
    log = data.interactions.drop(columns=["machine", "touch", "engaged"])
    flags = data.interactions["machine"]

    for hcp in hcps[:10]:
        mine = log[log["hcp_id"] == hcp].assign(is_machine=flags)
        alone = model.decide(hcp, history=plain_records(mine), at=HALL_AT, seed=7, data=data)
        receipt = without_profiles.receipt(hcp)
        assert replace(alone.receipt(hcp), batch_id="") == replace(receipt, batch_id="")


def test_no_form_tells_of_a_history_that_may_not_be_read(without_profiles, objecting, territory):
    acted = 0
    for hcp in objecting[0]:
        receipt = without_profiles.receipt(hcp)
        acted += receipt.action != DO_NOTHING
        for card in (
            without_profiles.card(hcp),
            without_profiles.card(hcp, language="de"),
            without_profiles.card(hcp, audience="hq"),
        ):
            assert (card.interests, card.recent, card.comparison) == ((), (), "")
            assert any("profil" in note.lower() for note in card.notes)
            assert card.confidence in ("Low", "Test", None)
        said = [reason.text for reason in receipt.reasons if reason.text]
        assert not [text for text in said if any(sign.isdigit() for sign in text) or text.startswith("No ")]
        told = {reason.group for reason in receipt.reasons if reason.text}
        assert told <= {"profile", "audience_fit"}
        brief = without_profiles.brief(hcp)
        assert (brief.recent, brief.friction) == ((), ())
    assert acted
    assert not {told.hcp_id for told in without_profiles.insights()} & set(objecting[0])


def test_what_is_learned_from_who_objects_is_read_without_its_history(model, objecting):
    hcps, data = objecting
    known = Known.of(data, model.features)
    at = np.array([as_moment("2026-08-19"), as_moment("2026-08-21")] * 2)
    who = np.array([hcps[0], hcps[0], hcps[1], hcps[1]], dtype=object)
    actions = tuple(sorted(model.scorer.actions_))[:1]
    labels = Labels(who, at, np.arange(4), np.zeros(4, int), np.zeros(4), actions, 0, np.full(4, np.nan))

    design = model.design(known, labels)

    behaviour = [i for i, f in enumerate(design.shared_features) if f.family == "behavioural"]
    assert np.isnan(design.shared[1::2][:, behaviour]).all()
    assert not np.isnan(design.shared[::2][:, behaviour]).all()
    specialty = [i for i, f in enumerate(design.shared_features) if "specialty" in f.name]
    assert specialty
    assert not np.isnan(design.shared[:, specialty]).any()


def plain_records(frame):
    return [
        {
            name: cell.to_pydatetime() if hasattr(cell, "to_pydatetime") else cell
            for name, cell in row.items()
            if cell is not None and cell == cell
        }
        for row in frame.to_dict("records")
    ]


def consent_records(data, hcp):
    return plain_records(data.consent[data.consent["hcp_id"] == hcp])


def asked_of(model, made):
    from nba.tables import candidates

    return candidates(made._known.tables, made.at, valid_days=model.valid_days)


def stepped(territory, rows):
    """The same tables with steps that HCPs took in interactive content."""
    frames = {name: frame for name, frame in territory.engagement.tables.items() if frame is not None}
    log = frames["interactions"].drop(columns=["machine", "touch", "engaged"])
    steps = pd.DataFrame(rows)
    steps = steps.assign(
        interaction_id=[f"step{i}" for i in range(len(steps))],
        channel="portal",
        direction="inbound",
        outcome="branched",
        **{name: pd.to_datetime(steps[name], utc=True) for name in ("ts", "recorded_at")},
    )
    both = pd.concat([log, steps], ignore_index=True).assign(
        is_machine=lambda it: it["is_machine"].astype("boolean").fillna(False).astype(bool)
    )
    until = territory.engagement.observed_until
    return Engagement(
        **(frames | {"interactions": both}), observed_until=pd.Timestamp(until, unit="s", tz="UTC")
    )


def test_steps_taken_in_interactive_content_open_what_is_deeper_as_of_the_moment_and_the_funnel_tells(
    model, territory
):
    asking = variant_of(model, guardrails=(guardrails.Deepening(0.9),), policy=policies.Greedy())
    data, content = territory.engagement, territory.engagement.content.set_index("content_id")
    plan = asking.recommend(data, at=HALL_AT, seed=7)
    shut = [(r.hcp_id, a) for r in plan for a, code in r.removed if code == "not_deep_enough"]
    hcp, action = shut[0]
    topic, level = content.loc[action.content, ["topic", "depth_level"]]
    before = plan.funnel()
    lower = content.index[(content["topic"] == topic) & (content["depth_level"] < level)]
    step = {
        "hcp_id": hcp,
        "outcome": "branched",
        "ts": "2026-08-20T10:00Z",
        "recorded_at": "2026-08-20T10:00Z",
    }
    ways = [step | {"content_id": one, "step": f"s{i}"} for one in lower for i in range(4)]

    def removed(rows):
        later = asking.recommend(stepped(territory, rows), at=HALL_AT, seed=7, hcps=[hcp])
        return dict(later.receipt(hcp).removed).get(action)

    assert "deepening" in str(before)
    assert "comes first" in plan.why_not(hcp, action)
    assert removed(ways) != "not_deep_enough"
    assert removed([way | {"recorded_at": "2026-09-01T00:00Z"} for way in ways]) == "not_deep_enough"
    assert removed(
        [way | {"ts": "2026-09-02T00:00Z", "recorded_at": "2026-09-02T00:00Z"} for way in ways]
    ) == ("not_deep_enough")


def test_engagements_of_who_objects_to_profiling_are_not_given_to_rules(model, objecting, plan):
    hcps, data = objecting
    known = Known.of(data, model.features)
    asked = candidates(data, HALL_AT)

    told = known.context(asked, None).tables["engagements"]

    assert not set(told["hcp_id"]) & set(hcps)
    rows = data.interactions[data.interactions["engaged"] & data.interactions["content_id"].notna()]
    seen = rows[
        (rows["ts"] < pd.Timestamp(HALL_AT, tz="UTC"))
        & (rows["recorded_at"] < pd.Timestamp(HALL_AT, tz="UTC"))
    ]
    assert len(told["ts"]) == (~seen["hcp_id"].isin(hcps)).sum() > 500
    assert set(told) == {"hcp_id", "ts", "channel", "content_id", "outcome", "duration_s", "step"}
