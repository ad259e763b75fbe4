#!/bin/bash
# run.sh: the public headers, as the compilers of plugin authors see them. Needs gcc, g++, and the clang and swiftc of a
# Swift toolchain. STAGE may name an installed tree, whose binaries' symbols are then looked at.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
include=$(cd "$here/../../include" && pwd)
toolchain=$(dirname "$(swiftc -print-target-info | sed -n 's/.*"runtimeResourcePath": "\(.*\)".*/\1/p')")/../bin
clang=$(command -v "$toolchain/clang" || command -v clang)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
count=0

# check NAME COMMAND…
check() {
    local name=$1
    shift
    count=$((count + 1))
    if "$@" > "$work/log" 2>&1; then return; fi
    echo "FAIL $name" >&2
    head -n 20 "$work/log" >&2
    failed=$((failed + 1))
}

warnings=(-Wall -Wextra -Wpedantic -Wpadded -Werror -fsyntax-only "-I$include")
headers=$(cd "$include" && find gatehouse -name '*.h' | sort)

# Each header alone, and twice: it includes what it needs, guards itself, and says nothing but standard C and C++.
for header in $headers; do
    printf '#include "%s"\n#include "%s"\ntypedef int not_empty;\n' "$header" "$header" > "$work/alone.c"
    cp "$work/alone.c" "$work/alone.cpp"
    check "$header, gcc, C99" gcc -std=c99 "${warnings[@]}" -Wstrict-prototypes "$work/alone.c"
    check "$header, clang, C99" "$clang" -std=c99 "${warnings[@]}" -Wstrict-prototypes "$work/alone.c"
    check "$header, gcc, C11" gcc -std=c11 "${warnings[@]}" "$work/alone.c"
    check "$header, g++, C++17" g++ -std=c++17 "${warnings[@]}" "$work/alone.cpp"
    check "$header, clang++, C++17" "$clang" -x c++ -std=c++17 "${warnings[@]}" "$work/alone.cpp"
done

# No padding on any 64-bit machine; none of them needs its C library here.
for target in x86_64-linux-gnu aarch64-linux-gnu riscv64-linux-gnu; do
    check "layout, $target" "$clang" "--target=$target" -ffreestanding -std=c11 "${warnings[@]}" "$here/layout.c"
done
# Nor does a 32-bit machine find fault; pointers and lengths are narrower there.
for target in i686-linux-gnu arm-linux-gnueabihf; do
    check "headers, $target" "$clang" "--target=$target" -ffreestanding -std=c11 "${warnings[@]}" -Wno-padded -include gatehouse/gatehouse.h -x c /dev/null -Wno-empty-translation-unit
done
check "layout, gcc" gcc -std=c11 "${warnings[@]}" "$here/layout.c"

missing=$(sed -n 's/^\(typedef \)\{0,1\}struct \(gh_[a-z_]*\) {.*/\2/p' $(printf "$include/%s " $headers) | while read -r name; do
    grep -qE "^(ENDS_WITH|VERSIONED)\($name," "$here/layout.c" || echo "$name"
done)
check "every struct is in layout.c: ${missing//$'\n'/ }" test -z "$missing"

# One prefix for everything that an author's own names could meet.
names=$("$clang" -std=c11 -E -dM "-I$include" -include gatehouse/gatehouse.h -x c /dev/null | sed -n 's/^#define \([A-Z]*GH_[A-Z_]*\|GATEHOUSE[A-Z_]*\).*/\1/p')
ours=$(cat $(printf "$include/%s " $headers) | sed -n 's/^ *# *define \([A-Za-z_]*\).*/\1/p' | grep -vE '^(GH|GATEHOUSE)_' || true)
check "macros have the prefix GH_ or GATEHOUSE_: $ours" test -z "$ours" -a -n "$names"
enumerators=$("$clang" -std=c11 -fsyntax-only -Xclang -ast-dump=json "-I$include" -include gatehouse/gatehouse.h -x c /dev/null |
    grep -A40 '"kind": "EnumConstantDecl"' | sed -n 's/^ *"name": "\(.*\)",$/\1/p' | grep -v '^GH_' || true)
check "enumerators have the prefix GH_: $enumerators" test -z "$enumerators"

# In Swift, without the SDK.
check "Swift imports the module" swiftc -typecheck -parse-as-library -swift-version 6 -warnings-as-errors "-I$include" "$here/import.swift"

# The same source as C and as C++.
check "the C template, C99" gcc -std=c99 "${warnings[@]}" -Wno-padded "$here/../../Plugins/Templates/c/no_links.c"

if [ -n "${STAGE:-}" ]; then
    # A plugin takes what it needs from the table that it is given: no symbol of the host's may tempt it.
    check "the executable exports no gh_ symbol" bash -c "! nm -D --defined-only --extern-only '$STAGE/bin/gatehouse' | grep -E ' gh_'"
    for library in "$STAGE"/lib/gatehouse/plugins/*/*.so; do
        check "${library##*/} exports the entry alone" \
            test "$(nm -D --defined-only --extern-only "$library" | awk '{ print $3 }' | grep -vE '^(__bss_start|_edata|_end|_init|_fini)$')" = gh_plugin_entry_v1
    done
fi

echo "headers: $((count - failed)) passed, $failed failed"
[ "$failed" = 0 ]
