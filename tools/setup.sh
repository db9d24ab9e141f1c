#!/bin/sh
# Installs what microtome builds and runs with, from the system's package manager. Run it again at any time.
# usage: setup.sh [--tests]    --tests also brings what the tests compare with
set -eu

build="build-essential meson ninja-build pkg-config libglib2.0-dev libglib2.0-dev-bin libopenslide-dev libvips-dev libhdf5-dev libdnnl-dev
 libonnx-dev libprotobuf-c-dev protobuf-c-compiler libjansson-dev libcurl4-openssl-dev libnifti-dev libpango1.0-dev libtiff-dev libjpeg-dev libopenjp2-7-dev libdcmtk-dev libssl-dev libseccomp-dev libmicrohttpd-dev libsodium-dev libsqlite3-dev zlib1g-dev fonts-dejavu-core fonts-nanum
 python3 ca-certificates git"
tests="dicom3tools clang clang-format clang-tidy libclang-rt-14-dev libomp-14-dev python3-h5py python3-numpy python3-pil python3-openslide python3-opencv
 python3-onnx python3-nibabel python3-pydicom python3-gdcm python3-torch python3-torchvision python3-shapely python3-scipy python3-skimage python3-sklearn libopenblas0-pthread python3-statsmodels python3-yaml
 orthanc orthanc-dicomweb dcmtk openssl python3-hl7
 fuse3 libfuse3-dev slurmctld slurmd slurm-client slurm-wlm-basic-plugins"
packages=$build
if [ "${1:-}" = --tests ]; then packages="$build $tests"; fi

command -v apt-get >/dev/null || { echo "setup.sh: this script knows Debian and Ubuntu; install the packages it names by hand: $packages" >&2; exit 1; }
missing=
for p in $packages; do
  [ "$(dpkg-query -W -f '${Status}' "$p" 2>/dev/null)" = "install ok installed" ] || missing="$missing $p"
done
# programs that may have come another way
command -v npm >/dev/null || missing="$missing npm"
if [ "${1:-}" = --tests ] && ! command -v chromium >/dev/null; then missing="$missing chromium"; fi

if [ -n "$missing" ]; then
  as_root=
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "setup.sh: run as root, or install sudo; wanted:$missing" >&2; exit 1; }
    as_root=sudo
  fi
  echo "setup: installing$missing"
  export DEBIAN_FRONTEND=noninteractive
  $as_root apt-get update -qq
  # shellcheck disable=SC2086
  $as_root env RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $missing >/dev/null
  # the tests start an Orthanc of their own: the one that just came does not serve
  case $missing in *" orthanc "*) if [ -d /run/systemd/system ]; then $as_root systemctl disable --now --quiet orthanc || true; fi ;; esac
fi

# The viewer of heatmap pages, from npm; all else works without it.
web=$(cd "$(dirname "$0")/web" && pwd)
wanted=openseadragon omit=--omit=dev
if [ "${1:-}" = --tests ]; then wanted=playwright-core omit=; fi
if [ ! -d "$web/node_modules/$wanted" ] || [ "$web/package-lock.json" -nt "$web/node_modules/.package-lock.json" ]; then
  echo "setup: installing $wanted"
  # shellcheck disable=SC2086
  npm ci --prefix "$web" --ignore-scripts --no-audit --no-fund --loglevel=error $omit >/dev/null ||
    echo "setup: npm could not bring OpenSeadragon: heatmap --open will say so; run this again where npm's registry is reached" >&2
fi
echo "setup: everything is installed"
