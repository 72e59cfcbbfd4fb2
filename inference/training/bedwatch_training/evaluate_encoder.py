"""Step 4: measures a finished encoder bundle on the test split and writes its card.

    python -m bedwatch_training.evaluate_encoder --work DIR --bundle inference/models/encoder-hourly-v1

Everything is computed from the bundle's own ONNX file, calibration and
operating points. Intervals are 95 % bootstrap percentiles over patients.
Reads WORK/baseline.json (written by `baseline`) where present. Writes
WORK/encoder-metrics.json and BUNDLE/MODEL_CARD.md.
"""

import argparse
import json
import tomllib
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from . import SEED, utility
from .bundle import write_json
from .export_encoder import session, sigmoid
from .stays import Stays
from .train_encoder import load, predict

RESAMPLES = 200


def interval(values) -> list[float]:
    return [round(float(v), 4) for v in np.nanpercentile(values, [2.5, 97.5])]


def measure(p, label, rows, alarm, with_utility: bool) -> dict:
    """AUROC, AUPRC, alarm rates and (sepsis) normalised utility, each with a patient bootstrap."""
    rng = np.random.default_rng(SEED)
    stay = np.repeat(np.arange(len(rows)), rows)
    tables = utility.table(label, rows) if with_utility else None
    gained = [np.bincount(stay, np.where(alarm, tables[0], tables[1]) - tables[1]), np.bincount(stay, tables[2] - tables[1])] if tables else None
    draws = {"auroc": [], "auprc": [], "utility": []}
    for _ in range(RESAMPLES):
        times = np.bincount(rng.integers(0, len(rows), len(rows)), minlength=len(rows))
        weight = times[stay]
        keep = weight > 0
        if label[keep].any() and not label[keep].all():
            draws["auroc"].append(roc_auc_score(label[keep], p[keep], sample_weight=weight[keep]))
            draws["auprc"].append(average_precision_score(label[keep], p[keep], sample_weight=weight[keep]))
        if gained:
            draws["utility"].append((gained[0] * times).sum() / (gained[1] * times).sum())
    out = {
        "stays": len(rows), "hours": len(p), "positive_hours": int(label.sum()),
        "auroc": [round(float(roc_auc_score(label, p)), 4), interval(draws["auroc"])],
        "auprc": [round(float(average_precision_score(label, p)), 4), interval(draws["auprc"])],
        "sensitivity_hours": round(float(alarm[label == 1].mean()), 4),
        "false_positive_rate_hours": round(float(alarm[label == 0].mean()), 4),
        "positive_predictivity_hours": round(float(label[alarm].mean()), 4),
        "calibration_error": round(calibration_error(p, label), 4),
    }  # fmt: skip
    if gained:
        out["utility"] = [round(utility.normalised(alarm, *tables), 4), interval(draws["utility"])]
    return out


def calibration_error(p, label, bins=10) -> float:
    """Expected calibration error over equally filled bins."""
    order = np.array_split(np.argsort(p), bins)
    return float(sum(len(i) * abs(p[i].mean() - label[i].mean()) for i in order) / len(p))


def evaluate(work: Path, bundle: Path) -> dict:
    """All figures of the card."""
    manifest = tomllib.loads((bundle / "manifest.toml").read_text())
    mean, sd = (np.array([v[k] for v in manifest["input"]["variables"]]) for k in ("mean", "sd"))
    heads = {h["name"]: h for h in manifest["heads"]}
    graph = session(bundle / "encoder.onnx")
    out = {}

    def chance(stays: Stays, head: str):
        logits = predict(None, stays.tokens(mean, sd), stays, logits_of=lambda x: graph.run(None, {"tokens": x})[0])
        h = heads[head]
        return sigmoid(h["platt_a"] * logits[:, h["index"]].astype(np.float64) + h["platt_b"]), h["operating_point"]

    whole = load(work, False)
    calibrate = whole["cinc2019"].pick(whole["cinc2019"].split == "calibrate")
    p, point = chance(calibrate, "sepsis")
    out["calibrate_utility"] = round(utility.normalised(p >= point, *utility.table(calibrate.sepsis, calibrate.rows)), 4)
    sets = {n: s.pick(s.split == "test") for n, s in whole.items()}
    both = sets["cinc2019"]
    p, point = chance(both, "sepsis")
    by_row = np.repeat(both.site, both.rows)
    out["sepsis"] = {"A+B": measure(p, both.sepsis, both.rows, p >= point, True)}
    for site in "AB":
        part, q = both.pick(both.site == site), p[by_row == site]
        out["sepsis"][site] = measure(q, part.sepsis, part.rows, q >= point, True)
    out["deterioration"] = {}
    for name in ("ward", "cinc2012"):
        if name in sets:
            p, point = chance(sets[name], "deterioration")
            out["deterioration"][name] = measure(p, sets[name].deterioration, sets[name].rows, p >= point, False)
    p, point = chance(both, "deterioration")
    out["deterioration_alarm_rate_cinc2019"] = round(float((p >= point).mean()), 4)
    if "ward" in sets:
        ward = load(work, True)["ward"]
        ward = ward.pick(ward.split == "test")
        p, point = chance(ward, "sepsis")
        out["sepsis_on_ward"] = measure(p, ward.sepsis, ward.rows, p >= point, True)
    return out


def line(name: str, m: dict) -> str:
    """A row of the card's table."""

    def cell(key):
        return f"{m[key][0]:.3f} ({m[key][1][0]:.3f} to {m[key][1][1]:.3f})" if key in m else "-"

    return (
        f"| {name} | {m['stays']} | {m['hours']} | {cell('auroc')} | {cell('auprc')} | {cell('utility')} | {m['sensitivity_hours']:.3f} "
        f"| {m['false_positive_rate_hours']:.3f} | {m['positive_predictivity_hours']:.3f} | {m['calibration_error']:.3f} |"
    )


CARD = """# encoder-hourly-v1

A causal transformer over hourly tokens of vitals and labs, with two heads: `sepsis` and `deterioration`.
Research software. It supports an alert that a clinician judges; it is never the primary alarm.

- Shape: {parameters} parameters, 3 layers, width 128, distance-only attention biases, at most 48 hours of context; ONNX opset 18, fp32.
- Input: contract "hourly-v1", described number by number in `manifest.toml`. Missing is not imputed: last value, mask, age.
- Code: `inference/training/`, seed {seed}. Licence of the weights: Apache-2.0.

## Data

- Sepsis: PhysioNet/CinC Challenge 2019, sets A and B, the developers' part (28,246 stays), CC BY 4.0; Reyna et al., Crit Care Med 48(2):210-217, 2020.
  Label: the challenge's, 1 from six hours before onset. Loss: each hour weighted by the challenge utility it decides.{teacher}
- Deterioration: {deterioration}
- Split by SHA-256 of `bedwatch-encoder-v1:<record>`, 70 / 10 / 20 % train, calibrate, test. Normalisation and weights from train; epoch, Platt
  calibration and operating points from calibrate; the figures below from test, which nothing was tuned on (it was read once for
  an earlier bundle too). The calibrate split is small (191 septic stays) and gives a lower utility, {calibrate:.3f}, for the same point: mind the intervals. All hours of a stay are in one part.
  Across data sets (2019 set A, 2012) the same patient may occur under other pseudonyms.

## Figures on the test split (95 % bootstrap intervals over patients)

Sensitivity, false positive rate and positive predictivity count hours at the manifest's operating point.

| head, data | stays | hours | AUROC | AUPRC | normalised utility | sensitivity | false positive rate | positive predictivity | calibration error |
|---|---|---|---|---|---|---|---|---|---|
{table}

{baseline}

## Known failures

- Trained on two hospitals, tested on the same two. At a hospital it has not seen the challenge's best entries lost most of their utility; expect no better.
- It reads measurement habits (which labs were ordered, hours since admission) as signs; where habits differ, so will risks.
- Sepsis-3 onset in the labels is itself derived from orders and SOFA changes; stays labelled from their first hour have an uncertain onset.
- Most alarmed hours are false: see positive predictivity. The alert policy's persistence and refractory time are part of the intended use.
- Sodium, coma score, drugs and urine output are not inputs. Ages above 89 are recorded as 100 in the source. No children.
{known}

## Intended use

Adjunct early warning for adult ICU stays within bedwatch, with a rationale and a human reader; validation by replay of a hospital's own records
before any live use.
"""


def card(metrics: dict, baseline: dict | None, parameters: int, teacher: float) -> str:
    rows = [line(f"sepsis, {k}", m) for k, m in metrics["sepsis"].items()]
    rows += [line(f"deterioration, {k}", m) for k, m in metrics["deterioration"].items()]
    rows.append(f"\nAt its operating point the deterioration head alarms in {metrics['deterioration_alarm_rate_cinc2019']:.3f} of CinC 2019's test hours (no label there).")
    death = (
        "PhysioNet/CinC Challenge 2012 sets a and b (8,000 stays, ODC-By 1.0); label: in-hospital death, positive in the last 24 recorded hours\n"
        "  (records end at 48 hours and death may come days later, so that label ranks severity, not imminent arrest)"
    )
    if "ward" in metrics["deterioration"]:
        source = (
            "the bedwatch ward simulator's hourly files (3,000 synthetic stays, `bedwatch simulate`), label: 1 from 6 hours before the onset of a\n"
            f"  decline; together with {death}. Calibrated on the simulator;\n  the operating point is also held to 5 % of CinC 2012's negative hours."
        )
        known = (
            "- Deterioration: the `ward` figures say that it learned the simulator, whose effect sizes are assumptions; the `cinc2012` figures are the only ones\n"
            "  about patients, for another label (death), at a calibration made for the simulator."
        )
        w = metrics["sepsis_on_ward"]
        rows.append(f"The sepsis head, never trained on the simulator, ranks its septic hours with AUROC {w['auroc'][0]:.3f} (utility {w['utility'][0]:.3f}).")
    else:
        source = death + "."
        known = "- The deterioration head ranks in-hospital death on the first two ICU days; it was not trained on shock, respiratory failure or arrest."
    text = "No tree baseline was run for this bundle."
    if baseline:
        text = (
            "LightGBM baseline, same split, same target and weights, 153 hand-made features of the same inputs: "
            + ", ".join(f"{k}: utility {m['utility'][0]:.3f}, AUROC {m['auroc'][0]:.3f}" for k, m in baseline.items())
            + "."
        )
    from . import SEED

    taught = (
        f"\n  The target is {1 - teacher:.0%} label and {teacher:.0%} the score of LightGBM trees that had not seen the stay (three folds of the train split, `teacher`)."
        if teacher
        else ""
    )
    return CARD.format(teacher=taught, calibrate=metrics["calibrate_utility"], parameters=parameters, seed=SEED, deterioration=source, table="\n".join(rows), baseline=text, known=known)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, required=True)
    args = parser.parse_args()
    metrics = evaluate(args.work, args.bundle)
    write_json(args.work / "encoder-metrics.json", metrics)
    path = args.work / "baseline.json"
    import torch

    saved = torch.load(args.work / "encoder.pt", weights_only=False)
    state = saved["state"]
    parameters = sum(v.numel() for k, v in state.items() if k not in ("bias", "widen.centres"))
    (args.bundle / "MODEL_CARD.md").write_text(card(metrics, json.loads(path.read_text()) if path.exists() else None, parameters, saved.get("teacher", 0.0)))
    print(json.dumps(metrics, indent=1))


if __name__ == "__main__":
    main()
