#!/bin/sh
# Installs the service from a checkout into a virtual environment of its own; the images and .ci/docker_install.sh do.
#
#   docker/install.sh FOLDER          every package but the test kit
#   docker/install.sh FOLDER model    the same, with the extra `model` of each package that has one
#
# Run it in the root of the checkout, or of a copy of VERSION.py, constraints.txt, docker and packages.
set -eu
folder=$1 extra=${2:-}

python3 -m venv "$folder"
set --
for package in packages/*/; do
  name=$(basename "$package")
  [ "$name" != testkit ] || continue
  if [ -n "$extra" ] && grep -q "^$extra = \[" "$package/pyproject.toml"; then
    set -- "$@" "./packages/$name[$extra]"
  else
    set -- "$@" "./packages/$name"
  fi
done
"$folder/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check --constraint constraints.txt "$@"
"$folder/bin/pip" check --disable-pip-version-check
