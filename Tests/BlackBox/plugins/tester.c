/* A guard for tests of the plugin system: one check, "do", that does what its parameter "do" says. It leans on nothing but the
 * headers. What it saw it says in the message of a denial. The bytes of `mark` may be changed in the compiled file: such a
 * library is another one. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gatehouse/gatehouse.h"

#ifndef ID
#define ID "tester"
#endif

static const volatile char mark[] = "mark:0000";

typedef struct instance {
  const gh_host *host;
  char what[32];
  char text[256];
} instance;

/* The text behind "key": in compact JSON; enough for parameters without escapes. */
static void find(gh_str json, const char *key, char *out, size_t size) {
  char quoted[40];
  snprintf(quoted, sizeof quoted, "\"%s\":\"", key);
  size_t length = strlen(quoted), count = 0;
  for (size_t i = 0; i + length <= json.len; i++) {
    if (memcmp(json.ptr + i, quoted, length) != 0) continue;
    for (i += length; i < json.len && json.ptr[i] != '"' && count + 1 < size; i++) out[count++] = json.ptr[i];
    break;
  }
  out[count] = 0;
}

static int is(instance *self, const char *what) { return strcmp(self->what, what) == 0; }

static gh_verdict say(instance *self, gh_exchange *x, gh_decision *out, const char *text) {
  gh_str view = {text, strlen(text)};
  out->http_status = 451;
  out->message = self->host->keep(x, view);
  return GH_DENY;
}

static int overflow(volatile int depth) {
  volatile char room[4096];
  room[0] = (char)depth;
  return depth < 1 << 30 ? overflow(depth + 1) + room[0] : 0;
}

static void end(const char *how) {
  if (strcmp(how, "abort") == 0) abort();
  if (strcmp(how, "segv") == 0) *(volatile int *)16 = 1;
  if (strcmp(how, "overflow") == 0) overflow(0);
  if (strcmp(how, "exit") == 0) _Exit(7);
  if (strcmp(how, "sleep") == 0) nanosleep(&(struct timespec){60, 0}, NULL);
}

static void fetched(void *user, const gh_http_in *answer) {
  void **pair = user;
  instance *self = pair[0];
  gh_decision decision;
  char text[400];
  memset(&decision, 0, sizeof decision);
  decision.struct_size = sizeof decision;
  snprintf(text, sizeof text, "status %d %.*s", answer->status, (int)answer->transport_error.len,
           answer->transport_error.ptr ? answer->transport_error.ptr : "");
  say(self, pair[1], &decision, text);
  gh_token token = (gh_token)(size_t)pair[2];
  free(pair);
  self->host->complete(token, GH_DENY, &decision);
}

static gh_verdict fetch(instance *self, gh_exchange *x, gh_decision *out) {
  const gh_http *http = self->host->extension(self->host, GH_EXT_HTTP);
  if (!http) return say(self, x, out, "no gh.http/1");
  void **pair = calloc(3, sizeof *pair);
  gh_http_request request;
  memset(&request, 0, sizeof request);
  request.struct_size = sizeof request;
  request.method.ptr = "GET", request.method.len = 3;
  request.url.ptr = self->text, request.url.len = strlen(self->text);
  pair[0] = self, pair[1] = x, pair[2] = (void *)(size_t)self->host->pend(x);
  if (http->fetch(self->host, NULL, &request, fetched, pair) == 0) {
    fetched(pair, &(gh_http_in){.struct_size = sizeof(gh_http_in)});
  }
  return GH_PENDING;
}

/* Headers named in the text, one after the other, and how much of the exchange there is to read. */
static gh_verdict look(instance *self, gh_exchange *x, gh_decision *out) {
  char said[1024] = "", names[256];
  size_t used = 0;
  gh_str pointer = GH_LIT("/messages/0/content");
  gh_segment segment = {.struct_size = sizeof segment};
  strcpy(names, self->text);
  for (char *name = strtok(names, ","); name; name = strtok(NULL, ",")) {
    gh_str key = {name, strlen(name)}, value = self->host->header(x, GH_SIDE_REQUEST, key, 0);
    used += (size_t)snprintf(said + used, sizeof said - used, "%s=%.*s ", name, value.ptr ? (int)value.len : 6,
                             value.ptr ? value.ptr : "absent");
  }
  snprintf(said + used, sizeof said - used, "segments=%zu segment=%d body=%s json=%s",
           self->host->segment_count(x, GH_SIDE_REQUEST), self->host->segment(x, GH_SIDE_REQUEST, 0, &segment),
           self->host->body(x, GH_SIDE_REQUEST).ptr ? "there" : "absent",
           self->host->json(x, GH_SIDE_REQUEST, pointer).ptr ? "there" : "absent");
  return say(self, x, out, said);
}

static gh_verdict run(instance *self, gh_exchange *x, gh_decision *out) {
  char copy[sizeof mark];
  for (size_t i = 0; i < sizeof mark; i++) copy[i] = mark[i];
  if (is(self, "mark")) return say(self, x, out, copy);
  if (is(self, "text")) return say(self, x, out, self->text);
  if (is(self, "look")) return look(self, x, out);
  if (is(self, "fetch")) return fetch(self, x, out);
  if (is(self, "pend_forever")) {
    self->host->pend(x);
    return GH_PENDING;
  }
  end(self->what);
  return GH_CONTINUE;
}

static gh_verdict on_request(void *self, gh_exchange *x, gh_decision *out) {
  return strncmp(((instance *)self)->what, "answer_", 7) == 0 ? GH_CONTINUE : run(self, x, out);
}

static gh_verdict on_response(void *raw, gh_exchange *x, gh_decision *out) {
  instance *self = raw;
  char copy[sizeof mark];
  for (size_t i = 0; i < sizeof mark; i++) copy[i] = mark[i];
  return is(self, "answer_mark") ? say(self, x, out, copy) : GH_CONTINUE;
}

static void *create(const gh_host *host, const gh_create_info *info) {
  instance *self = calloc(1, sizeof *self);
  self->host = host;
  find(info->config_json, "do", self->what, sizeof self->what);
  find(info->config_json, "text", self->text, sizeof self->text);
#ifdef REFUSES
  host->config_error(host, (gh_str)GH_LIT("/do"), (gh_str)GH_LIT("not in this version"));
  free(self);
  return NULL;
#endif
  if (strncmp(self->what, "create_", 7) == 0) end(self->what + 7);
  return self;
}

static void destroy(void *self) { free(self); }

static const gh_hooks hooks = {.struct_size = sizeof hooks, .on_request = on_request, .on_response = on_response};
static const void *query(const char *id) { return strcmp(id, GH_INTERFACE_HOOKS) == 0 ? &hooks : NULL; }
static const gh_plugin plugin = {
    .struct_size = sizeof plugin, .abi_minor = GH_ABI_MINOR, .min_host_minor = 0, .flags = GH_ABI_DRAFT,
    .id = GH_LIT(ID), .version = GH_LIT("1.0.0"), .create = create, .destroy = destroy, .query = query};

GH_ENTRY_ATTR const gh_plugin *gh_plugin_entry_v1(const gh_host *host) {
  (void)host;
  return &plugin;
}
