#!/bin/sh
# Installs, builds and runs the main job on synthetic slides with the demonstration encoder. usage: demo.sh [FOLDER]
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
work=${1:-$root/build/demo}
sh "$root/tools/setup.sh"
echo "demo: building"
sh "$root/tools/build.sh" "$root/build"
microtome=$root/build/tools/microtome
rm -rf "$work"; mkdir -p "$work"

echo "demo: painting 12 synthetic slides of known truth"
"$root/build/samples/microtome-synthetic" -o "$work/slides" --count 11 --large 1 --seed 2026
echo "demo: scoring them"
"$microtome" run -r "$root/samples/demo.ini" -o "$work/out" "$work/slides/manifest.csv"
echo "demo: drawing heatmaps"
"$microtome" heatmap "$work"/out/cases/*.h5 -o "$work/overlays"
echo "demo: against the truth"
"$root/build/samples/microtome-demo-check" "$work/slides" "$work/out"

echo "demo: a head of our own, from 40 other slides: painting"
"$root/build/samples/microtome-synthetic" -o "$work/train" --count 40 --prefix train- --seed 7 > /dev/null
echo "demo: their features"
"$microtome" run -e builtin:demo -o "$work/train-out" "$work/train/manifest.csv" > /dev/null
echo "demo: learning from their labels, judged on slides it has not seen"
"$microtome" train "$work/train-out" --labels "$work/train/labels.csv" --positive tumour -m clam_sb --hidden 64 --attention 32 --lr 1e-3 \
  --folds 4 -o "$work/head.safetensors"
echo "demo: thresholds from the held-out scores"
"$microtome" calibrate "$work/head-predictions.csv" -m "$work/head.safetensors" --method platt --sensitivity 0.8 -o "$work/head.card" --force
echo "demo: the first 12 slides, held out from all of this, scored from their stored features and held against the truth"
"$microtome" aggregate -m "$work/head.safetensors" -o "$work/scored" "$work/out" > /dev/null
"$root/build/samples/microtome-demo-check" "$work/slides" "$work/scored"
"$microtome" evaluate "$work/scored" --labels "$work/slides/labels.csv" -o "$work/report"
echo "demo: look at $work/report/evaluation.html and $work/head-curves.png"
echo "demo: look at $work/overlays/*.png, $work/out/summary.csv and $work/out/cases/*.h5"
