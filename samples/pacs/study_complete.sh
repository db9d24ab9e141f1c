#!/bin/sh
# Moves a received study into the drop folder. usage: study_complete.sh STUDY_FOLDER DROP
# A study of which more arrives later gets the further objects, one rename each; the watching run then takes it again.
set -eu
study=$1 drop=$2
uid=${study##*/study_}
mkdir -p "$drop"
if mv -T "$study" "$drop/$uid" 2>/dev/null; then exit 0; fi # it was not there, or empty
for object in "$study"/*; do
  [ -e "$object" ] && mv -f "$object" "$drop/$uid/"
done
rmdir "$study"
