#!/usr/bin/env bash
# Brings what the demo, the tests or the benchmarks need and this machine lacks; does nothing, quickly, if nothing is
# missing. On Debian and its kin it installs packages (with sudo unless run by root), elsewhere it names the programs.
#
#   end2end/setup.sh [run|test|bench]     test = run, a browser and Patroni; bench = test and load generators
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
want=${1:-run}
case $want in
run | test | bench) ;;
*)
    echo "setup: what is '$want'? Use run, test or bench." >&2
    exit 2
    ;;
esac

# Debian keeps pgbouncer where an ordinary user's PATH does not look.
PATH=$PATH:/usr/sbin:/sbin:$HOME/.cargo/bin
rust_minimum=1.95
node_minimum=18
postgres_minimum=15

say() { echo "setup: $*" >&2; }
die() {
    say "$*"
    exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }

# at_least WANTED FOUND: compares major.minor
at_least() {
    local wanted_major=${1%%.*} wanted_minor=0 found_major=${2%%.*} found_minor=0
    [[ $1 == *.* ]] && wanted_minor=${1#*.}
    [[ $2 == *.* ]] && found_minor=${2#*.} && found_minor=${found_minor%%.*}
    ((found_major > wanted_major || (found_major == wanted_major && found_minor >= wanted_minor)))
}

# --- Rust ------------------------------------------------------------------------------------------------------------
rust() {
    if ! has cargo || ! has rustc; then
        die "cargo and rustc are missing. Install Rust $rust_minimum or newer with rustup (https://rustup.rs):
         curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh
       then open a new shell and run this again."
    fi
    local found
    found=$(rustc --version | cut -d' ' -f2)
    at_least "$rust_minimum" "$found" ||
        die "rustc is $found, and $rust_minimum or newer is needed: run 'rustup update stable'."
    if [[ ! -d $(rustc --print target-libdir --target wasm32-unknown-unknown 2>/dev/null) ]]; then
        has rustup || die "Rust's target wasm32-unknown-unknown is missing, and there is no rustup to add it with:
         install your distribution's package for it (Debian: libstd-rust-dev-wasm32)."
        say "adding Rust's target wasm32-unknown-unknown"
        rustup target add wasm32-unknown-unknown
    fi
}

# --- Programs --------------------------------------------------------------------------------------------------------
programs=()
packages=()
# need PROGRAM PACKAGE: note both if the program is not there
need() {
    has "$1" || {
        programs+=("$1")
        packages+=("$2")
    }
}

postgres_is_there() {
    local initdb version
    for initdb in /usr/lib/postgresql/*/bin/initdb; do
        [[ -x $initdb ]] || continue
        version=${initdb#/usr/lib/postgresql/}
        at_least "$postgres_minimum" "${version%%/*}" && return 0
    done
    has initdb && has postgres
}

look() {
    need cc "gcc libc6-dev"
    if ! postgres_is_there; then
        programs+=("initdb (PostgreSQL $postgres_minimum or newer)")
        packages+=(postgresql)
    fi
    need redis-server redis-server
    need pgbouncer pgbouncer
    need prometheus prometheus
    need promtool prometheus
    need prometheus-alertmanager prometheus-alertmanager
    need prometheus-node-exporter prometheus-node-exporter
    need prometheus-postgres-exporter prometheus-postgres-exporter
    need prometheus-redis-exporter prometheus-redis-exporter
    need setpriv util-linux
    # A newer Node.js from elsewhere is as good as Debian's, and brings npm along.
    if ! has node; then
        need node nodejs
    else
        local found
        found=$(node --version)
        at_least "$node_minimum" "${found#v}" ||
            die "node is $found, and $node_minimum or newer is needed; update it, or remove it to get Debian's package."
    fi
    need npm npm
    if [[ $want != run ]] && ! has chromium && ! has chromium-browser && [[ ! -x ${CHROMIUM:-} ]]; then
        need chromium chromium
    fi
    # The SMTP server of the tests, for Debian's own Python.
    if [[ $want != run ]] && ! /usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null; then
        programs+=(aiosmtpd)
        packages+=(python3-aiosmtpd)
    fi
    if [[ $want != run ]]; then
        need patroni patroni
        need etcd etcd-server
        need haproxy haproxy
    fi
    if [[ $want == bench ]]; then
        need wrk wrk
        need hyperfine hyperfine
    fi
}

as_root=()
# What has to be taken away again however this script ends.
litter=()
sweep() {
    ((${#litter[@]} == 0)) || "${as_root[@]}" rm -f "${litter[@]}"
}
trap sweep EXIT

# root_file PATH MODE < content: a file that lasts as long as the installation does; one that exists is left alone
root_file() {
    [[ -e $1 ]] && return 0
    "${as_root[@]}" mkdir -p "$(dirname "$1")"
    litter+=("$1")
    "${as_root[@]}" tee "$1" >/dev/null
    "${as_root[@]}" chmod "$2" "$1"
}

install_packages() {
    local list
    list=$(printf '%s\n' "${packages[@]}" | sort -u | tr '\n' ' ')
    has apt-get || die "these programs are missing: $(
        IFS=,
        echo "${programs[*]}"
    ). Install them with your system's package manager and run this again."
    if ((EUID != 0)); then
        has sudo || die "these packages are missing, and there is neither root nor sudo to install them with: $list"
        as_root=(sudo)
        say "installing $list(sudo asks for your password)"
    else
        say "installing $list"
    fi

    # Services of these packages would start now, on their usual ports, and at each boot. The demo runs its own copies
    # on ports of its own, so: don't start them, don't enable them, and don't create PostgreSQL's cluster 'main'.
    root_file /usr/sbin/policy-rc.d 755 <<<$'#!/bin/sh\nexit 101'
    root_file /etc/postgresql-common/createcluster.d/quarterdeck.conf 644 <<<'create_main_cluster = false'

    local environment=(env DEBIAN_FRONTEND=noninteractive)
    # shellcheck disable=SC2086 # the list is meant to be split
    if ! "${as_root[@]}" "${environment[@]}" apt-get install -y -q --no-install-recommends $list; then
        say "not found in the package lists as they are; updating those and trying again"
        "${as_root[@]}" apt-get update -q
        # shellcheck disable=SC2086
        "${as_root[@]}" "${environment[@]}" apt-get install -y -q --no-install-recommends $list ||
            die "apt-get could not install $list(its reason is above)"
    fi
    sweep
    litter=()

    if [[ -d /run/systemd/system ]]; then
        local package
        for package in $list; do
            # Only what was installed just now: nobody relies on it yet.
            { dpkg -L "$package" 2>/dev/null | sed -n 's#.*/systemd/system/\([^/@]*\.service\)$#\1#p' | sort -u; } |
                while read -r unit; do
                    "${as_root[@]}" systemctl disable --quiet "$unit" 2>/dev/null &&
                        say "$unit is installed but neither started nor enabled; 'systemctl enable --now $unit' if you want it"
                done || true
        done
    fi
}

# --- Node.js packages ------------------------------------------------------------------------------------------------
# packages_of DIRECTORY: installs what its package-lock.json names, if that is newer than what is there
packages_of() {
    local dir=$root/$1
    [[ -f $dir/package-lock.json ]] || return 0
    [[ $dir/node_modules/.package-lock.json -nt $dir/package-lock.json ]] && return 0
    say "installing the Node.js packages of $1"
    # npm writes its lock before the last of the packages; a run that was broken off has to be done again.
    rm -f "$dir/node_modules/.package-lock.json"
    (cd "$dir" && npm ci --no-audit --no-fund --loglevel=error)
    touch "$dir/node_modules/.package-lock.json"
}

rust
look
((${#packages[@]} == 0)) || {
    install_packages
    programs=()
    packages=()
    look
    ((${#programs[@]} == 0)) || die "still missing after the installation: ${programs[*]}"
}
packages_of end2end/estate/skillquest
[[ $want == run ]] || packages_of end2end
