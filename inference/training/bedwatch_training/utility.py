"""The CinC 2019 challenge's utility, vectorised (Reyna et al., Crit Care Med 2020, and evaluation-2019).

A stay's onset is t_s = first labelled row + 6. Predicting 1 earns from t_s-12
on, most at t_s-6; predicting 0 costs from t_s-6 to t_s+3; a false alarm costs
0.05 an hour.
"""

import numpy as np

EARLY, OPTIMAL, LATE = -12, -6, 3
FALSE_ALARM = -0.05


def per_hour(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(utility of predicting 1, utility of predicting 0) for each hour of one stay."""
    n, septic = len(labels), np.asarray(labels) == 1
    if not septic.any():
        return np.full(n, FALSE_ALARM), np.zeros(n)
    since = np.arange(n) - (int(np.argmax(septic)) - OPTIMAL)
    rise = np.maximum((since - EARLY) / (OPTIMAL - EARLY), FALSE_ALARM)
    fall = (LATE - since) / (LATE - OPTIMAL)
    one = np.where(since <= OPTIMAL, rise, fall)
    zero = np.where(since <= OPTIMAL, 0.0, -2.0 * (since - OPTIMAL) / (LATE - OPTIMAL))
    past = since > LATE
    return np.where(past, 0.0, one), np.where(past, 0.0, zero)


def table(labels: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Concatenated (one, zero, best) utilities of many stays; best predicts 1 exactly in [t_s-12, t_s+3]. Hours without a label (-1) count nothing."""
    ends = np.cumsum(rows)
    one, zero, best = (np.zeros(len(labels)) for _ in range(3))
    for start, end in zip(ends - rows, ends):
        y = labels[start:end]
        one[start:end], zero[start:end] = per_hour(y)
        if (y == 1).any():
            since = np.arange(end - start) - (int(np.argmax(y == 1)) - OPTIMAL)
            hit = (since >= EARLY) & (since <= LATE)
            best[start:end] = np.where(hit, one[start:end], zero[start:end])
    unlabelled = np.asarray(labels) < 0
    one[unlabelled], zero[unlabelled], best[unlabelled] = 0.0, 0.0, 0.0
    return one, zero, best


def normalised(alarm: np.ndarray, one, zero, best) -> float:
    """Utility of 0/1 predictions: 0 = never alarm, 1 = best."""
    got = np.where(alarm, one, zero).sum()
    return float((got - zero.sum()) / (best.sum() - zero.sum()))


def best_threshold(score: np.ndarray, one, zero, best) -> tuple[float, float]:
    """The score threshold (alarm when score >= threshold) of highest normalised utility, and that utility."""
    order = np.argsort(-score, kind="stable")
    gain = np.cumsum((one - zero)[order])
    ranked = score[order]
    last_of_tie = np.append(ranked[1:] != ranked[:-1], True)
    k = int(np.argmax(np.where(last_of_tie, gain, -np.inf)))
    return float(ranked[k]), float(gain[k] / (best.sum() - zero.sum()))
