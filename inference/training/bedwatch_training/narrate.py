"""The narrator from records to bundle, in one command; a step whose result stands in WORK is not repeated.

    python -m bedwatch_training.narrate --data DIR --work DIR --bedwatch BINARY --encoder inference/models/ENCODER --fusion inference/models/FUSION --out inference/models/narrator-v2

Unpacks CinC 2019 stays, lets the engine replay them beside encoder and fusion (`bedwatch evidence export`), trains on the alerts of training stays and measures
on those of split "test" and of a simulated ward. With another encoder or fusion only the embeddings are others: `--warm OLD/narrator.pt` begins with the
old weights and needs a fifth of the steps.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import zstandard

from .splits import split_of


def unpack(data: Path, work: Path, train: int, unseen: int):
    """The first `train` and `unseen` stays of each kind by a hash of their names, as PSV files, both hospitals alike."""
    wanted = {"train": train, "unseen": unseen}
    for part in wanted:
        (work / "psv" / part).mkdir(parents=True, exist_ok=True)
    for site in "AB":
        archive = data / "sepsis-cinc2019" / f"training_set{site}.dev.tar.zst"
        with archive.open("rb") as raw, tarfile.open(fileobj=zstandard.ZstdDecompressor().stream_reader(raw), mode="r|") as tar:
            stays = [(Path(m.name).stem, tar.extractfile(m).read()) for m in tar if m.isfile()]
        stays.sort(key=lambda s: hashlib.sha256(f"narrator:{s[0]}".encode()).digest())
        for part, most in wanted.items():
            chosen = [s for s in stays if (split_of(s[0]) == "test") == (part == "unseen")][: most // 2]
            for name, psv in chosen:
                (work / "psv" / part / f"{name}.psv").write_bytes(psv)


def configuration(work: Path, encoder: Path, fusion: Path | None) -> Path:
    """A configuration whose encoder and fusion are the given bundles."""
    path = work / "narrate.toml"
    path.write_text(f'[models]\nfolder = "{encoder.resolve().parent}"\nencoder = "{encoder.name}"\nfusion = "{fusion.name if fusion else ""}"\nnarrator = ""\n')
    return path


def run(*command):
    print("+", *command, flush=True)
    subprocess.run([str(c) for c in command], check=True)


def python(module: str, *arguments):
    run(sys.executable, "-u", "-m", f"bedwatch_training.{module}", *arguments)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--bedwatch", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--fusion", type=Path, help="in the encoder's folder; its joint view is then the soft prompt")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--train-stays", type=int, default=2500)
    parser.add_argument("--unseen-stays", type=int, default=1200)
    parser.add_argument("--warm", type=Path)
    parser.add_argument("--steps", type=int, default=0, help="3000, or 600 with --warm")
    args = parser.parse_args()
    work = args.work
    work.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if not (work / "psv").exists():
        unpack(args.data, work, args.train_stays, args.unseen_stays)
    if not (work / "ward").exists():
        run(args.bedwatch, "simulate", "--beds", 12, "--for", "15m", "--history", "12h", "--seed", 501, "--out", work / "ward")
    config = configuration(work, args.encoder, args.fusion)
    for source, lines in (("psv/train", "train"), ("psv/unseen", "unseen"), ("ward", "ward")):
        if not (work / f"{lines}.ndjson").exists():
            run(args.bedwatch, "evidence", "export", work / source, "--config", config, "--out", work / f"{lines}.part")
            (work / f"{lines}.part").rename(work / f"{lines}.ndjson")
    if not (work / "narrator.pt").exists():
        warm = ("--warm", args.warm) if args.warm else ()
        python("train_narrator", "--work", work, "--evidence", work / "train.ndjson", "--steps", args.steps or (600 if args.warm else 3000), *warm)
    python("export_narrator", "--work", work, "--encoder", args.fusion or args.encoder, "--unseen", work / "unseen.ndjson", "--out", args.out)


if __name__ == "__main__":
    main()
