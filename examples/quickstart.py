# %% [markdown]
# # Quickstart: from engagement tables to one explained decision per HCP
# Every cell runs as it stands, without further data: the territory is simulated, and its truth is known.

# %%
import tempfile
from pathlib import Path

import nba
from nba import guardrails, policies

folder = Path(tempfile.mkdtemp())
territory = nba.simulate.territory(seed=7, hcps=200, days=240, contents=20)
territory.to_folder(folder / "data")

# %% [markdown]
# All tables, checked at the border. What is missing or was set aside is said.

# %%
data = nba.Engagement.from_parquet(folder / "data")
print(data)
for note in data.notes:
    print("-", note)

# %% [markdown]
# Declare what counts as success, what is known of an HCP, how to choose, and what may never happen.
# Consent and approval are always on.

# %%
model = nba.NextBestAction(
    outcome=nba.Response(within_days=14),
    features=nba.EngagementFeatures.standard(),
    scorer=nba.PairPropensity(),
    policy=policies.InverseGap(explore=0.05),
    guardrails=[
        guardrails.FrequencyCap(6, days=30),
        guardrails.MinimumGap(14, channel="rep_visit"),
    ],
)
model.fit(data, until="2026-09-01")
print(model.training_)

# %% [markdown]
# One decision per HCP as of a moment, on disk before it is handed out, checked once more at commit.

# %%
log = nba.Log(folder / "decisions.db")
plan = model.recommend(data, at="2026-09-01", seed=7, log=log)
log.commit(plan, consent=data.consent)
print(plan.funnel())

# %% [markdown]
# The rep card says what to do, why, and what to watch. A notebook shows it as a page.

# %%
acting = plan.to_frame().query("channel != 'do_nothing'")
hcp = acting["hcp_id"].iloc[0]
print(plan[hcp].text)
plan[hcp]

# %% [markdown]
# Everything needed to replay and audit the decision stands in its receipt.

# %%
receipt = plan.receipt(hcp)
print(
    f"{receipt.action}: selection probability {receipt.selection_prob:.3f} "
    f"among {len(receipt.eligible)} eligible"
)
print("terms of the priority:", receipt.terms)

# %% [markdown]
# A service decides one HCP from plain records: the same decision, bit for bit.

# %%
mine = data.interactions[data.interactions["hcp_id"] == hcp].drop(columns=["machine", "touch", "engaged"])
records = [{name: value for name, value in row.items() if value == value} for row in mine.to_dict("records")]
alone = model.decide(hcp, history=records, at="2026-09-01", seed=7)
print("the same decision:", alone.receipt(hcp).decision_id == receipt.decision_id)

# %% [markdown]
# What came of the decisions teaches the model: each once, and "not yet" is never a no.

# %%
outcomes = log.outcomes(data, at="2026-10-01")
print(outcomes.counts())
model.learn(outcomes)

# %%
digest = model.save(folder / "model")
again = nba.load(folder / "model", digest=digest)
print("loaded and verified:", again.digest_ == model.digest_)
