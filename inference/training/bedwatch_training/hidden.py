"""Hidden hospitals: learn from one, be judged at the other.

    python -m bedwatch_training.hidden --work DIR

Every model, the threshold and the plan come from one hospital's stays for
making models; the other hospital's kept-aside stays judge, once. No site
statistics enter. At another hospital models differ from each other far more
than at home, so what holds (README) is the mean of many that lean on different
things: each learns from another 70 % of the signals, half of them see how often
a signal was measured, a quarter the unit and the way to it; they aim at the
label, at the utility an alarm gains or at its sign. Which aims count is chosen
with the hospital's own units as stand-ins for a hospital never seen: each unit
(medical, surgical, not stated) is left out in turn, and the plan with the
highest utility pooled over them is taken. Each member leaves one fold out, and
what it says of that fold sets its scale and the threshold. Writes
WORK/hidden.json.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import lightgbm
import numpy as np
import torch

from . import utility
from .bundle import write_json
from .calibrate import platt, sigmoid
from .contract import VARIABLES
from .measures import hourly
from .splits import FOLDS
from .stays import Stays
from .summary import Summary
from .trees import COMMON, aim, summaries

PATTERN = ("age", "count_6h", "count_12h", "count_24h", "count_48h", "kinds_24h", "now", "known")
PLACE = ("unit", "log_hours")
AIMS = (("label", "binary"), ("sign", "binary"), ("gain", "regression"))  # by number % 3
PLANS = {"label": (0,), "gain": (2,), "sign": (1,), "label and gain": (0, 2), "all": (0, 1, 2)}
COUNT = 16
ROUNDS, ROUNDS_TO_CHOOSE = 300, 200
OPTIONS = COMMON | {"feature_fraction": 0.2, "lambda_l2": 20.0, "min_data_in_leaf": 150, "num_leaves": 24}
SIGNALS_SHARE, KEPT_SHARE = 0.7, 0.3


def columns(rng, pattern: bool, place: bool) -> np.ndarray:
    """The summary's numbers that a member sees."""
    gone = {v.name for v in VARIABLES if rng.random() >= SIGNALS_SHARE}
    seen = []
    for i, name in enumerate(Summary().names):
        kind, of = name.split(":", 1)
        if (pattern or kind not in PATTERN) and (place or kind not in PLACE) and not gone & {of, *of.split("-")}:
            seen.append(i)
    return np.array(seen)


def septic_hours(stays: Stays) -> np.ndarray:
    return np.repeat(np.add.reduceat(stays.sepsis == 1, stays.starts) > 0, stays.rows)


def learn(j: int, stays: Stays, x, aims, home, rounds, threads):
    """Member j: (its columns, its model, the fold it left out)."""
    rng, out = np.random.default_rng(1000 + j), j % FOLDS
    chosen = columns(rng, pattern=j % 2 == 1, place=j % 4 == 1)
    name, objective = AIMS[j % 3]
    septic, (target, size) = septic_hours(stays), aims[name]
    kept = home & stays.labelled & (np.repeat(stays.fold, stays.rows) != out) & (septic | (rng.random(len(septic)) < KEPT_SHARE))
    rows = np.flatnonzero(kept)
    weight = np.where(septic[rows], 1.0, 1.0 / KEPT_SHARE) * (size[rows] if name == "sign" else 1.0)
    data = lightgbm.Dataset(x[rows][:, chosen], target[rows], weight=weight, params={"max_bin": COMMON["max_bin"]})
    return chosen, lightgbm.train(OPTIONS | {"objective": objective, "num_threads": threads, "seed": j}, data, rounds), out


@dataclass
class Spoken:
    """What a member says, on its own scale: of the hours it left out, and of those judged."""

    fold: int
    held: np.ndarray
    own: np.ndarray
    judged: np.ndarray


def speak(j, stays, x, aims, home, judged, rounds, threads) -> Spoken:
    """Member j, learned from the hours `home`, about itself and about the summaries `judged`."""
    chosen, model, out = learn(j, stays, x, aims, home, rounds, threads)
    held = np.flatnonzero(home & stays.labelled & (np.repeat(stays.fold, stays.rows) == out))
    score = model.predict(x[held][:, chosen], raw_score=True)
    scaled = lambda of: (of - score.mean()) / score.std()  # noqa: E731
    return Spoken(out, held, scaled(score), scaled(model.predict(judged[:, chosen], raw_score=True)))


def mean(spoken: list[Spoken], hours: int):
    """(mean of what the members say of the hours they left out [hours], and of those judged)."""
    speakers = np.bincount([s.fold for s in spoken], minlength=FOLDS)
    own = np.zeros(hours)
    for s in spoken:
        own[s.held] += s.own / speakers[s.fold]
    return own, sum(s.judged for s in spoken) / len(spoken)


def choose(stays: Stays, x, threads) -> tuple[str, dict]:
    """The plan that one hospital's own units call for, and what each plan gave: the utility pooled over
    the units left out, with models and threshold of the others."""
    unit, aims = stays.unit[stays.starts], {name: aim(name, stays) for name, _ in AIMS}
    sums = {plan: np.zeros(3) for plan in PLANS}  # got, got by silence, best
    for left in np.unique(unit):
        began, away = time.time(), np.repeat(unit == left, stays.rows)
        rest, judged = stays.pick(unit != left), stays.pick(unit == left)
        spoken = [speak(j, stays, x, aims, ~away, x[away & stays.labelled], ROUNDS_TO_CHOOSE, threads) for j in range(COUNT)]
        table = utility.table(*(lambda h: (h.sepsis, h.rows))(judged.hours(judged.labelled)))
        at_home = rest.hours(rest.labelled)
        for plan, kinds in PLANS.items():
            own, abroad = mean([s for j, s in enumerate(spoken) if j % 3 in kinds], len(away))
            point, _ = utility.best_threshold(own[~away & stays.labelled], *utility.table(at_home.sepsis, at_home.rows))
            one, zero, best = table
            sums[plan] += np.where(abroad >= point, one, zero).sum(), zero.sum(), best.sum()
        print(f"unit {left} left out: {time.time() - began:.0f} s", flush=True)
    gave = {plan: float((got - silent) / (best - silent)) for plan, (got, silent, best) in sums.items()}
    return max(gave, key=gave.get), gave


def direction(stays: Stays, x, test: Stays, xt, one, other, threads):
    """Utility and AUROC at `other`'s kept-aside stays of what was learned, and chosen, at `one`."""
    home = np.repeat(stays.site == one, stays.rows)
    source = stays.pick(stays.site == one)
    plan, gave = choose(source, x[home], threads)
    print(f"{one}: plan {plan}, of {gave}", flush=True)
    aims, away = {name: aim(name, stays) for name, _ in AIMS}, np.repeat(test.site == other, test.rows)
    members = [j for j in range(COUNT) if j % 3 in PLANS[plan]]
    own, abroad = mean([speak(j, stays, x, aims, home, xt[away], ROUNDS, threads) for j in members], len(home))
    judged = test.pick(test.site == other)
    own, at_home = own[home][source.labelled], source.hours(source.labelled)
    a, b = platt(own, at_home.sepsis)
    point, best = utility.best_threshold(sigmoid(a * own + b), *utility.table(at_home.sepsis, at_home.rows))
    print(f"{one}: own utility {best:.4f}")
    p, judged = sigmoid(a * abroad + b)[judged.labelled], judged.hours(judged.labelled)
    return hourly(p, judged.sepsis, judged.rows, point) | {"plan": plan, "plans": gave}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    norm = torch.load(args.work / "pretrained.pt", weights_only=False)
    whole = Stays.load(args.work / "cinc2019.npz")
    stays, test = whole.of("make"), whole.of("test")
    path = args.work / "cinc2019.test.summary.npy"
    xt = np.load(path, mmap_mode="r") if path.exists() else summaries(test, norm["mean"], norm["sd"], path)
    x = np.load(args.work / "cinc2019.summary.npy", mmap_mode="r")
    out = {}
    for one, other in (("A", "B"), ("B", "A")):
        out[f"{one} to {other}"] = direction(stays, x, test, np.asarray(xt), one, other, args.threads)
        print(f"{one} to {other}: utility {out[f'{one} to {other}']['utility']} auroc {out[f'{one} to {other}']['auroc']}", flush=True)
    write_json(args.work / "hidden.json", out)


if __name__ == "__main__":
    main()
