"""Step 4: gradient-boosted trees over the summaries, cross-fitted.

    python -m bedwatch_training.trees --work DIR

Public sepsis data are won by trees, so the shipped ensemble has them too. For
each of the four folds every member learns from the other three and speaks
about that fold; at the bedside the four models of a member are averaged.
Members differ in what they aim at, which is what makes their mean better than
each: the label, the utility an alarm gains, its sign weighted by its size.

Reads WORK/{set}.npz and WORK/pretrained.pt (normalisation), writes
WORK/trees/{member}.{fold}.txt and, of every hour, the out-of-fold scores
WORK/trees/{member}.npz. A stopped run goes on with the members named.
"""

import argparse
import time
from dataclasses import dataclass, field
from pathlib import Path

import lightgbm
import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from . import SEED, utility
from .splits import FOLDS
from .stays import Stays
from .summary import Summary

COMMON = {
    "learning_rate": 0.05, "num_leaves": 31, "min_data_in_leaf": 100, "bagging_fraction": 0.8, "bagging_freq": 1, "feature_fraction": 0.1,
    "lambda_l2": 10.0, "max_bin": 63, "seed": SEED, "verbose": -1, "deterministic": True, "force_col_wise": True,
}  # fmt: skip
KEPT_SHARE = 0.35  # of the hours of stays without sepsis; they weigh as much more
DEATH_HOURS_BACK = (0, 3, 6, 10, 16)  # a stay teaches at these hours before its last


@dataclass
class Member:
    """One way of learning: objective, rounds and what it aims at."""

    head: str
    objective: str
    rounds: int
    options: dict = field(default_factory=dict)


MEMBERS = {
    "label": Member("sepsis", "binary", 450),
    "gain": Member("sepsis", "regression", 400, {"lambda_l2": 20.0}),
    "sign": Member("sepsis", "binary", 400),
    "deep": Member("sepsis", "binary", 350, {"num_leaves": 63, "feature_fraction": 0.06, "min_data_in_leaf": 200, "extra_trees": True, "learning_rate": 0.08}),
    "death": Member("death", "binary", 600, {"num_leaves": 15, "learning_rate": 0.03, "min_data_in_leaf": 200, "bagging_fraction": 0.7}),
}


def summaries(stays: Stays, mean, sd, path: Path) -> np.ndarray:
    """The stays' summaries [N, wide], kept in a file."""
    module, tokens = Summary().eval(), stays.tokens(mean, sd)
    out = np.lib.format.open_memmap(path, "w+", np.float32, (len(tokens), len(module.names)))
    order, at = np.argsort(stays.rows, kind="stable"), 0
    while at < len(order):
        length = stays.rows[order[at]]
        group = order[at : at + max(1, 4096 // length)]
        group = group[stays.rows[group] == length]
        at += len(group)
        rows = stays.starts[group][:, None] + np.arange(length)
        with torch.no_grad():
            out[rows] = module(torch.from_numpy(tokens[rows])).numpy()
    out.flush()
    return out


def aim(name: str, stays: Stays):
    """(target, weight) [N] of a sepsis member."""
    if name in ("label", "deep"):
        return (stays.sepsis == 1).astype(np.float32), np.ones(len(stays.sepsis), dtype=np.float32)
    if name == "sign":
        return stays.sepsis_target()
    one, zero, _ = utility.table(stays.sepsis, stays.rows)
    return (one - zero).astype(np.float32), np.ones(len(stays.sepsis), dtype=np.float32)


def fit(x, target, weight, member: Member, threads: int, rounds: int | None = None) -> lightgbm.Booster:
    options = COMMON | member.options | {"objective": member.objective, "num_threads": threads}
    data = lightgbm.Dataset(x, target, weight=weight, params={"max_bin": COMMON["max_bin"]})
    return lightgbm.train(options, data, rounds or member.rounds)


def sepsis_rows(stays: Stays) -> tuple[np.ndarray, np.ndarray]:
    """(hours to learn from [K], their weight [N]): all of the septic stays, some of the others."""
    septic = np.repeat(np.add.reduceat(stays.sepsis == 1, stays.starts) > 0, stays.rows)
    kept = stays.labelled & (septic | (np.random.default_rng(SEED).random(len(septic)) < KEPT_SHARE))
    return np.flatnonzero(kept), np.where(septic, 1.0, 1.0 / KEPT_SHARE).astype(np.float32)


def death_rows(stays: Stays, inside: np.ndarray) -> np.ndarray:
    """Hours of the stays `inside` that teach about death."""
    ends, starts = stays.ends[inside], stays.starts[inside]
    return np.concatenate([np.maximum(ends - back, starts) for back in DEATH_HOURS_BACK])


def cross_fit(name, member, stays, x, folder, threads):
    """Out-of-fold raw scores [N] of a member; its models go to `folder`."""
    fold = np.repeat(stays.fold, stays.rows)
    score = np.full(len(fold), np.nan, dtype=np.float32)
    for k in range(FOLDS):
        began = time.time()
        if member.head == "death":
            rows = death_rows(stays, stays.fold != k)
            target = np.repeat(stays.death, stays.rows).astype(np.float32)
            weight = np.ones(len(target), dtype=np.float32)
        else:
            rows, thinned = sepsis_rows(stays)
            rows = rows[fold[rows] != k]
            target, weight = aim(name, stays)
            weight = weight * thinned
        model = fit(x[rows], target[rows], weight[rows], member, threads)
        model.save_model(folder / f"{name}.{k}.txt")
        score[fold == k] = model.predict(x[fold == k], raw_score=True)
        print(f"{name} fold {k}: {len(rows)} hours, {time.time() - began:.0f} s", flush=True)
    return score


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--members", nargs="*", default=list(MEMBERS))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    folder = args.work / "trees"
    folder.mkdir(exist_ok=True)
    norm = torch.load(args.work / "pretrained.pt", weights_only=False)
    scores, ready = {}, {}
    for name in args.members:
        member = MEMBERS[name]
        set_name = "cinc2012" if member.head == "death" else "cinc2019"
        if set_name not in ready:
            stays = Stays.load(args.work / f"{set_name}.npz").of("make")
            path = args.work / f"{set_name}.summary.npy"
            ready[set_name] = stays, np.load(path, mmap_mode="r") if path.exists() else summaries(stays, norm["mean"], norm["sd"], path)
        stays, x = ready[set_name]
        if len(x) != len(stays.sepsis):
            raise SystemExit(f"{set_name}.summary.npy is of other stays; delete it and run again")
        scores[name] = cross_fit(name, member, stays, x, folder, args.threads)
        np.savez(folder / f"{name}.npz", score=scores[name])
        if member.head == "death":
            print(f"{name}: auroc {roc_auc_score(stays.death, scores[name][stays.ends]):.4f}", flush=True)
        else:
            _, best = utility.best_threshold(scores[name], *utility.table(stays.sepsis, stays.rows))
            print(f"{name}: utility {best:.4f} auroc {roc_auc_score(stays.sepsis[stays.labelled], scores[name][stays.labelled]):.4f}", flush=True)


if __name__ == "__main__":
    main()
