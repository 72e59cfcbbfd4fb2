"""The fusion's model card, from what the other steps wrote.

    python -m bedwatch_training.fuse_card --work DIR --bedwatch BIN --data DIR --bundle ../models/fusion-v1

Replays beds of the simulator that no step has used, the sensor glucose series kept
aside and the labelled EEG segments through the engine with this bundle in force,
and reads WORK/{fusion,exemplars}.json. Holds no figure of its own.
"""

import argparse
import csv
import gzip
import json
import subprocess
from pathlib import Path

from . import SEED
from .bundle import write_json
from .moments import LATER, REAL
from .splits import split_of

WARDS = {
    "ward without plan": "ward:beds=50,seed=91,history=12h,live=10m,rate=0.1",
    "ward of seizures": "ward:beds=40,seed=92,history=30m,live=20m,first=seizure",
    "ward of hypoglycaemia": "ward:beds=60,seed=93,history=5h,live=30m,first=hypoglycaemia,waveforms=false",
}
HEADS = ("deterioration", "seizure", "hypoglycaemia")


def replay(bedwatch: Path, paths, out: Path, bundle: Path) -> dict:
    """metrics.json of a replay with this bundle as the fusion."""
    if not (out / "metrics.json").exists():
        out.mkdir(parents=True, exist_ok=True)
        config = out / "bedwatch.toml"
        config.write_text(f'[models]\nfolder = "{bundle.resolve().parent}"\nfusion = "{bundle.name}"\nnarrator = ""\n')
        subprocess.run([str(c) for c in (bedwatch, "replay", *paths, "--out", out, "--config", config, "--threads", "1")], check=True)
    return json.loads((out / "metrics.json").read_text())


def glucose_aside(data: Path, out: Path) -> list[Path]:
    """The sensor series kept aside, one file each, in the form of their source."""
    out.mkdir(parents=True, exist_ok=True)
    found = []
    for path in sorted((data / REAL["cgm"][1]).glob("iglu_*.csv")):
        lines = path.read_text().splitlines()
        if not lines[0].replace('"', "").startswith("id,time,gl"):
            continue
        for number, series in enumerate(dict.fromkeys(line.split(",")[0] for line in lines[1:]), 1):
            name = f"{path.stem}-{number:02d}"
            if split_of(name) == "test":
                found.append(out / f"{name}.csv")
                found[-1].write_text("\n".join([lines[0], *(line for line in lines[1:] if line.split(",")[0] == series)]) + "\n")
    return found


def mimic_aside(data: Path, out: Path) -> Path:
    """The tables of the MIMIC-III demo with the patients kept aside alone."""
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted((data / LATER["mimic3"][1]).glob("*.csv.gz")):
        with gzip.open(path, "rt", newline="") as file, (out / path.stem).open("w", newline="") as kept:
            rows, write = csv.DictReader(file), None
            for row in rows:
                write = write or csv.DictWriter(kept, rows.fieldnames)
                if rows.line_num == 2:
                    write.writeheader()
                patient = next((row[c] for c in rows.fieldnames if c.lower() == "subject_id"), None)
                if patient is None or split_of(patient) == "test":
                    write.writerow(row)
    return out


def row(name: str, m: dict) -> str:
    number = lambda x: "-" if x is None else f"{x:.3f}"  # noqa: E731
    told = m["at_operating_point"] or [None, None]
    rule = f"{m['beside_rule'][2]:.3f} against {m['beside_rule'][1]:.3f} in {m['beside_rule'][0]}" if m["beside_rule"] else "-"
    return f"| {name} | {m['stays']} | {m['moments']} | {m['positives']} | {number(m['auroc'])} | {number(m['auprc'])} | {number(told[0])} | {number(told[1])} | {number(m['calibration_error'])} | {rule} |"


def mimic(m: dict) -> list[str]:
    rows = ["| deterioration | moments | positive | fusion | network alone | trees alone |", "|---|---|---|---|---|---|"]
    for words in ("foretold", "foretold or under way"):
        of = m[words]
        cells = " | ".join(f"{of['auroc_auprc'][n][0]:.3f}, {of['auroc_auprc'][n][1]:.3f}" for n in ("fusion", "network", "LightGBM"))
        rows.append(f"| {words} | {of['moments']} | {of['positive']} | {cells} |")
    return rows


def figures(table: dict) -> list[str]:
    rows = ["| head | moments | of sources | positive | AUROC | AUPRC |", "|---|---|---|---|---|---|"]
    for head, groups in table.items():
        for group, m in groups.items():
            rows.append(f"| {head}, {group} | {m['moments']} | {m['sources']} ({m['sources_positive']} with) | {m['positive']} | {m['auroc']:.3f} | {m['auprc']:.3f} |")
    return rows


def ablations(report: dict) -> list[str]:
    """AUROC of each head without a part; masked at the bedside, or never learned with."""
    groups = [("deterioration", "simulator"), ("deterioration", "mimic3"), ("deterioration or failing", "simulator"), ("deterioration or failing", "mimic3"), ("seizure", "simulator"), ("seizure", "iiic"), ("hypoglycaemia", "simulator"), ("hypoglycaemia", "cgm"), ("death", "cinc2012")]
    rows = ["| AUROC | " + " | ".join(f"{h}, {g}" for h, g in groups) + " |", "|---|" + "---|" * len(groups)]

    def line(name, table):
        cells = [f"{table[h][g]['auroc']:.3f}" if g in table.get(h, {}) else "-" for h, g in groups]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")

    line("network and trees, weighed (shipped), kept aside", report["aside"])
    line("the network alone, kept aside", report["aside_network"])
    line("LightGBM alone, kept aside", report["aside_lightgbm"])
    for m, table in report["masked"].items():
        line(f"{m} masked, kept aside", table)
    if "ablations" in report:
        line("the network alone, held", report["held_network"])
        for name, table in report["ablations"].items():
            line(f"{name}, held", table)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bedwatch", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, required=True)
    args = parser.parse_args()
    report = json.loads((args.work / "fusion.json").read_text())
    found = {name: replay(args.bedwatch, [path], args.work / "fusion-replay" / name.replace(" ", "-"), args.bundle) for name, path in WARDS.items()}
    series = glucose_aside(args.data, args.work / "glucose-aside")
    found["sensor glucose, kept aside"] = replay(args.bedwatch, series, args.work / "fusion-replay" / "glucose", args.bundle)
    found["MIMIC-III demo, patients kept aside"] = replay(args.bedwatch, [mimic_aside(args.data, args.work / "mimic-aside")], args.work / "fusion-replay" / "mimic3", args.bundle)
    found["EEG segments labelled by experts"] = replay(args.bedwatch, [args.data / REAL["iiic"][1]], args.work / "fusion-replay" / "iiic", args.bundle)
    write_json(args.work / "fusion-replay.json", {name: m["heads"] for name, m in found.items()})
    rows = ["| replayed | stays | moments | positive | AUROC | AUPRC | told of these | told of others | calibration error | AUROC against the rule |", "|---|---|---|---|---|---|---|---|---|---|"]
    for name, metrics in found.items():
        rows += [row(f"{head}, {name}", metrics["heads"][head]) for head in HEADS if head in metrics["heads"] and metrics["heads"][head]["moments"]]
    glucose = report["glucose"]
    lines = [
        "# fusion-v1", "", "Joins the hourly encoder with minutes of monitor numerics, EEG, beats, sensor glucose and coded events by gated cross-modal attention, with trees over a summary of the same moment beside the network. Heads: seizure (in the EEG now) and hypoglycaemia (sensor glucose below 70 mg/dL within 30 min). Deterioration (a failure is under way or begins within 6 h: shock or respiratory failure, in a recorded stay a vasopressor, invasive ventilation, an arrest or death) is learned and not shipped: of real stays it knows failures under way and foretells little. Rows named deterioration are the encoder's in the replay, this bundle's in the training package. Research software and an adjunct: never the primary alarm.", "",
        f"Licence Apache-2.0. Seed {SEED}. {report['moments']['learned']} moments learned from, {report['moments']['held']} to calibrate on, {report['moments']['aside']} kept aside.", "",
        "## What it learned from", "", "Deterioration: the bedwatch ward simulator, and for the trees the stays of the MIMIC-III demo, both weighing the same. Seizure: the simulator alone. Hypoglycaemia: the simulator and 15 outpatient sensor series (Hall et al. 2018 by iglu). Beside these, as a further aim of the network that is not shipped, death of the CinC 2012 stays. The network is pretrained without labels on all of them but MIMIC. The IIIC segments are in no part of the learning.", "",
        "## Through `bedwatch replay`", "", *rows, "",
        "The rule beside seizures is the EEG's seizure score, written with the IIIC segments at hand; beside hypoglycaemia the straight line of the last 15 to 20 minutes.", "",
        f"Real sensor series, each judged by a network that learned from others (four folds, {glucose['series']} series, {glucose['moments']} moments, {glucose['positive']} before a low): AUROC {glucose['auroc_auprc']['fusion'][0]:.3f}, AUPRC {glucose['auroc_auprc']['fusion'][1]:.3f}; the network alone {glucose['auroc_auprc']['network'][0]:.3f}, the trees alone {glucose['auroc_auprc']['LightGBM'][0]:.3f}, the straight line {glucose['auroc_auprc']['line'][0]:.3f} ({glucose['auroc_auprc']['line'][1]:.3f}).", "",
        "MIMIC-III demo, each patient judged by trees that learned from the simulator and the other patients (four folds; AUROC, AUPRC):", "", *mimic(report["mimic3"]), "",
        "## In the training package", "", *figures(report["aside"]), "", "### What each part is worth", "", *ablations(report), "",
    ]  # fmt: skip
    if (path := args.work / "exemplars.json").exists():
        probes = json.loads(path.read_text())
        lines += ["## Search by words", "", f"{probes['exemplars']} simulated stretches of beds not learned from; {probes['words']} words. Of the five nearest stretches, how many deserve the phrase:", "", "| phrase | of five | by chance |", "|---|---|---|"]
        lines += [f"| {p} | {m['of_five']:.1f} | {m['by_chance']:.3f} |" for p, m in probes["probes"].items()]
        lines += [f"| mean | {probes['mean_of_five']:.2f} | {probes['mean_by_chance']:.3f} |", ""]
    lines += [
        "## Known failures", "", "- Simulated patients are simpler than real ones: the simulator's figures show that the path works, not that the model does.",
        "- The labelled EEG segments are 16, two of them seizures: their figure says little. The seizure head never learned from real EEG and takes one segment of rhythmic delta for one (.999) and gives the two real ones .9998, below its operating point, which simulated seizures set. It raises no alert and does not stand on the ward page; the rule does.",
        "- Sensor glucose is that of outpatients; in the ICU sensors are distorted by perfusion, pressors and compression, and insulin is given.",
        "- Deterioration at real patients rests on the 100 patients of one demo, whose failures often follow operations; the hours before them look like others.", "",
        "## How sure", "", "Share of moments kept aside whose label is in the conformal set (stated: .90), all, without and with it: " + "; ".join(f"{h}, {g}: {' / '.join('-' if x is None else f'{x:.3f}' for x in v)}" for h, gs in report["coverage"].items() for g, v in gs.items()) + ".", "",
    ]  # fmt: skip
    (args.bundle / "MODEL_CARD.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
