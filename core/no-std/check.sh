#!/usr/bin/env bash
# Checks that skep-core links no std, with the versions that the workspace is locked to.
#
#   bash core/no-std/check.sh TARGET_DIRECTORY
set -euo pipefail
directory=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

cp "$directory/../../Cargo.lock" "$directory/Cargo.lock" # cargo drops from it what is not needed here
cargo check --manifest-path "$directory/Cargo.toml" --target-dir "$1"
