#!/usr/bin/env bash
# Makes every model from the records at hand: make.sh DATA WORK. See README.md.
# A step whose result stands in WORK is not repeated.
set -euo pipefail
data=$(realpath "$1")
mkdir -p "$2"
work=$(realpath "$2")
python=${PYTHON:-python3}
cd "$(dirname "$0")"
repository=$(realpath ../..)
bundle=$repository/inference/models/encoder-hourly-v2

step() { # step RESULT MODULE ARGUMENTS...
    local result=$1 module=$2
    shift 2
    [ -e "$work/$result" ] && return
    echo "== $module"
    "$python" -u -m "bedwatch_training.$module" --work "$work" "$@"
}

(cd "$repository" && cargo build --release -p bedwatch && cargo build --release -p bedwatch-replay-data --example ward_psv)
target=${CARGO_TARGET_DIR:-$repository/target}/release
[ -d "$work/ward" ] || "$target/examples/ward_psv" "$work/ward" 3000 11 72

step ward.npz export --data "$data" --bedwatch "$target/bedwatch" --ward "$work/ward"
step pretrained.pt pretrain
step network.1.pt finetune
step trees/death.npz trees
step ensemble/death.npz ensemble
step calibration.json calibrate
step quantize.json quantize --out "$bundle"
step tables/samples parity --bedwatch "$target/bedwatch" --samples "$repository/replay-data/samples/psv" --bundle "$bundle"
fusion=$repository/inference/models/fusion-v1
step moments.npz moments --data "$data" --records "$work/records" --bedwatch "$target/bedwatch"
step fusion.json fuse --encoder "$bundle" --out "$fusion"
step exemplars.json exemplars --bedwatch "$target/bedwatch" --out "$fusion"
step fusion-replay.json fuse_card --data "$data" --bedwatch "$target/bedwatch" --bundle "$fusion"
step baseline.json baseline --hidden
step hidden.json hidden
step ablations.json ablations
step evaluation.json evaluate --data "$data" --bedwatch "$target/bedwatch" --bundle "$bundle" --ward "$work/ward"
"$python" -m bedwatch_training.card --work "$work" --bundle "$bundle"
step narrator/narrator.pt narrate --data "$data" --work "$work/narrator" --bedwatch "$target/bedwatch" --encoder "$bundle" --fusion "$fusion" --out "$repository/inference/models/narrator-v2"
