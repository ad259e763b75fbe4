/* Runs a provider plugin without a gateway: a host made of nothing but what "gh.provider/1" needs.
 *
 * It reads commands on stdin and answers on stdout, both as frames, so that run.py can hold all the JSON and all the
 * judgement. A frame is a line "name count" and count fields, each a line with its length, the bytes, a newline; a
 * length of -1 is an absent string. Build: cc -std=c11 -Wall -Wextra -Werror -I../../include driver.c -ldl -o driver
 *
 *   load <library>                        -> plugin <id> <version>
 *   create <provider> <config> <key>      -> ok | refused <pointer> <message>…         (the key may be absent)
 *   exchange <name> <value>…              -> ok      endpoint, model, stream, method, path, body, header:<name>
 *   build                                 -> built <verdict> <status> <code> <message> <name> <value>…
 *   answer <status> <body> <name> <value>…-> mapped <result> <json>
 *   error <status> <body> <name> <value>… -> failure <result> <status> <flags> <retry> <type> <code> <param> <text>
 *   stream <split> <newline> <sse>        -> streamed <result> <event> <data>…         (split: whole, line, a number)
 *   drop <sse>                            -> ok      opens a stream, feeds it, and cancels it
 *   bench <rounds>                        -> took <nanoseconds per build>
 */
#define _POSIX_C_SOURCE 200809L
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gatehouse/gatehouse.h"

static void die(const char *what) {
  fprintf(stderr, "driver: %s\n", what);
  exit(2);
}

static void *reserve(void *old, size_t size) {
  void *p = realloc(old, size ? size : 1);
  if (!p) die("out of memory");
  return p;
}

static gh_str view(const char *text) { return (gh_str){text, text ? strlen(text) : 0}; }
static const gh_str absent = {NULL, 0};

static gh_str copied(gh_str s) {
  if (!s.ptr) return s;
  char *p = reserve(NULL, s.len);
  memcpy(p, s.ptr, s.len);
  return (gh_str){p, s.len};
}

static long number(gh_str s) {
  long n = 0;
  for (size_t i = 0; i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9'; i++) n = n * 10 + (s.ptr[i] - '0');
  return n;
}

static int equal(gh_str a, gh_str b) { return a.ptr && b.ptr && a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0; }

static int equal_name(gh_str a, gh_str b) {
  if (a.len != b.len) return 0;
  for (size_t i = 0; i < a.len; i++) {
    char x = a.ptr[i], y = b.ptr[i];
    if (x >= 'A' && x <= 'Z') x += 32;
    if (y >= 'A' && y <= 'Z') y += 32;
    if (x != y) return 0;
  }
  return 1;
}

/* ---- a growing list of strings, for frames in both directions ------------------------------------------------- */

typedef struct list {
  gh_str *items;
  size_t count;
} list;

static void add(list *l, gh_str s) {
  l->items = reserve(l->items, (l->count + 1) * sizeof(gh_str));
  l->items[l->count++] = copied(s);
}

static void clear(list *l) {
  for (size_t i = 0; i < l->count; i++) free((void *)l->items[i].ptr);
  l->count = 0;
}

static void add_number(list *l, long long n) {
  char text[32];
  snprintf(text, sizeof text, "%lld", n);
  add(l, view(text));
}

static void reply(const char *name, const list *fields) {
  printf("%s %zu\n", name, fields->count);
  for (size_t i = 0; i < fields->count; i++) {
    gh_str s = fields->items[i];
    if (!s.ptr) {
      printf("-1\n\n");
      continue;
    }
    printf("%zu\n", s.len);
    fwrite(s.ptr, 1, s.len, stdout);
    putchar('\n');
  }
  fflush(stdout);
}

static int receive(char name[32], list *fields) {
  size_t count;
  clear(fields);
  if (scanf("%31s %zu", name, &count) != 2) return 0;
  getchar();
  for (size_t i = 0; i < count; i++) {
    long long length;
    if (scanf("%lld", &length) != 1) die("bad frame");
    getchar();
    if (length < 0) {
      getchar();
      add(fields, absent);
      continue;
    }
    char *bytes = reserve(NULL, (size_t)length);
    if (length && fread(bytes, 1, (size_t)length, stdin) != (size_t)length) die("short frame");
    getchar();
    add(fields, (gh_str){bytes, (size_t)length});
    free(bytes);
  }
  return 1;
}

/* ---- just enough JSON to serve json(): the raw value at a pointer --------------------------------------------- */

static const char *blank(const char *p, const char *end) {
  while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) p++;
  return p;
}

static const char *string_end(const char *p, const char *end) { /* p stands on the opening quote */
  for (p++; p < end; p++) {
    if (*p == '\\') p++;
    else if (*p == '"') return p + 1;
  }
  return end;
}

static const char *value_end(const char *p, const char *end) {
  int depth = 0;
  while (p < end) {
    if (*p == '"') {
      p = string_end(p, end);
    } else {
      if (*p == '{' || *p == '[') depth++;
      if (*p == '}' || *p == ']') {
        if (depth == 0) return p;
        depth--;
      } else if (depth == 0 && (*p == ',' || *p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) {
        return p;
      }
      p++;
    }
    if (depth == 0 && (p[-1] == '"' || p[-1] == '}' || p[-1] == ']')) return p;
  }
  return p;
}

static gh_str json_at(gh_str body, gh_str pointer) {
  const char *p = body.ptr, *end = body.ptr + body.len;
  size_t at = 0;
  if (!body.ptr) return absent;
  p = blank(p, end);
  while (at < pointer.len) {
    size_t from = ++at;
    while (at < pointer.len && pointer.ptr[at] != '/') at++;
    gh_str key = {pointer.ptr + from, at - from};
    if (p >= end || (*p != '{' && *p != '[')) return absent;
    int object = *p == '{';
    long index = 0, wanted = object ? 0 : number(key);
    int found = 0;
    p = blank(p + 1, end);
    while (p < end && *p != '}' && *p != ']') {
      if (object) {
        const char *key_end = string_end(p, end);
        found = equal(key, (gh_str){p + 1, (size_t)(key_end - p) - 2});
        p = blank(key_end, end);
        p = blank(p + 1, end); /* the colon */
      } else {
        found = index++ == wanted;
      }
      if (found) break;
      p = blank(value_end(p, end), end);
      if (p < end && *p == ',') p = blank(p + 1, end);
    }
    if (!found) return absent;
  }
  return (gh_str){p, (size_t)(value_end(p, end) - p)};
}

/* ---- the exchange, the upstream request, the host ---------------------------------------------------------------- */

struct gh_exchange {
  list facts; /* key, value, key, value */
  list kept;
};

struct gh_out {
  list said; /* key, value, key, value: in the order of the calls */
  gh_str credential;
};

static gh_exchange exchange;
static gh_out out;
static list refusals;
static list logged;

static gh_str fact(const gh_exchange *x, gh_str key) {
  for (size_t i = 0; i + 1 < x->facts.count; i += 2)
    if (equal_name(x->facts.items[i], key)) return x->facts.items[i + 1];
  return absent;
}

static void host_log(const gh_host *h, int32_t level, gh_str message, const gh_field *fields, size_t count) {
  (void)h, (void)fields, (void)count, (void)level;
  add(&logged, message);
  if (getenv("DRIVER_LOG")) fprintf(stderr, "log: %.*s\n", (int)message.len, message.ptr);
}

static void host_config_error(const gh_host *h, gh_str pointer, gh_str message) {
  (void)h;
  add(&refusals, pointer);
  add(&refusals, message);
}

static gh_str host_info(const gh_exchange *x, int32_t what) {
  switch (what) {
    case GH_INFO_ENDPOINT: return fact(x, view("endpoint"));
    case GH_INFO_MODEL: return fact(x, view("model"));
    case GH_INFO_PROVIDER: return fact(x, view("provider"));
    case GH_INFO_ATTEMPT: return view("1");
    case GH_INFO_STREAM: return fact(x, view("stream"));
    case GH_INFO_METHOD: return fact(x, view("method"));
    case GH_INFO_PATH: return fact(x, view("path"));
    default: return absent;
  }
}

static gh_str host_metadata(const gh_exchange *x, gh_str key) { return (void)x, (void)key, absent; }

static gh_str host_header(const gh_exchange *x, gh_side side, gh_str name, size_t index) {
  char key[128];
  if (side != GH_SIDE_REQUEST || index > 0) return absent;
  snprintf(key, sizeof key, "header:%.*s", (int)name.len, name.ptr);
  return fact(x, view(key));
}

static gh_str host_body(const gh_exchange *x, gh_side side) {
  return side == GH_SIDE_REQUEST ? fact(x, view("body")) : absent;
}

static gh_str host_json(const gh_exchange *x, gh_side side, gh_str pointer) {
  return json_at(host_body(x, side), pointer);
}

static size_t host_segment_count(const gh_exchange *x, gh_side side) { return (void)x, (void)side, 0; }
static gh_status host_segment(const gh_exchange *x, gh_side side, size_t index, gh_segment *s) {
  return (void)x, (void)side, (void)index, (void)s, GH_NOT_FOUND;
}
static int64_t host_time_left(const gh_exchange *x) { return (void)x, INT64_C(1000000000); }
static gh_status host_edit(gh_exchange *x, uint64_t id, uint64_t b, uint64_t e, gh_str s) {
  return (void)x, (void)id, (void)b, (void)e, (void)s, GH_UNSUPPORTED;
}
static gh_status host_set_json(gh_exchange *x, gh_side side, gh_str p, gh_str raw, uint32_t insert) {
  return (void)x, (void)side, (void)p, (void)raw, (void)insert, GH_UNSUPPORTED;
}
static gh_status host_set_body(gh_exchange *x, gh_side side, gh_str b) {
  return (void)x, (void)side, (void)b, GH_UNSUPPORTED;
}
static gh_status host_set_header(gh_exchange *x, gh_side side, gh_str n, gh_str v) {
  return (void)x, (void)side, (void)n, (void)v, GH_UNSUPPORTED;
}
static gh_status host_set_attribute(gh_exchange *x, gh_str k, gh_str v) { return (void)x, (void)k, (void)v, GH_OK; }
static gh_status host_report(gh_exchange *x, uint32_t p, gh_str d) {
  return (void)x, (void)p, (void)d, GH_UNSUPPORTED;
}
static gh_str host_keep(gh_exchange *x, gh_str text) {
  add(&x->kept, text);
  return x->kept.items[x->kept.count - 1];
}
static gh_status host_set_state(gh_exchange *x, void *state, void (*drop)(void *)) {
  return (void)x, (void)state, (void)drop, GH_UNSUPPORTED;
}
static void *host_state(const gh_exchange *x) { return (void)x, NULL; }
static gh_token host_pend(gh_exchange *x) { return (void)x, 0; }
static gh_status host_complete(gh_token t, int32_t verdict, const gh_decision *d) {
  return (void)t, (void)verdict, (void)d, GH_GONE;
}

static int forgetful; /* while benchmarking: what the plugin costs, without the driver's own lists */

static void said(gh_out *o, const char *key, gh_str value) {
  if (forgetful) return;
  add(&o->said, view(key));
  add(&o->said, value);
}

static gh_status out_target(gh_out *o, gh_str method, gh_str url) {
  said(o, "method", method);
  said(o, "url", url);
  return GH_OK;
}

static gh_status out_header(gh_out *o, gh_str name, gh_str value) {
  char key[128];
  if (forgetful) return GH_OK;
  snprintf(key, sizeof key, "header:%.*s", (int)name.len, name.ptr);
  said(o, key, value);
  return GH_OK;
}

static gh_status out_body(gh_out *o, gh_bytes body) {
  said(o, "body", (gh_str){body.ptr ? body.ptr : "", body.len});
  if (body.release) body.release(body.owner);
  return GH_OK;
}

static gh_status out_credential(gh_out *o, gh_str name, gh_str prefix, gh_str ref) {
  char key[128], value[4096];
  if (!equal(ref, view("api_key"))) return GH_INVALID;
  if (!o->credential.ptr) return GH_NOT_FOUND;
  if (forgetful) return GH_OK;
  snprintf(key, sizeof key, "header:%.*s", (int)name.len, name.ptr);
  snprintf(value, sizeof value, "%.*s%.*s", (int)prefix.len, prefix.ptr ? prefix.ptr : "", (int)o->credential.len,
           o->credential.ptr);
  said(o, key, view(value));
  return GH_OK;
}

static gh_status out_mode(gh_out *o, uint32_t flags, gh_framing framing) {
  said(o, "passthrough", flags & GH_OUT_PASSTHROUGH ? view("true") : view("false"));
  const char *framings[] = {"auto", "sse", "lines"};
  if (framing < 0 || framing > 2) return GH_INVALID;
  said(o, "framing", view(framings[framing]));
  return GH_OK;
}

static gh_status out_dropped(gh_out *o, gh_str parameter) {
  said(o, "dropped", parameter);
  return GH_OK;
}

static gh_status out_answer(gh_out *o, int32_t status, gh_str type, gh_bytes body, uint32_t chunk, uint32_t delay) {
  char number[64];
  snprintf(number, sizeof number, "%d", (int)status);
  said(o, "answer:status", view(number));
  said(o, "answer:type", type);
  said(o, "answer:body", (gh_str){body.ptr ? body.ptr : "", body.len});
  snprintf(number, sizeof number, "%u", (unsigned)chunk);
  said(o, "answer:chunk", view(number));
  snprintf(number, sizeof number, "%u", (unsigned)delay);
  said(o, "answer:delay", view(number));
  if (body.release) body.release(body.owner);
  return GH_OK;
}

static gh_str out_get(const gh_out *o, int32_t what, gh_str name) {
  const char *keys[] = {"", "method", "url", "header", "body"};
  char key[128];
  if (what < 1 || what > 4) return absent;
  if (what == GH_OUT_GET_HEADER) snprintf(key, sizeof key, "header:%.*s", (int)name.len, name.ptr);
  else snprintf(key, sizeof key, "%s", keys[what]);
  for (size_t i = o->said.count; i >= 2; i -= 2)
    if (equal_name(o->said.items[i - 2], view(key))) return o->said.items[i - 1];
  return absent;
}

static const gh_upstream upstream = {
    .struct_size = sizeof(gh_upstream), .out_target = out_target, .out_header = out_header, .out_body = out_body,
    .out_credential = out_credential, .out_mode = out_mode, .out_dropped = out_dropped, .out_answer = out_answer,
    .out_get = out_get};

static const void *host_extension(const gh_host *h, const char *id) {
  (void)h;
  return strcmp(id, GH_EXT_UPSTREAM) == 0 ? &upstream : NULL;
}

static const gh_host host = {
    .struct_size = sizeof(gh_host), .abi_minor = GH_ABI_MINOR, .name = GH_LIT("driver"), .version = GH_LIT("1.0.0"),
    .log = host_log, .config_error = host_config_error, .extension = host_extension, .info = host_info,
    .metadata = host_metadata, .header = host_header, .body = host_body, .json = host_json,
    .segment_count = host_segment_count, .segment = host_segment, .time_left_ns = host_time_left, .edit = host_edit,
    .set_json = host_set_json, .set_body = host_set_body, .set_header = host_set_header,
    .set_attribute = host_set_attribute, .report = host_report, .keep = host_keep, .set_state = host_set_state,
    .state = host_state, .pend = host_pend, .complete = host_complete};

/* ---- server-sent events, cut as the gateway cuts them: the plugin must not notice how the bytes arrived ---------- */

typedef struct cutter {
  char *line;
  size_t line_length, capacity;
  char *data;
  size_t data_length;
  int has_data, after_return;
  list name; /* none or one */
} cutter;

typedef struct stream {
  const gh_provider *provider;
  void *self, *state;
  gh_status status;
  list emitted;
} stream;

static void emitted(void *sink, gh_str event, gh_str data) {
  stream *s = sink;
  add(&s->emitted, event);
  add(&s->emitted, data);
}

static void end_of_line(cutter *c, stream *s) {
  gh_str line = {c->line, c->line_length};
  c->line_length = 0;
  if (line.len == 0) {
    if (c->has_data && s->status == GH_OK) {
      gh_str data = copied((gh_str){c->data, c->data_length ? c->data_length - 1 : 0});
      gh_str name = c->name.count ? c->name.items[0] : absent;
      s->status = s->provider->map_event(s->self, s->state, name, data, emitted, s);
      free((void *)data.ptr);
    }
    c->data_length = 0;
    c->has_data = 0;
    clear(&c->name);
    return;
  }
  const char *colon = memchr(line.ptr, ':', line.len);
  gh_str field = {line.ptr, colon ? (size_t)(colon - line.ptr) : line.len};
  gh_str value = colon ? (gh_str){colon + 1, line.len - field.len - 1} : (gh_str){"", 0};
  if (value.len && value.ptr[0] == ' ') value.ptr++, value.len--;
  if (equal(field, view("event"))) {
    clear(&c->name);
    add(&c->name, value);
  } else if (equal(field, view("data"))) {
    c->data = reserve(c->data, c->data_length + value.len + 1);
    memcpy(c->data + c->data_length, value.ptr, value.len);
    c->data[c->data_length + value.len] = '\n';
    c->data_length += value.len + 1;
    c->has_data = 1;
  }
}

static void feed(cutter *c, stream *s, const char *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) {
    char b = bytes[i];
    if (c->after_return) {
      c->after_return = 0;
      if (b == '\n') continue;
    }
    if (b == '\n' || b == '\r') {
      c->after_return = b == '\r';
      end_of_line(c, s);
      continue;
    }
    if (c->line_length == c->capacity) c->line = reserve(c->line, c->capacity = c->capacity ? c->capacity * 2 : 256);
    c->line[c->line_length++] = b;
  }
}

/* The recorded bytes with one kind of line end, in pieces. */
static void play(stream *s, gh_str split, gh_str newline, gh_str bytes) {
  cutter c = {0};
  char *text = reserve(NULL, bytes.len * 2 + 1);
  size_t length = 0;
  for (size_t i = 0; i < bytes.len; i++) {
    if (bytes.ptr[i] == '\r') continue;
    if (bytes.ptr[i] == '\n') {
      memcpy(text + length, newline.ptr, newline.len);
      length += newline.len;
    } else {
      text[length++] = bytes.ptr[i];
    }
  }
  size_t piece = equal(split, view("whole")) ? length : equal(split, view("line")) ? 0 : (size_t)number(split);
  for (size_t at = 0; at < length;) {
    size_t next = at + piece;
    if (piece == 0) {
      next = at;
      while (next < length && text[next] != '\n' && text[next] != '\r') next++;
      next++;
    }
    if (next > length) next = length;
    char *fresh = reserve(NULL, next - at); /* of its own, so that reads past the piece show under a checker */
    memcpy(fresh, text + at, next - at);
    feed(&c, s, fresh, next - at);
    free(fresh);
    at = next;
  }
  clear(&c.name);
  free(c.name.items);
  free(c.line);
  free(c.data);
  free(text);
}

/* ---- the commands ------------------------------------------------------------------------------------------------ */

static const gh_plugin *plugin;
static const gh_provider *provider;
static void *self;

static gh_http_in http_in(const list *arguments, gh_field *headers) {
  size_t count = (arguments->count - 2) / 2;
  for (size_t i = 0; i < count; i++)
    headers[i] = (gh_field){arguments->items[2 + 2 * i], arguments->items[3 + 2 * i]};
  return (gh_http_in){.struct_size = sizeof(gh_http_in), .status = (int32_t)number(arguments->items[0]),
                      .headers = headers, .header_count = count, .body = arguments->items[1]};
}

static gh_verdict build(gh_decision *decision) {
  clear(&out.said);
  memset(decision, 0, sizeof *decision);
  decision->struct_size = sizeof *decision;
  return provider->build(self, &exchange, &out, decision);
}

static void command_load(const list *arguments, list *answer) {
  char path[4096];
  snprintf(path, sizeof path, "%.*s", (int)arguments->items[0].len, arguments->items[0].ptr);
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) die(dlerror());
  gh_plugin_entry_fn entry;
  *(void **)&entry = dlsym(library, GH_PLUGIN_ENTRY);
  if (!entry) die("no " GH_PLUGIN_ENTRY);
  plugin = entry(&host);
  if (!plugin) die("the plugin refused this host");
  provider = plugin->query(GH_INTERFACE_PROVIDER);
  if (!provider) die("the plugin has no " GH_INTERFACE_PROVIDER);
  add(answer, plugin->id);
  add(answer, plugin->version);
  reply("plugin", answer);
}

static void command_create(const list *arguments, list *answer) {
  gh_create_info info = {.struct_size = sizeof info, .interface_id = GH_LIT(GH_INTERFACE_PROVIDER),
                         .check = arguments->items[0], .config_json = arguments->items[1]};
  if (self) plugin->destroy(self);
  clear(&refusals);
  clear(&logged);
  free((void *)out.credential.ptr);
  out.credential = copied(arguments->items[2]);
  self = plugin->create(&host, &info);
  if (self) {
    reply("ok", answer);
    return;
  }
  for (size_t i = 0; i < refusals.count; i++) add(answer, refusals.items[i]);
  reply("refused", answer);
}

static void command_build(list *answer) {
  gh_decision decision;
  gh_verdict verdict = build(&decision);
  add_number(answer, verdict);
  add_number(answer, decision.http_status);
  add(answer, decision.code);
  add(answer, decision.message);
  for (size_t i = 0; i < out.said.count; i++) add(answer, out.said.items[i]);
  reply("built", answer);
}

static void command_answer(const list *arguments, list *answer) {
  gh_field headers[32];
  gh_http_in in = http_in(arguments, headers);
  gh_bytes json = {0};
  gh_status status = provider->map_response(self, &exchange, &in, &json);
  add_number(answer, status);
  if (status == GH_OK) add(answer, (gh_str){json.ptr, json.len});
  if (json.release) json.release(json.owner);
  reply("mapped", answer);
}

static void command_error(const list *arguments, list *answer) {
  gh_field headers[32];
  gh_http_in in = http_in(arguments, headers);
  gh_failure failure = {.struct_size = sizeof failure, .http_status = in.status};
  gh_status status = provider->map_error(self, &exchange, &in, &failure);
  add_number(answer, status);
  add_number(answer, failure.http_status);
  add_number(answer, failure.flags);
  add_number(answer, failure.retry_after_ms);
  add(answer, failure.type);
  add(answer, failure.code);
  add(answer, failure.param);
  add(answer, failure.message);
  reply("failure", answer);
}

static void command_stream(const list *arguments, list *answer) {
  stream s = {.provider = provider, .self = self, .status = GH_OK};
  s.state = provider->stream_open ? provider->stream_open(self, &exchange) : NULL;
  play(&s, arguments->items[0], arguments->items[1], arguments->items[2]);
  gh_status closed = provider->stream_close ? provider->stream_close(self, s.state, emitted, &s) : GH_OK;
  add_number(answer, s.status == GH_OK ? closed : s.status);
  for (size_t i = 0; i < s.emitted.count; i++) add(answer, s.emitted.items[i]);
  reply("streamed", answer);
  clear(&s.emitted);
  free(s.emitted.items);
}

static void command_drop(const list *arguments, list *answer) {
  stream s = {.provider = provider, .self = self, .status = GH_OK};
  s.state = provider->stream_open ? provider->stream_open(self, &exchange) : NULL;
  play(&s, view("whole"), view("\n"), arguments->items[0]);
  if (provider->stream_drop) provider->stream_drop(self, s.state);
  reply("ok", answer);
  clear(&s.emitted);
  free(s.emitted.items);
}

static void command_bench(const list *arguments, list *answer) {
  long rounds = number(arguments->items[0]);
  struct timespec from, to;
  gh_decision decision;
  forgetful = 1;
  for (long i = 0; i < rounds / 10; i++) build(&decision);
  clock_gettime(CLOCK_MONOTONIC, &from);
  for (long i = 0; i < rounds; i++) build(&decision);
  clock_gettime(CLOCK_MONOTONIC, &to);
  forgetful = 0;
  add_number(answer, ((to.tv_sec - from.tv_sec) * 1000000000LL + to.tv_nsec - from.tv_nsec) / (rounds ? rounds : 1));
  reply("took", answer);
}

int main(void) {
  char name[32];
  list arguments = {0}, answer = {0};
  while (receive(name, &arguments)) {
    clear(&answer);
    if (strcmp(name, "load") == 0) {
      command_load(&arguments, &answer);
    } else if (!plugin) {
      die("load comes first");
    } else if (strcmp(name, "create") == 0) {
      command_create(&arguments, &answer);
    } else if (strcmp(name, "exchange") == 0) {
      clear(&exchange.facts);
      clear(&exchange.kept);
      for (size_t i = 0; i < arguments.count; i++) add(&exchange.facts, arguments.items[i]);
      reply("ok", &answer);
    } else if (!self) {
      die("create comes first");
    } else if (strcmp(name, "build") == 0) {
      command_build(&answer);
    } else if (strcmp(name, "answer") == 0) {
      command_answer(&arguments, &answer);
    } else if (strcmp(name, "error") == 0) {
      command_error(&arguments, &answer);
    } else if (strcmp(name, "stream") == 0) {
      command_stream(&arguments, &answer);
    } else if (strcmp(name, "drop") == 0) {
      command_drop(&arguments, &answer);
    } else if (strcmp(name, "bench") == 0) {
      command_bench(&arguments, &answer);
    } else {
      die("unknown command");
    }
  }
  if (self) plugin->destroy(self);
  return 0;
}
