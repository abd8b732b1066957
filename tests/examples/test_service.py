"""The service: every answer is in the log, exactly once, whatever happens around it."""

from __future__ import annotations

import http.client
import json
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from hall import UNTIL, make_model

import nba

fastapi = pytest.importorskip("fastapi", reason="FastAPI is not installed (the extra 'service')")
uvicorn = pytest.importorskip("uvicorn", reason="uvicorn is not installed (the extra 'service')")

from examples import service as example  # noqa: E402  (after what it needs was looked for)

SCRIPT = Path(__file__).parents[2] / "examples" / "service.py"
DAYS = tuple(f"2026-09-{day:02d}T08:00:00Z" for day in range(1, 13))
COMPUTED = {"machine", "touch", "engaged"}


def plain(frame):
    """Rows as JSON would carry them: times as ISO texts, what is empty left out."""
    texts = frame.assign(
        **{c: frame[c].dt.strftime("%Y-%m-%dT%H:%M:%SZ") for c in frame.columns if frame[c].dtype.kind == "M"}
    )
    return [
        {name: cell for name, cell in row.items() if cell is not None and cell == cell}
        for row in json.loads(texts.drop(columns=COMPUTED, errors="ignore").to_json(orient="records"))
    ]


@pytest.fixture(scope="module")
def place(territory, model, tmp_path_factory):
    """A folder with tables and a model, as a service would be given."""
    folder = tmp_path_factory.mktemp("service")
    territory.engagement.to_folder(folder / "data")
    model.save(folder / "model")
    return folder


@pytest.fixture(scope="module")
def asks(territory):
    """Requests by (HCP, day): each with what is on record of the HCP."""
    data = territory.engagement
    log = data.interactions.assign(is_machine=data.interactions["machine"])
    histories = {hcp: plain(rows) for hcp, rows in log.groupby("hcp_id")}

    def ask(number):
        hcp = data.hcps["hcp_id"].iloc[number % len(data.hcps)]
        at = DAYS[number // len(data.hcps)]
        return {
            "request_id": f"r{number}",
            "hcp_id": hcp,
            "at": at,
            "history": [row for row in histories.get(hcp, []) if row["ts"] < at],
        }

    return ask


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def call(port, method, path, body=None):
    """(status, answer) of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        text = body if isinstance(body, str) else json.dumps(body)
        connection.request(method, path, body=text, headers={"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def wait_until_it_answers(port, *, alive):
    for _ in range(600):
        assert alive(), "the service ended before it answered"
        try:
            return call(port, "GET", "/health")
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the service did not answer within a minute")


@contextmanager
def started(place, log):
    """The script in a process of its own, killed at the end without a warning."""
    port = free_port()
    command = [sys.executable, str(SCRIPT), "--model", str(place / "model"), "--data", str(place / "data")]
    with open(log.with_suffix(".out"), "w", encoding="utf-8") as said:
        process = subprocess.Popen(
            [*command, "--log", str(log), "--port", str(port)], stdout=said, stderr=said, cwd=log.parent
        )
        try:
            wait_until_it_answers(port, alive=lambda: process.poll() is None)
            yield port
        finally:
            process.kill()
            process.wait()


@contextmanager
def served(place, log):
    """The same service in a thread of this process."""
    service = example.Service(lambda: example.Snapshot.read(place / "model", place / "data"), log)
    config = uvicorn.Config(example.make_app(service), port=free_port(), log_level="error", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_until_it_answers(config.port, alive=thread.is_alive)
        yield config.port
    finally:
        server.should_exit = True
        thread.join(timeout=30)


def answers_with_a_reload_in_the_middle(place, log, *, ask, requests):
    """What 8 threads are told; half-way another model is saved in place of the first, and loaded."""
    newer = make_model().fit(nba.Engagement.from_folder(place / "data"), until="2026-08-20")
    digests = [nba.load(place / "model").digest_, newer.digest_]
    halfway = threading.Semaphore(0)
    with started(place, log) as port, ThreadPoolExecutor(8) as pool:

        def decide(number):
            answer = call(port, "POST", "/decide", ask(number))
            halfway.release()
            return answer

        coming = [pool.submit(decide, number) for number in range(requests)]
        for _ in range(requests // 3):
            halfway.acquire(timeout=60)
        newer.save(place / "model", overwrite=True)
        told = call(port, "POST", "/reload")
        answers = [each.result() for each in coming]
    assert told == (200, {"model_digest": newer.digest_, "fitted_until": "2026-08-20T00:00:00+00:00"})
    return answers, digests


def check_every_answer_is_in_the_log_once(answers, log, *, requests, digests):
    """The process was killed by now: what is in the log was there when the answers left."""
    assert [status for status, _ in answers] == [200] * requests
    told = [answer["decision_id"] for _, answer in answers]
    kept = nba.Log(log).decisions()
    assert len(told) == requests
    assert sorted(kept["decision_id"]) == sorted(set(told)) == sorted(told)
    statuses = dict(zip(kept["decision_id"], kept["status"], strict=True))
    assert all(statuses[answer["decision_id"]] == answer["status"] for _, answer in answers)
    assert {answer["model_digest"] for _, answer in answers} == set(digests), "one model answered everything"
    said = log.with_suffix(".out").read_text("utf-8")
    assert "hcp_" not in said, "ids of people are in what the server printed"
    assert "Traceback" not in said


@pytest.fixture
def fresh(place, model):
    """The folder with its first model."""
    model.save(place / "model", overwrite=True)
    return place


def test_100_requests_from_8_threads_are_each_in_the_log_once_and_a_reload_drops_none(fresh, asks, tmp_path):
    log = tmp_path / "decisions.db"

    answers, digests = answers_with_a_reload_in_the_middle(fresh, log, ask=asks, requests=100)

    check_every_answer_is_in_the_log_once(answers, log, requests=100, digests=digests)


@pytest.mark.slow
def test_1000_requests_from_8_threads_are_each_in_the_log_once_and_a_reload_drops_none(fresh, asks, tmp_path):
    log = tmp_path / "decisions.db"

    answers, digests = answers_with_a_reload_in_the_middle(fresh, log, ask=asks, requests=1_000)

    check_every_answer_is_in_the_log_once(answers, log, requests=1_000, digests=digests)


@pytest.fixture(scope="module")
def server(place, model, tmp_path_factory):
    """A running service that gives up on a locked log at once: (port, path of its log)."""
    model.save(place / "model", overwrite=True)
    path = tmp_path_factory.mktemp("log") / "decisions.db"
    with served(place, nba.Log(path, wait_seconds=0.3)) as port:
        yield port, path


def test_an_answer_is_what_the_batch_decides(server, asks, model, territory):
    port, _ = server
    data = territory.engagement

    answers = [call(port, "POST", "/decide", asks(number))[1] for number in range(20)]

    hcps = [answer["hcp_id"] for answer in answers]
    plan = model.recommend(data, at=DAYS[0], seed=7, hcps=sorted(hcps))
    for hcp, answer in zip(hcps, answers, strict=True):
        receipt = plan.receipt(hcp)
        assert answer["decision_id"] == receipt.decision_id
        assert answer["selection_prob"] == receipt.selection_prob
        assert answer["headline"] == plan[hcp].headline
        assert tuple(answer["why"]) == plan[hcp].why
        assert tuple(answer["watch"]) == plan[hcp].watch


def test_the_same_request_again_gets_the_same_answer_and_no_second_decision(server, asks):
    port, path = server
    first = call(port, "POST", "/decide", asks(40))
    before = len(nba.Log(path))

    assert call(port, "POST", "/decide", asks(40)) == first
    assert len(nba.Log(path)) == before


def test_another_request_under_the_same_id_is_refused(server, asks):
    port, _ = server
    call(port, "POST", "/decide", asks(41))

    status, answer = call(port, "POST", "/decide", {**asks(41), "at": DAYS[3]})

    assert status == 409
    assert asks(41)["hcp_id"] not in answer["error"]


def test_no_decision_is_handed_out_while_the_log_is_locked(server, asks):
    port, path = server
    before = len(nba.Log(path))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    locked = call(port, "POST", "/decide", asks(50))
    other.execute("ROLLBACK")
    other.close()

    assert locked[0] == 503
    assert set(locked[1]) == {"error", "log"}
    assert len(nba.Log(path)) == before
    assert call(port, "POST", "/decide", asks(50))[0] == 200


def test_without_its_log_the_service_is_not_healthy_and_decides_nothing(fresh, asks, tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    with served(fresh, nba.Log(folder / "decisions.db", wait_seconds=0.3)) as port:
        assert call(port, "GET", "/health")[0] == 200
        folder.rename(tmp_path / "elsewhere")

        health, decided = call(port, "GET", "/health"), call(port, "POST", "/decide", asks(0))

    assert health[0] == decided[0] == 503
    assert health[1]["log"] == "not reachable"
    assert "decision_id" not in decided[1]
    assert len(nba.Log(tmp_path / "elsewhere" / "decisions.db")) == 0


def test_health_says_which_model_answers(server, model):
    port, _ = server

    assert call(port, "GET", "/health") == (
        200,
        {
            "status": "ok",
            "log": "reachable",
            "model_digest": model.digest_,
            "fitted_until": f"{UNTIL}T00:00:00+00:00",
        },
    )


SECRET = "Doctor Jekyll"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"history": None}, "list of objects"),
        ({"history": [{"hcp_id": SECRET}]}, "missing"),
        ({"history": ["x"]}, "list of objects"),
        ({"at": "yesterday, said " + SECRET}, "at "),
        ({"at": "2026-09-01T08:00:00"}, "zone"),
        ({"at": 3}, "at is a int"),
        ({"hcp_id": ""}, "hcp_id"),
        ({"hcp_id": SECRET, "history": []}, "hcps table"),
        ({"hcp": {"country": "US", "decile": SECRET}}, "decile"),
        ({"hcp": {"name": SECRET}}, "country"),
        ({"hcp": [SECRET]}, "hcp is a list"),
        ({"consent": [{"opt_type": SECRET}]}, "consent"),
        ({SECRET: 1}, "1 unknown keys"),
        ({"request_id": " "}, "request_id"),
    ],
)
def test_what_does_not_fit_is_said_without_repeating_it(server, asks, change, said, capfd):
    port, path = server
    before = len(nba.Log(path))

    status, answer = call(port, "POST", "/decide", {**asks(60), "request_id": "bad", **change})

    assert status == 422
    assert said in answer["error"]
    assert SECRET not in json.dumps(answer)
    assert SECRET not in "".join(capfd.readouterr())
    assert len(nba.Log(path)) == before


@pytest.mark.parametrize("body", ["", "{", "[1, 2]", '"Doctor Jekyll"', "NaN"])
def test_a_body_that_is_no_object_is_refused(server, body):
    port, _ = server

    status, answer = call(port, "POST", "/decide", body)

    assert status == 422
    assert SECRET not in json.dumps(answer)


def test_a_reload_that_fails_leaves_the_old_model_answering(server, asks, place, model):
    port, _ = server
    manifest = next((place / "model").glob("*.json"))
    whole = manifest.read_bytes()
    manifest.write_bytes(whole[:-10])

    status, answer = call(port, "POST", "/reload")
    manifest.write_bytes(whole)

    assert status == 422
    assert "error" in answer
    assert call(port, "GET", "/health")[1]["model_digest"] == model.digest_
    assert call(port, "POST", "/decide", asks(70))[0] == 200


def test_the_call_in_the_readme_is_answered(server, territory):
    readme = Path(__file__).parents[2] / "README.md"
    if not readme.exists():
        pytest.skip("the installed package is tested, without its README")
    port, _ = server
    body = json.loads(re.search(r"-d '(\{.*?\})'", readme.read_text("utf-8"), re.DOTALL)[1])

    status, answer = call(port, "POST", "/decide", body)

    assert status == 200
    assert answer["hcp_id"] == body["hcp_id"]


def test_it_listens_on_this_machine_alone():
    assert 'host="127.0.0.1"' in SCRIPT.read_text("utf-8")
    assert "0.0.0.0" not in SCRIPT.read_text("utf-8")
