"""Step 5: one small forest a head that says what the whole ensemble says.

    python -m bedwatch_training.distil --work DIR

Sixteen forests and two networks for one sepsis risk are too slow at the
bedside (7,200 trees took 5 ms a pass, and an explanation needs forty passes).
So the members are weighed (logistic regression on out-of-fold scores) and a
student learns their sum. Its target for a stay was said by members that had
not learned from that stay; yet through its neighbours' targets it learns a
little of every label, so nothing is calibrated or reported on the student's
answers about these stays. Writes WORK/students/{sepsis,death}.txt and .npz (the
student's and the ensemble's scores of every hour).
"""

import argparse
import time
from pathlib import Path

import lightgbm
import numpy as np
import torch
from scipy.stats import pearsonr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from . import SEED, utility
from .calibrate import networks, unseen
from .stays import Stays
from .trees import MEMBERS

OPTIONS = {
    "objective": "regression", "learning_rate": 0.08, "num_leaves": 63, "min_data_in_leaf": 60, "bagging_fraction": 0.8, "bagging_freq": 1,
    "feature_fraction": 0.15, "lambda_l2": 5.0, "max_bin": 63, "seed": SEED, "verbose": -1, "deterministic": True, "force_col_wise": True,
}  # fmt: skip
ROUNDS = 400
SHARE = 0.5  # of the hours


def stack(columns: dict[str, np.ndarray], label) -> dict[str, float]:
    """Weight of each member's score, by logistic regression on standardised scores; none below zero."""
    x = np.stack(list(columns.values()), axis=1).astype(np.float64)
    scale = x.std(axis=0)
    kept = np.ones(x.shape[1], dtype=bool)
    while True:
        fit = LogisticRegression(C=1e3, max_iter=500).fit(x[:, kept] / scale[kept], label)
        if (fit.coef_[0] >= 0).all():
            break
        kept[np.flatnonzero(kept)[np.argmin(fit.coef_[0])]] = False
    full = np.zeros(len(kept))
    full[kept] = fit.coef_[0] / scale[kept]
    return dict(zip(columns, full.tolist()))


def members(work: Path, head: str, said) -> dict[str, np.ndarray]:
    """Out-of-fold scores of a head's members; `said` [N] is the networks'."""
    found = {n: np.load(work / "trees" / f"{n}.npz")["score"] for n, m in MEMBERS.items() if m.head == head}
    return found | {"network": said}


def learn(x, target, threads) -> lightgbm.Booster:
    rows = np.flatnonzero(np.random.default_rng(SEED).random(len(target)) < SHARE)
    data = lightgbm.Dataset(x[rows], target[rows], params={"max_bin": OPTIONS["max_bin"]})
    return lightgbm.train(OPTIONS | {"num_threads": threads}, data, ROUNDS)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--heads", nargs="*", default=["sepsis", "death"])
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    (args.work / "students").mkdir(exist_ok=True)
    norm = torch.load(args.work / "pretrained.pt", weights_only=False)
    pair = networks(args.work)
    for head, name, index in (("sepsis", "cinc2019", 0), ("death", "cinc2012", 2)):
        if head not in args.heads:
            continue
        began = time.time()
        stays = Stays.load(args.work / f"{name}.npz").of("make")
        columns = members(args.work, head, unseen(pair, stays, norm["mean"], norm["sd"])[:, index])
        at = stays.ends if head == "death" else np.flatnonzero(stays.labelled)
        label = stays.death if head == "death" else stays.sepsis[at]
        weights = stack({n: c[at] for n, c in columns.items()}, label)
        ensemble = sum(w * columns[n] for n, w in weights.items())
        x = np.load(args.work / f"{name}.summary.npy", mmap_mode="r")
        student = learn(x, ensemble, args.threads)
        student.save_model(args.work / "students" / f"{head}.txt")
        score = np.concatenate([student.predict(part) for part in np.array_split(x, 20)])
        np.savez(args.work / "students" / f"{head}.npz", score=score.astype(np.float32), ensemble=ensemble.astype(np.float32))
        for who, s in (("ensemble", ensemble), ("student", score)):
            extra = f" utility {utility.best_threshold(s, *utility.table(stays.sepsis, stays.rows))[1]:.4f}" if head == "sepsis" else ""
            print(f"{head} {who}: auroc {roc_auc_score(label, s[at]):.4f}{extra}")
        print(f"{head}: weights {weights}; correlation {pearsonr(score, ensemble)[0]:.4f}; {time.time() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
