#!/usr/bin/env bash
# Every check of this repository, in the order that fails soonest, each within a time budget.
#
#   bash ci.sh               all of them
#   bash ci.sh fmt clippy    only these
#
# SKEP_PATIENCE: by what to multiply the budgets, on a busy machine (default 1).
# SKEP_THOROUGH: what takes long and seldom finds anything as well: each source of peers as the only feature, and those
# of AWS against moto (default: not).
# SKEP_FUZZ_SECONDS: for how long each fuzz target runs (default: not; takes a nightly compiler and cargo-fuzz). Their
# corpus is played by the step `test` in any case, that of what servers answer if SKEP_THOROUGH is set.
# SKEP_SEEDS: how many seeds the simulator's sweep plays (default 20000).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

export CARGO_INCREMENTAL=0 CARGO_NET_RETRY=5
export CARGO_PROFILE_DEV_DEBUG=line-tables-only CARGO_PROFILE_TEST_DEBUG=line-tables-only
target="${CARGO_TARGET_DIR:-target}"
wanted=("$@")
began=$SECONDS

# step NAME SECONDS COMMAND...: runs it, says how long it took, and on failure what to run.
step() {
    local name=$1 budget=$(($2 * ${SKEP_PATIENCE:-1})) start=$SECONDS status=0
    shift 2
    if ((${#wanted[@]})) && [[ " ${wanted[*]} " != *" $name "* ]]; then
        return
    fi
    printf '\n=== %s: %s\n' "$name" "$*"
    timeout --kill-after=10 "$budget" "$@" || status=$?
    if ((status == 124 || status == 137)); then
        printf '=== %s: FAILED, over its budget of %d s\n=== again: %s\n' "$name" "$budget" "$*"
        exit 1
    elif ((status)); then
        printf '=== %s: FAILED with status %d after %d s\n=== again: %s\n' \
            "$name" "$status" $((SECONDS - start)) "$*"
        exit 1
    fi
    printf '=== %s: ok, %d s of %d\n' "$name" $((SECONDS - start)) "$budget"
}

# needs COMPONENT: a part of the toolchain that a minimal one lacks.
needs() {
    cargo "${1/rustfmt/fmt}" --version >/dev/null 2>&1 || rustup component add "$1"
}
needs rustfmt
needs clippy

step fmt 60 cargo fmt --all --check
step fetch 300 cargo fetch --locked --target "$(rustc -vV | sed -n 's/^host: //p')"
if cargo deny --version >/dev/null 2>&1; then
    step deny 120 bash -c 'cargo deny --locked check bans && cargo deny --locked --all-features check licenses sources'
    if compgen -G "${CARGO_HOME:-$HOME/.cargo}/advisory-dbs/*" >/dev/null; then
        step advisories 120 cargo deny --locked --all-features --offline check advisories
    else
        printf '\n=== advisories: skipped, there is no database (cargo deny fetch)\n'
    fi
else
    printf '\n=== deny: skipped, cargo-deny is not installed (cargo install --locked cargo-deny)\n'
fi
# With all features; what is compiled with the default ones only is checked by the steps that follow.
step clippy 480 cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
# Together the crates lend each other the features of what they depend on; alone each must name its own.
step each-alone 240 bash -c 'for crate in core driver discovery transport-tcp adapter-tokio adapter-smol examples; do
    cargo check --locked --quiet --manifest-path "$crate/Cargo.toml" || exit; done'
sources=(dns kubernetes postgres etcd consul)
if [[ -n ${SKEP_THOROUGH:-} ]]; then
    sources+=(ec2 ecs)
    step corpus 600 cargo test --locked --package skep-fuzz --features servers
    # A source whose feature is the only one must find all it needs.
    step each-source 300 bash -c 'for source in "$@"; do
        cargo clippy --locked --quiet --package skep-discovery --features "$source" -- -D warnings || exit; done' \
        each-source "${sources[@]}"
fi
step no-std 120 bash core/no-std/check.sh "$target/no-std"
step no-async-std 60 bash adapter-smol/no-async-std.sh
oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
if cargo "+$oldest" --version >/dev/null 2>&1; then
    step msrv 420 cargo "+$oldest" check --locked --workspace --all-targets --all-features --target-dir "$target/msrv"
else
    printf '\n=== msrv: skipped, Rust %s is not installed (rustup toolchain install %s)\n' "$oldest" "$oldest"
fi
step doc 180 env RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --all-features --no-deps
step build-tests 900 cargo test --locked --workspace --no-run
step test 600 cargo test --locked --workspace
# Skipped, with the reason, where no network namespaces can be made: that takes root and iproute2.
# The chaos test there draws its faults from one seed, so that CI plays the same plan each time.
# Of the whole workspace, as built: alone its package would be built again with fewer features of what it depends on.
step networks 360 env SKEP_SEED=1 cargo test --locked --workspace --test nodes -- --ignored --nocapture
# Sources that ask a server, against the real one. Debian's packages are installed where that can be done; a test
# whose server is missing says so and passes.
installs() {
    if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
        [[ -n $(compgen -G "$1") ]] || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
            --no-install-recommends "$2"; } >/dev/null || printf '=== %s cannot be installed\n' "$2"
    fi
}
servers() {
    installs /usr/sbin/dnsmasq dnsmasq-base
    installs /usr/bin/etcd etcd-server
    installs '/usr/lib/postgresql/*/bin/initdb' postgresql
}
# moto, which speaks as EC2 and ECS do, in an environment of its own.
SKEP_PYTHON=$(realpath -m "$target/moto")/bin/python
moto() {
    [[ -n ${SKEP_THOROUGH:-} ]] || return 0
    "$SKEP_PYTHON" -c 'import moto.server' 2>/dev/null ||
        { python3 -m venv "${SKEP_PYTHON%/bin/python}" &&
            "$SKEP_PYTHON" -m pip install --quiet 'moto[server,ec2,ecs]==5.2.5'; } ||
        printf '=== moto cannot be installed\n'
}
export SKEP_PYTHON
export -f installs servers moto
every_source=$(IFS=,; echo "${sources[*]}")
step install-servers 240 bash -c 'servers; moto'
step build-servers 600 cargo test --locked --package skep-discovery --features "$every_source" --no-run
step servers 240 cargo test --locked --package skep-discovery --features "$every_source" -- --nocapture
# Seeds beyond those that `test` has just played, on all cores.
step sim 480 env SKEP_FROM=1000 SKEP_SEEDS="${SKEP_SEEDS:-20000}" \
    cargo test --locked --workspace --test sim fresh_seeds -- --nocapture
if [[ -n ${SKEP_FUZZ_SECONDS:-} ]]; then
    fuzz() {
        local target
        for target in core/fuzz/targets/fuzz_targets/*.rs; do
            target=$(basename "$target" .rs)
            # A corpus beside that of the repository takes what is found; an allocation of more than 16 MiB is one by
            # the peer's word.
            mkdir -p "$1/corpus/$target"
            cargo +nightly fuzz run --fuzz-dir core/fuzz/targets --target-dir "$1" "$target" "$1/corpus/$target" \
                "core/fuzz/corpus/$target" -- -max_total_time="$SKEP_FUZZ_SECONDS" -malloc_limit_mb=16 || return
        done
    }
    export -f fuzz
    step fuzz $((900 + 25 * SKEP_FUZZ_SECONDS)) bash -c 'fuzz "$1"' fuzz "$(realpath -m "$target/fuzz")"
fi
step build-demo 420 cargo build --locked --release --bin demo
step demo 30 cargo run --locked --release --bin demo

printf '\n=== all ok, %d s\n' $((SECONDS - began))
