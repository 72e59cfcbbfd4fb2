"""Optional step before training: trees teach the encoder.

    python -m bedwatch_training.teacher --work DIR

Sepsis labels are few (one stay in fourteen) and noisy, and trees learn them
best. Three LightGBM models, each trained on two thirds of the train split's
stays, score the third they have not seen; `train_encoder` then aims half way
between the label and that score. Nothing of the calibrate or test split is
touched. Writes WORK/teacher.npz.
"""

import argparse
from pathlib import Path

import lightgbm
import numpy as np

from .baseline import OPTIONS, features
from .contract import normalisation
from .export_encoder import sigmoid
from .stays import Stays

FOLDS = 3


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    whole = Stays.load(args.work / "cinc2019.npz")
    stays = whole.pick(whole.split == "train")
    x, y = features(stays, *normalisation(stays.values)), stays.targets()
    # Stays are in name order; every third goes to the same fold, so both hospitals are in each.
    fold = np.repeat(np.arange(len(stays.rows)) % FOLDS, stays.rows)
    score = np.zeros(len(x), dtype=np.float32)
    for k in range(FOLDS):
        learn, rest = fold != k, fold == k
        model = lightgbm.LGBMClassifier(**OPTIONS, n_jobs=args.threads)
        model.fit(x[learn], y[learn, 0], sample_weight=y[learn, 1])
        score[rest] = sigmoid(model.predict(x[rest], raw_score=True))
        print(f"fold {k} done", flush=True)
    np.savez(args.work / "teacher.npz", score=score)


if __name__ == "__main__":
    main()
