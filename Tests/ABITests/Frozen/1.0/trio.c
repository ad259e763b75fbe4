/* The three checks in plain C: "echo" answers with what it was shown, "deny" denies a word, "judge" asks a server. trio.cpp and
 * trio.swift do the same; test_languages.py expects equal results of all. It leans on 1.0 alone, with any minor's headers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gatehouse/gatehouse.h"

typedef struct trio {
  const gh_host *host;
  const gh_http *http;
  enum { ECHO, DENY, JUDGE } check;
  char text[512]; /* the word, or the judge's URL */
} trio;

static gh_str literal(const char *text) {
  gh_str view = {text, strlen(text)};
  return view;
}

static int same(gh_str text, const char *word) { return text.len == strlen(word) && memcmp(text.ptr, word, text.len) == 0; }

static int contains(gh_str text, const char *word) {
  size_t length = strlen(word);
  for (size_t at = 0; at + length <= text.len; at++)
    if (memcmp(text.ptr + at, word, length) == 0) return 1;
  return 0;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

/* The one parameter of a compact object, which has no escapes but "\/". */
static void read_parameter(trio *self, gh_str config) {
  const char *end = config.ptr + config.len, *at = config.ptr ? memchr(config.ptr, ':', config.len) : NULL;
  size_t count = 0;
  for (at = at ? at + 2 : end; at < end && *at != '"' && count + 1 < sizeof self->text; at++)
    if (*at != '\\') self->text[count++] = *at;
}

static void *create(const gh_host *host, const gh_create_info *info) {
  trio *self = calloc(1, sizeof *self);
  if (!self) return NULL;
  self->host = host;
  self->http = host->extension(host, GH_EXT_HTTP);
  self->check = same(info->check, "echo") ? ECHO : same(info->check, "deny") ? DENY : JUDGE;
  read_parameter(self, info->config_json);
  if (self->check != ECHO && !self->text[0]) {
    host->config_error(host, literal(self->check == DENY ? "/word" : "/url"), literal("must not be empty"));
    free(self);
    return NULL;
  }
  if (self->check == JUDGE && !self->http) {
    host->config_error(host, literal(""), literal("this host lacks gh.http/1"));
    free(self);
    return NULL;
  }
  return self;
}

static void destroy(void *self) { free(self); }

/* ---- echo -------------------------------------------------------------------------------------------------------- */

typedef struct buffer {
  char *bytes;
  size_t count;
} buffer;

static void put(buffer *out, const char *bytes, size_t count) {
  out->bytes = realloc(out->bytes, out->count + count + 1);
  if (!out->bytes) abort();
  memcpy(out->bytes + out->count, bytes, count);
  out->count += count;
}

static void release(void *bytes) { free(bytes); }

static gh_verdict echo(trio *self, gh_exchange *exchange, gh_decision *out) {
  buffer list = {NULL, 0};
  gh_segment segment = {.struct_size = sizeof segment};
  put(&list, "[", 1);
  for (size_t i = 0; self->host->segment(exchange, GH_SIDE_REQUEST, i, &segment) == GH_OK; i++) {
    char role[16];
    put(&list, role, (size_t)snprintf(role, sizeof role, "%s[%d,\"", i ? "," : "", segment.role));
    for (size_t at = 0; at < segment.text.len; at++) {
      unsigned char byte = (unsigned char)segment.text.ptr[at];
      char escaped[8];
      if (byte < 0x20 || byte == '"' || byte == '\\') put(&list, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", byte));
      else put(&list, segment.text.ptr + at, 1);
    }
    put(&list, "\"]", 2);
  }
  put(&list, "]", 1);
  out->body.ptr = out->body.owner = list.bytes;
  out->body.len = list.count;
  out->body.release = release;
  return GH_ANSWER;
}

/* ---- deny -------------------------------------------------------------------------------------------------------- */

static gh_verdict deny(gh_decision *out) {
  out->http_status = 451;
  out->code = literal("word");
  out->message = literal("A word that is not allowed.");
  return GH_DENY;
}

static gh_verdict look(trio *self, gh_exchange *exchange, gh_side side, gh_decision *out) {
  gh_segment segment = {.struct_size = sizeof segment};
  for (size_t i = 0; self->host->segment(exchange, side, i, &segment) == GH_OK; i++)
    if (!(segment.flags & GH_SEGMENT_BINARY) && contains(segment.text, self->text)) return deny(out);
  return GH_CONTINUE;
}

/* ---- judge ------------------------------------------------------------------------------------------------------- */

typedef struct question {
  trio *self;
  gh_token token;
} question;

static void judged(void *user, const gh_http_in *answer) {
  question asked = *(question *)user;
  gh_decision decision = {.struct_size = sizeof decision};
  int32_t verdict = GH_CONTINUE;
  free(user);
  if (answer->status != 200) {
    verdict = GH_FAIL;
    decision.message = literal("the judge did not answer");
  } else if (contains(answer->body, "deny")) {
    verdict = deny(&decision);
  }
  asked.self->host->complete(asked.token, verdict, &decision);
}

static gh_verdict judge(trio *self, gh_exchange *exchange) {
  gh_http_request request = {
      .struct_size = sizeof request, .method = literal("POST"), .url = literal(self->text),
      .body = self->host->json(exchange, GH_SIDE_REQUEST, literal("/messages/0/content"))};
  question *asked = malloc(sizeof *asked);
  if (!asked) abort();
  asked->self = self;
  asked->token = self->host->pend(exchange);
  if (!self->http->fetch(self->host, exchange, &request, judged, asked)) {
    gh_decision failed = {.struct_size = sizeof failed, .message = literal("the judge cannot be asked")};
    self->host->complete(asked->token, GH_FAIL, &failed);
    free(asked);
  }
  return GH_PENDING;
}

/* ---- hooks ------------------------------------------------------------------------------------------------------- */

static gh_verdict on_request(void *raw, gh_exchange *exchange, gh_decision *out) {
  trio *self = raw;
  switch (self->check) {
    case ECHO: return echo(self, exchange, out);
    case DENY: return look(self, exchange, GH_SIDE_REQUEST, out);
    default: return judge(self, exchange);
  }
}

static gh_verdict on_response(void *self, gh_exchange *exchange, gh_decision *out) { return look(self, exchange, GH_SIDE_RESPONSE, out); }

static gh_verdict on_stream(void *raw, gh_exchange *exchange, const gh_window *window, gh_decision *out) {
  trio *self = raw;
  (void)exchange;
  return contains(window->text, self->text) ? deny(out) : GH_CONTINUE;
}

static const gh_hooks hooks = {
    .struct_size = sizeof hooks, .on_request = on_request, .on_response = on_response, .on_stream = on_stream};

static const void *query(const char *id) { return strcmp(id, GH_INTERFACE_HOOKS) == 0 ? &hooks : NULL; }

static const gh_plugin plugin = {
    .struct_size = sizeof plugin, .abi_minor = GH_ABI_MINOR, .flags = GH_ABI_DRAFT, .id = GH_LIT("trio"),
    .version = GH_LIT("1.0.0"), .create = create, .destroy = destroy, .query = query};

GH_ENTRY_ATTR const gh_plugin *gh_plugin_entry_v1(const gh_host *host) { return GH_HAS(host, gh_host, complete) ? &plugin : NULL; }
