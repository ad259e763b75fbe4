/* Redactor: takes a secret word and all that looks like an e-mail address out of everything that was written, in whole
 * bodies and in streams, where either may be cut into pieces. A second word ends the answer.
 *
 * How it streams: what might still grow into something to take out is held back (`released_to`) and presented again with
 * what follows. Nothing else is remembered, so an instance has no state.
 */
#include <stdlib.h>
#include <string.h>

#include "gatehouse/gatehouse.h"

typedef struct redactor {
  const gh_host *host;
  char word[128];
  char deny[128];
} redactor;

static gh_str literal(const char *text) {
  gh_str view = {text, strlen(text)};
  return view;
}

/* ---- parameters: two strings of a compact JSON object, without escapes -------------------------------------------- */

static void parameter(gh_str json, const char *quoted, char *out, size_t size) {
  size_t length = strlen(quoted), n = 0;
  out[0] = 0;
  for (size_t at = 0; at + length <= json.len; at++) {
    if (memcmp(json.ptr + at, quoted, length) != 0) continue;
    for (at += length; at < json.len && json.ptr[at] != '"' && n + 1 < size; at++) out[n++] = json.ptr[at];
    out[n] = 0;
    return;
  }
}

static void *create(const gh_host *host, const gh_create_info *info) {
  redactor *self = calloc(1, sizeof *self);
  if (!self) return NULL;
  self->host = host;
  parameter(info->config_json, "\"word\":\"", self->word, sizeof self->word);
  parameter(info->config_json, "\"deny\":\"", self->deny, sizeof self->deny);
  return self;
}

static void destroy(void *self) { free(self); }

/* ---- finding ----------------------------------------------------------------------------------------------------- */

static int in_address(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("._%+-@", c));
}

/* Something, an at sign, something, a dot, something. */
static int is_address(const char *run, size_t length) {
  const char *at = memchr(run, '@', length);
  size_t host;
  if (!at || at == run) return 0;
  host = (size_t)(at - run) + 1;
  for (size_t dot = host + 1; dot + 1 < length; dot++)
    if (run[dot] == '.' && run[dot + 1] != '.') return 1;
  return 0;
}

static size_t matches(gh_str text, size_t at, const char *word) {
  size_t length = strlen(word);
  return length && at + length <= text.len && memcmp(text.ptr + at, word, length) == 0 ? length : 0;
}

/* Where the text's end begins that may be the beginning of `word`. */
static size_t open_word(gh_str text, const char *word) {
  size_t length = strlen(word), longest = length && length - 1 < text.len ? length - 1 : length ? text.len : 0;
  for (; longest > 0; longest--)
    if (memcmp(text.ptr + text.len - longest, word, longest) == 0) break;
  return text.len - longest;
}

/* Edits all that is complete; gives the offset of what is not, or GH_DENY's sign SIZE_MAX. */
static size_t redact(redactor *self, gh_exchange *x, uint64_t segment, gh_str text, int is_last) {
  size_t at = 0, open = text.len;
  if (!is_last) {
    size_t run = text.len, word = open_word(text, self->word), other = open_word(text, self->deny);
    while (run > 0 && in_address((unsigned char)text.ptr[run - 1])) run--;
    open = run < word ? run : word;
    if (other < open) open = other;
  }
  while (at < open) {
    size_t found = matches(text, at, self->word);
    if (matches(text, at, self->deny)) return SIZE_MAX;
    if (!found && in_address((unsigned char)text.ptr[at]) && (at == 0 || !in_address((unsigned char)text.ptr[at - 1]))) {
      size_t run = at;
      while (run < text.len && in_address((unsigned char)text.ptr[run])) run++;
      while (run > at && (text.ptr[run - 1] == '.' || text.ptr[run - 1] == '-')) run--;
      if (is_address(text.ptr + at, run - at)) found = run - at;
    }
    if (found) {
      if (at + found > open) open = at + found;
      if (self->host->edit(x, segment, at, at + found, literal("[redacted]")) != GH_OK) return SIZE_MAX - 1;
      at += found;
    } else {
      at++;
    }
  }
  return open;
}

static gh_verdict judge(gh_decision *out, size_t open) {
  if (open == SIZE_MAX) {
    out->http_status = 451;
    out->code = literal("forbidden_word");
    out->message = literal("A word was said that ends the conversation.");
    return GH_DENY;
  }
  out->message = literal("an edit was refused");
  return open == SIZE_MAX - 1 ? GH_FAIL : GH_CONTINUE;
}

static gh_verdict whole(redactor *self, gh_exchange *x, gh_side side, gh_decision *out) {
  size_t count = self->host->segment_count(x, side);
  for (size_t i = 0; i < count; i++) {
    gh_segment segment;
    size_t open;
    memset(&segment, 0, sizeof segment);
    segment.struct_size = sizeof segment;
    if (self->host->segment(x, side, i, &segment) != GH_OK) return GH_FAIL;
    if (segment.flags & (GH_SEGMENT_BINARY | GH_SEGMENT_READ_ONLY) || !segment.text.ptr) continue;
    open = redact(self, x, segment.id, segment.text, 1);
    if (open >= SIZE_MAX - 1) return judge(out, open);
  }
  return GH_CONTINUE;
}

static gh_verdict on_request(void *self, gh_exchange *x, gh_decision *out) { return whole(self, x, GH_SIDE_REQUEST, out); }
static gh_verdict on_response(void *self, gh_exchange *x, gh_decision *out) { return whole(self, x, GH_SIDE_RESPONSE, out); }

static gh_verdict on_stream(void *self, gh_exchange *x, const gh_window *window, gh_decision *out) {
  size_t open;
  if (window->text.len == 0 || window->segment->flags & GH_SEGMENT_READ_ONLY) return GH_CONTINUE;
  open = redact(self, x, window->segment->id, window->text, (window->flags & GH_WINDOW_LAST) != 0);
  if (open >= SIZE_MAX - 1) return judge(out, open);
  out->released_to = open;
  return GH_CONTINUE;
}

/* ---- the descriptor ---------------------------------------------------------------------------------------------- */

static const gh_hooks hooks = {
    .struct_size = sizeof hooks, .on_request = on_request, .on_response = on_response, .on_stream = on_stream};

static const void *query(const char *id) { return strcmp(id, GH_INTERFACE_HOOKS) == 0 ? &hooks : NULL; }

static const gh_plugin plugin = {
    .struct_size = sizeof plugin, .abi_minor = GH_ABI_MINOR, .flags = GH_ABI_DRAFT, .id = GH_LIT("redactor"),
    .version = GH_LIT("1.0.0"), .create = create, .destroy = destroy, .query = query};

GH_ENTRY_ATTR const gh_plugin *gh_plugin_entry_v1(const gh_host *host) {
  (void)host;
  return &plugin;
}
