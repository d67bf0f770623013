#!/usr/bin/env bash
# Fetches the dashboards of dashboards.tsv from grafana.com and prepares them for provisioning.
#   deploy/grafana/fetch-dashboards.sh [DIRECTORY]     default: /var/lib/grafana/dashboards/skillquest
# GRAFANA_COM names another source of the same layout (a mirror). Needs curl and node.
# What is there already is only replaced by a file that was checked.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${1:-/var/lib/grafana/dashboards/skillquest}
source=${GRAFANA_COM:-https://grafana.com}

for tool in curl node; do
  command -v "$tool" >/dev/null || { echo "error: $tool is missing; install it and run this again" >&2; exit 1; }
done
mkdir -p "$target"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

failed=0
while IFS=$'\t' read -r id revision file title; do
  case $id in '' | '#'*) continue ;; esac
  url="$source/api/dashboards/$id/revisions/$revision/download"
  if ! curl --fail --silent --show-error --location --retry 2 --connect-timeout 10 --max-time 60 --output "$scratch/$file.json" "$url"; then
    echo "error: $title ($id): cannot be fetched from $url" >&2
    failed=$((failed + 1))
    continue
  fi
  if node "$here/prepare-dashboard.mjs" "$id" "$scratch/$file.json" >"$scratch/$file.ready"; then
    mv "$scratch/$file.ready" "$target/$file.json"
    echo "$title ($id) -> $target/$file.json"
  else
    failed=$((failed + 1))
  fi
done <"$here/dashboards.tsv"

if ((failed)); then
  echo "error: $failed of the dashboards are missing; without a network, download them elsewhere into $target" >&2
  exit 1
fi
