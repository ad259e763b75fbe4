/* Guards that read only part of what there is, by the ways there are to read, and one that replaces a name in the request and puts
 * it back into the answer.
 *
 * first: the first segment. whole: the body. member: the value at /messages/0. text: the segments of kind text. streams: no whole
 * answers. again: asks for another attempt. swap: "Ada Lovelace" goes up as "<NAME_1>". */
#include <stdlib.h>
#include <string.h>

#include "gatehouse/gatehouse.h"

typedef struct guard {
  const gh_host *host;
  char check[16];
} guard;

static const char NAME[] = "Ada Lovelace", MARK[] = "<NAME_1>";

static void *create(const gh_host *host, const gh_create_info *info) {
  guard *self = calloc(1, sizeof *self);
  if (!self) return NULL;
  self->host = host;
  memcpy(self->check, info->check.ptr, info->check.len < sizeof self->check ? info->check.len : sizeof self->check - 1);
  return self;
}

static void destroy(void *self) { free(self); }

static int is(const guard *self, const char *check) { return strcmp(self->check, check) == 0; }

static const char *find(const char *begin, const char *end, const char *what) {
  size_t length = strlen(what);
  for (; begin + length <= end; begin++)
    if (memcmp(begin, what, length) == 0) return begin;
  return NULL;
}

/* Replaces `from` by `to` in text that stands in a segment. */
static void replace(const gh_host *host, gh_exchange *x, uint64_t id, gh_str text, const char *from, const char *to) {
  const char *end = text.ptr + text.len;
  gh_str new_text = {to, strlen(to)};
  for (const char *at = text.ptr; (at = find(at, end, from)); at += strlen(from))
    host->edit(x, id, (uint64_t)(at - text.ptr), (uint64_t)(at - text.ptr) + strlen(from), new_text);
}

static void read_side(guard *self, gh_exchange *x, gh_side side) {
  const gh_host *host = self->host;
  gh_segment segment;
  segment.struct_size = sizeof segment;
  if (is(self, "first")) {
    host->segment(x, side, 0, &segment);
  } else if (is(self, "whole")) {
    host->body(x, side);
  } else if (is(self, "member")) {
    gh_str pointer = GH_LIT("/messages/0");
    host->json(x, side, pointer);
  } else {
    for (size_t i = 0; host->segment(x, side, i, &segment) == GH_OK; i++) {
      if (!is(self, "swap") || (segment.flags & GH_SEGMENT_READ_ONLY)) continue;
      replace(host, x, segment.id, segment.text, side == GH_SIDE_REQUEST ? NAME : MARK, side == GH_SIDE_REQUEST ? MARK : NAME);
    }
  }
}

static gh_verdict on_request(void *self, gh_exchange *x, gh_decision *out) {
  (void)out;
  read_side(self, x, GH_SIDE_REQUEST);
  return GH_CONTINUE;
}

static gh_verdict on_response(void *self, gh_exchange *x, gh_decision *out) {
  (void)out;
  read_side(self, x, GH_SIDE_RESPONSE);
  return is(self, "again") ? GH_RETRY : GH_CONTINUE;
}

/* Holds back what may be the beginning of the mark. */
static gh_verdict on_stream(void *raw, gh_exchange *x, const gh_window *w, gh_decision *out) {
  guard *self = raw;
  if (!is(self, "swap")) return GH_CONTINUE;
  replace(self->host, x, w->segment->id, w->text, MARK, NAME);
  if (!(w->flags & GH_WINDOW_LAST))
    for (size_t n = sizeof MARK - 2; n > 0; n--)
      if (n <= w->text.len && memcmp(w->text.ptr + w->text.len - n, MARK, n) == 0) {
        out->released_to = w->text.len - n;
        break;
      }
  return GH_CONTINUE;
}

static const gh_hooks hooks = {
    .struct_size = sizeof hooks, .on_request = on_request, .on_response = on_response, .on_stream = on_stream};

static const void *query(const char *id) { return strcmp(id, GH_INTERFACE_HOOKS) == 0 ? &hooks : NULL; }

static const gh_plugin plugin = {
    .struct_size = sizeof plugin, .abi_minor = GH_ABI_MINOR, .flags = GH_ABI_DRAFT, .id = GH_LIT("coverage"),
    .version = GH_LIT("1.0.0"), .create = create, .destroy = destroy, .query = query};

GH_ENTRY_ATTR const gh_plugin *gh_plugin_entry_v1(const gh_host *host) {
  (void)host;
  return &plugin;
}
