#!/bin/sh
# run.sh BUILD_DIR: plays all cases to the plugins in BUILD_DIR (as .build/release), and to the C plugin, built here.
# run.sh --bench BUILD_DIR: nanoseconds per call of each check on 1 KB in which nothing is found.
set -e
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
[ "$1" = --bench ] && bench=1 && shift
build=${1:?usage: run.sh [--bench] BUILD_DIR}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

${CC:-cc} -std=gnu11 -O2 -Wall -Wextra -I"$root/include" "$here/driver.c" -o "$out/driver" \
  $(pkg-config --cflags --libs libpcre2-8) -ldl
OUT="$out/libwordlist.so" "$root/Plugins/Wordlist/build.sh"

if [ -z "$bench" ]; then
  failed=0
  "$out/driver" "$build/libDefaultChecks.so" "$here/cases/default.txt" || failed=1
  "$out/driver" "$build/libOutageAnswer.so" "$here/cases/outage-answer.txt" || failed=1
  "$out/driver" "$out/libwordlist.so" "$root/Plugins/Wordlist/test/cases.txt" || failed=1
  exit $failed
fi

sentence="The gateway forwards the request to the upstream provider and waits. When the answer comes, the guards look at it. "
text=; while [ ${#text} -lt 1024 ]; do text="$text$sentence"; done
printf %.1024s "$text" > "$out/text"
measure() { "$out/driver" --bench "$build/libDefaultChecks.so" "$1" "$2" "$out/text"; }
measure contains '{"words":["xylophone"],"operator":"none"}'
measure contains '{"words":["zebra","crocodile","hippopotamus"],"operator":"none"}'
measure regexMatch '{"rule":"\\b\\d{3}-\\d{2}-\\d{4}\\b","not":true}'
measure regexReplace '{"rule":"/\\b\\d{3}-\\d{2}-\\d{4}\\b/g"}'
measure wordCount '{"minWords":1,"maxWords":5000}'
measure sentenceCount '{"minSentences":1,"maxSentences":5000}'
measure characterCount '{"minCharacters":1,"maxCharacters":5000}'
measure endsWith '{"suffix":"bye"}'
measure alllowercase '{}'
measure alluppercase '{}'
measure notNull '{}'
measure containsCode '{"format":"Python"}'
measure modelWhitelist '{"models":["gpt-4o"]}'
measure requiredMetadataKeys '{"metadataKeys":["team"]}'
measure allowedRequestTypes '{"allowedTypes":["chatComplete"]}'
"$out/driver" --bench "$out/libwordlist.so" block '{"words":["xylophone","crocodile"]}' "$out/text"
many=$(seq 10000 | awk '{ printf "%s\"zeb%dra\"", (NR > 1 ? "," : ""), $1 }')
"$out/driver" --bench "$out/libwordlist.so" block "{\"words\":[$many]}" "$out/text"
