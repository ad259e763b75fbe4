/* Plugins that break one rule each, chosen by -DBAD_…: what gatehouse plugin check must catch. Without one it is a good plugin, which
 * looks for "secret". */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gatehouse/gatehouse.h"

#ifndef BAD_ID
#define BAD_ID "bad"
#endif

typedef struct guard {
  const gh_host *host;
  char *waste;
#ifdef BAD_KEEP
  const char *kept;
#endif
} guard;

static const char WORD[] = "secret";

static void *create(const gh_host *host, const gh_create_info *info) {
  guard *self = calloc(1, sizeof *self);
  if (!self) return NULL;
  self->host = host;
#ifdef BAD_LEAK
  self->waste = malloc(1 << 16);
  if (self->waste) memset(self->waste, 1, 1 << 16);
#endif
#ifdef BAD_TYPES
  /* "It is an object with a number: the schema says so." */
  const char *colon = memchr(info->config_json.ptr, ':', info->config_json.len);
  if (info->config_json.len > 2 && (!colon || !(colon[1] >= '0' && colon[1] <= '9'))) abort();
#endif
#ifdef BAD_TAIL
  volatile char beyond = ((const char *)host)[host->struct_size];
  (void)beyond;
#endif
  (void)info;
  return self;
}

static void destroy(void *self) { free(self); }

static size_t find(gh_str text) {
  for (size_t i = 0; text.ptr && i + sizeof WORD - 1 <= text.len; i++)
    if (memcmp(text.ptr + i, WORD, sizeof WORD - 1) == 0) return i;
  return SIZE_MAX;
}

static gh_verdict judge(guard *self, gh_exchange *x, gh_side side) {
  const gh_host *host = self->host;
  gh_str none = {0};
  gh_segment segment;
  uint32_t passed = 1;
  segment.struct_size = sizeof segment;
#ifdef BAD_EXTENSION
  const gh_regex *regex = host->extension(host, GH_EXT_REGEX);
  regex->free_pattern(NULL);
#endif
#ifdef BAD_KEEP
  if (self->kept && *self->kept == '\0') abort();
  self->kept = host->body(x, side).ptr;
#endif
  for (size_t i = 0; host->segment(x, side, i, &segment) == GH_OK; i++) {
#ifdef BAD_STRLEN
    if (strlen(segment.text.ptr) > 1000000) passed = 0;
#endif
#ifdef BAD_ODD
    if (segment.text.ptr && memchr(segment.text.ptr, 0, segment.text.len)) abort();
#endif
#ifdef BAD_HANG
    if (segment.text.len > 1 << 20)
      for (volatile int forever = 1; forever;) {}
#endif
    if (find(segment.text) != SIZE_MAX) passed = 0;
  }
#ifdef BAD_THREADS
  static int calls;
  if (__atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) % 97 == 0) passed = 0;
#endif
#ifdef BAD_NEVER
  host->pend(x);
  return GH_PENDING;
#endif
#ifdef BAD_TWICE
  gh_token token = host->pend(x);
  host->complete(token, GH_CONTINUE, NULL);
  host->complete(token, GH_CONTINUE, NULL);
  return GH_PENDING;
#endif
  host->report(x, passed, none);
  return GH_CONTINUE;
}

static gh_verdict on_request(void *self, gh_exchange *x, gh_decision *out) { return (void)out, judge(self, x, GH_SIDE_REQUEST); }
static gh_verdict on_response(void *self, gh_exchange *x, gh_decision *out) { return (void)out, judge(self, x, GH_SIDE_RESPONSE); }

static gh_verdict on_stream(void *raw, gh_exchange *x, const gh_window *w, gh_decision *out) {
  guard *self = raw;
  gh_str none = {0};
  if (find(w->text) != SIZE_MAX) self->host->report(x, 0, none);
#ifndef BAD_STREAM
  /* A word that has begun comes again. */
  if (!(w->flags & GH_WINDOW_LAST)) {
    uint64_t hold = w->text.len < sizeof WORD - 2 ? w->text.len : sizeof WORD - 2;
    out->released_to = w->text.len - hold;
    while (out->released_to > 0 && ((unsigned char)w->text.ptr[out->released_to] & 0xC0) == 0x80) out->released_to--;
  }
#endif
  return GH_CONTINUE;
}

#ifdef BAD_PROVIDER
static gh_verdict build(void *raw, gh_exchange *x, gh_out *out, gh_decision *decision) {
  guard *self = raw;
  const gh_upstream *upstream = self->host->extension(self->host, GH_EXT_UPSTREAM);
  static char url[] = "https://upstream.example/0";
  gh_str method = GH_LIT("POST"), target = {url, sizeof url - 1};
  (void)x, (void)decision;
  url[sizeof url - 2]++;
  upstream->out_target(out, method, target);
  return GH_CONTINUE;
}
static gh_status map_event(void *self, void *stream, gh_str event, gh_str data, gh_emit emit, void *sink) {
  (void)self, (void)stream;
  emit(sink, event, data);
  return GH_OK;
}
static gh_status stream_close(void *self, void *stream, gh_emit emit, void *sink) { return (void)self, (void)stream, (void)emit, (void)sink, GH_OK; }
static const gh_provider provider = {.struct_size = sizeof provider, .build = build, .map_event = map_event, .stream_close = stream_close};
#endif

#ifdef BAD_EVENTS
static gh_verdict build(void *self, gh_exchange *x, gh_out *out, gh_decision *decision) { return (void)self, (void)x, (void)out, (void)decision, GH_CONTINUE; }
static gh_status map_event(void *self, void *stream, gh_str event, gh_str data, gh_emit emit, void *sink) {
  gh_str broken = GH_LIT("{\"choices\":[");
  (void)self, (void)stream, (void)data;
  emit(sink, event, broken);
  return GH_OK;
}
static const gh_provider provider = {.struct_size = sizeof provider, .build = build, .map_event = map_event};
#endif

static const gh_hooks hooks = {
    .struct_size = sizeof hooks, .on_request = on_request, .on_response = on_response, .on_stream = on_stream};

static const void *query(const char *id) {
#if defined(BAD_PROVIDER) || defined(BAD_EVENTS)
  if (strcmp(id, GH_INTERFACE_PROVIDER) == 0) return &provider;
#endif
  return strcmp(id, GH_INTERFACE_HOOKS) == 0 ? &hooks : NULL;
}

static const gh_plugin plugin = {
    .struct_size = sizeof plugin, .abi_minor = GH_ABI_MINOR, .flags = GH_ABI_DRAFT, .id = GH_LIT(BAD_ID),
    .version = GH_LIT("1.0.0"), .create = create, .destroy = destroy, .query = query};

#ifdef BAD_EXPORT
GH_ENTRY_ATTR int helper_that_should_be_hidden(void) { return 1; }
#endif
#ifdef BAD_GO
__attribute__((used)) static const char build_info[] = "\xff Go buildinf: go1.99                    ";
#endif
#ifdef BAD_LINK
#include <zlib.h>
__attribute__((used)) static const char *(*uses)(void) = zlibVersion;
#endif

GH_ENTRY_ATTR const gh_plugin *gh_plugin_entry_v1(const gh_host *host) {
  (void)host;
#ifdef BAD_ENTRY
  static int calls;
  if (calls++) return NULL;
#endif
  return &plugin;
}
