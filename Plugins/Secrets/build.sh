#!/bin/sh
# Builds libsecrets.so with the headers alone. CC and OUT may be set.
here=$(dirname "$0") && exec ${CC:-cc} -std=c99 -O2 -Wall -Wextra -Wpedantic -fPIC -shared -fvisibility=hidden -I"$here/../../include" "$here/secrets.c" -lm -o "${OUT:-libsecrets.so}"
