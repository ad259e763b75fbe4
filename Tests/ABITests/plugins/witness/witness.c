/* Witness: says what it was shown. Its check "tell" answers with a JSON array of all segments; "mark" writes over the word
 * UNSEEN wherever a stream shows it, so that what is left of it passed by. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gatehouse/gatehouse.h"

static const char unseen[] = "UNSEEN";

typedef struct text {
  char *bytes;
  size_t count, room;
} text;

static void put(text *out, const char *bytes, size_t count) {
  if (out->count + count > out->room) {
    out->room = (out->count + count) * 2 + 256;
    out->bytes = realloc(out->bytes, out->room);
    if (!out->bytes) abort();
  }
  if (count) memcpy(out->bytes + out->count, bytes, count);
  out->count += count;
}

static void put_string(text *out, gh_str value) {
  if (!value.ptr) {
    put(out, "null", 4);
    return;
  }
  put(out, "\"", 1);
  for (size_t i = 0; i < value.len; i++) {
    unsigned char byte = (unsigned char)value.ptr[i];
    char escaped[8];
    if (byte < 0x20 || byte == '"' || byte == '\\')
      put(out, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", byte));
    else
      put(out, value.ptr + i, 1);
  }
  put(out, "\"", 1);
}

static void release(void *owner) { free(owner); }

static gh_verdict tell(const gh_host *host, gh_exchange *exchange, gh_side side, gh_decision *out) {
  text list = {0};
  gh_segment segment = {.struct_size = sizeof segment};
  put(&list, "[", 1);
  for (size_t i = 0; host->segment(exchange, side, i, &segment) == GH_OK; i++) {
    char numbers[96];
    int length = snprintf(
        numbers, sizeof numbers, "%s{\"kind\":%d,\"role\":%d,\"flags\":%u,\"pointer\":", i ? "," : "", segment.kind, segment.role,
        segment.flags);
    put(&list, numbers, (size_t)length);
    put_string(&list, segment.pointer);
    put(&list, ",\"text\":", 8);
    put_string(&list, segment.text);
    put(&list, "}", 1);
  }
  put(&list, "]", 1);
  out->body.ptr = list.bytes;
  out->body.len = list.count;
  out->body.release = release;
  out->body.owner = list.bytes;
  return GH_ANSWER;
}

static gh_verdict on_request(void *self, gh_exchange *exchange, gh_decision *out) { return tell(self, exchange, GH_SIDE_REQUEST, out); }
static gh_verdict on_response(void *self, gh_exchange *exchange, gh_decision *out) { return tell(self, exchange, GH_SIDE_RESPONSE, out); }

static gh_verdict on_stream(void *self, gh_exchange *exchange, const gh_window *window, gh_decision *out) {
  const gh_host *host = self;
  const size_t length = sizeof unseen - 1;
  (void)out;
  for (size_t at = 0; at + length <= window->text.len; at++)
    if (memcmp(window->text.ptr + at, unseen, length) == 0 &&
        host->edit(exchange, window->segment->id, at, at + length, (gh_str)GH_LIT("SEEN")) != GH_OK)
      return GH_FAIL;
  return GH_CONTINUE;
}

static void *create(const gh_host *host, const gh_create_info *info) {
  (void)info;
  return (void *)(uintptr_t)host;
}
static void destroy(void *self) { (void)self; }

static const gh_hooks hooks = {
    .struct_size = sizeof hooks, .on_request = on_request, .on_response = on_response, .on_stream = on_stream};

static const void *query(const char *id) { return strcmp(id, GH_INTERFACE_HOOKS) == 0 ? &hooks : NULL; }

static const gh_plugin plugin = {
    .struct_size = sizeof plugin, .abi_minor = GH_ABI_MINOR, .flags = GH_ABI_DRAFT, .id = GH_LIT("witness"),
    .version = GH_LIT("1.0.0"), .create = create, .destroy = destroy, .query = query};

GH_ENTRY_ATTR const gh_plugin *gh_plugin_entry_v1(const gh_host *host) {
  (void)host;
  return &plugin;
}
