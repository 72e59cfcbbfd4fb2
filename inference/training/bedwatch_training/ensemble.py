"""Step 5: what each member weighs in a head's score.

    python -m bedwatch_training.ensemble --work DIR

Logistic regression on the members' out-of-fold scores. The members' models of
all stays are what is shipped, side by side in one tree ensemble; the networks
learned from half of the folds each, so that the one that is shipped weighs
what an unseen answer of either weighed. A student that had learned the
ensemble's answers shipped before: faster, but it gave up a part of what the
ensemble knows (README). Writes WORK/ensemble.json and, of every hour, the
ensemble's out-of-fold scores WORK/ensemble/{head}.npz.
"""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import lightgbm
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from . import utility
from .bundle import write_json
from .calibrate import networks, unseen
from .encoder import HEADS
from .stays import Stays
from .trees import MEMBERS

SETS = {"sepsis": "cinc2019", "death": "cinc2012"}  # the heads with an ensemble; the other heads are the network's


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


@dataclass
class Ensemble:
    """What a head is made of at the bedside: each shipped forest with its weight, and the network's."""

    forests: list[tuple[Path, float]]
    network: float

    @classmethod
    def load(cls, work: Path, head: str) -> "Ensemble":
        weights = json.loads((work / "ensemble.json").read_text())[head]
        kept = [(n, MEMBERS[n].seeds, w) for n, w in weights.items() if n != "network" and w > 0]
        return cls([(work / "trees" / f"{n}.all.{s}.txt", w / seeds) for n, seeds, w in kept for s in range(seeds)], weights["network"])

    def score(self, summary, network) -> np.ndarray:
        """Scores [N] of summaries [N, wide] and the network's logits [N]."""
        return self.network * network + sum(w * lightgbm.Booster(model_file=path).predict(summary, raw_score=True) for path, w in self.forests)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--heads", nargs="*", default=list(SETS))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    (args.work / "ensemble").mkdir(exist_ok=True)
    norm = torch.load(args.work / "pretrained.pt", weights_only=False)
    path = args.work / "ensemble.json"
    told = json.loads(path.read_text()) if path.exists() else {}
    for head in args.heads:
        began, known = time.time(), args.work / "ensemble" / f"{head}.network.npy"
        stays = Stays.load(args.work / f"{SETS[head]}.npz").of("make")
        if not known.exists():
            np.save(known, unseen(networks(args.work), stays, norm["mean"], norm["sd"])[:, HEADS.index(head)])
        columns = members(args.work, head, np.load(known))
        at = stays.ends if head == "death" else np.flatnonzero(stays.labelled)
        label = stays.death if head == "death" else stays.sepsis[at]
        told[head] = stack({n: c[at] for n, c in columns.items()}, label)
        score = sum(w * columns[n] for n, w in told[head].items())
        np.savez(args.work / "ensemble" / f"{head}.npz", score=score.astype(np.float32))
        extra = f" utility {utility.best_threshold(score, *utility.table(stays.sepsis, stays.rows))[1]:.4f}" if head == "sepsis" else ""
        print(f"{head}: auroc {roc_auc_score(label, score[at]):.4f}{extra} weights {told[head]}; {time.time() - began:.0f} s", flush=True)
    write_json(path, told)


if __name__ == "__main__":
    main()
