# %% [markdown]
# # A guardrail of your own
# A rule is any class with a `code` and one method. It says of every HCP and action whether it may be
# chosen, and why not; the funnel, the receipts and "why not this?" follow by themselves.

# %%
from dataclasses import dataclass

import numpy as np

import nba
from nba import guardrails, policies, testing
from nba.contracts import Verdict

# %% [markdown]
# Suppose a brand team wants no long material in the week before a holiday, in the countries that keep it.
# `candidates` say who and what is asked about; `context` holds the tables as of the moment.


# %%
@dataclass(frozen=True)
class NothingLongBefore:
    """No content of more than a few minutes in countries that are about to be on holiday."""

    countries: tuple[str, ...]
    max_minutes: float = 5.0
    code = "nothing_long_before"

    def check(self, candidates, context):
        content = context.content
        minutes = dict(zip(content["content_id"], content["minutes"], strict=True))
        lasts = np.nan_to_num([minutes.get(action.content, 0.0) for action in candidates.actions])
        on_holiday = np.array([country in self.countries for country in context.hcps["country"]], dtype=bool)
        reason = on_holiday[:, None] & (lasts > self.max_minutes)  # column 0, do_nothing, lasts no minute
        return Verdict(
            rule=self.code,
            reason=reason.astype(np.int8),
            reasons=("", "too_long_before_holiday"),
            facts={"minutes": lasts[None, :]},
        )


# %% [markdown]
# Before it is trusted with a plan it is checked: alone as in the batch, whatever the order of rows and
# actions, with tables missing, do_nothing never removed, and so on.

# %%
rule = NothingLongBefore(countries=("DE",))
print(testing.check_guardrail(rule))

# %% [markdown]
# Then it stands beside those that ship. `standard()` is what a cautious company would start with.

# %%
data = nba.simulate.territory(seed=7, hcps=120, days=200, contents=20).engagement
model = nba.NextBestAction(
    policy=policies.InverseGap(explore=0.05),
    guardrails=[*guardrails.standard(), rule],
)
model.fit(data, until="2026-09-01")
plan = model.recommend(data, at="2026-09-01", seed=7)
funnel = plan.funnel().to_frame()
print(funnel[funnel["removed"] > 0].to_string(index=False))

# %% [markdown]
# Its reason stands on the receipt of every HCP it kept something from.

# %%
kept_from = [r for r in plan.receipts() if "too_long_before_holiday" in dict(r.removed).values()]
print(f"{len(kept_from)} of {len(plan)} HCPs were spared long material")
