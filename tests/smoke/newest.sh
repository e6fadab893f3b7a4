#!/bin/sh
# Import and a short run on the newest JAX: wants a newer Python than the main one.
set -eu
cd "$(dirname "$0")/../.."
found=""
for python in python3.14 python3.13 python3.12 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[2-9]*/bin/python3; do
  if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
    found=$python
    break
  fi
done
if [ -z "$found" ]; then
  echo "smoke: no Python 3.12 or newer on this machine, left out"
  exit 0
fi
venv=.venv-newest
[ -x $venv/bin/python ] || "$found" -m venv $venv
$venv/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager ".[bench]"
cd tests/smoke
../../$venv/bin/python -W error::DeprecationWarning:paramjax smoke.py
