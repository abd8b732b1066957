"""Supervised sets as bandits: the default stack beside vowpalwabbit, mabwiser and LightGBM per arm.

python -m benchmarks.bakeoff --quick
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets

from benchmarks.report import arguments, finish
from nba.contracts import Action, Design, Feature, Scores
from nba.models import PairPropensity
from nba.policies import Greedy, InverseGap, draw, selection_pmf
from training.console import table

SETS = Path("../shared/data/multiclass_to_bandit")
ROWS, EVERY, NOISY_EVERY = 2_500, 100, 250
QUICK_ROWS = 1_000


def sets(quick: bool) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Standardised features and labels 0..K-1 by name."""
    found = {}
    for path in sorted(SETS.glob("*.parquet")):
        frame = pd.read_parquet(path)
        found[path.stem] = pd.get_dummies(frame.drop(columns="label"), dtype=float).to_numpy(), frame["label"]
    if not found:
        print(f"left out: {SETS} is not here")
    for name in ("digits", "wine", "breast_cancer"):
        found[name] = getattr(datasets, f"load_{name}")(return_X_y=True)
    names = [name for name in ("vehicle", "breast_cancer") if name in found] if quick else sorted(found)
    return {
        name: (_scaled(found[name][0]), pd.factorize(np.asarray(found[name][1]), sort=True)[0])
        for name in names
    }


def _scaled(x: np.ndarray) -> np.ndarray:
    spread = x.std(axis=0)
    return (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


class Ours:
    """PairPropensity with a policy, fitted anew after every batch."""

    def __init__(self, k: int, seed: int, policy: Any = None) -> None:
        self.k, self.seed, self.policy = k, seed, policy or InverseGap()
        self.actions = tuple(Action("arm", f"{a:02d}") for a in range(k))
        self.model: PairPropensity | None = None
        self.rows: list[np.ndarray] = []
        self.arms: list[np.ndarray] = []
        self.rewards: list[np.ndarray] = []
        self.seen = 0
        self.inverse: list[float] = []

    def _design(self, x: np.ndarray, row: np.ndarray, pair: np.ndarray) -> Design:
        features = tuple(Feature(f"x{j}", f"x{j}") for j in range(x.shape[1]))
        groups = tuple(("channel=arm",) for _ in self.actions)
        return Design(x, np.zeros((len(row), 0)), row, pair, self.actions, groups, features, ())

    def choose(self, x: np.ndarray) -> np.ndarray:
        n, shape = len(x), (len(x), self.k + 1)
        margin, spread = np.full(shape, -np.inf), np.zeros(shape)
        rows, responses = np.zeros(self.k + 1), np.zeros(self.k + 1)
        margin[:, 1:] = 0.0
        if self.model is not None:
            design = self._design(x, np.repeat(np.arange(n), self.k), np.tile(np.arange(self.k), n))
            m, s = self.model.score(design)
            margin[:, 1:], spread[:, 1:] = m.reshape(n, -1), s.reshape(n, -1)
            rows[1:], responses[1:] = self.model.support(design)[0], self.model.responses(design)
        scores = Scores(margin, spread, rows, rows == 0, responses=responses)
        eligible = np.ones(shape, dtype=bool)
        eligible[:, 0] = False  # one of the classes is right: there is nothing to leave alone
        pmf = selection_pmf(self.policy, priorities=scores.propensity, scores=scores, eligible=eligible)
        hcps = [str(self.seen + i) for i in range(n)]
        choice = draw(pmf, hcps=hcps, seed=self.seed, at=0)
        self.seen += n
        self.inverse += (1 / choice.selection_prob / self.k).tolist()
        return choice.action - 1

    def learn(self, x: np.ndarray, arms: np.ndarray, rewards: np.ndarray) -> None:
        self.rows.append(x)
        self.arms.append(arms)
        self.rewards.append(rewards)
        y = np.concatenate(self.rewards)
        if y.min() == y.max():
            return
        n = len(y)
        design = self._design(np.concatenate(self.rows), np.arange(n), np.concatenate(self.arms))
        self.model = PairPropensity(n_jobs=1).fit(design, y, at=np.arange(n))


class MabWiser:
    """A contextual rule of mabwiser."""

    def __init__(self, k: int, seed: int, rule: str) -> None:
        from mabwiser.mab import MAB, LearningPolicy

        kind = getattr(LearningPolicy, rule)(alpha=1.0 if rule == "LinUCB" else 0.3)
        self.k, self.mab, self.rng, self.ready = (
            k,
            MAB(list(range(k)), kind, seed=seed),
            np.random.default_rng(seed),
            False,
        )

    def choose(self, x: np.ndarray) -> np.ndarray:
        if not self.ready:
            return self.rng.integers(0, self.k, len(x))
        return np.atleast_1d(self.mab.predict(x))

    def learn(self, x: np.ndarray, arms: np.ndarray, rewards: np.ndarray) -> None:
        (self.mab.partial_fit if self.ready else self.mab.fit)(arms, rewards, x)
        self.ready = True


class Wabbit:
    """A contextual bandit of vowpalwabbit."""

    def __init__(self, k: int, seed: int, flags: str) -> None:
        from vowpalwabbit import Workspace

        self.k, self.rng, self.probs = k, np.random.default_rng(seed), np.empty(0)
        self.vw = Workspace(f"--cb_explore {k} {flags} --quiet --random_seed {seed}")

    def _row(self, x: np.ndarray) -> str:
        return "|f " + " ".join(f"{j}:{v:.4f}" for j, v in enumerate(x))

    def choose(self, x: np.ndarray) -> np.ndarray:
        pmf = np.array([self.vw.predict(self._row(row)) for row in x])
        pmf /= pmf.sum(axis=1, keepdims=True)
        chosen = (pmf.cumsum(axis=1) < self.rng.random(len(x))[:, None]).sum(axis=1).clip(max=self.k - 1)
        self.probs = pmf[np.arange(len(x)), chosen]
        return chosen

    def learn(self, x: np.ndarray, arms: np.ndarray, rewards: np.ndarray) -> None:
        for row, arm, reward, prob in zip(x, arms, rewards, self.probs, strict=True):
            self.vw.learn(f"{arm + 1}:{-reward}:{max(prob, 1e-3):.6f} {self._row(row)}")


class LightGBMPerArm:
    """A small LightGBM an arm, fitted anew after every batch; SquareCB or epsilon-greedy chooses.

    SquareCB has vowpalwabbit's schedule, gamma = 10 sqrt(n); an arm is asked once it has seen both outcomes.
    """

    def __init__(self, k: int, seed: int, epsilon: float | None = None) -> None:
        self.k, self.seed, self.epsilon, self.rng = k, seed, epsilon, np.random.default_rng(seed)
        self.rows: list[np.ndarray] = []
        self.arms: list[np.ndarray] = []
        self.rewards: list[np.ndarray] = []
        self.models: dict[int, Any] = {}
        self.level = 0.5

    def choose(self, x: np.ndarray) -> np.ndarray:
        known = np.full((len(x), self.k), self.level)
        for arm, model in self.models.items():
            known[:, arm] = model.predict(x)
        rows, best = np.arange(len(x)), known.argmax(axis=1)
        if self.epsilon is not None:
            pmf = np.full(known.shape, self.epsilon / self.k)
        else:
            gamma = 10.0 * np.sqrt(sum(map(len, self.rows)))
            pmf = 1.0 / (self.k + gamma * (known.max(axis=1, keepdims=True) - known))
            pmf[rows, best] = 0.0
        pmf[rows, best] += 1.0 - pmf.sum(axis=1)
        reached = pmf.cumsum(axis=1) < self.rng.random(len(x))[:, None]
        return reached.sum(axis=1).clip(max=self.k - 1)

    def learn(self, x: np.ndarray, arms: np.ndarray, rewards: np.ndarray) -> None:
        import lightgbm

        self.rows.append(x)
        self.arms.append(arms)
        self.rewards.append(rewards)
        rows, arm, y = map(np.concatenate, (self.rows, self.arms, self.rewards))
        self.level = float(y.mean())
        settings = {
            "objective": "binary", "num_leaves": 8, "min_data_in_leaf": 8, "lambda_l2": 5.0,
            "learning_rate": 0.1, "verbosity": -1, "num_threads": 1, "seed": self.seed,
        }  # fmt: skip
        for k in range(self.k):
            mine = arm == k
            if mine.sum() >= 20 and 0 < y[mine].sum() < mine.sum():
                known = lightgbm.Dataset(rows[mine], y[mine])
                self.models[k] = lightgbm.train(settings, known, num_boost_round=100)


STACKS: dict[str, Callable[[int, int], Any]] = {
    "ours (default)": Ours,
    "ours, greedy": lambda k, seed: Ours(k, seed, Greedy()),
    "ours, no optimism": lambda k, seed: Ours(k, seed, InverseGap(optimism=0.0)),
    "mabwiser LinUCB": lambda k, seed: MabWiser(k, seed, "LinUCB"),
    "mabwiser LinTS": lambda k, seed: MabWiser(k, seed, "LinTS"),
    "vw squarecb": lambda k, seed: Wabbit(k, seed, "--squarecb"),
    "vw squarecb quadratic": lambda k, seed: Wabbit(k, seed, "--squarecb -q ff"),
    "vw bag": lambda k, seed: Wabbit(k, seed, "--bag 8"),
    "vw cover": lambda k, seed: Wabbit(k, seed, "--cover 8"),
    "LightGBM per arm, squarecb": LightGBMPerArm,
    "LightGBM per arm, epsilon .1": lambda k, seed: LightGBMPerArm(k, seed, 0.1),
}


def losses(
    make: Callable[[int, int], Any], x: np.ndarray, label: np.ndarray, *, name: str, seed: int, rows: int,
    noisy: bool,
) -> tuple[np.ndarray, Any]:  # fmt: skip
    """1 - expected reward of every row in turn; feedback comes in batches."""
    rng = np.random.default_rng([seed, 1])
    order = rng.permutation(len(x))[:rows]
    # a seed of its own for every set: no two share their draws
    own = int(np.random.default_rng([seed, zlib.crc32(name.encode()), noisy]).integers(2**31))
    stack, right, every = make(int(label.max()) + 1, own), [], NOISY_EVERY if noisy else EVERY
    for start in range(0, len(order), every):
        take = order[start : start + every]
        arms = np.asarray(stack.choose(x[take])).astype(int)
        hit = arms == label[take]
        reward = (rng.random(len(take)) < np.where(hit, 0.25, 0.05)) if noisy else hit
        stack.learn(x[take], arms, reward.astype(float))
        right.append(hit)
    return 1.0 - np.concatenate(right), stack


def main() -> None:
    """Run every stack on every set, and print mean losses with the seeds' spread."""
    asked = arguments(__doc__ or "")
    warnings.simplefilter("ignore")
    rows, seeds = (QUICK_ROWS, 1) if asked.quick else (ROWS, 3)
    known = sets(asked.quick)
    found: dict[str, dict[str, np.ndarray]] = {}
    support: list[float] = []
    for name, make in STACKS.items():
        parts: dict[str, list[list[float]]] = {"mean": [], "last": [], "sparse": []}
        inverse: list[float] = []
        try:
            for seed in range(seeds):
                cells: dict[str, list[float]] = {"mean": [], "last": [], "sparse": []}
                for key, (x, label) in known.items():
                    asking = {"name": key, "seed": asked.seed + seed, "rows": rows}
                    loss, stack = losses(make, x, label, **asking, noisy=False)
                    cells["mean"].append(loss.mean())
                    cells["last"].append(loss[-len(loss) // 4 :].mean())
                    inverse += getattr(stack, "inverse", [])
                    sparse, stack = losses(make, x, label, **asking, noisy=True)
                    inverse += getattr(stack, "inverse", [])
                    cells["sparse"].append(sparse.mean())
                for key, values in cells.items():
                    parts[key].append(values)
        except ImportError as error:
            print(f"left out: {name}: {error}")
            continue
        found[name] = {key: np.array(values).mean(axis=1) for key, values in parts.items()}
        support = inverse if name == "ours (default)" else support
        print(name, {key: round(float(v.mean()), 3) for key, v in found[name].items()}, flush=True)
    lines = [
        (name, *(f"{by[key].mean():.3f} +- {by[key].std():.3f}" for key in ("mean", "last", "sparse")))
        for name, by in found.items()
    ]
    print(table(("stack", "mean loss", "last quarter", "sparse"), lines))
    peers = [by for name, by in found.items() if not name.startswith("ours")]
    mine = found["ours (default)"]
    best = {key: min((float(by[key].mean()) for by in peers), default=float("nan")) for key in mine}
    finish(
        {
            "mean_loss": float(mine["mean"].mean()),
            "best_peer": best["mean"],
            "last_quarter": float(mine["last"].mean()),
            "best_peer_last_quarter": best["last"],
            "sparse_loss": float(mine["sparse"].mean()),
            "best_peer_sparse": best["sparse"],
            "mean_inverse_kp": float(np.mean(support)),
            "mean_inverse_kp_se": float(np.std(support) / len(support) ** 0.5),
        }
    )


if __name__ == "__main__":
    main()
