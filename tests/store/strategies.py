"""Any receipt whatever, for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from nba.contracts import Action, Reason, Receipt

texts = st.text(max_size=6)
floats = st.floats()
actions = st.builds(Action, texts, texts)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | floats | texts,
    lambda inner: st.lists(inner, max_size=2) | st.lists(inner, max_size=2).map(tuple),
    max_leaves=4,
)
receipts = st.builds(
    Receipt,
    **dict.fromkeys(("decision_id", "batch_id", "hcp_id", "document_number", "version", "holdout"), texts),
    **dict.fromkeys(("policy", "model_digest", "features_digest", "stream"), texts),
    **{name: st.integers(-(2**62), 2**62) for name in ("decided_at", "valid_until", "seed")},
    **dict.fromkeys(("n", "priority", "selection_prob", "draw", "horizon_days"), floats),
    **{name: st.none() | floats for name in ("propensity", "spread")},
    **{name: st.booleans() for name in ("prior_only", "explored")},
    action=actions,
    terms=st.dictionaries(st.sampled_from("abc"), floats, max_size=2),
    eligible=st.lists(st.tuples(actions, floats), max_size=2).map(tuple),
    removed=st.lists(st.tuples(actions, texts), max_size=2).map(tuple),
    facts=st.dictionaries(
        texts.filter(lambda key: key[:1] != "$"), st.dictionaries(st.sampled_from("ab"), plain)
    ),
    reasons=st.lists(
        st.builds(Reason, texts, floats, st.sampled_from([-1, 1]), texts, st.just("rep")), max_size=2
    ).map(tuple),
    waivers=st.lists(texts, max_size=2).map(tuple),
)
