/* A guard in C: no web address in what is sent. It reports; the operator's config says what follows. */
#include <string.h>

#include "gatehouse/gatehouse.h"

static const gh_host *host_of(void *self) { return self; }

static int has_link(gh_str text) {
  for (size_t i = 0; i + 3 <= text.len; i++)
    if (memcmp(text.ptr + i, "://", 3) == 0) return 1;
  return 0;
}

static gh_verdict on_request(void *self, gh_exchange *exchange, gh_decision *decision) {
  const gh_host *host = host_of(self);
  gh_segment segment = {.struct_size = sizeof segment};
  uint32_t passed = 1;
  (void)decision;
  for (size_t i = 0; host->segment(exchange, GH_SIDE_REQUEST, i, &segment) == GH_OK; i++)
    if (!(segment.flags & GH_SEGMENT_BINARY) && has_link(segment.text)) passed = 0;
  host->report(exchange, passed, (gh_str)GH_LIT("{\"explanation\":\"Looks for web addresses.\"}"));
  return GH_CONTINUE;
}

static const gh_hooks hooks = {sizeof hooks, 0, on_request, NULL, NULL, NULL, NULL, NULL};

/* The check has no parameters, so all that an instance needs is its host. */
static void *create(const gh_host *host, const gh_create_info *info) { return (void)info, (void *)host; }
static void destroy(void *self) { (void)self; }
static const void *query(const char *interface_id) { return strcmp(interface_id, GH_INTERFACE_HOOKS) ? NULL : &hooks; }

static const gh_plugin plugin = {
    sizeof plugin, GH_ABI_MINOR, 0, GH_ABI_DRAFT, GH_LIT("no-links"), GH_LIT("1.0.0"), create, destroy, query,
};

/* complete is the last member of 1.0: a host that has it has all others. */
const gh_plugin *gh_plugin_entry_v1(const gh_host *host) { return GH_HAS(host, gh_host, complete) ? &plugin : NULL; }
