/* One hook that does what its parameter "do" says: everything that the table "life of a hook call" allows, and everything
 * that it does not. */
#define PLUGIN_ID "behaviours"
#include "../probe.h"

/* ---- pending calls ----------------------------------------------------------------------------------------------- */

typedef struct pending {
  instance copy;  /* the instance itself may be destroyed when the token is over */
  gh_exchange *x; /* NULL: over already */
  gh_token token;
  gh_verdict verdict;
  int go; /* the slot that it waits for */
  int times;
} pending;

/* On a thread of the plugin's own: waits until it is told to, reads views once more, and completes. */
static void *finish(void *raw) {
  pending *call = raw;
  instance *self = &call->copy;
  const gh_host *host = self->host;
  gh_decision decision;
  gh_segment segment;
  wait_for(self, call->go);
  memset(&decision, 0, sizeof decision);
  memset(&segment, 0, sizeof segment);
  decision.struct_size = sizeof decision;
  segment.struct_size = sizeof segment;
  if (call->x) note(self, P_SUM, sum(host->body(call->x, GH_SIDE_REQUEST)));
  if (call->x && host->segment(call->x, GH_SIDE_REQUEST, 0, &segment) == GH_OK && strcmp(self->what, "pend_and_edit") == 0)
    host->edit(call->x, segment.id, 0, segment.text.len, str("edited on another thread"));
  if (call->x && call->verdict == GH_DENY) {
    char local[32];
    snprintf(local, sizeof local, "said by thread %d", 2);
    decision.http_status = 451;
    decision.code = str("late");
    decision.message = host->keep(call->x, str(local));
    memset(local, '?', sizeof local);
  }
  note(self, P_STATUS, library_host->complete(call->token, call->verdict, &decision));
  if (call->times > 1) note(self, P_STATUS2, library_host->complete(call->token, call->verdict, &decision));
  count(self, P_COMPLETED);
  free(call);
  return NULL;
}

static gh_token pend_with_thread(instance *self, gh_exchange *x, int go, int times) {
  pthread_t thread;
  pending *call = calloc(1, sizeof *call);
  call->copy = *self;
  call->x = times ? x : NULL;
  call->token = self->host->pend(x);
  call->verdict = self->number ? (gh_verdict)self->number : GH_CONTINUE;
  call->go = go;
  call->times = times;
  gh_token token = call->token;
  note(self, P_TOKEN, (int64_t)token);
  pthread_create(&thread, NULL, finish, call);
  pthread_detach(thread);
  return token;
}

static gh_verdict pend(instance *self, gh_exchange *x, int times) {
  pend_with_thread(self, x, P_GO, times);
  count(self, P_STARTED);
  return GH_PENDING;
}

static gh_verdict pend_and_complete_inside(instance *self, gh_exchange *x) {
  gh_decision decision;
  gh_token token = self->host->pend(x);
  memset(&decision, 0, sizeof decision);
  decision.struct_size = sizeof decision;
  decision.http_status = 452;
  note(self, P_TOKEN, (int64_t)token);
  note(self, P_RESULTS, (int64_t)self->host->pend(x));
  note(self, P_STATUS, self->host->complete(token, GH_DENY, &decision));
  return GH_PENDING;
}

/* ---- decisions --------------------------------------------------------------------------------------------------- */

static void released(void *owner) {
  pending *call = owner;
  count(&call->copy, P_RELEASED);
  free(call);
}

static gh_bytes with_release(instance *self) {
  pending *call = calloc(1, sizeof *call);
  call->copy = *self;
  gh_bytes bytes = {"{\"canned\":true}", 15, released, call};
  return bytes;
}

/* A struct from the future: longer than the host's, and something is said there. */
static gh_verdict complete_with_tail(instance *self, gh_exchange *x) {
  struct { gh_decision known; uint64_t news[2]; } longer;
  gh_token token = self->host->pend(x);
  memset(&longer, 0, sizeof longer);
  longer.known.struct_size = sizeof longer;
  longer.known.http_status = 453;
  longer.news[1] = 1;
  note(self, P_STATUS, self->host->complete(token, GH_DENY, &longer.known));
  longer.news[1] = 0;
  note(self, P_STATUS2, self->host->complete(token, GH_DENY, &longer.known));
  return GH_PENDING;
}

/* A struct from the past: what lies behind its end must be neither read nor trusted. */
static gh_verdict complete_with_short_struct(instance *self, gh_exchange *x) {
  gh_decision decision;
  memset(&decision, 0xAA, sizeof decision);
  decision.struct_size = offsetof(gh_decision, flags);
  decision.http_status = 454;
  decision.retry_after_ms = 7000;
  note(self, P_STATUS, self->host->complete(self->host->pend(x), GH_DENY, &decision));
  return GH_PENDING;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* What it reads comes back as attributes. */
static void tell(instance *self, gh_exchange *x, const char *key, gh_str value) {
  self->host->set_attribute(x, str(key), value.ptr ? value : str("(absent)"));
}

static gh_verdict facts(instance *self, gh_exchange *x) {
  const gh_host *host = self->host;
  char key[48], line[512];
  for (int what = GH_INFO_ENDPOINT; what <= GH_INFO_STATUS + 1; what++) {
    snprintf(key, sizeof key, "info.%d", what);
    tell(self, x, key, host->info(x, what));
  }
  tell(self, x, "metadata.team", host->metadata(x, str("team")));
  tell(self, x, "metadata.none", host->metadata(x, str("none")));
  tell(self, x, "header.first", host->header(x, GH_SIDE_REQUEST, str("X-Twice"), 0));
  tell(self, x, "header.second", host->header(x, GH_SIDE_REQUEST, str("x-twice"), 1));
  tell(self, x, "header.third", host->header(x, GH_SIDE_REQUEST, str("x-twice"), 2));
  tell(self, x, "header.far", host->header(x, GH_SIDE_REQUEST, str("x-twice"), SIZE_MAX));
  tell(self, x, "header.secret", host->header(x, GH_SIDE_REQUEST, str("Authorization"), 0));
  tell(self, x, "header.response", host->header(x, GH_SIDE_RESPONSE, str("x-reply"), 0));
  tell(self, x, "json.role", host->json(x, GH_SIDE_REQUEST, str("/messages/0/role")));
  tell(self, x, "json.none", host->json(x, GH_SIDE_REQUEST, str("/messages/9")));
  tell(self, x, "json.bad", host->json(x, GH_SIDE_REQUEST, str("messages")));
  tell(self, x, "json.wrong_side", host->json(x, 7, str("/messages")));
  snprintf(line, sizeof line, "%zu %zu", host->segment_count(x, GH_SIDE_REQUEST), host->segment_count(x, GH_SIDE_RESPONSE));
  tell(self, x, "counts", str(line));
  for (size_t i = 0; i < host->segment_count(x, GH_SIDE_REQUEST) && i < 20; i++) {
    gh_segment segment;
    memset(&segment, 0, sizeof segment);
    segment.struct_size = sizeof segment;
    if (host->segment(x, GH_SIDE_REQUEST, i, &segment) != GH_OK) return GH_FAIL;
    snprintf(key, sizeof key, "segment.%zu", i);
    snprintf(line, sizeof line, "%d %d %d %.*s %.*s: %.*s", segment.kind, segment.role, (int)segment.index,
             (int)segment.pointer.len, segment.pointer.ptr, (int)segment.name.len, segment.name.ptr ? segment.name.ptr : "",
             (int)segment.text.len, segment.text.ptr ? segment.text.ptr : "");
    tell(self, x, key, str(line));
  }
  note(self, P_STATUS, host->time_left_ns(x));
  return GH_CONTINUE;
}

/* An older plugin's gh_segment ends before `pointer`; one that forgot struct_size has none at all. */
static gh_verdict short_segment(instance *self, gh_exchange *x) {
  struct { gh_segment segment; } room;
  const unsigned char *bytes = (const unsigned char *)&room.segment;
  int64_t touched = 0;
  memset(&room, 0xAA, sizeof room);
  room.segment.struct_size = offsetof(gh_segment, pointer);
  note(self, P_STATUS, self->host->segment(x, GH_SIDE_REQUEST, 0, &room.segment));
  for (size_t i = offsetof(gh_segment, pointer); i < sizeof room.segment; i++) touched += bytes[i] != 0xAA;
  note(self, P_RESULTS, touched);
  note(self, P_SUM, sum(room.segment.text));
  memset(&room, 0xAA, sizeof room);
  room.segment.struct_size = 0;
  note(self, P_STATUS2, self->host->segment(x, GH_SIDE_REQUEST, 0, &room.segment));
  touched = 0;
  for (size_t i = sizeof room.segment.struct_size; i < sizeof room.segment; i++) touched += bytes[i] != 0xAA;
  note(self, P_RESULTS + 1, touched);
  return GH_CONTINUE;
}

/* Every string that goes to the host ends at a page that nobody may read. */
static gh_verdict strings_at_the_edge(instance *self, gh_exchange *x, gh_decision *out) {
  const gh_host *host = self->host;
  gh_field field = {at_the_edge("field"), at_the_edge("value")};
  host->log(host, GH_LOG_WARNING, at_the_edge("a message"), &field, 1);
  note(self, P_RESULTS, host->set_attribute(x, at_the_edge("key"), at_the_edge("value")));
  note(self, P_RESULTS + 1, host->set_json(x, GH_SIDE_REQUEST, at_the_edge("/user"), at_the_edge("\"edge\""), 0));
  note(self, P_RESULTS + 2, host->set_header(x, GH_SIDE_RESPONSE, at_the_edge("x-edge"), at_the_edge("yes")));
  note(self, P_RESULTS + 3, host->report(x, 1, at_the_edge("{\"edge\":true}")));
  note(self, P_RESULTS + 4, host->json(x, GH_SIDE_REQUEST, at_the_edge("/model")).ptr != NULL);
  note(self, P_RESULTS + 5, host->metadata(x, at_the_edge("team")).ptr != NULL);
  out->http_status = 455;
  out->code = at_the_edge("code");
  out->message = host->keep(x, at_the_edge("a sentence"));
  return self->number == GH_DENY ? GH_DENY : GH_CONTINUE;
}

/* ---- state ------------------------------------------------------------------------------------------------------- */

static void drop(void *state) { count(*(instance **)state, P_DROPPED); free(state); }

static gh_verdict state(instance *self, gh_exchange *x) {
  instance **mine = self->host->state(x);
  note(self, P_RESULTS, mine != NULL);
  if (mine) {
    note(self, P_RESULTS + 1, *mine == self);
    return GH_CONTINUE;
  }
  mine = calloc(1, sizeof *mine);
  *mine = self;
  note(self, P_STATUS, self->host->set_state(x, mine, drop));
  note(self, P_RESULTS + 2, self->host->state(x) == mine);
  return GH_CONTINUE;
}

/* ---- scripts ----------------------------------------------------------------------------------------------------- */

/* The parameter "text" is a script: a line is a call, its arguments are separated by bars. The status of line n goes to slot
 * P_RESULTS + n. `edit|segment|begin|end|text` takes a segment's index, or w for the window's. */
static gh_verdict script(instance *self, gh_exchange *x, const gh_window *window, gh_decision *out) {
  const gh_host *host = self->host;
  char copy[sizeof self->text], *save = NULL;
  gh_side side = GH_SIDE_REQUEST;
  gh_verdict verdict = GH_CONTINUE;
  int line = 0;
  memcpy(copy, self->text, sizeof copy);
  for (char *text = strtok_r(copy, "\n", &save); text; text = strtok_r(NULL, "\n", &save), line++) {
    char *word[6] = {0};
    int words = 0;
    for (char *at = text; words < 6; words++) {
      word[words] = at;
      at = words < 5 ? strchr(at, '|') : NULL;
      if (!at) { words++; break; }
      *at++ = 0;
    }
    gh_status status = GH_ERROR;
    if (strcmp(word[0], "side") == 0) {
      side = atoi(word[1]);
      status = GH_OK;
    } else if (strcmp(word[0], "edit") == 0 && words >= 5) {
      gh_segment segment;
      uint64_t id = 12345;
      memset(&segment, 0, sizeof segment);
      segment.struct_size = sizeof segment;
      if (word[1][0] == 'w') id = window ? window->segment->id : 0;
      else if (host->segment(x, side, (size_t)atoi(word[1]), &segment) == GH_OK) id = segment.id;
      status = host->edit(x, id, strtoull(word[2], NULL, 10), strtoull(word[3], NULL, 10), str(word[4]));
    } else if (strcmp(word[0], "json") == 0) {
      status = host->set_json(x, side, str(word[1]), str(word[2]), 0);
    } else if (strcmp(word[0], "insert") == 0) {
      status = host->set_json(x, side, str(word[1]), str(word[2]), 1);
    } else if (strcmp(word[0], "body") == 0) {
      status = host->set_body(x, side, str(word[1]));
    } else if (strcmp(word[0], "header") == 0) {
      status = host->set_header(x, side, str(word[1]), str(word[2]));
    } else if (strcmp(word[0], "attribute") == 0) {
      status = host->set_attribute(x, str(word[1]), str(word[2]));
    } else if (strcmp(word[0], "report") == 0) {
      status = host->report(x, (uint32_t)atoi(word[1]), str(word[2]));
    } else if (strcmp(word[0], "release") == 0) {
      out->released_to = strtoull(word[1], NULL, 10);
      status = GH_OK;
    } else if (strcmp(word[0], "verdict") == 0) {
      verdict = atoi(word[1]);
      status = GH_OK;
    }
    note(self, P_RESULTS + line, status);
  }
  return verdict;
}

/* Tells each window to the log. */
static gh_verdict windows(instance *self, const gh_window *window, gh_decision *out) {
  char numbers[96];
  snprintf(numbers, sizeof numbers, "%llu %llu %u %u", (unsigned long long)window->fresh_from, (unsigned long long)out->released_to,
           window->flags, window->segment->flags);
  gh_field fields[] = {{str("text"), window->text}, {str("numbers"), str(numbers)}, {str("event"), window->event.ptr ? window->event : str("-")}};
  self->host->log(self->host, GH_LOG_INFO, str("window"), fields, 3);
  note(self, P_RESULTS, window->segment->text.ptr == NULL);
  note(self, P_RESULTS + 1, window->segment->kind);
  note(self, P_RESULTS + 2, (int64_t)window->offset);
  return GH_CONTINUE;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static gh_verdict run(instance *self, gh_exchange *x, const gh_window *window, gh_decision *out) {
  const char *what = self->what;
  note(self, P_THREAD, thread_id());
  if (strcmp(what, "script") == 0) return script(self, x, window, out);
  if (strcmp(what, "windows") == 0) return windows(self, window, out);
  if (strcmp(what, "verdict") == 0) {
    out->http_status = 456;
    out->retry_after_ms = 1500;
    out->code = str("a_word");
    out->message = str("A sentence.");
    out->target = str("other");
    out->body = with_release(self);
    return (gh_verdict)self->number;
  }
  if (strcmp(what, "facts") == 0) return facts(self, x);
  if (strcmp(what, "state") == 0) return state(self, x);
  if (strcmp(what, "short_segment") == 0) return short_segment(self, x);
  if (strcmp(what, "edge") == 0) return strings_at_the_edge(self, x, out);
  if (strcmp(what, "pend") == 0 || strcmp(what, "pend_and_edit") == 0) return pend(self, x, 1);
  if (strcmp(what, "pend_complete_twice") == 0) return pend(self, x, 2);
  if (strcmp(what, "pend_complete_inside") == 0) return pend_and_complete_inside(self, x);
  if (strcmp(what, "pend_null_decision") == 0) {
    note(self, P_STATUS, self->host->complete(self->host->pend(x), GH_CONTINUE, NULL));
    return GH_PENDING;
  }
  if (strcmp(what, "pend_then_verdict") == 0) {
    pend_with_thread(self, x, P_GO, 0);
    out->http_status = 457;
    return GH_DENY;
  }
  if (strcmp(what, "pending_without_pend") == 0) return GH_PENDING;
  if (strcmp(what, "complete_with_pending") == 0) {
    gh_decision decision = {sizeof decision, 0, 0, 0, {0, 0}, {0, 0}, {0, 0}, {0, 0, 0, 0}, {0, 0}, 0};
    decision.body = with_release(self);
    note(self, P_STATUS, self->host->complete(self->host->pend(x), GH_PENDING, &decision));
    return GH_PENDING;
  }
  if (strcmp(what, "complete_unknown_tokens") == 0) {
    gh_decision decision = {sizeof decision, 0, 0, 0, {0, 0}, {0, 0}, {0, 0}, {0, 0, 0, 0}, {0, 0}, 0};
    decision.body = with_release(self);
    note(self, P_STATUS, self->host->complete(0, GH_CONTINUE, NULL));
    note(self, P_STATUS2, self->host->complete(UINT64_MAX, GH_ANSWER, &decision));
    return GH_CONTINUE;
  }
  if (strcmp(what, "complete_with_tail") == 0) return complete_with_tail(self, x);
  if (strcmp(what, "complete_with_short_struct") == 0) return complete_with_short_struct(self, x);
  if (strcmp(what, "spin") == 0) {
    /* Works for so many milliseconds of its thread's own time. */
    struct timespec start, now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    do clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < self->number);
    return GH_CONTINUE;
  }
  if (strcmp(what, "block") == 0) {
    count(self, P_STARTED);
    wait_for(self, P_GO);
    return self->number ? (gh_verdict)self->number : GH_CONTINUE;
  }
  if (strcmp(what, "block_then_pend") == 0) {
    count(self, P_STARTED);
    wait_for(self, P_GO);
    pend_with_thread(self, x, P_GO2, 1);
    note(self, P_ANSWER, 1);
    return GH_PENDING;
  }
  return GH_CONTINUE;
}

static int set_up(instance *self) {
  if (strcmp(self->what, "refuse_config") == 0) {
    self->host->config_error(self->host, at_the_edge("/do"), at_the_edge("not today"));
    self->host->config_error(self->host, str("/text"), str("nor this"));
    return 0;
  }
  return strcmp(self->what, "refuse_silently") != 0;
}
