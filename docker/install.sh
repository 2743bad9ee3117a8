#!/bin/sh
# Installs the service from a checkout into a virtual environment of its own; the images and .ci/docker_install.sh do.
#
#   docker/install.sh FOLDER          every package but the test kit
#   docker/install.sh FOLDER model    the same with the service's extra `model`, and the versions that go with it
#
# Run it in the root of the checkout, or of a copy of VERSION.py, constraints.txt, docker and packages.
set -eu
folder=$1 extra=${2:-}
constraints=constraints.txt
[ -z "$extra" ] || constraints=docker/constraints-$extra.txt

python3 -m venv "$folder"
set --
for package in packages/*/; do
  name=$(basename "$package")
  [ "$name" != testkit ] || continue
  [ "$name" != app ] || name="app${extra:+[$extra]}"
  set -- "$@" "./packages/$name"
done
"$folder/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check --constraint "$constraints" "$@"
"$folder/bin/pip" check --disable-pip-version-check
