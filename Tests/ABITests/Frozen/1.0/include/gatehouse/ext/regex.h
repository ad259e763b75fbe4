/* Gatehouse plugin ABI: host extension "gh.regex/1": PCRE2 patterns, compiled once with its JIT.
 *
 * Match limits are the host's, so that no pattern and no text can stall a loop. Syntax: PCRE2, UTF-8 mode.
 */
#ifndef GATEHOUSE_EXT_REGEX_H
#define GATEHOUSE_EXT_REGEX_H

#include "../abi.h"

#define GH_EXT_REGEX "gh.regex/1"

typedef struct gh_regex_pattern gh_regex_pattern; /* opaque; owned by the plugin until free_pattern() */

enum { GH_REGEX_CASELESS = 1, GH_REGEX_MULTILINE = 2, GH_REGEX_DOTALL = 4, GH_REGEX_EXTENDED = 8, GH_REGEX_BYTES = 16 };

typedef struct gh_regex_span {
  uint64_t begin; /* UINT64_MAX, both: the group took no part */
  uint64_t end;
} gh_regex_span;

typedef struct gh_regex {
  uint32_t struct_size;
  uint32_t reserved;
  /* [any] NULL when the pattern is invalid: then *error_offset is a byte offset, and error (size error_size) holds a
   * NUL-terminated sentence. Either may be NULL. */
  gh_regex_pattern *(*compile)(const gh_host *, gh_str pattern, uint32_t flags, uint64_t *error_offset, char *error,
                               size_t error_size);
  /* [any] Searches from byte offset start. Fills up to span_count spans, the whole match first, then the groups; returns
   * how many there are (>= 1), 0 for no match, or GH_OVER_LIMIT, GH_INVALID (not UTF-8). */
  int32_t (*match)(const gh_regex_pattern *, gh_str text, uint64_t start, gh_regex_span *spans, size_t span_count);
  /* [any] The name of group number; absent when it has none. Lives as long as the pattern. */
  gh_str (*group_name)(const gh_regex_pattern *, uint32_t number);
  /* [any] NULL does nothing. */
  void (*free_pattern)(gh_regex_pattern *);
} gh_regex;

#endif
