#!/bin/bash
# run.sh: what somebody has who installed Gatehouse and not its sources. Installs into a temporary place, copies both
# templates out, builds them against that place alone, and asks a gateway that has loaded them.
# CONFIG (debug) and SCRATCH (.build) say which build is installed; with CONFIG=release it is also proved that the
# installed tree needs no Swift toolchain.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
sources=$(cd "$here/../.." && pwd)
config=${CONFIG:-debug}

work=$(mktemp -d)
gateway=
finish() {
    local status=$?
    [ -z "$gateway" ] || { kill "$gateway" 2>/dev/null && wait "$gateway" 2>/dev/null || true; }
    [ "$status" = 0 ] || { echo "FAIL ${step:-}" >&2; tail -n 40 "$work"/*.log >&2 2>/dev/null || true; }
    rm -rf "$work"
    exit "$status"
}
trap finish EXIT

begin() { step=$1; }
ok() { echo "ok   $step"; }
# expect WHAT PATTERN TEXT
expect() { grep -qE -- "$2" <<<"$3" || { echo "$1: expected /$2/ in: $3" >&2; return 1; }; }

begin "make install"
make --no-print-directory -C "$sources" install CONFIG="$config" SCRATCH="${SCRATCH:-.build}" DESTDIR="$work" PREFIX=/opt/gatehouse \
    > "$work/install.log" 2>&1
prefix=$work/opt/gatehouse
for file in bin/gatehouse include/gatehouse/gatehouse.h lib/gatehouse/swift/libswiftCore.so share/gatehouse/sdk/Package.swift \
    share/gatehouse/prices.txt share/gatehouse/templates/c/plugin.json share/gatehouse/templates/swift/plugin.json share/gatehouse/gatehouse.example.yaml \
    lib/systemd/system/gatehouse.service lib/gatehouse/plugins/wordlist/libwordlist.so; do
    [ -f "$prefix/$file" ] || { echo "$file is missing" >&2; exit 1; }
done
grep -q '^ExecStart=/opt/gatehouse/bin/gatehouse' "$prefix/lib/systemd/system/gatehouse.service"
! grep -rIlF "$sources" "$prefix/share" "$prefix/include" "$prefix/lib/systemd" || { echo "names the sources" >&2; exit 1; }
ok

begin "installed again, nothing changes"
find "$prefix" -type f -printf '%P %i %T@\n' | sort > "$work/before"
make --no-print-directory -C "$sources" install CONFIG="$config" SCRATCH="${SCRATCH:-.build}" DESTDIR="$work" PREFIX=/opt/gatehouse \
    > "$work/install.log" 2>&1
find "$prefix" -type f -printf '%P %i %T@\n' | sort | diff "$work/before" -
ok

# From here on the environment names neither the sources nor the toolchain, but where it is built.
clean=(env -i "HOME=$work/home" PATH=/usr/bin:/bin)
mkdir "$work/home"

begin "the installed gateway and its plugins load nothing of a toolchain"
"${clean[@]}" "$prefix/bin/gatehouse" version
if [ "$config" = release ]; then
    "${clean[@]}" LD_DEBUG=libs LD_DEBUG_OUTPUT="$work/libs" "$prefix/bin/gatehouse" plugin list > "$work/list.log"
    ! grep -h 'calling init: .*swift' "$work"/libs.* | grep -vF "$prefix/lib/gatehouse/" | grep -vF "$work/home/" || exit 1
    grep -hq "calling init: $prefix/lib/gatehouse/swift/libswiftCore.so" "$work"/libs.*
fi
for library in "$prefix"/lib/gatehouse/plugins/*/*.so; do
    paths=$(readelf -d "$library" | sed -n 's/.*R.*PATH.*\[\(.*\)\]/\1/p')
    expect "${library##*/}" '^(\$ORIGIN[^:]*(:|$))*$' "$paths"
done
if [ "$config" = release ]; then
    expect gatehouse '^(\$ORIGIN[^:]*(:|$))*$' "$(readelf -d "$prefix/bin/gatehouse" | sed -n 's/.*R.*PATH.*\[\(.*\)\]/\1/p')"
fi
ok

begin "every installed plugin passes the checker"
for plugin in "$prefix"/lib/gatehouse/plugins/*/; do
    "${clean[@]}" "$prefix/bin/gatehouse" plugin check "$plugin" > "$work/check.log"
done
ok

begin "the templates build from the installed tree alone"
cp -r "$prefix/share/gatehouse/templates" "$work/templates"
make --no-print-directory -C "$work/templates/c" GATEHOUSE="$prefix" PLUGINS="$work/plugins" CFLAGS="-O2 -Wall -Wextra -Wpedantic -Werror" \
    install > "$work/c.log" 2>&1
GATEHOUSE=$prefix swift build --package-path "$work/templates/swift" -c "$config" > "$work/swift.log" 2>&1
! grep -i warning "$work/swift.log"
install -D -t "$work/plugins/mask-digits" "$work/templates/swift/.build/$config/libMaskDigits.so" "$work/templates/swift/plugin.json"
ok

begin "gatehouse plugin check"
for id in no-links mask-digits; do
    "${clean[@]}" "$prefix/bin/gatehouse" plugin check "$work/plugins/$id" > "$work/check.log"
    expect "$id" ' 0 failed$' "$(tail -n 1 "$work/check.log")"
done
ok

begin "gatehouse check and gatehouse plugin list"
cat > "$work/gatehouse.yaml" <<YAML
listen: {port: 0}
plugins:
  directories: ["$prefix/lib/gatehouse/plugins", "$work/plugins"]
providers: {demo: {provider: mock}}
defaults: {provider: demo}
YAML
"${clean[@]}" "$prefix/bin/gatehouse" check "$work/gatehouse.yaml" > "$work/check.log"
"${clean[@]}" "$prefix/bin/gatehouse" plugin list --verbose --config "$work/gatehouse.yaml" > "$work/list.log"
expect list 'check no-links\.check' "$(cat "$work/list.log")"
expect list 'check mask-digits\.digits' "$(cat "$work/list.log")"
for file in demo gatehouse.example; do "${clean[@]}" "$prefix/bin/gatehouse" check "$prefix/share/gatehouse/$file.yaml" > "$work/check.log"; done
ok

begin "the gateway starts"
"${clean[@]}" "$prefix/bin/gatehouse" serve --config "$work/gatehouse.yaml" 2> "$work/gateway.log" &
gateway=$!
address=
for _ in $(seq 100); do
    address=$(sed -n 's/.*\(http:\/\/127\.0\.0\.1:[1-9][0-9]*\).*/\1/p' "$work/gateway.log" | head -n 1)
    [ -z "$address" ] || break
    kill -0 "$gateway"
    sleep 0.1
done
[ -n "$address" ]
ok

# ask CONFIG TEXT: the answer's body, then its status on a line.
ask() {
    curl --silent --show-error --max-time 20 --write-out '\n%{http_code}' "$address/v1/chat/completions" \
        --header 'content-type: application/json' --header "x-portkey-config: $1" \
        --data "{\"model\": \"echo\", \"messages\": [{\"role\": \"user\", \"content\": \"$2\"}]}"
}

begin "the C template denies"
guarded='{"provider":"@demo","input_guardrails":[{"deny":true,"no-links.check":{}}]}'
answer=$(ask "$guarded" 'see https://example.com')
expect "a link" '^446$' "$(tail -n 1 <<<"$answer")"
expect "a link" 'hooks_failed' "$answer"
answer=$(ask "$guarded" 'no link at all')
expect "no link" '^200$' "$(tail -n 1 <<<"$answer")"
expect "no link" '"content": ?"no link at all"' "$answer"
ok

begin "the Swift template edits"
answer=$(ask '{"provider":"@demo","input_mutators":[{"mask-digits.digits":{"mask":"*"}}]}' 'call 555 0199')
expect "digits" '^200$' "$(tail -n 1 <<<"$answer")"
expect "digits" '"content": ?"call \*\*\* \*\*\*\*"' "$answer"
ok

begin "one denies, one edits"
both='{"provider":"@demo","input_guardrails":[{"deny":true,"no-links.check":{}}],"input_mutators":[{"mask-digits.digits":{}}]}'
expect both '"content": ?"pin ####"' "$(ask "$both" 'pin 1234')"
expect both '^446$' "$(ask "$both" 'ftp://example.com 1234' | tail -n 1)"
ok

begin "SIGTERM ends it"
kill -TERM "$gateway"
wait "$gateway"
gateway=
ok
echo "installation: all passed"
