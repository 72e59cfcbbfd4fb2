"""Hidden hospitals: learn from one, be judged at the other.

    python -m bedwatch_training.hidden --work DIR

Every model and the threshold come from one hospital's stays for making models;
the other hospital's kept-aside stays judge. No site statistics enter. At
another hospital models differ from each other far more than at home, so what
holds (README) is the mean of many that lean on different things: each learns
from another 70 % of the signals, half of them see how often a signal was
measured, a quarter the unit and the way to it, half aim at the label and half
at the utility an alarm gains. Each leaves one fold out, and what it says of
that fold sets its scale and the threshold. Writes WORK/hidden.json.
"""

import argparse
import time
from pathlib import Path

import lightgbm
import numpy as np
import torch

from . import utility
from .bundle import write_json
from .calibrate import platt, sigmoid
from .contract import VARIABLES
from .measures import hourly
from .splits import FOLDS
from .stays import Stays
from .summary import Summary
from .trees import COMMON, aim, summaries

PATTERN = ("age", "count_6h", "count_12h", "count_24h", "count_48h", "kinds_24h", "now", "known")
PLACE = ("unit", "log_hours")
AIMS = {0: ("label", "binary"), 2: ("gain", "regression")}  # by number % 3
MEMBERS = [j for j in range(16) if j % 3 in AIMS]  # every third aimed at the gain's sign, which does not carry over, and was left out
ROUNDS = 300
OPTIONS = COMMON | {"feature_fraction": 0.2, "lambda_l2": 20.0, "min_data_in_leaf": 150, "num_leaves": 24}
SIGNALS_SHARE, KEPT_SHARE = 0.7, 0.3


def columns(rng, pattern: bool, place: bool) -> np.ndarray:
    """The summary's numbers that a member sees."""
    gone = {v.name for v in VARIABLES if rng.random() >= SIGNALS_SHARE}
    seen = []
    for i, name in enumerate(Summary().names):
        kind, of = name.split(":", 1)
        if (pattern or kind not in PATTERN) and (place or kind not in PLACE) and not gone & {of, *of.split("-")}:
            seen.append(i)
    return np.array(seen)


def septic_hours(stays: Stays) -> np.ndarray:
    return np.repeat(np.add.reduceat(stays.sepsis == 1, stays.starts) > 0, stays.rows)


def learn(j: int, stays: Stays, x, home, threads):
    """Member j: (its columns, its model, the fold it left out)."""
    rng, out = np.random.default_rng(1000 + j), j % FOLDS
    chosen = columns(rng, pattern=j % 2 == 1, place=j % 4 == 1)
    name, objective = AIMS[j % 3]
    septic, target = septic_hours(stays), aim(name, stays)[0]
    kept = home & stays.labelled & (np.repeat(stays.fold, stays.rows) != out) & (septic | (rng.random(len(septic)) < KEPT_SHARE))
    rows = np.flatnonzero(kept)
    weight = np.where(septic[rows], 1.0, 1.0 / KEPT_SHARE)
    data = lightgbm.Dataset(x[rows][:, chosen], target[rows], weight=weight, params={"max_bin": COMMON["max_bin"]})
    return chosen, lightgbm.train(OPTIONS | {"objective": objective, "num_threads": threads, "seed": j}, data, ROUNDS), out


def direction(stays: Stays, x, test: Stays, xt, one, other, threads):
    """Utility and AUROC at `other`'s kept-aside stays of what was learned at `one`."""
    home, away = np.repeat(stays.site == one, stays.rows), np.repeat(test.site == other, test.rows)
    fold, xt = np.repeat(stays.fold, stays.rows), xt[away]
    own, abroad = np.zeros(len(fold)), np.zeros(len(xt))
    speakers = np.bincount([j % FOLDS for j in MEMBERS])  # of each fold: how many left it out
    for j in MEMBERS:
        began = time.time()
        chosen, model, out = learn(j, stays, x, home, threads)
        held = np.flatnonzero(home & stays.labelled & (fold == out))
        score = model.predict(x[held][:, chosen], raw_score=True)
        own[held] += (score - score.mean()) / score.std() / speakers[out]
        abroad += (model.predict(xt[:, chosen], raw_score=True) - score.mean()) / score.std() / len(MEMBERS)
        print(f"{one} to {other}: member {j}, {time.time() - began:.0f} s", flush=True)
    at_home, judged = stays.pick(stays.site == one), test.pick(test.site == other)
    own, at_home = own[home][at_home.labelled], at_home.hours(at_home.labelled)
    a, b = platt(own, at_home.sepsis)
    point, best = utility.best_threshold(sigmoid(a * own + b), *utility.table(at_home.sepsis, at_home.rows))
    print(f"{one}: own utility {best:.4f}")
    p, judged = sigmoid(a * abroad + b)[judged.labelled], judged.hours(judged.labelled)
    return hourly(p, judged.sepsis, judged.rows, point)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    norm = torch.load(args.work / "pretrained.pt", weights_only=False)
    whole = Stays.load(args.work / "cinc2019.npz")
    stays, test = whole.of("make"), whole.of("test")
    path = args.work / "cinc2019.test.summary.npy"
    xt = np.load(path, mmap_mode="r") if path.exists() else summaries(test, norm["mean"], norm["sd"], path)
    x = np.load(args.work / "cinc2019.summary.npy", mmap_mode="r")
    out = {}
    for one, other in (("A", "B"), ("B", "A")):
        out[f"{one} to {other}"] = direction(stays, x, test, np.asarray(xt), one, other, args.threads)
        print(f"{one} to {other}: utility {out[f'{one} to {other}']['utility']} auroc {out[f'{one} to {other}']['auroc']}", flush=True)
    write_json(args.work / "hidden.json", out)


if __name__ == "__main__":
    main()
