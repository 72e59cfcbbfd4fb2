"""Step 6: from scores to probabilities, and how sure they are.

    python -m bedwatch_training.calibrate --work DIR

A Platt line for each head, operating points, label-conditional conformal
thresholds (Vovk 2012; Angelopoulos and Bates 2023) per hospital and together,
and the threshold of strangeness. Sepsis and death rest on the ensemble's
out-of-fold scores, never on what models of all stays say of the same stays. Deterioration rests on the first network's answers about the folds
it has not learned from. Writes WORK/calibration.json.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from . import utility
from .bundle import write_json
from .encoder import HEADS, Encoder
from .finetune import predict
from .learning import Feed
from .stays import Stays

COVERAGE = 0.9
STRANGE_QUANTILE = 0.99
SPECIFICITY_HIGH = 0.99  # of hours, for the high-priority point
FALSE_ALARM_COST = 4.0  # deterioration: an hour's false positive rate counts four times its sensitivity
REAL_SPECIFICITY = 0.95  # deterioration: of real hours without the label


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def platt(logit, label, weight=None) -> tuple[float, float]:
    """(a, b) of p = sigmoid(a * logit + b), by maximum likelihood."""
    fit = LogisticRegression(C=1e6).fit(logit[:, None].astype(np.float64), label, sample_weight=weight)
    return float(fit.coef_[0, 0]), float(fit.intercept_[0])


def networks(work: Path, name="network") -> list[Encoder]:
    """The two fine-tuned networks."""
    out = []
    for half in (0, 1):
        encoder = Encoder()
        encoder.load_state_dict(torch.load(work / f"{name}.{half}.pt", weights_only=False)["state"])
        out.append(encoder.eval())
    return out


def unseen(pair, stays: Stays, mean, sd, embeddings=False) -> np.ndarray:
    """Each network about the folds it has not learned from: logits [N, heads] (embeddings: the first network's, of all)."""
    feed = Feed(stays, stays.tokens(mean, sd))
    if embeddings:
        return predict(pair[0], feed, embeddings=True)
    first, second = (predict(net, feed) for net in pair)
    odd = np.repeat(stays.fold % 2, stays.rows) == 1
    return np.where(odd[:, None], first, second)  # network h learned from the folds with fold % 2 == h


def conformal(p, label, site=None) -> list[dict]:
    """Label-conditional thresholds at COVERAGE, for all hospitals and, with `site` [N], for each (label 0 is possible at or below the first, 1 at or above the second)."""
    out = []
    for name in ("any", *([] if site is None else sorted(set(site.tolist())))):
        here = np.ones(len(p), dtype=bool) if name == "any" else site == name
        zero, one = np.sort(p[here & (label == 0)]), np.sort(p[here & (label == 1)])
        upper = zero[min(int(np.ceil((len(zero) + 1) * COVERAGE)) - 1, len(zero) - 1)]
        lower = one[max(int(np.floor((len(one) + 1) * (1 - COVERAGE))) - 1, 0)]
        out.append({"site": name, "coverage": COVERAGE, "negative_at_most": float(upper), "positive_at_least": float(lower)})
    return out


def above_specificity(p, label, specificity) -> float:
    return float(np.quantile(p[label == 0], specificity))


def head(a, b, point, high, rows) -> dict:
    return {"platt_a": a, "platt_b": b, "operating_point": point, "high_priority_point": max(high, point), "conformal": rows}


def sepsis(work: Path) -> dict:
    """The sepsis head, decided by the challenge's utility."""
    stays = Stays.load(work / "cinc2019.npz").of("make")
    score = np.load(work / "ensemble" / "sepsis.npz")["score"][stays.labelled]
    stays = stays.hours(stays.labelled)
    a, b = platt(score, stays.sepsis)
    p = sigmoid(a * score + b)
    point, best = utility.best_threshold(p, *utility.table(stays.sepsis, stays.rows))
    print(f"sepsis: utility {best:.4f} at p >= {point:.4f} auroc {roc_auc_score(stays.sepsis, p):.4f}")
    return head(a, b, point, above_specificity(p, stays.sepsis, SPECIFICITY_HIGH), conformal(p, stays.sepsis, stays.site_by_row))


def death(work: Path) -> dict:
    """The death head: ranks stays at their last hour; its operating point has the best min(sensitivity, positive predictivity)."""
    stays = Stays.load(work / "cinc2012.npz").of("make")
    score, label = np.load(work / "ensemble" / "death.npz")["score"][stays.ends], stays.death
    a, b = platt(score, label)
    p = sigmoid(a * score + b)
    order = np.argsort(-p, kind="stable")
    hits = np.cumsum(label[order])
    both = np.minimum(hits / label.sum(), hits / np.arange(1, len(label) + 1))
    k = int(np.argmax(both))
    print(f"death: auroc {roc_auc_score(label, p):.4f} min(Se,+P) {both[k]:.4f}")
    return head(a, b, float(p[order][k]), above_specificity(p, label, 0.98), conformal(p, label))


def deterioration(work: Path, network: Encoder, mean, sd) -> dict:
    """The deterioration head: where sensitivity - 4 x false positive rate is highest, yet in at most 5 % of real patients' hours."""
    unlearned = lambda name: (s := Stays.load(work / f"{name}.npz").of("make")).pick(s.fold % 2 == 1)  # noqa: E731
    stays, real = unlearned("ward"), unlearned("cinc2012")
    logit, real_logit = (predict(network, Feed(s, s.tokens(mean, sd)))[:, HEADS.index("deterioration")] for s in (stays, real))
    known = stays.deterioration >= 0
    label, logit = stays.deterioration[known], logit[known]
    a, b = platt(logit, label)
    p = sigmoid(a * logit + b)
    grid = np.unique(np.quantile(p, np.linspace(0.5, 0.999, 500)))
    gain = [(p[label == 1] >= t).mean() - FALSE_ALARM_COST * (p[label == 0] >= t).mean() for t in grid]
    point = max(float(grid[int(np.argmax(gain))]), float(np.quantile(sigmoid(a * real_logit + b), REAL_SPECIFICITY)))
    print(f"deterioration: auroc {roc_auc_score(label, p):.4f} sensitivity {(p[label == 1] >= point).mean():.3f}, false positive rate {(p[label == 0] >= point).mean():.4f}")
    return head(a, b, point, above_specificity(p, label, 0.998), conformal(p, label))


def strangeness(work: Path, pair, mean, sd) -> dict:
    """Centre and precision of the embeddings of real hours, and the distance that 1 % of them exceed."""
    sample = []
    for name in ("cinc2019", "cinc2012"):
        stays = Stays.load(work / f"{name}.npz").of("make")
        rng = np.random.default_rng(0)
        part = stays.pick(rng.permutation(len(stays.rows)) < 3000)
        sample.append(unseen(pair, part, mean, sd, embeddings=True))
    x = np.concatenate(sample).astype(np.float64)
    centre, spread = x.mean(axis=0), np.cov(x.T)
    spread += np.eye(len(spread)) * np.trace(spread) / len(spread) * 1e-2
    precision = np.linalg.inv(spread)
    off = x - centre
    distance = np.sqrt(np.einsum("ni,ij,nj->n", off, precision, off) / len(centre))
    threshold = float(np.quantile(distance, STRANGE_QUANTILE))
    return {"centre": centre.tolist(), "precision": precision.tolist(), "threshold": threshold, "quantile": STRANGE_QUANTILE}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    norm = torch.load(args.work / "pretrained.pt", weights_only=False)
    mean, sd, pair = norm["mean"], norm["sd"], networks(args.work)
    heads = {"sepsis": sepsis(args.work), "deterioration": deterioration(args.work, pair[0], mean, sd), "death": death(args.work)}
    write_json(args.work / "calibration.json", {"heads": {n: heads[n] for n in HEADS}, "ood": strangeness(args.work, pair, mean, sd)})


if __name__ == "__main__":
    main()
