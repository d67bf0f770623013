#!/usr/bin/env bash
# Measures what docs/BENCHMARKS.md states, on a demo estate and console of its own, and prints its tables as Markdown.
#
#   end2end/bench/run.sh [--write] [--quick] [--only NAME,NAME] [--audit-output FILE]
#
# `make bench` builds the release binaries first. --write puts the tables into docs/BENCHMARKS.md; --quick takes seconds
# instead of minutes, for trying the scripts, and its figures mean nothing; --only measures a part again, and keeps the
# rest of the last run; --audit-output reads what `cargo bench -p quarterdeck --bench audit_appends` printed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for program in node wrk prometheus psql; do
    command -v "$program" >/dev/null || {
        echo "bench: $program is missing; run end2end/setup.sh bench" >&2
        exit 1
    }
done
# A thousand viewers are two thousand sockets, half of them the console's, which inherits this.
ulimit -n 8192 2>/dev/null || [[ $(ulimit -n) == unlimited || $(ulimit -n) -ge 4096 ]] || {
    echo "bench: at most $(ulimit -n) open files are allowed here, and 1,000 viewers need 4096; raise it with ulimit -n" >&2
    exit 1
}
exec node "$here/run.mjs" "$@"
