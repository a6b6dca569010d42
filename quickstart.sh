#!/usr/bin/env bash
# Set up, build, and run the whole job on the samples: crawl archives to a trained model.
set -euo pipefail
cd "$(dirname "$0")"
. cmake/setup.sh
wm_install $WM_PACKAGES
wm_build release wetmill generated_docs
build/release/wetmill run samples/quickstart.yaml "$@"
