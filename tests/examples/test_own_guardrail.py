import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.slow
@pytest.mark.filterwarnings("default::nba.errors.NBAWarning")
def test_a_guardrail_of_ones_own_passes_the_public_check_and_bites_in_a_plan(capsys):
    run = runpy.run_path(str(EXAMPLES / "own_guardrail.py"))

    printed = capsys.readouterr().out
    assert printed.startswith("nothing_long_before: 25 worlds")
    assert run["kept_from"]
    countries = {row["hcp_id"]: row["country"] for row in run["data"].hcps.to_dict("records")}
    assert {countries[r.hcp_id] for r in run["kept_from"]} == {"DE"}
