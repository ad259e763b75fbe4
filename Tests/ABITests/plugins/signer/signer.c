/* Signs requests: says in a header what it was given. "do" chooses otherwise: pend, late (after the host has stopped waiting), fail,
 * deny, move (another URL). */
#define _GNU_SOURCE 1
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gatehouse/gatehouse.h"

typedef struct instance {
  const gh_host *host;
  const gh_upstream *upstream;
  char what[16], url[256];
} instance;

static const gh_str absent = {NULL, 0};

static gh_str str(const char *text) {
  gh_str view = {text, strlen(text)};
  return view;
}

static void text(gh_str json, const char *key, char *out, size_t size) {
  char quoted[64];
  int length = snprintf(quoted, sizeof quoted, "\"%s\":\"", key);
  const char *value = memmem(json.ptr, json.len, quoted, (size_t)length), *end = json.ptr + json.len;
  size_t used = 0;
  if (value) value += length;
  while (value && value < end && *value != '"' && used + 1 < size) out[used++] = *value++;
  out[used] = 0;
}

static void *create(const gh_host *host, const gh_create_info *info) {
  instance *self = calloc(1, sizeof *self);
  self->host = host;
  self->upstream = host->extension(host, GH_EXT_UPSTREAM);
  text(info->config_json, "do", self->what, sizeof self->what);
  text(info->config_json, "url", self->url, sizeof self->url);
  if (strcmp(self->what, "wrong") == 0) {
    host->config_error(host, str("/do"), str("there is no such way"));
    free(self);
    return NULL;
  }
  return self;
}

static void destroy(void *self) { free(self); }

static unsigned sum(gh_str text) {
  unsigned total = 0;
  for (size_t i = 0; i < text.len; i++) total = total * 31 + (unsigned char)text.ptr[i];
  return total;
}

static void add_signature(instance *self, gh_out *out) {
  const gh_upstream *up = self->upstream;
  gh_str method = up->out_get(out, GH_OUT_GET_METHOD, absent), url = up->out_get(out, GH_OUT_GET_URL, absent);
  gh_str type = up->out_get(out, GH_OUT_GET_HEADER, str("content-type")), body = up->out_get(out, GH_OUT_GET_BODY, absent);
  char signature[1024];
  snprintf(signature, sizeof signature, "%.*s %.*s %.*s %zu:%u", (int)method.len, method.ptr, (int)url.len, url.ptr, (int)type.len,
           type.ptr, body.len, sum(body));
  up->out_header(out, str("x-signature"), str(signature));
  up->out_credential(out, str("x-signed-with"), str("key "), str("signing_key"));
}

typedef struct waiting {
  instance *self;
  gh_out *out;
  gh_token token;
} waiting;

static void *finish(void *raw) {
  waiting *call = raw;
  gh_decision decision;
  usleep(strcmp(call->self->what, "late") == 0 ? 1500000 : 50000);
  memset(&decision, 0, sizeof decision);
  decision.struct_size = sizeof decision;
  add_signature(call->self, call->out);
  call->self->host->complete(call->token, GH_CONTINUE, &decision);
  free(call);
  return NULL;
}

static gh_verdict sign(void *raw, gh_exchange *x, gh_out *out, gh_decision *decision) {
  instance *self = raw;
  if (strcmp(self->what, "fail") == 0) {
    decision->message = str("the signer's own words");
    return GH_FAIL;
  }
  if (strcmp(self->what, "deny") == 0) return GH_DENY;
  if (strcmp(self->what, "move") == 0) self->upstream->out_target(out, str("POST"), str(self->url));
  if (strcmp(self->what, "pend") == 0 || strcmp(self->what, "late") == 0) {
    pthread_t thread;
    waiting *call = calloc(1, sizeof *call);
    call->self = self;
    call->out = out;
    call->token = self->host->pend(x);
    pthread_create(&thread, NULL, finish, call);
    pthread_detach(thread);
    return GH_PENDING;
  }
  add_signature(self, out);
  return GH_CONTINUE;
}

static const gh_auth auth = {.struct_size = sizeof auth, .sign = sign};

static const void *query(const char *id) { return strcmp(id, GH_INTERFACE_AUTH) == 0 ? &auth : NULL; }

static const gh_plugin plugin = {
    .struct_size = sizeof plugin, .abi_minor = GH_ABI_MINOR, .min_host_minor = 0, .flags = GH_ABI_DRAFT,
    .id = GH_LIT("signer"), .version = GH_LIT("1.0.0"), .create = create, .destroy = destroy, .query = query};

GH_ENTRY_ATTR const gh_plugin *gh_plugin_entry_v1(const gh_host *host) {
  (void)host;
  return &plugin;
}
