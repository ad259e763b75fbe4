#!/bin/bash
# freeze.sh VERSION [--again]: keeps the ABI of a released minor for ever, as Frozen/VERSION: a copy of the headers, the plugin
# languages/trio.c as it is now, and a C11 test which says where every member stands, of what type it is, and what every constant is.
# Once VERSION is released nothing in there is changed; --again is for the time before.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=${1:?usage: freeze.sh VERSION [--again]}
[[ $version =~ ^[0-9]+\.[0-9]+$ ]] || { echo "freeze.sh: a version is MAJOR.MINOR, not $version" >&2; exit 1; }
target=$here/Frozen/$version
include=$here/../../include
said=$(sed -n 's/^#define GH_ABI_\(MAJOR\|MINOR\) \([0-9]*\)$/\2/p' "$include/gatehouse/abi.h" | paste -sd.)
[ "$said" = "$version" ] || { echo "freeze.sh: the headers are $said" >&2; exit 1; }
if [ -e "$target" ] && [ "${2:-}" != --again ]; then
    echo "freeze.sh: $target is there; a released minor stays as it is (--again replaces it while it is a draft)" >&2
    exit 1
fi
rm -rf "$target"
mkdir -p "$target/include"
(cd "$include" && find gatehouse -name '*.h' -not -path '*/draft/*' -print0 | tar -cf - --null -T -) | tar -C "$target/include" -xf -
# Plugins of that day, which every later host must run.
cp "$here/languages/trio.c" "$here/languages/plugin.json" "$target"
test=$target/frozen_${version/./_}.c
python3 "$here/layout_of.py" "$target/include" "$version" > "$test"
gcc -std=c11 -Wall -Wextra -Wpedantic -Werror "-I$target/include" "$test" -o "$target/frozen"
"$target/frozen"
rm "$target/frozen"
echo "$target"
