# %% [markdown]
# # Quickstart: from engagement tables to one explained decision per HCP
# Every cell runs as it stands, without further data: the territory is simulated, and its truth is known. It
# takes less than a minute.

# %%
import tempfile
from pathlib import Path

import numpy as np

import nba
from nba import assess, guardrails, policies
from nba.evaluation import plots

folder = Path(tempfile.mkdtemp())
territory = nba.simulate.territory(seed=7, hcps=240, days=240, contents=20)
territory.to_folder(folder / "data")

# %% [markdown]
# ## The tables
# All tables are checked at the border. What is missing or was set aside is said.

# %%
data = nba.Engagement.from_parquet(folder / "data")
print(data)
for note in data.notes:
    print("-", note)

# %% [markdown]
# A row of the log is a touch, or an answer to one. `recorded_at` is when it became known: both moments have
# to lie before a decision for the row to be read.

# %%
shown = ["hcp_id", "ts", "recorded_at", "channel", "direction", "outcome", "topic"]
data.interactions[shown].head()

# %% [markdown]
# ## Fit
# Declare what counts as success, what is known of an HCP, how to choose, and what may never happen. Consent
# and approval are always on.


# %%
def make_model():
    return nba.NextBestAction(
        outcome=nba.Response(within_days=14),
        features=nba.EngagementFeatures.standard(),
        scorer=nba.PairPropensity(),
        policy=policies.InverseGap(explore=0.05),
        guardrails=[
            guardrails.FrequencyCap(6, days=30),
            guardrails.MinimumGap(14, channel="rep_visit"),
        ],
    )


early = make_model().fit(data, until="2026-07-01")
print(early.training_)

# %% [markdown]
# ## How good is it?
# Judged on what came later, two weeks after all that the model saw, so that no window of a training label
# looks into it. First against the segment baseline, with an interval over HCPs.

# %%
window = assess.later_window(early, data, start="2026-07-15")
print(f"{window.rows:,} touches of {window.hcps} HCPs, {window.positives:,} responses")
print(f"log loss {window.log_loss:.4f}, segment baseline {window.baseline_log_loss:.4f}")
print("better per touch by", window.better_by, "| AUC", round(window.auc, 3))

# %% [markdown]
# What is said to happen in 20 of 100 cases should happen in 20 of 100 cases.

# %%
labels = assess.window_labels(early, data, start="2026-07-15")
margin, _ = early.score(data, labels)
propensity = 1 / (1 + np.exp(-margin))
hcps = labels.hcps[labels.row]

plots.reliability(labels.y, propensity, clusters=hcps)

# %% [markdown]
# If only some touches can be made: how many of the responses do the likeliest ones hold?

# %%
plots.gains(labels.y, propensity, clusters=hcps)

# %% [markdown]
# Ranking, success and volume at once. A territory this small has few responses per content, so the bubbles
# are channel and topic here; a larger one is drawn by pair, with `pair=labels.pair,
# actions=labels.actions`.

# %%
topic = dict(zip(data.content["content_id"], data.content["topic"], strict=True))
subjects = [nba.contracts.Action(a.channel, topic.get(a.content, "")) for a in labels.actions]
groups = sorted(set(subjects))
group = [groups.index(subjects[k]) for k in labels.pair]

plots.volume(labels.y, propensity, pair=group, actions=groups, clusters=hcps, least=5)

# %% [markdown]
# ## Recommend
# Fitted on all that is known by now. One decision per HCP as of a moment, on disk before it is handed out,
# and checked once more at commit.

# %%
model = make_model().fit(data, until="2026-09-01")
log = nba.Log(folder / "decisions.db")
plan = model.recommend(data, at="2026-09-01", seed=7, log=log)
done = log.commit(plan, consent=data.consent)
print(f"{len(done)} decisions committed")
plan.to_frame()[
    ["hcp_id", "channel", "content_id", "propensity", "spread", "selection_prob", "explored"]
].head()

# %% [markdown]
# ## Why, and why not
# The rep card says what to do, why, and what to watch. Its reasons are the model's own, exactly; its counts
# can be recounted in the log.

# %%
acting = plan.to_frame().query("channel != 'do_nothing'")
hcp = acting["hcp_id"].iloc[0]
plan[hcp]

# %% [markdown]
# Why not something else? Every removal has its rule and its reason. Look here first when a plan is emptier
# than expected.

# %%
print(plan.funnel())

# %% [markdown]
# Everything needed to replay and audit one decision stands in its receipt.

# %%
receipt = plan.receipt(hcp)
print(
    f"{receipt.action}: selection probability {receipt.selection_prob:.3f} "
    f"among {len(receipt.eligible)} eligible"
)
print("terms of the priority:", {name: round(factor, 4) for name, factor in receipt.terms.items()})
print("removed, for example:", [f"{action}: {reason}" for action, reason in receipt.removed[:3]])

# %% [markdown]
# ## One HCP in a service
# A service decides one HCP from plain records: the same decision, bit for bit.

# %%
mine = data.interactions[data.interactions["hcp_id"] == hcp].drop(columns=["machine", "touch", "engaged"])
records = [{name: value for name, value in row.items() if value == value} for row in mine.to_dict("records")]
alone = model.decide(hcp, history=records, at="2026-09-01", seed=7)
print("the same decision:", alone.receipt(hcp).decision_id == receipt.decision_id)

# %% [markdown]
# ## Learn
# What came of the decisions teaches the model: each once, and "not yet" is never a no. The simulated reps did
# not know of these decisions, so that hardly any was carried out: that is censored, not a failure.

# %%
outcomes = log.outcomes(data, at="2026-10-01")
print(outcomes.counts())
before = model.digest_
model.learn(outcomes)
print("learned something:", model.digest_ != before)

# %% [markdown]
# ## Save and load
# A bundle is JSON and plain arrays, checked against its digest before anything is read: no pickle.

# %%
digest = model.save(folder / "model")
again = nba.load(folder / "model", digest=digest)
print("loaded and verified:", again.digest_ == model.digest_)
