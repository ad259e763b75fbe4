/* A plugin of a later minor, compiled with headers that growth.py has let grow. "ask" tells which of the new members the host has;
 * "tell" hands structs with new members to the host, set and not set. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gatehouse/gatehouse.h"

#ifndef GH_LATER
#error "compile this with the headers of a later minor"
#endif

typedef struct later {
  const gh_host *host;
  int tells;
  char told[256];
} later;

static gh_str literal(const char *text) {
  gh_str view = {text, strlen(text)};
  return view;
}

static gh_verdict ask(later *self, gh_exchange *exchange, gh_decision *out) {
  int one = GH_HAS(self->host, gh_host, later_one) ? self->host->later_one() : 0;
  int two = GH_HAS(self->host, gh_host, later_two) ? self->host->later_two() : 0;
  int fits = GH_FITS(out, gh_decision, later_two);
#ifdef TRUSTS_THE_TABLE /* what GH_HAS is for */
  one = self->host->later_one ? 1 : 0;
#endif
#ifdef TRUSTS_THE_DECISION /* what GH_FITS is for */
  fits = 1;
#endif
  char data[64];
  if (fits) out->later_two = 0;
  snprintf(data, sizeof data, "[%d,%d,%d]", one, two, fits);
  self->host->report(exchange, 1, literal(data));
  return GH_CONTINUE;
}

static void done(void *user, const gh_http_in *answer) { (void)user, (void)answer; }

static gh_verdict tell(later *self, gh_exchange *exchange) {
  const gh_http *http = self->host->extension(self->host, GH_EXT_HTTP);
  gh_http_request request = {.struct_size = sizeof request, .method = literal("GET"), .url = literal("http://127.0.0.1:1/"), .later_two = 1};
  gh_decision decision = {.struct_size = sizeof decision, .http_status = 451, .code = literal("told"), .later_one = 1};
  gh_segment segment = {.struct_size = sizeof segment, .later_one = 77, .later_two = 77};
  gh_status seen = self->host->segment(exchange, GH_SIDE_REQUEST, 0, &segment);
  gh_token fetched = http->fetch(self->host, exchange, &request, done, NULL), token;
  gh_status refused;
  request.later_two = 0;
  int fetched_now = http->fetch(self->host, exchange, &request, done, NULL) != 0;
  token = self->host->pend(exchange);
  refused = self->host->complete(token, GH_DENY, &decision);
  decision.later_one = 0;
  snprintf(self->told, sizeof self->told, "segment %d %.*s %d, fetch %d %d, complete %d", seen, (int)segment.text.len, segment.text.ptr,
           segment.later_one == segment.later_two, (int)fetched, fetched_now, refused);
  decision.message = literal(self->told);
  self->host->complete(token, GH_DENY, &decision);
  return GH_PENDING;
}

static gh_verdict on_request(void *raw, gh_exchange *exchange, gh_decision *out) {
  later *self = raw;
  return self->tells ? tell(self, exchange) : ask(self, exchange, out);
}

static void *create(const gh_host *host, const gh_create_info *info) {
  later *self = calloc(1, sizeof *self);
  if (!self) return NULL;
  self->host = host;
  self->tells = info->check.len == 4;
  return self;
}
static void destroy(void *self) { free(self); }

static int32_t nothing(void) { return 0; }

static const gh_hooks hooks = {.struct_size = sizeof hooks, .on_request = on_request, .later_one = nothing, .later_two = nothing};

static const void *query(const char *id) { return strcmp(id, GH_INTERFACE_HOOKS) == 0 ? &hooks : NULL; }

/* Of tables, an old host passes members by that it does not know. */
static const gh_plugin plugin = {
    .struct_size = sizeof plugin, .abi_minor = GH_ABI_MINOR, .min_host_minor = 0, .flags = GH_ABI_DRAFT, .id = GH_LIT("later"),
    .version = GH_LIT("1.0.0"), .create = create, .destroy = destroy, .query = query, .later_one = nothing, .later_two = nothing};

GH_ENTRY_ATTR const gh_plugin *gh_plugin_entry_v1(const gh_host *host) { return GH_HAS(host, gh_host, complete) ? &plugin : NULL; }
