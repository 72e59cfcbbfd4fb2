"""The gradient-boosted baseline that stands beside the encoder in its card.

    python -m bedwatch_training.baseline --work DIR

A plain LightGBM as a good data scientist would train it in minutes: last
values, ages, counts, 3 h and 6 h changes, 12 h extremes and statics, the sign
of the challenge's utility as target and its size as weight; three folds to
learn, the fourth for the threshold, the same stays for judging. With
--hidden it also learns from one hospital and is judged at the other. Writes
WORK/baseline.json.
"""

import argparse
from pathlib import Path

import lightgbm
import numpy as np
import torch

from . import SEED, utility
from .bundle import write_json
from .calibrate import platt, sigmoid
from .measures import hourly
from .stays import Stays
from .summary import Summary
from .trees import summaries

OPTIONS = {
    "objective": "binary", "learning_rate": 0.04, "num_leaves": 31, "min_data_in_leaf": 200, "bagging_fraction": 0.8, "bagging_freq": 1,
    "feature_fraction": 0.3, "lambda_l2": 5.0, "seed": SEED, "verbose": -1, "deterministic": True, "force_col_wise": True, "max_bin": 63,
}  # fmt: skip
ROUNDS = 400
KINDS = ("last", "age", "count_48h", "change_3h", "change_6h", "highest_12h", "lowest_12h", "hours", "person", "log_hours", "unit")


def columns() -> np.ndarray:
    """The plain ones among the summary's numbers."""
    return np.flatnonzero([n.split(":")[0] in KINDS for n in Summary().names])


def run(x, stays: Stays, xt, test: Stays, learn, judge, threads) -> dict:
    """Learns from the stays `learn` (three folds; the fourth sets the threshold), judged on the stays `judge` of the test split."""
    target, weight = stays.sepsis_target()
    fold = np.repeat(stays.fold, stays.rows)
    inside = np.repeat(learn, stays.rows)
    chosen = columns()
    rows, held = np.flatnonzero(inside & (fold != 3)), np.flatnonzero(inside & (fold == 3))
    data = lightgbm.Dataset(x[rows][:, chosen], target[rows], weight=weight[rows], params={"max_bin": OPTIONS["max_bin"]})
    model = lightgbm.train(OPTIONS | {"num_threads": threads}, data, ROUNDS)
    part = stays.pick(learn & (stays.fold == 3))
    raw = model.predict(x[held][:, chosen], raw_score=True)[part.labelled]
    part = part.hours(part.labelled)
    a, b = platt(raw, part.sepsis)
    point, _ = utility.best_threshold(sigmoid(a * raw + b), *utility.table(part.sepsis, part.rows))
    at = np.flatnonzero(np.repeat(judge, test.rows))
    p = sigmoid(a * model.predict(xt[at][:, chosen], raw_score=True) + b)
    judged = test.pick(judge)
    p, judged = p[judged.labelled], judged.hours(judged.labelled)
    return hourly(p, judged.sepsis, judged.rows, point)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--hidden", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    norm = torch.load(args.work / "pretrained.pt", weights_only=False)
    whole = Stays.load(args.work / "cinc2019.npz")
    stays, test = whole.of("make"), whole.of("test")
    x = np.load(args.work / "cinc2019.summary.npy", mmap_mode="r")
    path = args.work / "cinc2019.test.summary.npy"
    xt = np.load(path, mmap_mode="r") if path.exists() else summaries(test, norm["mean"], norm["sd"], path)
    all_learn, all_test = np.ones(len(stays.rows), dtype=bool), np.ones(len(test.rows), dtype=bool)
    out = {"features": len(columns()), "A+B": run(x, stays, xt, test, all_learn, all_test, args.threads)}
    if args.hidden:
        for one, other in (("A", "B"), ("B", "A")):
            out[f"{one} to {other}"] = run(x, stays, xt, test, stays.site == one, test.site == other, args.threads)
    write_json(args.work / "baseline.json", out)
    print({k: v if isinstance(v, int) else (v["utility"], v["auroc"]) for k, v in out.items()})


if __name__ == "__main__":
    main()
