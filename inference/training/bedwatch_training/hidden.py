"""Hidden hospitals: learn from one, be judged at the other.

    python -m bedwatch_training.hidden --work DIR

Everything (members, their weights, the threshold) comes from one hospital's
stays for making models, out of fold; the other hospital's kept-aside stays
judge. No site statistics enter. What was found to hold (README): trees that
do not see how often a signal was measured, together with trees that do, and
many of them, since at another hospital models differ from each other far more
than at home. Writes WORK/hidden.json.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from . import utility
from .bundle import write_json
from .calibrate import platt, sigmoid
from .measures import hourly
from .splits import FOLDS
from .stays import Stays
from .summary import Summary
from .trees import MEMBERS, aim, fit, sepsis_rows, summaries

PATTERN = ("age", "count_6h", "count_12h", "count_24h", "count_48h", "kinds_24h", "now", "known")
PLAN = (("label", False), ("gain", False), ("sign", True), ("gain", True))  # member, sees how often a signal was measured
ROUNDS = 250


def columns(pattern: bool) -> np.ndarray:
    return np.flatnonzero([pattern or n.split(":")[0] not in PATTERN for n in Summary().names])


def standard(score, like):
    return (score - like.mean()) / like.std()


def direction(stays: Stays, x, test: Stays, xt, one, other, threads):
    """Utility and AUROC at `other`'s kept-aside stays of what was learned at `one`."""
    fold, home = np.repeat(stays.fold, stays.rows), np.repeat(stays.site == one, stays.rows)
    rows, thinned = sepsis_rows(stays)
    own, away = np.zeros(home.sum()), np.zeros(len(xt))
    for name, pattern in PLAN:
        began, member, chosen = time.time(), MEMBERS[name], columns(pattern)
        target, weight = aim(name, stays)
        score, abroad = np.zeros(len(fold)), np.zeros(len(xt))
        for k in range(FOLDS):
            at = rows[home[rows] & (fold[rows] != k)]
            model = fit(x[at][:, chosen], target[at], (weight * thinned)[at], member, threads, ROUNDS)
            held = np.flatnonzero(home & (fold == k))
            score[held] = model.predict(x[held][:, chosen], raw_score=True)
            abroad += model.predict(xt[:, chosen], raw_score=True) / FOLDS
        own += standard(score[home], score[home])
        away += standard(abroad, score[home])
        print(f"{one} to {other}: {name}, pattern {pattern}, {time.time() - began:.0f} s", flush=True)
    at_home, judged = stays.pick(stays.site == one), test.pick(test.site == other)
    own, at_home = own[at_home.labelled], at_home.hours(at_home.labelled)
    a, b = platt(own, at_home.sepsis)
    point, best = utility.best_threshold(sigmoid(a * own + b), *utility.table(at_home.sepsis, at_home.rows))
    print(f"{one}: own utility {best:.4f}")
    p = sigmoid(a * away[np.repeat(test.site == other, test.rows)] + b)[judged.labelled]
    judged = judged.hours(judged.labelled)
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
