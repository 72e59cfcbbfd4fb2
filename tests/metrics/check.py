"""Figures of the same predictions by scikit-learn and by formulas written from the challenges' own texts.

Reads cases as JSON lines ({"stays": [[[truth, risk], ...], ...], "point": p}) and answers a line for each.
"""

import json
import sys

import numpy as np
from sklearn.metrics import average_precision_score, confusion_matrix, roc_auc_score


def challenge_utility(stays, point):
    """Normalised utility of CinC 2019, after Reyna et al. 2020 (and the text of its scoring script)."""

    def of(labels, said):
        total = 0.0
        onset = labels.index(1) + 6 if 1 in labels else None
        for t, alarm in enumerate(said):
            if onset is None:
                total += -0.05 if alarm else 0.0
                continue
            after = t - onset
            if after > 3:
                continue
            if alarm:
                if after < -12:
                    total += -0.05
                elif after <= -6:
                    total += (after + 12) / 6
                else:
                    total += (3 - after) / 9
            elif after > -6:
                total += -2 * (after + 6) / 9
        return total

    observed = best = never = 0.0
    for stay in stays:
        labels = [int(truth) for truth, _ in stay]
        observed += of(labels, [risk >= point for _, risk in stay])
        onset = labels.index(1) + 6 if 1 in labels else None
        best += of(labels, [onset is not None and -12 <= t - onset <= 3 for t in range(len(labels))])
        never += of(labels, [False] * len(labels))
    return (observed - never) / (best - never) if best != never else None


def calibration_error(truth, risk):
    """Ten equally filled bins of the sorted risks; mean |said - seen| weighted by rows."""
    # Of equal risks the later rows come first, as in the engine.
    order = np.argsort(-risk, kind="stable")[::-1]
    bins = np.array_split(order, 10)
    return float(sum(abs(risk[b].mean() - truth[b].mean()) * len(b) for b in bins if len(b)) / len(risk))


def event_one(truth, risk):
    """CinC 2012, event 1: the best min(sensitivity, positive predictivity) over all thresholds."""
    best = 0.0
    for threshold in np.unique(risk):
        said = risk >= threshold
        tp = np.sum(said & truth)
        best = max(best, min(tp / truth.sum(), tp / said.sum()))
    return float(best)


def net_benefit(truth, risk, threshold):
    """Vickers & Elkin 2006."""
    tn, fp, fn, tp = confusion_matrix(truth, risk >= threshold, labels=[False, True]).ravel()
    return float((tp - fp * threshold / (1 - threshold)) / len(truth))


# All of it first: whoever asks reads the answers only after the last question.
for line in sys.stdin.readlines():
    case = json.loads(line)
    rows = [row for stay in case["stays"] for row in stay]
    truth = np.array([bool(t) for t, _ in rows])
    # The engine's risks are single precision.
    risk = np.array([r for _, r in rows], dtype=np.float32).astype(np.float64)
    point = float(np.float32(case["point"]))
    both = truth.any() and not truth.all()
    stays = [[(t, float(np.float32(r))) for t, r in stay] for stay in case["stays"]]
    print(
        json.dumps(
            {
                "auroc": float(roc_auc_score(truth, risk)) if both else None,
                "auprc": float(average_precision_score(truth, risk)) if truth.any() else None,
                "calibration_error": calibration_error(truth, risk),
                "min_sensitivity_predictivity": event_one(truth, risk) if both else None,
                "net_benefit": [net_benefit(truth, risk, t) for t in (0.05, 0.2, 0.5)],
                "utility": challenge_utility(stays, point),
            }
        )
    )
