#!/bin/sh
# make bench: compiles the upstream and the load generator, sees to nginx and wrk, and runs the benchmark.
#   run.sh [--gatehouse PATH_TO_BINARY] [--stage STAGE_DIR] [--quick] [--silent]
# Without --gatehouse and --stage only the direct and the nginx rows are measured.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=$here/../../.build-bench
mkdir -p "$build"
build=$(cd "$build" && pwd)
PATH=$PATH:/usr/sbin:/usr/local/sbin

missing=
command -v nginx >/dev/null || missing="$missing nginx-light"
command -v wrk >/dev/null || missing="$missing wrk"
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing:$missing" >&2
    had_nginx=$(command -v nginx || true)
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y --no-install-recommends $missing >&2 ||
        { apt-get update >&2 && apt-get install -y --no-install-recommends $missing >&2; }
    # The package starts a server on port 80, which nobody asked for.
    [ -n "$had_nginx" ] || service nginx stop >/dev/null 2>&1 || true
fi
for tool in cc python3 nginx; do
    command -v "$tool" >/dev/null || { echo "run.sh: $tool is missing" >&2; exit 2; }
done

for program in mock load; do
    if [ ! -x "$build/$program" ] || [ "$here/$program.c" -nt "$build/$program" ]; then
        cc -std=gnu11 -O2 -Wall -Wextra -o "$build/$program.new" "$here/$program.c"
        mv "$build/$program.new" "$build/$program"
    fi
done

# exec: a signal to this script is to reach the one that stops the children.
PYTHONDONTWRITEBYTECODE=1 exec python3 "$here/run.py" --build-dir "$build" "$@"
