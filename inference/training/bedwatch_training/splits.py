"""Which stays are learned from, and which are only judged on.

By a hash of the record's name, so that a stay keeps its place whatever else is
in the set: 80 % are for making models, cut into four folds, and 20 % (`test`)
are read by `evaluate` alone. Each model of the ensemble learns from some folds
and speaks about the others; calibration, operating points and conformal
thresholds rest on those answers about stays not learned from.
"""

import hashlib

FOLDS = 4


def _bucket(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest(), 16)


def split_of(record: str) -> str:
    """`make` or `test`. (The first encoder's train and calibrate splits together are `make`.)"""
    return "test" if _bucket(f"bedwatch-encoder-v1:{record}") % 10 >= 8 else "make"


def fold_of(record: str) -> int:
    """0 to FOLDS - 1."""
    return _bucket(f"bedwatch-fold:{record}") % FOLDS
