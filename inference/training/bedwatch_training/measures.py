"""Measures with 95 % bootstrap intervals over stays."""

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from . import SEED, utility

RESAMPLES = 200
BINS = 10


def calibration_error(p, label) -> float:
    """Expected calibration error over BINS equally filled bins, as `bedwatch replay` computes it."""
    order = np.array_split(np.argsort(p, kind="stable"), BINS)
    return float(sum(len(i) * abs(p[i].mean() - label[i].mean()) for i in order if len(i)) / len(p))


def min_se_ppv(p, label) -> float:
    """The largest min(sensitivity, positive predictivity) over thresholds (CinC 2012, event 1)."""
    hits = np.cumsum(label[np.argsort(-p, kind="stable")])
    return float(np.minimum(hits / label.sum(), hits / np.arange(1, len(label) + 1)).max())


def coverage(p, label, row: dict) -> dict:
    """Share of the hours of each label whose conformal set holds it, and how often the set holds both or none."""
    zero, one = p <= row["negative_at_most"], p >= row["positive_at_least"]
    return {"negative": float(zero[label == 0].mean()), "positive": float(one[label == 1].mean()), "unsure": float((zero == one).mean())}


def resamples(stays: int):
    rng = np.random.default_rng(SEED)
    for _ in range(RESAMPLES):
        yield np.bincount(rng.integers(0, stays, stays), minlength=stays)


def interval(values) -> list[float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return [float(low), float(high)]


def hourly(p, label, rows, point: float) -> dict:
    """AUROC, AUPRC, utility (each with its interval), sensitivity, false positive rate, positive predictivity and calibration error of hours.

    `p`, `label` [N] of concatenated stays of `rows` [M] hours.
    """
    table = utility.table(label, rows)
    alarm = p >= point
    starts = np.cumsum(rows) - rows
    got = [np.add.reduceat(x, starts) for x in (np.where(alarm, table[0], table[1]), table[1], table[2])]
    aurocs, auprcs, utilities = [], [], []
    septic_share = label.mean()
    for count in resamples(len(rows)):
        weight = np.repeat(count, rows)
        aurocs.append(roc_auc_score(label, p, sample_weight=weight))
        auprcs.append(average_precision_score(label, p, sample_weight=weight))
        here, never, best = ((x * count).sum() for x in got)
        utilities.append((here - never) / (best - never))
    return {
        "stays": len(rows), "hours": len(p), "positive": float(septic_share),
        "auroc": [float(roc_auc_score(label, p)), *interval(aurocs)],
        "auprc": [float(average_precision_score(label, p)), *interval(auprcs)],
        "utility": [utility.normalised(alarm, *table), *interval(utilities)],
        "sensitivity": float(alarm[label == 1].mean()), "false_positive_rate": float(alarm[label == 0].mean()),
        "positive_predictivity": float(label[alarm].mean()) if alarm.any() else 0.0, "calibration_error": calibration_error(p, label),
    }  # fmt: skip


def ranking(p, label) -> dict:
    """AUROC, min(sensitivity, positive predictivity) and calibration error of one number a stay."""
    aurocs, both = [], []
    for count in resamples(len(p)):
        at = np.repeat(np.arange(len(p)), count)
        aurocs.append(roc_auc_score(label[at], p[at]))
        both.append(min_se_ppv(p[at], label[at]))
    return {
        "stays": len(p), "positive": float(label.mean()), "auroc": [float(roc_auc_score(label, p)), *interval(aurocs)],
        "min_se_ppv": [min_se_ppv(p, label), *interval(both)], "calibration_error": calibration_error(p, label),
    }  # fmt: skip
