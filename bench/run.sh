#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The table of gates, each measured beside its reference in one run: sudo bench/run.sh --help
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
exec python3 "$top/bench/table/main.py" "$@"
