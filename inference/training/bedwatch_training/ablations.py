"""What each part of the sepsis ensemble is worth, out of fold; nothing is chosen by it.

    python -m bedwatch_training.ablations --work DIR

Members alone and left out (the rest weighed anew), a network without
pretraining where WORK/scratch.{0,1}.pt stand (`finetune --from-scratch --out
scratch`), and signals hidden from the trees as if never measured. Writes
WORK/ablations.json.
"""

import argparse
from pathlib import Path

import lightgbm
import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from . import utility
from .bundle import write_json
from .calibrate import networks, unseen
from .contract import BEDSIDE, LABS, VITALS
from .ensemble import members, stack
from .splits import FOLDS
from .stays import Stays
from .summary import UNKNOWN, Summary

GROUPS = {
    "vital signs": {v.name for v in VITALS},
    "laboratory": {v.name for v in LABS} | {"labs"},
    "charted values": {v.name for v in BEDSIDE},
    "who and where (age, sex, unit, way to the unit)": {"age", "sex", "medical", "surgical", "coronary", "cardiac_surgery", "before_icu"},
    "hours since admission": {"since_admission"},
}


def hide(x, names, group) -> np.ndarray:
    """Summaries as if the group had never been measured."""
    out = np.array(x)
    for j, name in enumerate(names):
        kind, of = name.split(":", 1)
        if of in group or (kind == "gap" and group & set(of.split("-"))):
            blank = 48.0 if kind == "age" and of not in ("age",) else 0.0 if kind.startswith(("count", "now", "kinds", "unit")) else UNKNOWN
            out[:, j] = 0.0 if of in ("sex",) else 60.0 if (kind, of) == ("person", "age") else 24.0 if kind == "hours" else blank
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    norm = torch.load(args.work / "pretrained.pt", weights_only=False)
    stays = Stays.load(args.work / "cinc2019.npz").of("make")
    known, table = stays.labelled, utility.table(stays.sepsis, stays.rows)
    out = {}

    def note(name, score):
        out[name] = {"utility": utility.best_threshold(score, *table)[1], "auroc": float(roc_auc_score(stays.sepsis[known], score[known]))}
        print(name, out[name], flush=True)

    columns = members(args.work, "sepsis", np.load(args.work / "ensemble" / "sepsis.network.npy"))
    weigh = lambda some: stack({n: c[known] for n, c in some.items()}, stays.sepsis[known])  # noqa: E731
    weights = weigh(columns)
    note("the ensemble", sum(w * columns[n] for n, w in weights.items()))
    for name in columns:
        rest = {n: c for n, c in columns.items() if n != name}
        note(f"without {name}", sum(w * rest[n] for n, w in weigh(rest).items()))
    for name, score in columns.items():
        note(f"{name} alone", score)
    if (args.work / "scratch.1.pt").exists():
        note("network alone, without pretraining", unseen(networks(args.work, name="scratch"), stays, norm["mean"], norm["sd"])[:, 0])
    x, names = np.load(args.work / "cinc2019.summary.npy", mmap_mode="r"), Summary().names
    fold = np.repeat(stays.fold, stays.rows)
    for group, signals in GROUPS.items():
        score = np.zeros(len(fold))
        for k in range(FOLDS):
            at = np.flatnonzero(fold == k)
            hidden = hide(x[at], names, signals)
            for name, weight in weights.items():
                if name != "network" and weight > 0:
                    score[at] += weight * lightgbm.Booster(model_file=args.work / "trees" / f"{name}.{k}.txt").predict(hidden, raw_score=True)
        note(f"trees with {group} hidden", score)
    write_json(args.work / "ablations.json", out)


if __name__ == "__main__":
    main()
