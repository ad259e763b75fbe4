/* What the test plugins share: their parameters, threads of their own, and slots that a test in the same process looks at.
 *
 * A test hands over the address of its slots as the parameter "probe"; without it nothing is noted. Include this once,
 * after PLUGIN_ID, and define run(). Bare `cc -I include` compiles everything here.
 */
#ifndef PROBE_H
#define PROBE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "gatehouse/gatehouse.h"

/* Tests/PluginHostTests/Probe.swift has the same list. */
enum {
  P_CREATED, P_DESTROYED, P_CALLS, P_CANCELLED, P_DONE, P_DROPPED, P_RELEASED, P_GO, P_GO2, P_STARTED, P_TOKEN,
  P_COMPLETED, P_STATUS, P_STATUS2, P_SUM, P_THREAD, P_CREATE_THREAD, P_DESTROY_THREAD, P_CANCELLED_TOKEN, P_ANSWER,
  P_RESULTS, /* and the 40 behind it: one for each line of a script */
  P_COUNT = P_RESULTS + 40
};

typedef struct instance {
  const gh_host *host;
  int64_t *probe;
  char what[64];
  char text[4096];
  char url[512];
  int64_t number;
  int64_t timeout_ms;
  const gh_http *http;
  void *own;
} instance;

/* What the entry got: it lives as long as the process, when an instance and its host are gone. */
static const gh_host *library_host;

/* The slots, when no test gave any. */
static int64_t spare[P_COUNT];

/* What the plugin does in a hook. window is NULL outside of on_stream. */
static gh_verdict run(instance *, gh_exchange *, const gh_window *, gh_decision *);
/* At the end of create(), where the plugin has something to do: 1, 0 to refuse, or -1 to refuse and not be freed. */
static int set_up(instance *);

/* ---- slots ------------------------------------------------------------------------------------------------------- */

static inline void note(instance *self, int slot, int64_t value) { __atomic_store_n(&self->probe[slot], value, __ATOMIC_SEQ_CST); }
static inline void count(instance *self, int slot) { __atomic_add_fetch(&self->probe[slot], 1, __ATOMIC_SEQ_CST); }
static inline int64_t noted(instance *self, int slot) { return __atomic_load_n(&self->probe[slot], __ATOMIC_SEQ_CST); }

/* Until a test says so, or half a minute has gone. */
static inline void wait_for(instance *self, int slot) {
  const struct timespec pause = {0, 500000};
  for (int i = 0; i < 60000 && noted(self, slot) == 0; i++) nanosleep(&pause, NULL);
}

static inline int64_t thread_id(void) { return (int64_t)syscall(SYS_gettid); }

static inline int64_t sum(gh_str text) {
  int64_t total = (int64_t)text.len << 32;
  for (size_t i = 0; i < text.len; i++) total += (unsigned char)text.ptr[i] * (int64_t)(i % 251 + 1);
  return total;
}

/* ---- strings ----------------------------------------------------------------------------------------------------- */

static inline gh_str str(const char *text) {
  gh_str view = {text, text ? strlen(text) : 0};
  return view;
}

static inline int same(gh_str left, const char *right) {
  return left.ptr && left.len == strlen(right) && memcmp(left.ptr, right, left.len) == 0;
}

/* A copy of text that ends where the readable memory ends: who looks for a NUL behind it falls. Never freed. */
static inline gh_str at_the_edge(const char *text) {
  size_t length = strlen(text), page = (size_t)sysconf(_SC_PAGESIZE);
  char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED || length > page) abort();
  mprotect(pages + page, page, PROT_NONE);
  gh_str view = {memcpy(pages + page - length, text, length), length};
  return view;
}

/* ---- parameters -------------------------------------------------------------------------------------------------- */

/* The value behind "key": in a compact JSON object, or NULL. Good enough for parameters that tests write. */
static inline const char *find(gh_str json, const char *key) {
  char quoted[64];
  int length = snprintf(quoted, sizeof quoted, "\"%s\":", key);
  const char *found = memmem(json.ptr, json.len, quoted, (size_t)length);
  return found ? found + length : NULL;
}

static inline int64_t number(gh_str json, const char *key, int64_t otherwise) {
  const char *value = find(json, key);
  return value ? strtoll(value, NULL, 10) : otherwise;
}

static inline void text(gh_str json, const char *key, char *out, size_t size) {
  const char *value = find(json, key), *end = json.ptr + json.len;
  size_t length = 0;
  out[0] = 0;
  if (!value || value >= end || *value != '"') return;
  for (value++; value < end && *value != '"' && length + 1 < size; value++) {
    if (*value == '\\' && value + 1 < end) {
      value++;
      out[length++] = *value == 'n' ? '\n' : *value == 't' ? '\t' : *value;
    } else {
      out[length++] = *value;
    }
  }
  out[length] = 0;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static void *create(const gh_host *host, const gh_create_info *info) {
  instance *self = calloc(1, sizeof *self);
  int64_t address = number(info->config_json, "probe", 0);
  if (!self) return NULL;
  self->host = host;
  self->probe = address ? (int64_t *)(uintptr_t)address : spare;
  text(info->config_json, "do", self->what, sizeof self->what);
  text(info->config_json, "text", self->text, sizeof self->text);
  text(info->config_json, "url", self->url, sizeof self->url);
  self->number = number(info->config_json, "number", 0);
  self->timeout_ms = number(info->config_json, "timeout_ms", 0);
  self->http = host->extension(host, GH_EXT_HTTP);
  count(self, P_CREATED);
  note(self, P_CREATE_THREAD, thread_id());
  switch (set_up(self)) {
    case 1: return self;
    case -1: return NULL; /* refused, but something will still be noted */
    default: free(self); return NULL;
  }
}

static void destroy(void *raw) {
  instance *self = raw;
  note(self, P_DESTROY_THREAD, thread_id());
  count(self, P_DESTROYED);
  free(self);
}

static gh_verdict on_request(void *self, gh_exchange *x, gh_decision *out) {
  count(self, P_CALLS);
  return run(self, x, NULL, out);
}
static gh_verdict on_response(void *self, gh_exchange *x, gh_decision *out) {
  count(self, P_CALLS);
  return run(self, x, NULL, out);
}
static gh_verdict on_stream(void *self, gh_exchange *x, const gh_window *window, gh_decision *out) {
  count(self, P_CALLS);
  return run(self, x, window, out);
}
static void on_cancel(void *raw, gh_exchange *x, gh_token token) {
  instance *self = raw;
  (void)x;
  note(self, P_CANCELLED_TOKEN, (int64_t)token);
  count(self, P_CANCELLED);
}
static void on_done(void *raw, const gh_exchange *x) {
  (void)x;
  count(raw, P_DONE);
}

static gh_verdict on_error(void *raw, gh_exchange *x, const gh_failure *failure, gh_decision *out) {
  instance *self = raw;
  count(self, P_CALLS);
  note(self, P_STATUS, failure->http_status);
  note(self, P_STATUS2, failure->flags);
  return run(self, x, NULL, out);
}

static const gh_hooks hooks = {
    .struct_size = sizeof hooks, .on_request = on_request, .on_response = on_response, .on_stream = on_stream,
    .on_error = on_error, .on_cancel = on_cancel, .on_done = on_done};

static const void *query(const char *id) { return strcmp(id, GH_INTERFACE_HOOKS) == 0 ? &hooks : NULL; }

static const gh_plugin plugin = {
    .struct_size = sizeof plugin, .abi_minor = GH_ABI_MINOR, .min_host_minor = 0, .flags = GH_ABI_DRAFT,
    .id = GH_LIT(PLUGIN_ID), .version = GH_LIT("1.0.0"), .create = create, .destroy = destroy, .query = query};

GH_ENTRY_ATTR const gh_plugin *gh_plugin_entry_v1(const gh_host *host) {
  library_host = host;
  return &plugin;
}

#endif
