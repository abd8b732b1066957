"""A made-up decision to try the card on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nba.contracts import DO_NOTHING, Action, Facet, Reason, Receipt


def example_receipt(**changes: Any) -> Receipt:
    """A receipt of an invented HCP, with any field changed.

    Examples
    --------
    >>> example_receipt(explored=True).explored
    True
    """
    email = Action("approved_email", "c_0412")
    made_up = Receipt(
        decision_id="7f3a09d2c1",
        batch_id="b_01",
        hcp_id="hcp_0042",
        decided_at=1_795_449_600,
        valid_until=1_795_881_600,
        action=email,
        document_number="PM-US-0412",
        version="3",
        propensity=0.12,
        spread=0.4,
        n=240.0,
        prior_only=False,
        terms={"propensity": 0.12, "value": 10.0, "cost": 0.2},
        priority=1.0,
        selection_prob=0.61,
        explored=False,
        draw=0.25,
        eligible=((email, 0.61), (Action("remote_call", "c_0412"), 0.29), (DO_NOTHING, 0.1)),
        removed=((Action("rep_visit", "c_0412"), "minimum_gap"),),
        facts={
            "consent": {"consent_since": 1_778_752_800},
            "minimum_gap": {"last_days_ago": 12.4, "gap_days": 7.0},
            "frequency_cap": {"contacts": 2, "cap": 4, "days": 30},
            "approved": {"expiry": 1_806_451_200},
        },
        reasons=(
            Reason(
                "channel_response", 0.62, 1, "Approved emails clicked: 5 of 10 in the last 90 days", "rep"
            ),
            Reason("topic", 0.41, 1, "4 engagements with mechanism of action in the last 6 months", "rep"),
            Reason("events", 0.18, 1, "1 webinar attended in the last 6 months", "rep"),
            Reason("audience", -0.15, -1, "Specialty and the content's main audience differ", "rep"),
            Reason("market", 0.07, 1, "", "restricted"),
        ),
        holdout="none",
        policy="inverse_gap",
        model_digest="",
        features_digest="",
        horizon_days=14.0,
        seed=7,
        stream="plan",
    )
    return replace(made_up, **changes)


def example_inputs() -> dict[str, Any]:
    """What else ``build_card`` takes, for the same invented HCP.

    Examples
    --------
    >>> sorted(example_inputs())
    ['content', 'facets', 'hcp', 'interests', 'recent', 'timezone']
    """
    return {
        "content": {"title": "HF efficacy summary", "expiry": 1_806_451_200},
        "hcp": {"name": "Dr. A. Rivera", "specialty": "Cardiology"},
        "facets": (
            Facet("best_slot", "Tue or Wed, 07:00–08:30"),
            Facet("next_question", "Dosing in renal impairment"),
        ),
        "interests": (("mechanism of action", 6), ("outcomes data", 3), ("dosing", 2)),
        "recent": ((1_794_477_600, "read “MOA overview”"), (1_793_700_000, "joined a webinar")),
        "timezone": "America/New_York",
    }
