/* A host for tests: loads one plugin library and plays cases from a text file to it (README.md has the format).
 *
 * Every view that a hook gets ends at a page that cannot be read, and is unmapped after the hook: whoever reads past a
 * view or keeps one, falls. Plugins under test run in this process, so a fall ends the run; that is the report.
 *
 *   driver [OPTIONS] PLUGIN.so CASES.txt...                plays cases; exit status 1 when one fails
 *   driver --bench PLUGIN.so CHECK CONFIG TEXTFILE [ROUNDS]  nanoseconds per on_request call
 *
 * Options make another host of it, one that is older or has less:
 *   --host-size BYTES   its table says this size, and ends there, at a page that cannot be read
 *   --without ID        it lacks this extension
 */
#define _GNU_SOURCE
#define PCRE2_CODE_UNIT_WIDTH 8
#include <dlfcn.h>
#include <pcre2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "gatehouse/gatehouse.h"

/* ---- text -------------------------------------------------------------------------------------------------------- */

typedef struct text {
  char *ptr;
  size_t len;
} text;

static void die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(2);
}

static void *grab(size_t size) {
  void *p = calloc(1, size ? size : 1);
  if (!p) die("out of memory");
  return p;
}

static text copy_text(const char *ptr, size_t len) {
  text t = {grab(len + 1), len};
  if (len) memcpy(t.ptr, ptr, len);
  return t;
}

static gh_str str(const char *s) {
  gh_str v = {s, s ? strlen(s) : 0};
  return v;
}

static gh_str view_of(text t) {
  gh_str v = {t.ptr, t.len};
  return v;
}

static int same(gh_str a, const char *b) { return a.ptr && a.len == strlen(b) && !memcmp(a.ptr, b, a.len); }

/* Undoes \n, \t, \\, \s (a space) and \xHH. */
static text unescape(const char *s) {
  text t = {grab(strlen(s) + 1), 0};
  for (; *s; s++) {
    char c = *s;
    if (c == '\\' && s[1]) {
      c = *++s;
      if (c == 'n') c = '\n';
      else if (c == 't') c = '\t';
      else if (c == 's') c = ' ';
      else if (c == 'x' && s[1] && s[2]) {
        char hex[3] = {s[1], s[2], 0};
        c = (char)strtol(hex, NULL, 16);
        s += 2;
      }
    }
    t.ptr[t.len++] = c;
  }
  return t;
}

/* ---- guarded views ----------------------------------------------------------------------------------------------- */

static struct { void *base; size_t size; } guarded[4096];
static size_t guarded_count;
static int guarding = 1;

/* A copy that ends where reading is not allowed. */
static gh_str lend(const char *ptr, size_t len) {
  gh_str v = {ptr, len};
  if (!ptr || !guarding || guarded_count == sizeof guarded / sizeof guarded[0]) return v;
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t size = (len + page - 1) / page * page + page;
  char *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) die("mmap failed");
  memcpy(base + size - page - len, ptr, len);
  mprotect(base, size - page, PROT_READ);
  mprotect(base + size - page, page, PROT_NONE);
  guarded[guarded_count].base = base;
  guarded[guarded_count++].size = size;
  v.ptr = base + size - page - len;
  return v;
}

/* A struct of the host's, with nothing behind it: a plugin of a later minor that takes it for a larger one falls. Its end
 * is the page's, so its beginning is as well aligned as its size. Never taken back. */
static void *at_the_edge(const void *value, size_t size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char *base = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED || size > page) die("no room for %zu bytes", size);
  mprotect(base + page, page, PROT_NONE);
  return memcpy(base + page - size, value, size);
}

static void take_back(void) {
  while (guarded_count) {
    guarded_count--;
    munmap(guarded[guarded_count].base, guarded[guarded_count].size);
  }
}

/* ---- the exchange ------------------------------------------------------------------------------------------------ */

enum { MOST = 256 };

typedef struct edit { uint64_t segment, begin, end; text replacement; } edit;

struct gh_exchange {
  gh_segment segments[MOST];
  size_t segment_count;
  text info[32];
  text keys[MOST], values[MOST]; /* metadata */
  size_t metadata_count;
  text pointers[MOST], raws[MOST]; /* json() */
  size_t json_count;
  edit edits[8192];
  size_t edit_count;
  text sets[MOST]; /* "pointer raw insert" */
  size_t set_count;
  int reported, passed;
  text data;
  void *kept[MOST];
  size_t kept_count;
  void *state;
  void (*drop)(void *);
  uint32_t pended;
};

static char last_config_error[1024];

static void h_log(const gh_host *h, int32_t level, gh_str message, const gh_field *fields, size_t count) {
  (void)h;
  fprintf(stderr, "  log %d: %.*s", level, (int)message.len, message.ptr);
  for (size_t i = 0; i < count; i++)
    fprintf(stderr, " %.*s=%.*s", (int)fields[i].key.len, fields[i].key.ptr, (int)fields[i].value.len,
            fields[i].value.ptr);
  fputc('\n', stderr);
}

static void h_config_error(const gh_host *h, gh_str pointer, gh_str message) {
  (void)h;
  snprintf(last_config_error, sizeof last_config_error, "%.*s %.*s", (int)pointer.len, pointer.ptr, (int)message.len,
           message.ptr);
}

static gh_str h_info(const gh_exchange *x, int32_t what) {
  gh_str none = {NULL, 0};
  return what > 0 && what < 32 ? lend(x->info[what].ptr, x->info[what].len) : none;
}

static gh_str h_metadata(const gh_exchange *x, gh_str key) {
  gh_str none = {NULL, 0};
  for (size_t i = 0; i < x->metadata_count; i++)
    if (x->keys[i].len == key.len && !memcmp(x->keys[i].ptr, key.ptr, key.len))
      return lend(x->values[i].ptr, x->values[i].len);
  return none;
}

static gh_str h_header(const gh_exchange *x, gh_side side, gh_str name, size_t index) {
  gh_str none = {NULL, 0};
  (void)x, (void)side, (void)name, (void)index;
  return none;
}

static gh_str h_json(const gh_exchange *x, gh_side side, gh_str pointer) {
  gh_str none = {NULL, 0};
  if (side != GH_SIDE_REQUEST) return none;
  for (size_t i = 0; i < x->json_count; i++)
    if (x->pointers[i].len == pointer.len && !memcmp(x->pointers[i].ptr, pointer.ptr, pointer.len))
      return lend(x->raws[i].ptr, x->raws[i].len);
  return none;
}

static gh_str h_body(const gh_exchange *x, gh_side side) { return h_json(x, side, str("")); }

static size_t h_segment_count(const gh_exchange *x, gh_side side) {
  (void)side;
  return x->segment_count;
}

static gh_status h_segment(const gh_exchange *x, gh_side side, size_t index, gh_segment *out) {
  (void)side;
  if (index >= x->segment_count) return GH_NOT_FOUND;
  gh_segment found = x->segments[index];
  if (guarding) found.text = lend(found.text.ptr, found.text.len);
  /* A plugin of an earlier minor has room for less, and one of a later minor knows members that are not filled in. */
  found.struct_size = out->struct_size;
  memcpy(out, &found, out->struct_size < sizeof found ? out->struct_size : sizeof found);
  return GH_OK;
}

static int64_t h_time_left(const gh_exchange *x) {
  (void)x;
  return 1000000000;
}

static gh_status h_edit(gh_exchange *x, uint64_t segment, uint64_t begin, uint64_t end, gh_str replacement) {
  if (begin > end || x->edit_count == sizeof x->edits / sizeof x->edits[0]) return GH_INVALID;
  for (size_t i = 0; i < x->segment_count; i++)
    if (x->segments[i].id == segment && x->segments[i].flags & GH_SEGMENT_READ_ONLY) return GH_UNSUPPORTED;
  edit *e = &x->edits[x->edit_count++];
  e->segment = segment, e->begin = begin, e->end = end;
  e->replacement = copy_text(replacement.ptr, replacement.len);
  return GH_OK;
}

static gh_status h_set_json(gh_exchange *x, gh_side side, gh_str pointer, gh_str raw, uint32_t flags) {
  if (side != GH_SIDE_REQUEST || x->set_count == MOST) return GH_INVALID;
  char *line;
  int len = asprintf(&line, "%.*s %.*s%s", (int)pointer.len, pointer.ptr, (int)raw.len, raw.ptr,
                     (flags & GH_PUT_INSERT) ? " insert" : "");
  x->sets[x->set_count].ptr = line;
  x->sets[x->set_count++].len = (size_t)len;
  return GH_OK;
}

static gh_status h_set_body(gh_exchange *x, gh_side side, gh_str body) { return h_set_json(x, side, str(""), body, 0); }
static gh_status h_set_header(gh_exchange *x, gh_side side, gh_str name, gh_str value) {
  (void)x, (void)side, (void)name, (void)value;
  return GH_OK;
}
static gh_status h_set_attribute(gh_exchange *x, gh_str key, gh_str value) {
  (void)x, (void)key, (void)value;
  return GH_OK;
}

static gh_status h_report(gh_exchange *x, uint32_t passed, gh_str data) {
  x->reported++;
  x->passed = (int)passed;
  if (guarding) {
    free(x->data.ptr);
    x->data = copy_text(data.ptr ? data.ptr : "", data.len);
  }
  return GH_OK;
}

static gh_str h_keep(gh_exchange *x, gh_str t) {
  gh_str none = {NULL, 0};
  if (x->kept_count == MOST || !t.ptr) return none;
  text c = copy_text(t.ptr, t.len);
  x->kept[x->kept_count++] = c.ptr;
  return view_of(c);
}

static gh_status h_set_state(gh_exchange *x, void *state, void (*drop)(void *)) {
  if (x->state && x->drop) x->drop(x->state);
  x->state = state, x->drop = drop;
  return GH_OK;
}
static void *h_state(const gh_exchange *x) { return x->state; }
static gh_token h_pend(gh_exchange *x) { return ++x->pended; }
static gh_status h_complete(gh_token t, int32_t verdict, const gh_decision *d) {
  (void)t, (void)verdict, (void)d;
  return GH_GONE;
}

/* ---- gh.regex/1 -------------------------------------------------------------------------------------------------- */

struct gh_regex_pattern { pcre2_code *code; pcre2_match_data *match; gh_str names[128]; };

static gh_regex_pattern *r_compile(const gh_host *h, gh_str source, uint32_t flags, uint64_t *offset, char *error,
                                   size_t size) {
  (void)h;
  uint32_t options = PCRE2_UTF;
  if (flags & GH_REGEX_CASELESS) options |= PCRE2_CASELESS;
  if (flags & GH_REGEX_MULTILINE) options |= PCRE2_MULTILINE;
  if (flags & GH_REGEX_DOTALL) options |= PCRE2_DOTALL;
  if (flags & GH_REGEX_EXTENDED) options |= PCRE2_EXTENDED;
  int code;
  PCRE2_SIZE at;
  pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)source.ptr, source.len, options, &code, &at, NULL);
  if (!compiled) {
    if (offset) *offset = at;
    if (error && size) pcre2_get_error_message(code, (PCRE2_UCHAR *)error, size);
    return NULL;
  }
  pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);
  gh_regex_pattern *p = grab(sizeof *p);
  p->code = compiled;
  p->match = pcre2_match_data_create_from_pattern(compiled, NULL);
  uint32_t count, entry;
  PCRE2_SPTR table;
  pcre2_pattern_info(compiled, PCRE2_INFO_NAMECOUNT, &count);
  pcre2_pattern_info(compiled, PCRE2_INFO_NAMEENTRYSIZE, &entry);
  pcre2_pattern_info(compiled, PCRE2_INFO_NAMETABLE, &table);
  for (uint32_t i = 0; i < count; i++, table += entry) {
    uint32_t number = (uint32_t)(table[0] << 8 | table[1]);
    if (number < 128) p->names[number] = str((const char *)table + 2);
  }
  return p;
}

static int32_t r_match(const gh_regex_pattern *p, gh_str t, uint64_t start, gh_regex_span *spans, size_t count) {
  int found = pcre2_match(p->code, (PCRE2_SPTR)t.ptr, t.len, start, guarding ? 0 : PCRE2_NO_UTF_CHECK, p->match, NULL);
  if (found == PCRE2_ERROR_NOMATCH) return 0;
  if (found < 0) return GH_INVALID;
  PCRE2_SIZE *ends = pcre2_get_ovector_pointer(p->match);
  int groups = (int)pcre2_get_ovector_count(p->match);
  for (int i = 0; i < groups && (size_t)i < count; i++) {
    int set = i < found && ends[2 * i] != PCRE2_UNSET;
    spans[i].begin = set ? ends[2 * i] : UINT64_MAX;
    spans[i].end = set ? ends[2 * i + 1] : UINT64_MAX;
  }
  return groups;
}

static gh_str r_group_name(const gh_regex_pattern *p, uint32_t number) {
  gh_str none = {NULL, 0};
  return number < 128 ? p->names[number] : none;
}

static void r_free(gh_regex_pattern *p) {
  pcre2_match_data_free(p->match);
  pcre2_code_free(p->code);
  free(p);
}

static const gh_regex regex = {sizeof regex, 0, r_compile, r_match, r_group_name, r_free};

static const char *withheld = "";

#ifdef GH_LATER
static int32_t h_later(void) { return 7; }
#endif

static const void *h_extension(const gh_host *h, const char *id) {
  (void)h;
  return strcmp(id, GH_EXT_REGEX) || !strcmp(id, withheld) ? NULL : &regex;
}

static gh_host whole_host = {
    sizeof whole_host, GH_ABI_MINOR, GH_LIT("driver"), GH_LIT("0"), h_log, h_config_error, h_extension, h_info, h_metadata,
    h_header, h_body, h_json, h_segment_count, h_segment, h_time_left, h_edit, h_set_json, h_set_body, h_set_header,
    h_set_attribute, h_report, h_keep, h_set_state, h_state, h_pend, h_complete,
#ifdef GH_LATER /* headers that a test has let grow */
    h_later, h_later,
#endif
};
static const gh_host *host = &whole_host;

/* ---- the plugin -------------------------------------------------------------------------------------------------- */

static const gh_plugin *plugin;
static const gh_hooks *hooks;

static void load(const char *path) {
  char absolute[4096];
  if (!realpath(path, absolute)) die("%s: not found", path);
  void *library = dlopen(absolute, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!library) die("%s", dlerror());
  gh_plugin_entry_fn entry;
  *(void **)&entry = dlsym(library, GH_PLUGIN_ENTRY);
  if (!entry) die("%s: no " GH_PLUGIN_ENTRY, path);
  plugin = entry(host);
  if (!plugin) die("%s: the plugin refused", path);
  hooks = plugin->query(GH_INTERFACE_HOOKS);
  if (!hooks) die("%s: no " GH_INTERFACE_HOOKS, path);
}

static void *make(const char *check, const char *config) {
  gh_create_info info = {sizeof info, 0, str(GH_INTERFACE_HOOKS), str(check), lend(config, strlen(config))};
  last_config_error[0] = 0;
  void *instance = plugin->create(host, at_the_edge(&info, sizeof info));
  take_back();
  return instance;
}

/* ---- a case ------------------------------------------------------------------------------------------------------ */

typedef struct scene {
  char name[256], check[64], config[8192], hook[16];
  int line;
  gh_exchange *x;
  size_t fresh, overlap; /* of streams; fresh 0: every size */
  int edges;             /* windows stand at an edge, too, which costs two pages each */
  int times;             /* how often the hook is called for the exchange; the last time counts */
  gh_failure failure;
  char *expectations[64];
  int expectation_lines[64];
  size_t expectation_count;
} scene;

static const char *kinds[] = {"text", "reasoning", "tool_arguments", "tool_result", "tool_schema",
                              "image", "audio", "file", "token_ids", "other"};
static const char *roles[] = {"none", "system", "user", "assistant", "tool"};
static const char *verdicts[] = {"continue", "deny", "answer", "retry", "pending", "fail"};
static int failures, plays;

static void complain(const scene *s, int line, const char *expected, const char *got) {
  failures++;
  printf("FAIL line %d, %s (fresh %zu)\n  expected %s\n  got      %s\n", line, s->name, s->fresh, expected, got);
}

static void apply_edits(const gh_exchange *x, uint64_t id, gh_str original, text *out) {
  size_t at = 0;
  for (size_t i = 0; i < x->edit_count; i++) {
    const edit *e = &x->edits[i];
    if (e->segment != id) continue;
    if (e->begin < at || e->end > original.len) die("edits overlap or are out of range");
    out->ptr = realloc(out->ptr, out->len + (e->begin - at) + e->replacement.len + original.len + 1);
    memcpy(out->ptr + out->len, original.ptr + at, e->begin - at);
    out->len += e->begin - at;
    memcpy(out->ptr + out->len, e->replacement.ptr, e->replacement.len);
    out->len += e->replacement.len;
    at = e->end;
  }
  out->ptr = realloc(out->ptr, out->len + original.len + 1);
  memcpy(out->ptr + out->len, original.ptr + at, original.len - at);
  out->len += original.len - at;
}

typedef struct outcome {
  int32_t verdict;
  gh_decision decision;
  text texts[MOST]; /* per segment, as it goes on */
  size_t reports_before_end;
} outcome;

static void zero(gh_decision *d) {
  memset(d, 0, sizeof *d);
  d->struct_size = sizeof *d;
}

/* The one that hooks write to. */
static gh_decision *blank_decision(void) {
  static gh_decision *place;
  gh_decision blank;
  zero(&blank);
  if (!place) place = at_the_edge(&blank, sizeof blank);
  return place;
}

static void forget_edits(gh_exchange *x) {
  for (size_t i = 0; i < x->edit_count; i++) free(x->edits[i].replacement.ptr);
  x->edit_count = 0;
}

/* Plays one segment as windows of so many fresh bytes. Stops where a report fails, as a denying host does. */
static int stream_segment(const scene *s, void *self, const gh_segment *segment, outcome *o, size_t index) {
  gh_exchange *x = s->x;
  size_t begin = 0, end = 0, len = segment->text.len;
  const char *all = segment->text.ptr;
  do {
    size_t seen = end;
    end = end + s->fresh < len ? end + s->fresh : len;
    while (end < len && ((unsigned char)all[end] & 0xC0) == 0x80) end++;
    gh_segment shown = *segment;
    shown.text = (gh_str){NULL, 0};
    gh_window w = {sizeof w, end == len ? GH_WINDOW_LAST : 0, lend(all + begin, end - begin), seen - begin, &shown,
                   {NULL, 0}, begin};
    gh_decision *held = blank_decision(), d;
    zero(&d);
    size_t preset = end - begin > s->overlap ? end - begin - s->overlap : 0;
    while (preset > 0 && ((unsigned char)all[begin + preset] & 0xC0) == 0x80) preset--;
    d.released_to = end == len ? end - begin : preset;
    *held = d;
    w.segment = s->edges ? at_the_edge(&shown, sizeof shown) : &shown;
    o->verdict = hooks->on_stream(self, x, s->edges ? at_the_edge(&w, sizeof w) : &w, held);
    o->decision = d = *held;
    take_back();
    if (o->verdict != GH_CONTINUE) return 0;
    if (d.released_to > end - begin) die("%s: released_to past the window", s->name);
    if (begin + d.released_to < len && ((unsigned char)all[begin + d.released_to] & 0xC0) == 0x80)
      die("%s: released_to cuts a character", s->name);
    for (size_t i = 0; i < x->edit_count; i++)
      if (x->edits[i].end > d.released_to) die("%s: an edit of text that is not let go", s->name);
    if (x->reported && !x->passed && end < len) return 0;
    gh_str released = {all + begin, d.released_to};
    apply_edits(x, segment->id, released, &o->texts[index]);
    forget_edits(x);
    begin += d.released_to;
  } while (end < len);
  return 1;
}

static outcome perform(const scene *s, void *self) {
  outcome o;
  memset(&o, 0, sizeof o);
  gh_exchange *x = s->x;
  gh_decision *decision = blank_decision();
  zero(decision);
  if (!strcmp(s->hook, "request")) o.verdict = hooks->on_request(self, x, decision);
  else if (!strcmp(s->hook, "response")) o.verdict = hooks->on_response(self, x, decision);
  else if (!strcmp(s->hook, "error"))
    o.verdict = hooks->on_error(self, x, at_the_edge(&s->failure, sizeof s->failure), decision);
  else {
    for (size_t i = 0; i < x->segment_count; i++)
      if (!stream_segment(s, self, &x->segments[i], &o, i)) break;
    return o;
  }
  o.decision = *decision;
  take_back();
  for (size_t i = 0; i < x->segment_count; i++) apply_edits(x, x->segments[i].id, x->segments[i].text, &o.texts[i]);
  return o;
}

static void check(const scene *s, const outcome *o) {
  const gh_exchange *x = s->x;
  for (size_t i = 0; i < s->expectation_count; i++) {
    const char *e = s->expectations[i];
    int line = s->expectation_lines[i];
    char got[16384] = "";
    if (!strcmp(e, "pass") || !strcmp(e, "reported-fail")) {
      if (!x->reported || x->passed != !strcmp(e, "pass"))
        complain(s, line, e, !x->reported ? "no report" : x->passed ? "pass" : "reported-fail");
    } else if (!strcmp(e, "no-report")) {
      if (x->reported) complain(s, line, e, x->passed ? "pass" : "reported-fail");
    } else if (!strncmp(e, "data ", 5)) {
      if (!x->data.ptr || strcmp(x->data.ptr, e + 5)) complain(s, line, e + 5, x->data.ptr ? x->data.ptr : "no data");
    } else if (!strncmp(e, "has ", 4)) {
      if (!x->data.ptr || !strstr(x->data.ptr, e + 4)) complain(s, line, e + 4, x->data.ptr ? x->data.ptr : "no data");
    } else if (!strncmp(e, "text ", 5)) {
      char *rest;
      size_t index = strtoul(e + 5, &rest, 10);
      text want = unescape(*rest ? rest + 1 : rest);
      const text *have = &o->texts[index];
      if (have->len != want.len || (want.len && memcmp(have->ptr, want.ptr, want.len))) {
        snprintf(got, sizeof got, "%.*s", (int)have->len, have->ptr ? have->ptr : "");
        complain(s, line, want.ptr, got);
      }
      free(want.ptr);
    } else if (!strncmp(e, "set ", 4)) {
      int hit = 0;
      for (size_t k = 0; k < x->set_count; k++) {
        hit |= !strcmp(x->sets[k].ptr, e + 4);
        snprintf(got + strlen(got), sizeof got - strlen(got), "[%s] ", x->sets[k].ptr);
      }
      if (!hit) complain(s, line, e + 4, got);
    } else if (!strcmp(e, "unchanged")) {
      if (x->set_count || x->edit_count) complain(s, line, e, x->set_count ? x->sets[0].ptr : "edits");
    } else if (!strncmp(e, "body ", 5)) {
      snprintf(got, sizeof got, "%.*s", (int)o->decision.body.len,
               o->decision.body.ptr ? (const char *)o->decision.body.ptr : "");
      if (strcmp(got, e + 5)) complain(s, line, e + 5, got);
    } else if (!strncmp(e, "body-has ", 9)) {
      snprintf(got, sizeof got, "%.*s", (int)o->decision.body.len,
               o->decision.body.ptr ? (const char *)o->decision.body.ptr : "");
      if (!strstr(got, e + 9)) complain(s, line, e + 9, got);
    } else if (!strncmp(e, "status ", 7)) {
      snprintf(got, sizeof got, "%d", o->decision.http_status);
      if (strcmp(got, e + 7)) complain(s, line, e + 7, got);
    } else if (!strncmp(e, "target ", 7)) {
      snprintf(got, sizeof got, "%.*s", (int)o->decision.target.len,
               o->decision.target.ptr ? o->decision.target.ptr : "");
      if (strcmp(got, e + 7)) complain(s, line, e + 7, got);
    } else if (strncmp(e, "config-error", 12)) {
      snprintf(got, sizeof got, "%s: %.*s", verdicts[o->verdict % 6], (int)o->decision.message.len,
               o->decision.message.ptr ? o->decision.message.ptr : "");
      if (strcmp(verdicts[o->verdict % 6], e)) complain(s, line, e, got);
    }
  }
}

static void forget(outcome o, size_t segment_count) {
  if (o.decision.body.release) o.decision.body.release(o.decision.body.owner);
  for (size_t i = 0; i < segment_count; i++) free(o.texts[i].ptr);
}

static void reset(gh_exchange *x) {
  if (x->state && x->drop) x->drop(x->state);
  x->state = NULL, x->drop = NULL;
  forget_edits(x);
  for (size_t i = 0; i < x->kept_count; i++) free(x->kept[i]);
  for (size_t i = 0; i < x->set_count; i++) free(x->sets[i].ptr);
  free(x->data.ptr);
  x->data.ptr = NULL;
  x->kept_count = x->set_count = 0;
  x->reported = x->passed = 0;
}

static void play(scene *s) {
  if (!s->name[0]) return;
  plays++;
  void *self = make(s->check, s->config);
  for (size_t i = 0; i < s->expectation_count; i++) {
    const char *e = s->expectations[i];
    if (strncmp(e, "config-error", 12)) continue;
    size_t len = strlen(e) > 13 ? strlen(e + 13) : 0;
    if (self || strncmp(last_config_error, e + 13, len))
      complain(s, s->expectation_lines[i], e, self ? "an instance" : last_config_error);
    if (self) plugin->destroy(self);
    return;
  }
  if (!self) {
    complain(s, s->line, "an instance", last_config_error);
    return;
  }
  size_t longest = 1;
  for (size_t i = 0; i < s->x->segment_count; i++)
    if (s->x->segments[i].text.len > longest) longest = s->x->segments[i].text.len;
  int streams = !strcmp(s->hook, "stream"), every = streams && s->fresh == 0;
  s->edges = !every;
  for (size_t fresh = every ? 1 : s->fresh; fresh <= (every ? longest : s->fresh); fresh++) {
    s->fresh = fresh;
    int before = failures;
    for (int i = 1; i < s->times; i++) forget(perform(s, self), s->x->segment_count);
    outcome o = perform(s, self);
    check(s, &o);
    forget(o, s->x->segment_count);
    reset(s->x);
    if (failures > before) break;
  }
  plugin->destroy(self);
}

static int word_index(const char *word, size_t len, const char **list, int count) {
  for (int i = 0; i < count; i++)
    if (strlen(list[i]) == len && !strncmp(word, list[i], len)) return i;
  die("unknown word: %.*s", (int)len, word);
  return 0;
}

static void set_info(gh_exchange *x, int what, const char *value) { x->info[what] = unescape(value); }

static void new_scene(scene *s, const char *name, int line) {
  memset(s, 0, sizeof *s);
  snprintf(s->name, sizeof s->name, "%s", name);
  strcpy(s->hook, "request");
  s->times = 1;
  strcpy(s->config, "{}");
  s->line = line;
  s->x = grab(sizeof *s->x);
  s->failure.struct_size = sizeof s->failure;
  set_info(s->x, GH_INFO_ENDPOINT, "chat_completions");
}

/* One line of a case. */
static void read_line(scene *s, char *line, int number) {
  gh_exchange *x = s->x;
  char *rest = strchr(line, ' ');
  if (rest) *rest++ = 0;
  else rest = line + strlen(line);
  if (!strcmp(line, "check")) snprintf(s->check, sizeof s->check, "%s", rest);
  else if (!strcmp(line, "config")) snprintf(s->config, sizeof s->config, "%s", rest);
  else if (!strcmp(line, "hook")) snprintf(s->hook, sizeof s->hook, "%s", rest);
  else if (!strcmp(line, "times")) s->times = atoi(rest);
  else if (!strcmp(line, "stream")) {
    strcpy(s->hook, "stream");
    s->fresh = rest[0] == '*' ? 0 : strtoul(rest, NULL, 10);
    s->overlap = strtoul(strchr(rest, ' ') ? strchr(rest, ' ') : rest, NULL, 10);
  } else if (!strcmp(line, "endpoint")) set_info(x, GH_INFO_ENDPOINT, rest);
  else if (!strcmp(line, "stream-asked")) set_info(x, GH_INFO_STREAM, "true");
  else if (!strcmp(line, "model")) set_info(x, GH_INFO_MODEL, rest);
  else if (!strcmp(line, "metadata")) {
    char *value = strchr(rest, '=');
    x->keys[x->metadata_count] = copy_text(rest, (size_t)(value - rest));
    x->values[x->metadata_count++] = unescape(value + 1);
  } else if (!strcmp(line, "json")) {
    char *raw = strchr(rest, ' ');
    x->pointers[x->json_count] = copy_text(rest, (size_t)(raw - rest));
    x->raws[x->json_count++] = copy_text(raw + 1, strlen(raw + 1));
  } else if (!strcmp(line, "segment") || !strcmp(line, "readonly")) {
    char *role = strchr(rest, ' '), *body = role ? strchr(role + 1, ' ') : NULL;
    if (!body) die("line %d: segment KIND ROLE TEXT", number);
    gh_segment *g = &x->segments[x->segment_count];
    g->struct_size = sizeof *g;
    g->kind = word_index(rest, (size_t)(role - rest), kinds, 10);
    g->role = word_index(role + 1, (size_t)(body - role - 1), roles, 5);
    if (g->kind >= GH_SEGMENT_IMAGE && g->kind <= GH_SEGMENT_TOKEN_IDS) g->flags |= GH_SEGMENT_BINARY;
    if (line[0] == 'r') g->flags |= GH_SEGMENT_READ_ONLY;
    g->id = 1000 + x->segment_count * 7;
    g->index = x->segment_count++;
    g->text = view_of(unescape(body + 1));
    g->pointer = str("/x");
  } else if (!strcmp(line, "failure")) {
    char flags[64], type[64];
    int status, used = 0;
    if (sscanf(rest, "%d %63s %63s %n", &status, flags, type, &used) < 3)
      die("line %d: failure STATUS FLAGS TYPE MESSAGE", number);
    s->failure.http_status = status;
    if (strstr(flags, "retryable")) s->failure.flags |= GH_FAILURE_RETRYABLE;
    if (strstr(flags, "final")) s->failure.flags |= GH_FAILURE_FINAL;
    if (strstr(flags, "transport")) s->failure.flags |= GH_FAILURE_TRANSPORT;
    s->failure.type = view_of(unescape(type));
    s->failure.message = view_of(unescape(rest + used));
  } else if (!strcmp(line, "expect")) {
    s->expectation_lines[s->expectation_count] = number;
    s->expectations[s->expectation_count++] = strdup(rest);
  } else die("line %d: unknown word %s", number, line);
}

static void play_file(const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) die("%s: not found", path);
  static scene s;
  memset(&s, 0, sizeof s);
  char *line = NULL;
  size_t room = 0;
  ssize_t len;
  for (int number = 1; (len = getline(&line, &room, file)) >= 0; number++) {
    while (len && (line[len - 1] == '\n' || line[len - 1] == '\r')) line[--len] = 0;
    if (!len || line[0] == '#') continue;
    if (!strncmp(line, "case ", 5)) {
      play(&s);
      new_scene(&s, line + 5, number);
    } else read_line(&s, line, number);
  }
  play(&s);
  free(line);
  fclose(file);
}

/* ---- bench ------------------------------------------------------------------------------------------------------- */

static void bench(const char *check_id, const char *config, const char *path, long rounds) {
  FILE *file = fopen(path, "r");
  if (!file) die("%s: not found", path);
  static char body[1 << 20];
  size_t len = fread(body, 1, sizeof body, file);
  fclose(file);
  scene s;
  new_scene(&s, "bench", 0);
  gh_exchange *x = s.x;
  gh_segment *g = &x->segments[x->segment_count++];
  g->struct_size = sizeof *g;
  g->role = GH_ROLE_USER;
  g->id = 1;
  g->text = (gh_str){body, len};
  x->raws[0] = copy_text("\"gpt-4o\"", 8);
  x->pointers[x->json_count++] = copy_text("/model", 6);
  void *self = make(check_id, config);
  if (!self) die("%s", last_config_error);
  guarding = 0;
  double best = 1e18;
  for (int sample = 0; sample < 15; sample++) {
    struct timespec a, b;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    for (long i = 0; i < rounds; i++) {
      gh_decision d;
      zero(&d);
      int32_t v = hooks->on_request(self, x, &d);
      if (v != GH_CONTINUE) die("verdict %s: %.*s", verdicts[v % 6], (int)d.message.len, d.message.ptr);
      forget_edits(x);
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
    double ns = ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / (double)rounds;
    if (ns < best) best = ns;
  }
  printf("%-24s %6zu bytes %9.0f ns  passed %d\n", check_id, len, best, x->passed);
}

int main(int argc, char **argv) {
  while (argc > 3 && (!strcmp(argv[1], "--host-size") || !strcmp(argv[1], "--without"))) {
    if (!strcmp(argv[1], "--without")) withheld = argv[2];
    else {
      size_t size = strtoul(argv[2], NULL, 10);
      if (size < sizeof whole_host.struct_size || size > sizeof whole_host || size % 4) die("no host has %zu bytes", size);
      whole_host.struct_size = (uint32_t)size;
      host = at_the_edge(&whole_host, size);
    }
    argc -= 2, argv += 2;
  }
  if (argc >= 6 && !strcmp(argv[1], "--bench")) {
    load(argv[2]);
    bench(argv[3], argv[4], argv[5], argc > 6 ? atol(argv[6]) : 20000);
    return 0;
  }
  if (argc < 3) die("driver [--host-size BYTES] [--without ID] PLUGIN.so CASES.txt... | driver --bench PLUGIN.so CHECK CONFIG TEXTFILE [ROUNDS]");
  load(argv[1]);
  if (!same(plugin->id, getenv("PLUGIN_ID") ? getenv("PLUGIN_ID") : "") && getenv("PLUGIN_ID")) die("the id is wrong");
  for (int i = 2; i < argc; i++) play_file(argv[i]);
  printf("%s: %d cases, %d failures\n", argv[1], plays, failures);
  return failures ? 1 : 0;
}
