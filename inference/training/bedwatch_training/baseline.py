"""Optional step: the gradient-boosted baseline that stands beside the encoder in its card.

    python -m bedwatch_training.baseline --work DIR

Same split, same target (does an alarm gain utility) and weight as the encoder.
Features: last values, ages, 3 h and 6 h changes, 12 h extremes of vitals,
statics. The threshold comes from the calibrate split. Writes WORK/baseline.json.
"""

import argparse
from pathlib import Path

import lightgbm
import numpy as np

from . import SEED, utility
from .bundle import write_json
from .contract import S, normalisation
from .encoder import EXTREME_HOURS, VITALS
from .evaluate_encoder import measure
from .export_encoder import platt, sigmoid
from .stays import Stays

OPTIONS = {
    "n_estimators": 400, "learning_rate": 0.04, "num_leaves": 31, "min_child_samples": 200, "subsample": 0.8, "subsample_freq": 1,
    "colsample_bytree": 0.3, "reg_lambda": 5, "random_state": SEED, "verbose": -1, "deterministic": True, "force_row_wise": True,
}  # fmt: skip


def features(stays: Stays, mean, sd) -> np.ndarray:
    """[N, features] of concatenated stays; lags never cross a stay's start."""
    tokens = stays.tokens(mean, sd)
    n = len(tokens)
    starts = np.repeat(stays.starts, stays.rows)
    values, row = tokens[:, :S], np.arange(n)
    parts = [values, tokens[:, 2 * S :]]
    parts += [values - values[np.maximum(row - lag, starts)] for lag in (3, 6)]
    lagged = np.stack([values[np.maximum(row - lag, starts), :VITALS] for lag in range(EXTREME_HOURS)])
    return np.concatenate([*parts, lagged.max(0), lagged.min(0)], axis=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    whole = Stays.load(args.work / "cinc2019.npz")
    parts = {p: whole.pick(whole.split == p) for p in ("train", "calibrate", "test")}
    mean, sd = normalisation(parts["train"].values)
    x = {p: features(s, mean, sd) for p, s in parts.items()}
    y = parts["train"].targets()
    model = lightgbm.LGBMClassifier(**OPTIONS, n_jobs=args.threads)
    model.fit(x["train"], y[:, 0], sample_weight=y[:, 1])
    raw = {p: model.predict(x[p], raw_score=True) for p in ("calibrate", "test")}
    a, b = platt(raw["calibrate"], parts["calibrate"].sepsis)
    p = {k: sigmoid(a * v + b) for k, v in raw.items()}
    point, _ = utility.best_threshold(p["calibrate"], *utility.table(parts["calibrate"].sepsis, parts["calibrate"].rows))
    test = parts["test"]
    by_row = np.repeat(test.site, test.rows)
    out = {"A+B": measure(p["test"], test.sepsis, test.rows, p["test"] >= point, True)}
    for site in "AB":
        part, q = test.pick(test.site == site), p["test"][by_row == site]
        out[site] = measure(q, part.sepsis, part.rows, q >= point, True)
    write_json(args.work / "baseline.json", out)
    print(out)


if __name__ == "__main__":
    main()
