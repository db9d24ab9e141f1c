#!/bin/sh
# Configure once and build. usage: build.sh FOLDER [MESON OPTION...]
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$1; shift
[ -f "$folder/build.ninja" ] || meson setup "$folder" "$root" "$@" >"$folder.setup.log" 2>&1 || { cat "$folder.setup.log" >&2; exit 1; }
rm -f "$folder.setup.log"
# what npm has brought since
if [ "$root/tools/web/node_modules/.package-lock.json" -nt "$folder/build.ninja" ]; then meson setup --reconfigure "$folder" "$root" >/dev/null; fi
ninja -C "$folder" --quiet
