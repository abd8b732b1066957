"""What behaviour adds to knowing who an HCP is, with intervals."""

import pytest

from training import ablation


@pytest.mark.slow
def test_each_variant_reads_its_own_columns_and_everything_is_compared_with_each(capsys):
    found = ablation.run(["--hcps", "200"])

    columns = {name: figures["columns"] for name, figures in found.items()}
    assert columns["everything"] == columns["without behaviour"] + columns["behaviour alone"]
    assert 0 < columns["without behaviour"] < columns["behaviour alone"]
    for name, figures in found.items():
        mean, low, high = figures["everything_better_by"]
        assert mean == pytest.approx(figures["log_loss"] - found["everything"]["log_loss"])
        assert (low == high == 0.0) if name == "everything" else (low < mean < high)
    assert "hcp_" not in capsys.readouterr().out
