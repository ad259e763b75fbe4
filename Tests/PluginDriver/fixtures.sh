#!/bin/sh
# fixtures.sh STAGE: every plugin's fixtures, with the installed libraries.
set -e
root=$(cd "$(dirname "$0")/../.." && pwd)
stage=${1:?usage: fixtures.sh STAGE}
failed=0
for fixtures in "$root"/Plugins/*/fixtures; do
  source=${fixtures%/fixtures}
  id=$(sed -n 's/^  "id": "\(.*\)",$/\1/p' "$source/plugin.json")
  library=$(ls "$stage/lib/gatehouse/plugins/$id/"*.so)
  printf '%s: ' "$id"
  output=$("$stage/bin/gatehouse" plugin test "$source" --library "$library") || failed=1
  printf '%s\n' "$output" | grep -v '^ok' || true
done
exit $failed
