"""The bounds by which alarms of ventricular tachycardia are contradicted.

    bedwatch replay ../shared/data/waveforms/cinc2015-vtach.dev.tar.zst --quick --out OUT
    python -m bedwatch_training.ventricular OUT/monitor_alarms.csv [--check features/src/cardiac/ventricular/rule.rs]

Reads the figures that the engine itself gave (there is no second copy of the
features) and makes one bound for each: four fifths of the least that any true
alarm showed. False alarms have no part in it. Judged by leave-one-out: the
bounds are made anew without each record and then asked of it. Beside that,
with the margin chosen within each fold by its own leave-one-out, and over
1,000 seeded halvings of the true alarms. Prints tables for docs/vt.md;
--check fails where the constants of the rule are not these.
"""

import argparse
import csv
import math
import re
import sys
from pathlib import Path

import numpy as np

from . import SEED

# The name in the rule, the column.
FIGURES = ("ecg_interruption_secs", "pulse_interruption_secs", "rhythm")
ALARM = "Ventricular_Tachycardia"
# A fifth of room for runs not yet seen: a choice, made with the table of margins in view. The choice made within each fold stands beside it.
MARGIN = 0.8
MARGINS = (0.95, 0.9, 0.85, 0.8, 0.75, 0.7)
HALVINGS = 1000


def read(path: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Records, truth, and figures (NaN where the engine had none) of the alarms with a truth."""
    with path.open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["alarm"] == ALARM and r["truth"]]
    figures = [[float(r[name] or "nan") for name in FIGURES] for r in rows]
    return [r["record"] for r in rows], np.array([r["truth"] == "true" for r in rows]), np.array(figures)


def bounds(figures: np.ndarray, margin: float) -> np.ndarray:
    """One bound a figure from those of true alarms: rounded down, as they stand in the rule."""
    return np.floor(np.nanmin(figures, axis=0) * margin * 100) / 100


def contradicted(figures: np.ndarray, at: np.ndarray) -> np.ndarray:
    """A figure that is missing contradicts nothing."""
    return (figures < at).any(axis=-1)


def leave_one_out(truth: np.ndarray, figures: np.ndarray, margin) -> np.ndarray:
    """Whether each alarm is contradicted by the bounds made without it. `margin` is a number, or chooses one from a fold."""
    out = np.zeros(len(truth), dtype=bool)
    for i in range(len(truth)):
        kept = np.arange(len(truth)) != i
        m = margin(truth[kept], figures[kept]) if callable(margin) else margin
        out[i] = contradicted(figures[i], bounds(figures[kept & truth], m))
    return out


def best_margin(truth: np.ndarray, figures: np.ndarray) -> float:
    """The margin with the best score by leave-one-out within these alarms; the widest of equals."""
    return max(reversed(MARGINS), key=lambda m: measure(truth, leave_one_out(truth, figures, m))["score"])


def measure(truth: np.ndarray, said: np.ndarray) -> dict:
    """Counts, and the challenge's score (TP + TN) / (TP + TN + FP + 5 FN); positive is what is not contradicted."""
    tp, fn = int((truth & ~said).sum()), int((truth & said).sum())
    tn, fp = int((~truth & said).sum()), int((~truth & ~said).sum())
    return {"true": tp + fn, "lost": fn, "false": tn + fp, "suppressed": tn, "score": (tp + tn) / max(tp + tn + fp + 5 * fn, 1)}


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95 % score interval of a share."""
    z = 1.959963984540054
    share, scale = hits / of, 1 + z * z / of
    centre, reach = share + z * z / (2 * of), z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return max(0.0, (centre - reach) / scale), min(1.0, (centre + reach) / scale)


def halvings(truth: np.ndarray, figures: np.ndarray, margin: float) -> tuple[float, float]:
    """Mean shares lost and suppressed when half of the true alarms make the bounds and the other half is judged."""
    rng = np.random.default_rng(SEED)
    trues, lost, suppressed = np.flatnonzero(truth), [], []
    for _ in range(HALVINGS):
        order = rng.permutation(trues)
        at = bounds(figures[order[: len(order) // 2]], margin)
        lost.append(contradicted(figures[order[len(order) // 2 :]], at).mean())
        suppressed.append(contradicted(figures[~truth], at).mean())
    return float(np.mean(lost)), float(np.mean(suppressed))


def row(name: str, truth: np.ndarray, said: np.ndarray) -> str:
    m = measure(truth, said)
    share = lambda hits, of: f"{hits} of {of} ({100 * hits / of:.0f} %, {100 * wilson(hits, of)[0]:.0f} to {100 * wilson(hits, of)[1]:.0f})"  # noqa: E731
    return f"| {name} | {share(m['suppressed'], m['false'])} | {share(m['lost'], m['true'])} | {m['score']:.3f} |"


def tables(records: list[str], truth: np.ndarray, figures: np.ndarray) -> list[str]:
    shipped = bounds(figures[truth], MARGIN)
    said = leave_one_out(truth, figures, MARGIN)
    lines = ["| | false alarms contradicted | true alarms contradicted | score |", "|---|---|---|---|"]
    lines.append(row("leave-one-out", truth, said))
    lines.append(row("leave-one-out, margin chosen within each fold", truth, leave_one_out(truth, figures, best_margin)))
    lines.append(row("bounds in force, on the records they were made from", truth, contradicted(figures, shipped)))
    for end, what in (("l", "leave-one-out, records ending `l`"), ("s", "leave-one-out, records ending `s`")):
        part = np.array([r.endswith(end) for r in records])
        lines.append(row(what, truth[part], said[part]))
    for i, name in enumerate(FIGURES):
        alone, without = figures[:, [i]], np.delete(figures, i, axis=1)
        lines.append(row(f"leave-one-out, `{name}` alone", truth, leave_one_out(truth, alone, MARGIN)))
        lines.append(row(f"leave-one-out, without `{name}`", truth, leave_one_out(truth, without, MARGIN)))
    lines += ["", "| bound as a share of the least of a true alarm | leave-one-out: contradicted of false, of true | score | halvings: of false, of true |"]
    lines.append("|---|---|---|---|")
    for margin in MARGINS:
        m = measure(truth, leave_one_out(truth, figures, margin))
        lost, suppressed = halvings(truth, figures, margin)
        counts = f"{m['suppressed']} of {m['false']}, {m['lost']} of {m['true']}"
        lines.append(f"| {margin} | {counts} | {m['score']:.3f} | {100 * suppressed:.0f} %, {100 * lost:.1f} % |")
    return lines


def in_rule(text: str) -> list[float]:
    """The constants of the rule's source."""
    body = re.search(r"BOUNDS: Bounds =\s*Bounds \{([^}]*)\}", text)
    given = dict(re.findall(r"(\w+): ([\d.]+)", body.group(1))) if body else {}
    return [float(given.get(name, "nan")) for name in FIGURES]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("alarms", type=Path)
    parser.add_argument("--check", type=Path)
    args = parser.parse_args()
    records, truth, figures = read(args.alarms)
    made = bounds(figures[truth], MARGIN)
    print("\n".join(f"{name}: {bound:.2f}" for name, bound in zip(FIGURES, made)), "", *tables(records, truth, figures), sep="\n")
    if args.check and not np.allclose(in_rule(args.check.read_text()), made):
        sys.exit(f"{args.check} holds other bounds")


if __name__ == "__main__":
    main()
