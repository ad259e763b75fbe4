#!/bin/sh
# install.sh BUILD_DIR ROOT [PREFIX]: lays the built gateway out in ROOT as it is installed. PREFIX is where ROOT will be
# found later, for the files that name it; default: ROOT.
#
# Files are put in place by rename and only where they differ, so a gateway that runs from ROOT keeps the bytes that it
# has mapped. Nothing in ROOT is removed but plugins' leftovers: ROOT may be /usr/local.
set -eu
umask 022

root_of_sources=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "$1" && pwd)
mkdir -p "$2"
root=$(cd "$2" && pwd)
prefix=${3:-$root}
cd "$root_of_sources"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# put MODE SOURCE PLACE
put() {
    place=$root/$3
    if [ -f "$place" ] && cmp -s "$2" "$place" && [ "$(stat -c %a "$place")" = "$1" ]; then return; fi
    mkdir -p "${place%/*}"
    cp "$2" "$place.new.$$"
    chmod "$1" "$place.new.$$"
    mv -f "$place.new.$$" "$place"
}

# put_tree DIRECTORY PLACE: every file below the directory, but for build products.
put_tree() {
    (cd "$1" && find . -name '.*' ! -name . -prune -o -type f ! -name '*.o' ! -name '*.so' -print) | while read -r file; do
        mode=644
        [ ! -x "$1/$file" ] || mode=755
        put "$mode" "$1/$file" "$2/${file#./}"
    done
}

# The Swift runtime: what the executable and the plugins need of it, and nothing else of the toolchain.
runtime=$(swiftc -print-target-info | sed -n 's/.*"runtimeResourcePath": "\(.*\)".*/\1/p')/linux
[ -f "$runtime/libswiftCore.so" ] || { echo "install.sh: no Swift runtime at $runtime" >&2; exit 1; }
# The last one is for plugins that are built without optimisation.
LD_LIBRARY_PATH=$runtime ldd "$build/gatehouse" "$build"/lib*.so "$runtime/libswiftSwiftOnoneSupport.so" |
    awk -v runtime="$runtime/" '$2 == "=>" && index($3, runtime) == 1 { print $3 } /not found/ { print "missing: " $1 }' |
    sort -u > "$scratch/runtime"
! grep '^missing' "$scratch/runtime" >&2 || exit 1
echo "$runtime/libswiftSwiftOnoneSupport.so" >> "$scratch/runtime"
while read -r library; do put 644 "$library" "lib/gatehouse/swift/${library##*/}"; done < "$scratch/runtime"

# Each plugin in a directory named by its id: plugin.json, the library that it names, and what it brings along.
for manifest in Plugins/*/plugin.json; do
    source=${manifest%/plugin.json}
    id=$(sed -n 's/^  "id": "\(.*\)",$/\1/p' "$manifest")
    library=$(sed -n "s/^  \"library\": .*\"linux-$(uname -m)\": \"\([^\"]*\)\".*/\1/p" "$manifest")
    [ -n "$id" ] && [ -n "$library" ] || { echo "install.sh: $manifest names no id or no library" >&2; exit 1; }
    if [ -f "$source/build.sh" ]; then
        OUT="$scratch/$library" sh "$source/build.sh"
        put 755 "$scratch/$library" "lib/gatehouse/plugins/$id/$library"
    else
        put 755 "$build/$library" "lib/gatehouse/plugins/$id/$library"
    fi
    put 644 "$source/README.md" "lib/gatehouse/plugins/$id/README.md"
    if [ -d "$source/providers" ]; then
        # A description that the sources no longer have must not stay: it would still be a provider.
        for old in "$root/lib/gatehouse/plugins/$id/providers"/*; do
            [ ! -e "$old" ] || [ -e "$source/providers/${old##*/}" ] || rm "$old"
        done
        put_tree "$source/providers" "lib/gatehouse/plugins/$id/providers"
    fi
    # Last: the manifest is what makes a directory a plugin.
    put 644 "$manifest" "lib/gatehouse/plugins/$id/plugin.json"
done

# What plugin authors need: the headers, the Swift SDK as a package of sources, and the templates.
put_tree include/gatehouse include/gatehouse
put_tree include share/gatehouse/sdk/include
for file in Sources/PluginSDK/*; do put 644 "$file" "share/gatehouse/sdk/Sources/PluginSDK/${file##*/}"; done
put 644 Sources/Distribution/sdk.Package.swift share/gatehouse/sdk/Package.swift
put_tree Plugins/Templates share/gatehouse/templates

put 644 Sources/Accounting/prices.txt share/gatehouse/prices.txt
for file in gatehouse.example.yaml demo.yaml; do put 644 "Sources/Distribution/$file" "share/gatehouse/$file"; done
for file in README.md LICENSE CHANGELOG.md SECURITY.md; do put 644 "$file" "share/doc/gatehouse/$file"; done
sed "s|@PREFIX@|$prefix|g" Sources/Distribution/gatehouse.service > "$scratch/gatehouse.service"
put 644 "$scratch/gatehouse.service" lib/systemd/system/gatehouse.service
put 755 "$build/gatehouse" bin/gatehouse
