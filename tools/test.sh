#!/bin/sh
# Installs, builds and passes all tests. usage: test.sh [SUITE...]
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
sh "$root/tools/setup.sh" --tests
sh "$root/tools/build.sh" "$root/build"
cd "$root/build"
suites=; for s in "$@"; do suites="$suites --suite $s"; done
# shellcheck disable=SC2086
exec meson test --no-rebuild --print-errorlogs $suites
