/* A provider whose answers are lines of JSON: {"text": "…"}, and {"end": true} as the last. Each instance counts, and says its
 * number to the upstream. Its create() takes as long as "create_ms" says. */
#define _GNU_SOURCE 1
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gatehouse/gatehouse.h"

typedef struct instance {
  const gh_host *host;
  const gh_upstream *upstream;
  char url[256], number[16];
} instance;

static const gh_str absent = {NULL, 0};

static gh_str str(const char *text) {
  gh_str view = {text, strlen(text)};
  return view;
}

/* The text or number behind "key": in compact JSON. */
static void text(gh_str json, const char *key, char *out, size_t size) {
  char quoted[64];
  int length = snprintf(quoted, sizeof quoted, "\"%s\":", key);
  const char *value = memmem(json.ptr, json.len, quoted, (size_t)length), *end = json.ptr + json.len;
  size_t used = 0;
  if (value) value += length;
  if (value && value < end && *value == '"') value++;
  while (value && value < end && !strchr("\",}", *value) && used + 1 < size) out[used++] = *value++;
  out[used] = 0;
}

static void *create(const gh_host *host, const gh_create_info *info) {
  static int instances;
  char wait[16];
  instance *self = calloc(1, sizeof *self);
  self->host = host;
  self->upstream = host->extension(host, GH_EXT_UPSTREAM);
  text(info->config_json, "custom_host", self->url, sizeof self->url);
  text(info->config_json, "create_ms", wait, sizeof wait);
  usleep((useconds_t)atoi(wait) * 1000);
  snprintf(self->number, sizeof self->number, "%d", ++instances);
  return self;
}

static void destroy(void *self) { free(self); }

static gh_verdict build(void *raw, gh_exchange *x, gh_out *out, gh_decision *decision) {
  instance *self = raw;
  (void)x, (void)decision;
  self->upstream->out_target(out, str("POST"), str(self->url));
  self->upstream->out_header(out, str("x-instance"), str(self->number));
  self->upstream->out_credential(out, str("authorization"), str("Bearer "), str("api_key"));
  if (self->upstream->out_mode(out, 0, GH_FRAMING_JSON_LINES) != GH_OK) return GH_FAIL;
  return GH_CONTINUE;
}

static gh_status map_response(void *raw, gh_exchange *x, const gh_http_in *answer, gh_bytes *json) {
  static const char whole[] =
      "{\"id\":\"1\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
      "\"whole\"},\"finish_reason\":\"stop\"}]}";
  (void)raw, (void)x, (void)answer;
  json->ptr = whole;
  json->len = sizeof whole - 1;
  return GH_OK;
}

/* The state is whether the end has come. */
static void *stream_open(void *raw, gh_exchange *x) {
  (void)raw, (void)x;
  return calloc(1, sizeof(int));
}

static gh_status map_event(void *raw, void *state, gh_str event, gh_str data, gh_emit emit, void *sink) {
  char said[256], chunk[512];
  (void)raw;
  if (event.ptr || data.len < 2 || data.ptr[0] != '{' || data.ptr[data.len - 1] != '}') return GH_INVALID;
  text(data, "text", said, sizeof said);
  *(int *)state = memmem(data.ptr, data.len, "\"end\"", 5) != NULL;
  snprintf(chunk, sizeof chunk,
           "{\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"},"
           "\"finish_reason\":%s}]}",
           said, *(int *)state ? "\"stop\"" : "null");
  emit(sink, absent, str(chunk));
  return GH_OK;
}

static gh_status stream_close(void *raw, void *state, gh_emit emit, void *sink) {
  int ended = *(int *)state;
  (void)raw;
  free(state);
  if (!ended) return GH_INVALID;
  emit(sink, absent, str("[DONE]"));
  return GH_OK;
}

static void stream_drop(void *raw, void *state) {
  (void)raw;
  free(state);
}

static const gh_provider provider = {
    .struct_size = sizeof provider, .build = build, .map_response = map_response, .stream_open = stream_open,
    .map_event = map_event, .stream_close = stream_close, .stream_drop = stream_drop};

static const void *query(const char *id) { return strcmp(id, GH_INTERFACE_PROVIDER) == 0 ? &provider : NULL; }

static const gh_plugin plugin = {
    .struct_size = sizeof plugin, .abi_minor = GH_ABI_MINOR, .min_host_minor = 0, .flags = GH_ABI_DRAFT,
    .id = GH_LIT("adapter"), .version = GH_LIT("1.0.0"), .create = create, .destroy = destroy, .query = query};

GH_ENTRY_ATTR const gh_plugin *gh_plugin_entry_v1(const gh_host *host) {
  (void)host;
  return &plugin;
}
