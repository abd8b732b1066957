"""Tune few settings over several later windows, and confirm.

python -m training.tune --data DIR --trials 20 --storage sqlite:///tune.db
python -m training.train --data DIR --params out/tune/best.json

Every trial is judged on several windows, each later than all that its model has seen, with a gap between: on
one window alone, tuning fits the noise of that window. The first trial has the usual settings, and a window
later than all of these is kept back: only what is better there too replaces the usual settings.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nba import assess
from nba.contracts import DAY, Floats, Strings
from nba.errors import ArgumentError
from nba.evaluation import Interval, clustered_mean, log_losses
from nba.tables import Engagement
from training import tracking
from training.console import Progress, main, step, table
from training.inputs import Inputs
from training.settings import CHOICES, USUAL, make_model
from training.tracking import Run, Wanted
from training.train import EVALUATION_DAYS, GAP_DAYS, add_data_options, iso, last_label, read_data, source_of

APART_DAYS = 31
"""From window to window: the closed touches of one end where those of the next begin."""
LEAST_DAYS = 60
"""Of history before the first fit ends."""
STARTUP_TRIALS = 6
"""Trials at random before Optuna's sampler learns from them."""


@dataclass(frozen=True)
class Window:
    """Judged touches from ``start`` whose windows close by ``end``; int seconds."""

    start: int
    end: int

    @property
    def fit_until(self) -> int:
        """No label that is learned from looks past it."""
        return self.start - GAP_DAYS * DAY

    @classmethod
    def before(cls, end: int, *, back: int) -> Window:
        """The window that ends ``back`` steps before a moment.

        Examples
        --------
        >>> window = Window.before(100 * DAY, back=1)
        >>> window.fit_until // DAY, window.start // DAY, window.end // DAY
        (10, 24, 69)
        """
        last = end - back * APART_DAYS * DAY
        return cls(last - EVALUATION_DAYS * DAY, last)


@dataclass(frozen=True)
class Judged:
    """Log loss of each touch of a window, and whose it was."""

    loss: Floats
    hcps: Strings


def run(argv: list[str] | None = None) -> dict[str, Any]:
    """Tune, confirm, and write best.json; gives what was written."""
    options = _options(argv)
    optuna = _optuna()
    options.out.mkdir(parents=True, exist_ok=True)
    with Run("training.tune", out=options.out, wanted=Wanted.of(options)) as tracked:
        data, _ = read_data(options)
        until = last_label(options, data)
        windows = [Window.before(until, back=back) for back in range(options.windows, 0, -1)]
        confirming = Window.before(until, back=0)
        _check_history(data, windows)
        inputs = tracked.inputs(data, source=source_of(options))
        tracked.params(_params(options, windows, confirming))
        study = _study(optuna, options, about=_about(inputs, windows, options.seed))
        print(f"{len(windows)} windows of {EVALUATION_DAYS} days, and one to confirm:")
        print(table(("fit until", "judged from", "to"), [_said(w) for w in (*windows, confirming)]))
        with step(f"Trying {options.trials} settings"):
            _search(optuna, study, data, windows, options=options, tracked=tracked)
        with step("Confirming on the window kept back"):
            best = _confirmed(study, data, windows, confirming)
        best |= {"seed": options.seed, "data_digest": inputs.digest}
        _write_whole(options.out / "best.json", best)
        tracked.file(options.out / "best.json")
        tracked.metrics(_metrics(best))
        _print_best(study, best, options)
        if tracked.how_to_look:
            print(f"The runs in MLflow: {tracked.how_to_look}")
        return best


def loss_on(data: Engagement, window: Window, settings: Mapping[str, Any]) -> Judged:
    """Log losses in nats of a window's touches, by a model fitted well before them."""
    model = make_model(settings).fit(data, until=iso(window.fit_until))
    labels = assess.window_labels(model, data, start=iso(window.start), end=iso(window.end))
    margin, _ = model.score(data, labels)
    return Judged(log_losses(margin, labels.y), labels.hcps[labels.row])


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.tune",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data_options(parser)
    parser.add_argument("--until", help="no label after it is read (default: observed-until)")
    parser.add_argument("--trials", type=int, default=20, help="trials in all (default: %(default)s)")
    parser.add_argument("--windows", type=int, default=3, help="to judge trials on (default: %(default)s)")
    parser.add_argument(
        "--storage", help="Optuna storage, such as sqlite:///tune.db, to go on from (default: memory)"
    )
    parser.add_argument("--study", default="nba", help="name within the storage (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=Path("out/tune"), help="folder of best.json (default: %(default)s)"
    )
    tracking.add_options(parser)
    options = parser.parse_args(argv)
    for name, least in (("trials", 1), ("windows", 2)):
        if getattr(options, name) < least:
            raise ArgumentError(f"--{name} is {getattr(options, name)}; expected {least} or more.")
    return options


def _check_history(data: Engagement, windows: list[Window]) -> None:
    first = int(data.columns("interactions")["ts"].min())
    if windows[0].fit_until < first + LEAST_DAYS * DAY:
        raise ArgumentError(
            f"The log starts {iso(first)[:10]}, and the first of {len(windows)} windows is judged from "
            f"{iso(windows[0].start)[:10]} on. Expected {LEAST_DAYS + GAP_DAYS} days between, to learn from. "
            "Take fewer --windows, or a longer log."
        )


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise ArgumentError("Optuna is not installed. Install it with: pip install 'nba[train]'.") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _study(optuna: Any, options: argparse.Namespace, *, about: dict[str, Any]) -> Any:
    """A new study, or the one in the storage if it is about the same."""
    try:
        study = optuna.create_study(
            storage=options.storage,
            study_name=options.study,
            direction="minimize",
            sampler=_sampler(optuna, options.seed, 0),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS),
            load_if_exists=True,
        )
    except Exception as error:  # each database driver has its own
        raise ArgumentError(
            f"--storage cannot be opened ({type(error).__name__}). Expected a database address such as "
            "sqlite:///tune.db, in a folder that is there."
        ) from error
    before = study.user_attrs.get("about")
    if before is not None and before != about:
        other = ", ".join(sorted(name for name in about if before.get(name) != about[name]))
        raise ArgumentError(
            f"The study {options.study!r} in the storage was made with other {other}. Its trials cannot be "
            "compared; name a new one with --study."
        )
    study.set_user_attr("about", about)
    return study


def _sampler(optuna: Any, seed: int, number: int) -> Any:
    """A sampler for one trial: what is drawn depends on seed and trials so far, not on restarts."""
    own = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    return optuna.samplers.TPESampler(
        seed=own, n_startup_trials=STARTUP_TRIALS, multivariate=True, group=False, constant_liar=False
    )


def _search(
    optuna: Any,
    study: Any,
    data: Engagement,
    windows: list[Window],
    *,
    options: argparse.Namespace,
    tracked: Run,
) -> None:
    """Trials until as many are over as were asked for; those that a kill cut short are done again."""
    show = Progress()
    while (done := len(_over(optuna, study))) < options.trials:
        show("trials", done, options.trials)
        study.sampler = _sampler(optuna, options.seed, done)
        if done == 0:
            study.enqueue_trial({name: USUAL[name] for name in CHOICES})
        study.optimize(lambda trial: _tried(optuna, trial, data, windows), n_trials=1)
        _log_trial(optuna, study, tracked)
    show.close()


def _tried(optuna: Any, trial: Any, data: Engagement, windows: list[Window]) -> float:
    settings = {name: trial.suggest_categorical(name, choices) for name, choices in CHOICES.items()}
    losses: list[float] = []
    for number, window in enumerate(windows):
        losses.append(float(loss_on(data, window, settings).loss.mean()))
        trial.report(float(np.mean(losses)), number)
        if number + 1 < len(windows) and trial.should_prune():
            raise optuna.TrialPruned
    return float(np.mean(losses))


def _over(optuna: Any, study: Any) -> list[Any]:
    states = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    return list(study.get_trials(deepcopy=False, states=states))


def _log_trial(optuna: Any, study: Any, tracked: Run) -> None:
    trial = study.get_trials(deepcopy=False)[-1]
    steps = [{"log_loss": value} for _, value in sorted(trial.intermediate_values.items())]
    tracked.child(
        f"trial {trial.number}",
        params=trial.params,
        steps=steps,
        completed=trial.state == optuna.trial.TrialState.COMPLETE,
        started=trial.datetime_start.timestamp(),
    )


def _confirmed(study: Any, data: Engagement, windows: list[Window], confirming: Window) -> dict[str, Any]:
    """The best trial's settings if they are better on the window kept back too, else the usual ones."""
    best = {name: study.best_params[name] for name in CHOICES}
    usual = {name: USUAL[name] for name in CHOICES}
    found: dict[str, Any] = {
        "best_trial": study.best_trial.number,
        "tried": best,
        "log_loss": float(study.best_value),
        "usual_log_loss": _usual_loss(study, usual),
        "windows": [[iso(w.start), iso(w.end)] for w in windows],
        "confirming": [iso(confirming.start), iso(confirming.end)],
        "better_by": None,
        "params": usual,
    }
    if best == usual:
        return found
    ours, before = loss_on(data, confirming, best), loss_on(data, confirming, usual)
    gain: Interval = clustered_mean(before.loss - ours.loss, ours.hcps)
    found["better_by"] = [gain.mean, gain.low, gain.high]
    return found | {"params": best if gain.mean > 0 else usual}


def _usual_loss(study: Any, usual: Mapping[str, Any]) -> float:
    return next(
        float(trial.value)
        for trial in study.get_trials(deepcopy=False)
        if trial.params == usual and trial.value is not None
    )


def _print_best(study: Any, best: dict[str, Any], options: argparse.Namespace) -> None:
    rows = [
        ("usual settings", f"{1000 * best['usual_log_loss']:.2f}"),
        (f"best, trial {best['best_trial']}", f"{1000 * best['log_loss']:.2f}"),
    ]
    print(table(("log loss x 1000, mean of the windows", ""), rows))
    if best["better_by"] is None:
        print("No trial is better than the usual settings, which are kept.")
    else:
        mean, low, high = (1000 * value for value in best["better_by"])
        kept = "so they are kept" if best["params"] == best["tried"] else "so the usual settings are kept"
        print(
            f"On the window kept back the best settings are better by {mean:.2f} [{low:.2f}, {high:.2f}] "
            f"(95 %, by HCP), {kept}."
        )
    print(f"Settings: {best['params']}\nWritten to {options.out / 'best.json'}")


def _params(options: argparse.Namespace, windows: list[Window], confirming: Window) -> dict[str, Any]:
    return {
        "trials": options.trials,
        "seed": options.seed,
        "sampler": "TPE",
        "pruner": "median",
        "windows": [iso(w.start) for w in windows],
        "confirming": iso(confirming.start),
        "evaluation_days": EVALUATION_DAYS,
        "gap_days": GAP_DAYS,
    }


def _metrics(best: dict[str, Any]) -> dict[str, float | None]:
    gain = best["better_by"] or [None] * 3
    names = ("better_by.mean", "better_by.low", "better_by.high")
    return {
        "log_loss": best["log_loss"],
        "usual_log_loss": best["usual_log_loss"],
        **dict(zip(names, gain, strict=True)),
    }


def _about(inputs: Inputs, windows: list[Window], seed: int) -> dict[str, Any]:
    """What trials have to share to be compared."""
    return {
        "data": inputs.digest,
        "windows": [[w.start, w.end] for w in windows],
        "choices": {name: list(choices) for name, choices in CHOICES.items()},
        "seed": seed,
    }


def _said(window: Window) -> tuple[str, str, str]:
    return iso(window.fit_until)[:10], iso(window.start)[:10], iso(window.end)[:10]


def _write_whole(path: Path, value: Any) -> None:
    """Aside, and then in place: a reader finds the old file or the new one."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as stream:
        json.dump(value, stream, indent=2, sort_keys=True)
        stream.write("\n")
    os.replace(stream.name, path)


if __name__ == "__main__":
    main(run)
