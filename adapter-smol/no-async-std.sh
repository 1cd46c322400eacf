#!/usr/bin/env bash
# async-std is discontinued: only who asks for the feature `async-std` of skep-smol may get it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# depends PACKAGE [OPTION...]: whether async-std is among what it links.
depends() {
    cargo tree --locked --edges normal,build --prefix none --package "$@" | grep '^async-std ' >/dev/null
}

for package in skep-core skep skep-discovery skep-tcp skep-tokio skep-smol; do
    if depends "$package"; then
        echo "the default build of $package contains async-std:"
        cargo tree --locked --edges normal,build --package "$package" --invert async-std
        exit 1
    fi
done
# So that the check above is known to be able to fail.
depends skep-smol --features async-std || { echo "the feature async-std brings no async-std"; exit 1; }
