"""Step 4: gradient-boosted trees over the summaries, cross-fitted.

    python -m bedwatch_training.trees --work DIR

Public sepsis data are won by trees, so the shipped ensemble has them too. For
each of the four folds every member learns from the other three and speaks
about that fold: those answers weigh and calibrate. What is shipped learned
from all stays for making models. Members differ in what they aim at and how
their trees grow, which is what makes their mean better than each: the label,
or the sign of what an alarm gains, weighted by its size.

Reads WORK/{set}.npz and WORK/pretrained.pt (normalisation), writes
WORK/trees/{member}.{fold}.txt, WORK/trees/{member}.all.{seed}.txt and, of
every hour, the out-of-fold scores WORK/trees/{member}.npz. A stopped run goes
on with the members named.
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
    seeds: int  # models of all stays that are shipped
    options: dict = field(default_factory=dict)


DEATH = {"num_leaves": 15, "learning_rate": 0.03, "min_data_in_leaf": 200, "bagging_fraction": 0.7}
MEMBERS = {
    "label": Member("sepsis", "binary", 450, 2),
    "sign": Member("sepsis", "binary", 400, 1),
    "deep": Member("sepsis", "binary", 350, 1, {"num_leaves": 63, "feature_fraction": 0.06, "min_data_in_leaf": 200, "extra_trees": True, "learning_rate": 0.08}),
    "death": Member("death", "binary", 600, 2, DEATH | {"feature_fraction": 0.04, "lambda_l2": 30.0, "num_leaves": 20}),
    "random": Member("death", "binary", 700, 1, DEATH | {"num_leaves": 24, "learning_rate": 0.05, "min_data_in_leaf": 60, "feature_fraction": 0.2, "extra_trees": True}),
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


def binned(x, rows) -> lightgbm.Dataset:
    """The hours `rows` in bins, once for all members."""
    return lightgbm.Dataset(x[rows], np.zeros(len(rows)), params={"max_bin": COMMON["max_bin"], "feature_pre_filter": False, "verbose": -1}).construct()


def sepsis_rows(stays: Stays) -> tuple[np.ndarray, np.ndarray]:
    """(hours to learn from [K], their weight [N]): all of the septic stays, some of the others."""
    septic = np.repeat(np.add.reduceat(stays.sepsis == 1, stays.starts) > 0, stays.rows)
    kept = stays.labelled & (septic | (np.random.default_rng(SEED).random(len(septic)) < KEPT_SHARE))
    return np.flatnonzero(kept), np.where(septic, 1.0, 1.0 / KEPT_SHARE).astype(np.float32)


def death_rows(stays: Stays) -> tuple[np.ndarray, np.ndarray]:
    """(hours that teach about death [K], their weight [N])."""
    rows = np.unique(np.concatenate([np.maximum(stays.ends - back, stays.starts) for back in DEATH_HOURS_BACK]))
    return rows, np.ones(len(stays.sepsis), dtype=np.float32)


def learn(name, member, stays, x, data, rows, thinned, folder, threads):
    """Out-of-fold raw scores [N] of a member; the models of the folds and of all stays go to `folder`."""
    fold = np.repeat(stays.fold, stays.rows)
    if member.head == "death":
        target, weight = np.repeat(stays.death, stays.rows).astype(np.float32), thinned
    else:
        target, weight = aim(name, stays)
        weight = weight * thinned
    data.set_label(target[rows])
    data.set_weight(weight[rows])
    options = COMMON | member.options | {"objective": member.objective, "num_threads": threads, "feature_pre_filter": False}
    score = np.full(len(fold), np.nan, dtype=np.float32)
    for k in range(FOLDS):
        began = time.time()
        inside = data.subset(np.flatnonzero(fold[rows] != k))
        model = lightgbm.train(options, inside, member.rounds)
        model.save_model(folder / f"{name}.{k}.txt")
        score[fold == k] = model.predict(x[fold == k], raw_score=True)
        print(f"{name} fold {k}: {time.time() - began:.0f} s", flush=True)
    for seed in range(member.seeds):
        began = time.time()
        model = lightgbm.train(options | {"seed": SEED + seed}, data.subset(np.arange(len(rows))), member.rounds)
        model.save_model(folder / f"{name}.all.{seed}.txt")
        print(f"{name} of all stays, seed {seed}: {time.time() - began:.0f} s", flush=True)
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
    scores, ready, prepared = {}, {}, {}
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
        if set_name not in prepared:
            rows, thinned = death_rows(stays) if member.head == "death" else sepsis_rows(stays)
            prepared[set_name] = binned(x, rows), rows, thinned
        scores[name] = learn(name, member, stays, x, *prepared[set_name], folder, args.threads)
        np.savez(folder / f"{name}.npz", score=scores[name])
        if member.head == "death":
            print(f"{name}: auroc {roc_auc_score(stays.death, scores[name][stays.ends]):.4f}", flush=True)
        else:
            _, best = utility.best_threshold(scores[name], *utility.table(stays.sepsis, stays.rows))
            print(f"{name}: utility {best:.4f} auroc {roc_auc_score(stays.sepsis[stays.labelled], scores[name][stays.labelled]):.4f}", flush=True)


if __name__ == "__main__":
    main()
