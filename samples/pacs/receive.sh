#!/bin/sh
# Receives studies from a PACS by C-STORE (DCMTK's storescp) and puts each into the drop folder when it is complete.
# usage: receive.sh DROP [PORT [AE_TITLE]]
# DROP/.incoming holds what is still arriving; `microtome run --watch DROP` does not look there. A study is complete when the next one begins, or
# QUIET seconds (environment; 20) after its last object. It appears in DROP under its Study Instance UID, by one rename.
set -eu
drop=$1 port=${2:-11112} title=${3:-MICROTOME}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$drop/.incoming"
drop=$(cd "$drop" && pwd)
# what a stopped receiver left: the sender believes that it is here
for study in "$drop"/.incoming/study_*; do
  [ -d "$study" ] && sh "$here/study_complete.sh" "$study" "$drop"
done
exec storescp --aetitle "$title" --output-directory "$drop/.incoming" --sort-on-study-uid study \
  --accept-all --acse-timeout 30 --dimse-timeout 60 --eostudy-timeout "${QUIET:-20}" --exec-sync \
  --exec-on-eostudy "sh '$here/study_complete.sh' '#p' '$drop'" "$port"
