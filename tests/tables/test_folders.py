"""Tables that go to a folder and come back."""

from __future__ import annotations

import pandas as pd
import pytest

from nba.errors import TableError
from nba.tables import TABLES, Engagement


def assert_equal(a: Engagement, b: Engagement) -> None:
    assert a.observed_until == b.observed_until
    for name, frame in a.tables.items():
        if frame is None:
            assert b.tables[name] is None
        else:
            pd.testing.assert_frame_equal(frame, b.tables[name])


def write_csv(folder, frames) -> None:
    for name, frame in frames.items():
        lists = [c.name for c in TABLES[name].columns if c.kind == "list" and c.name in frame]
        flat = frame.assign(**{column: frame[column].map("|".join) for column in lists})
        flat.to_csv(folder / f"{name}.csv", index=False)


def test_a_saved_engagement_reads_back_equal(frames, tmp_path):
    data = Engagement(**frames, observed_until="2026-01-03")

    data.to_folder(tmp_path / "new" / "folder")

    assert_equal(data, Engagement.from_folder(tmp_path / "new" / "folder"))
    assert_equal(data, Engagement.from_parquet(tmp_path / "new" / "folder"))


def test_saving_over_a_folder_leaves_no_table_of_before(frames, tmp_path):
    Engagement(**frames).to_folder(tmp_path)
    without = {name: frame for name, frame in frames.items() if name != "consent"}
    Engagement(**without).to_folder(tmp_path)

    assert Engagement.from_folder(tmp_path).consent is None


def test_csv_reads_the_same_as_frames(frames, tmp_path):
    write_csv(tmp_path, frames)

    assert_equal(Engagement(**frames), Engagement.from_csv(tmp_path))
    assert_equal(Engagement(**frames), Engagement.from_folder(tmp_path))


def test_csv_keeps_leading_zeros_and_the_text_na(frames, tmp_path):
    hcps = frames["hcps"].assign(npi="0012", specialty="NA")
    write_csv(tmp_path, frames | {"hcps": hcps})

    read = Engagement.from_csv(tmp_path).hcps

    assert set(read["npi"]) == {"0012"}
    assert set(read["specialty"]) == {"NA"}


def test_a_folder_without_the_needed_tables_says_what_it_holds(tmp_path):
    (tmp_path / "hcps.csv").write_text("hcp_id,country\nh1,US\n")
    (tmp_path / "events.csv").write_text("a\n1\n")

    with pytest.raises(
        TableError, match=r"holds events\.csv, hcps\.csv\. Missing: interactions\.csv, content\.csv"
    ):
        Engagement.from_folder(tmp_path)


def test_no_folder_and_two_kinds_of_files_are_refused(frames, tmp_path):
    with pytest.raises(TableError, match="is no folder"):
        Engagement.from_folder(tmp_path / "nowhere")
    Engagement(**frames).to_folder(tmp_path)
    write_csv(tmp_path, frames)
    with pytest.raises(TableError, match="one kind"):
        Engagement.from_folder(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PAR1 not really"])
def test_a_broken_file_is_an_error_of_ours(frames, tmp_path, content):
    Engagement(**frames).to_folder(tmp_path)
    (tmp_path / "content.parquet").write_bytes(content)

    with pytest.raises(TableError, match=r"content\.parquet cannot be read"):
        Engagement.from_folder(tmp_path)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"observed_until": 3}'])
def test_a_broken_moment_file_is_an_error_of_ours(frames, tmp_path, text):
    Engagement(**frames).to_folder(tmp_path)
    (tmp_path / "engagement.json").write_text(text)

    with pytest.raises(TableError, match="holds no moment"):
        Engagement.from_folder(tmp_path)
