#!/bin/sh
# Makes DICOM objects of the results that have none yet, and sends what was not sent. Run it by a timer, or in a loop, as often as you like.
# usage: return_results.sh OUT DROP RETURN RECEIVER...
#   OUT       folder of `microtome run`          DROP      the studies that the results were made from
#   RETURN    folder of the objects to send      RECEIVER  options of `microtome send`: --store ORTHANC@pacs:4242
# KINDS (environment): sr,seg,sc. A kind that a result does not have (a classifier has no mask) is passed over.
set -u
[ $# -ge 4 ] || { sed -n '2,6s/^# *//p' "$0" >&2; exit 64; }
out=$1 drop=$2 return=$3
shift 3
program=${MICROTOME:-microtome}
kinds=${KINDS:-sr,seg,sc}
mkdir -p "$return" || exit 74
exec 9>"$return/.lock"
flock -n 9 || { echo "return_results: another one is at work" >&2; exit 75; }
failed=0
for result in "$out"/cases/*.h5; do
  [ -e "$result" ] || continue
  id=$(basename "$result" .h5)
  [ -n "$(find "$return/$id/.made" -newer "$result" 2>/dev/null)" ] && continue
  rm -rf "$return/.new-$id"
  "$program" export "$result" --to "$kinds" --sources "$drop" -o "$return/.new-$id"
  code=$?
  # 65: some kinds are not of this result; what was made goes
  if { [ "$code" -eq 0 ] || [ "$code" -eq 65 ]; } && [ -n "$(ls -A "$return/.new-$id" 2>/dev/null)" ]; then
    mkdir -p "$return/$id"
    mv -f "$return/.new-$id"/* "$return/$id/"
    touch "$return/$id/.made"
  else
    echo "return_results: $id: no object could be made; tried again next time" >&2
    failed=65
  fi
  rm -rf "$return/.new-$id"
done
"$program" send "$return" "$@"
code=$?
[ "$code" -ne 0 ] && exit "$code"
exit "$failed"
