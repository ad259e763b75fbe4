/* Pending guard: asks a judge over the host's HTTP client whether a request may go on, and lets the host wait meanwhile. No
 * thread and no HTTP library of its own.
 *
 * The judge gets {"body": the request's body}, or of a streamed answer each piece as text, and answers {"allow": true} or {"allow": false}.
 */
#include <stdlib.h>
#include <string.h>

#include "gatehouse/gatehouse.h"

typedef struct guard {
  const gh_host *host;
  const gh_http *http;
  char url[512];
  uint32_t timeout_ms;
} guard;

/* One pending call. It belongs to the fetch and ends with it: judged() may run before fetch() has returned. */
typedef struct call {
  guard *self;
  gh_exchange *x;
  gh_token token;
  uint64_t released_to; /* as the host has preset it */
} call;

static gh_str literal(const char *text) {
  gh_str view = {text, strlen(text)};
  return view;
}

static const char *find(gh_str text, const char *what) {
  size_t length = strlen(what);
  for (size_t at = 0; text.ptr && at + length <= text.len; at++)
    if (memcmp(text.ptr + at, what, length) == 0) return text.ptr + at + length;
  return NULL;
}

static void *create(const gh_host *host, const gh_create_info *info) {
  const char *value = find(info->config_json, "\"url\":\""), *end = info->config_json.ptr + info->config_json.len;
  const char *limit = find(info->config_json, "\"fetch_timeout_ms\":");
  guard *self = calloc(1, sizeof *self);
  size_t n = 0;
  if (!self) return NULL;
  self->host = host;
  self->http = host->extension(host, GH_EXT_HTTP);
  for (; value && value < end && *value != '"' && n + 1 < sizeof self->url; value++)
    if (*value != '\\') self->url[n++] = *value;
  for (; limit && limit < end && *limit >= '0' && *limit <= '9'; limit++)
    self->timeout_ms = self->timeout_ms * 10 + (uint32_t)(*limit - '0');
  if (self->http && n > 0) return self;
  host->config_error(host, literal("/url"), literal("expected the judge's URL"));
  free(self);
  return NULL;
}

static void destroy(void *self) { free(self); }

/* The judge answered, or did not: on a thread of the host's. */
static void judged(void *user, const gh_http_in *in) {
  call *made = user;
  const gh_host *host = made->self->host;
  gh_decision decision;
  gh_verdict verdict = GH_FAIL;
  memset(&decision, 0, sizeof decision);
  decision.struct_size = sizeof decision;
  decision.released_to = made->released_to;
  if (in->status == 0) {
    decision.message = host->keep(made->x, in->transport_error);
  } else if (in->status != 200) {
    decision.message = literal("the judge did not answer with 200");
  } else if (find(in->body, "\"allow\":true")) {
    verdict = GH_CONTINUE;
    host->set_attribute(made->x, literal("judge"), literal("allowed"));
  } else if (find(in->body, "\"allow\":false")) {
    verdict = GH_DENY;
    decision.http_status = 403;
    decision.code = literal("judged");
    decision.message = literal("The judge said no.");
  } else {
    decision.message = literal("the judge said something else");
  }
  host->complete(made->token, verdict, &decision);
  free(made);
}

/* Asks, and lets the host wait. */
static gh_verdict ask(guard *self, gh_exchange *x, gh_str question, const char *type, gh_decision *out) {
  const gh_host *host = self->host;
  gh_field header = {literal("Content-Type"), literal(type)};
  gh_http_request request;
  call *made = calloc(1, sizeof *made);
  if (!made) {
    out->message = literal("out of memory");
    return GH_FAIL;
  }
  memset(&request, 0, sizeof request);
  request.struct_size = sizeof request;
  request.timeout_ms = self->timeout_ms;
  request.method = literal("POST");
  request.url = literal(self->url);
  request.headers = &header;
  request.header_count = 1;
  request.body = question;
  made->self = self;
  made->x = x;
  made->released_to = out->released_to;
  made->token = host->pend(x);
  if (self->http->fetch(host, x, &request, judged, made)) return GH_PENDING;
  /* Refused at once: the call that was begun has to be ended all the same. */
  out->message = literal("the fetch was refused");
  host->complete(made->token, GH_FAIL, out);
  free(made);
  return GH_PENDING;
}

static gh_verdict on_request(void *self, gh_exchange *x, gh_decision *out) {
  gh_str body = ((guard *)self)->host->body(x, GH_SIDE_REQUEST);
  char *question = malloc(body.len + 16);
  gh_str text = {question, body.len + 9};
  if (!question) {
    out->message = literal("out of memory");
    return GH_FAIL;
  }
  memcpy(question, "{\"body\":", 8);
  memcpy(question + 8, body.ptr, body.len);
  question[8 + body.len] = '}';
  gh_verdict verdict = ask(self, x, text, "application/json", out);
  free(question);
  return verdict;
}

/* The judge gets what is new of the text, as it is. */
static gh_verdict on_stream(void *self, gh_exchange *x, const gh_window *window, gh_decision *out) {
  gh_str fresh = {window->text.ptr + window->fresh_from, window->text.len - (size_t)window->fresh_from};
  return fresh.len ? ask(self, x, fresh, "text/plain", out) : GH_CONTINUE;
}

/* Nobody waits any more. The host ends the fetch, and judged() then the call. */
static void on_cancel(void *self, gh_exchange *x, gh_token token) { (void)self, (void)x, (void)token; }

static const gh_hooks hooks = {.struct_size = sizeof hooks, .on_request = on_request, .on_stream = on_stream, .on_cancel = on_cancel};

static const void *query(const char *id) { return strcmp(id, GH_INTERFACE_HOOKS) == 0 ? &hooks : NULL; }

static const gh_plugin plugin = {
    .struct_size = sizeof plugin, .abi_minor = GH_ABI_MINOR, .flags = GH_ABI_DRAFT, .id = GH_LIT("pending-guard"),
    .version = GH_LIT("1.0.0"), .create = create, .destroy = destroy, .query = query};

GH_ENTRY_ATTR const gh_plugin *gh_plugin_entry_v1(const gh_host *host) {
  (void)host;
  return &plugin;
}
