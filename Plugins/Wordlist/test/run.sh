#!/bin/sh
# Builds the plugin and plays test/cases.txt to it.
set -e
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$(mktemp -d)}
OUT="$out/libwordlist.so" "$here/../build.sh"
${CC:-cc} -std=gnu11 -O2 -Wall -Wextra -I"$here/../../../include" "$here/../../../Tests/PluginDriver/driver.c" \
  -o "$out/driver" $(pkg-config --cflags --libs libpcre2-8) -ldl
"$out/driver" "$out/libwordlist.so" "$here/cases.txt"
