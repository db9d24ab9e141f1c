#!/bin/sh
# Configure once and build. usage: build.sh FOLDER [MESON OPTION...]
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$1; shift
[ -f "$folder/build.ninja" ] || meson setup "$folder" "$root" "$@" >"$folder.setup.log" 2>&1 || { cat "$folder.setup.log" >&2; exit 1; }
rm -f "$folder.setup.log"
ninja -C "$folder" --quiet
