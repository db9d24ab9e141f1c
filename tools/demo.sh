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
echo "demo: look at $work/overlays/*.png, $work/out/summary.csv and $work/out/cases/*.h5"
