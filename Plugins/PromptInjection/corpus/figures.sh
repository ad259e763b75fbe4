#!/bin/sh
# figures.sh BUILD_DIR [THRESHOLD]: plays attacks.txt and benign.txt to the plugin in BUILD_DIR (as .build/release) and prints
# recall and false alarms, in all and by language, and the texts that were judged wrongly.
set -e
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../../..
library=${1:?usage: figures.sh BUILD_DIR [THRESHOLD]}/libPromptInjection.so
threshold=${2:-50}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
${CC:-cc} -std=gnu11 -O2 -I"$root/include" "$root/Tests/PluginDriver/driver.c" -o "$out/driver" \
  $(pkg-config --cflags --libs libpcre2-8) -ldl

# count FILE EXPECTED TITLE IS_RECALL
count() {
  awk -F '\t' -v expected="$2" -v threshold="$threshold" '!/^#/ {
    kind = $1 == "tool" ? "tool_result" : "text"
    printf "case %s %s\ncheck score\nconfig {\"threshold\":%s}\nsegment %s %s %s\nexpect %s\n\n", $2, $3, threshold, kind, $1, $3, expected
  }' "$here/$1" > "$out/cases"
  "$out/driver" "$library" "$out/cases" > "$out/result" || true
  sed -n 's/^FAIL line [0-9]*, \(.*\) \[.*/\1/p; s/^FAIL line [0-9]*, \([^[]*\)$/\1/p' "$out/result" | sed 's/ (fresh 0)$//' | sort -u > "$out/wrong"
  awk -F '\t' -v wrong="$out/wrong" -v title="$3" -v recall="$4" '
    BEGIN { while ((getline line < wrong) > 0) { misses[substr(line, 1, 2)]++; all++ } }
    !/^#/ { total++; languages[$2]++ }
    END {
      found = recall ? total - all : all
      printf "%s: %d of %d (%.1f %%)\n ", title, found, total, 100 * found / total
      for (language in languages) {
        found = recall ? languages[language] - misses[language] : misses[language]
        printf " %s %d/%d", language, found, languages[language]
      }
      printf "\n"
    }' "$here/$1"
  sed 's/^/    /' "$out/wrong"
}
count attacks.txt reported-fail "Attacks found" 1
count benign.txt pass "False alarms" 0
