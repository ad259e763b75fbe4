/* Uses the host's services as its parameter "do" says. */
#define PLUGIN_ID "services"
#include "../probe.h"

/* ---- gh.http/1 --------------------------------------------------------------------------------------------------- */

typedef struct call {
  instance *self;
  gh_exchange *x;
  gh_token token;
} call;

static void fetched(void *user, const gh_http_in *in) {
  call *made = user;
  instance *self = made->self;
  gh_decision decision;
  memset(&decision, 0, sizeof decision);
  decision.struct_size = sizeof decision;
  note(self, P_ANSWER, in->status);
  note(self, P_SUM, sum(in->status ? in->body : in->transport_error));
  note(self, P_RESULTS, (int64_t)in->header_count);
  note(self, P_RESULTS + 1, in->header_count ? sum(in->headers[0].value) : 0);
  note(self, P_THREAD, thread_id());
  /* The table must be there as long as somebody may call. */
  self->host->log(self->host, GH_LOG_INFO, str("fetched"), NULL, 0);
  if (made->token) {
    gh_str why = in->transport_error.ptr ? in->transport_error : str("no answer");
    /* After on_cancel the exchange is still there, until complete() is called. */
    decision.message = self->host->keep(made->x, why);
    note(self, P_STATUS, self->host->complete(made->token, in->status == 200 ? GH_CONTINUE : GH_FAIL, &decision));
  }
  count(self, P_COMPLETED);
  free(made);
}

static gh_http_request request_to(instance *self, const gh_field *headers, size_t count_of_headers) {
  gh_http_request request;
  memset(&request, 0, sizeof request);
  request.struct_size = sizeof request;
  request.timeout_ms = (uint32_t)self->timeout_ms;
  request.method = str("POST");
  request.url = str(self->url);
  request.headers = headers;
  request.header_count = count_of_headers;
  request.body = at_the_edge("{\"ask\":1}");
  return request;
}

static gh_verdict fetch(instance *self, gh_exchange *x, int cancels) {
  gh_field header = {at_the_edge("X-Ask"), at_the_edge("now")};
  gh_http_request request = request_to(self, &header, 1);
  call *made = calloc(1, sizeof *made);
  made->self = self;
  made->x = x;
  made->token = self->host->pend(x);
  gh_token token = self->http->fetch(self->host, x, &request, fetched, made);
  note(self, P_TOKEN, (int64_t)token);
  /* done() runs on a thread of the host's, but never inside fetch(). */
  note(self, P_RESULTS + 2, noted(self, P_COMPLETED));
  if (cancels) {
    note(self, P_RESULTS + 3, self->http->cancel(token));
    note(self, P_RESULTS + 4, self->http->cancel(token + 1000));
  }
  count(self, P_STARTED);
  return GH_PENDING;
}

/* Requests that make no sense are refused at once: 0, and done() does not run. */
static gh_verdict bad_fetches(instance *self) {
  const gh_http *http = self->http;
  struct { gh_http_request known; uint64_t news; } longer;
  gh_field folded = {str("X-A"), str("a\r\nX-B: b")}, unnamed = {str("a b"), str("c")};
  gh_http_request request = request_to(self, NULL, 0);
  int line = 0;
  request.method = str("GE T");
  note(self, P_RESULTS + line++, (int64_t)http->fetch(self->host, NULL, &request, fetched, NULL));
  request = request_to(self, &folded, 1);
  note(self, P_RESULTS + line++, (int64_t)http->fetch(self->host, NULL, &request, fetched, NULL));
  request = request_to(self, &unnamed, 1);
  note(self, P_RESULTS + line++, (int64_t)http->fetch(self->host, NULL, &request, fetched, NULL));
  request = request_to(self, NULL, 0);
  request.url.ptr = NULL;
  note(self, P_RESULTS + line++, (int64_t)http->fetch(self->host, NULL, &request, fetched, NULL));
  request = request_to(self, NULL, 0);
  request.struct_size = 8;
  note(self, P_RESULTS + line++, (int64_t)http->fetch(self->host, NULL, &request, fetched, NULL));
  memset(&longer, 0, sizeof longer);
  longer.known = request_to(self, NULL, 0);
  longer.known.struct_size = sizeof longer;
  longer.news = 1;
  note(self, P_RESULTS + line++, (int64_t)http->fetch(self->host, NULL, &longer.known, fetched, NULL));
  request = request_to(self, NULL, 0);
  note(self, P_RESULTS + line++, (int64_t)http->fetch(self->host, NULL, &request, NULL, NULL));
  return GH_CONTINUE;
}

/* A fetch of no exchange, begun in create(): its answer may come when the instance is not wanted any more. */
static void fetch_detached(instance *self) {
  gh_http_request request = request_to(self, NULL, 0);
  call *made = calloc(1, sizeof *made);
  made->self = self;
  note(self, P_TOKEN, (int64_t)self->http->fetch(self->host, NULL, &request, fetched, made));
}

/* ---- gh.metrics/1 ------------------------------------------------------------------------------------------------ */

typedef struct metrics {
  const gh_metrics *table;
  gh_metric counter, histogram;
} metrics;

static void define(instance *self) {
  static const double bounds[] = {1, 2.5, 10};
  double many[65];
  metrics *own = calloc(1, sizeof *own);
  for (int i = 0; i < 65; i++) many[i] = i;
  own->table = self->host->extension(self->host, GH_EXT_METRICS);
  own->counter = own->table->counter(self->host, at_the_edge("asked_total"), at_the_edge("How often."));
  own->histogram = own->table->histogram(self->host, str("length"), str("How long."), bounds, 3);
  note(self, P_RESULTS, own->counter);
  note(self, P_RESULTS + 1, own->histogram);
  note(self, P_RESULTS + 2, own->table->counter(self->host, str("asked_total"), str("How often.")));
  note(self, P_RESULTS + 3, own->table->histogram(self->host, str("too_many"), str(""), many, 65));
  self->own = own;
}

static gh_verdict record(instance *self) {
  metrics *own = self->own;
  own->table->add(self->host, own->counter, 2);
  own->table->observe(self->host, own->histogram, 3.5);
  own->table->add(self->host, 0, 1);
  note(self, P_RESULTS + 4, own->table->counter(self->host, str("late_total"), str("Too late.")));
  note(self, P_RESULTS + 5, own->table->histogram(self->host, str("late"), str("Too late."), NULL, 0));
  return GH_CONTINUE;
}

/* ------------------------------------------------------------------------------------------------------------------ */

static gh_verdict run(instance *self, gh_exchange *x, const gh_window *window, gh_decision *out) {
  (void)window, (void)out;
  if (strcmp(self->what, "fetch") == 0) return fetch(self, x, 0);
  if (strcmp(self->what, "fetch_and_cancel") == 0) return fetch(self, x, 1);
  if (strcmp(self->what, "bad_fetches") == 0) return bad_fetches(self);
  if (strcmp(self->what, "metrics") == 0) return record(self);
  return GH_CONTINUE;
}

static int set_up(instance *self) {
  note(self, P_STATUS2, self->host->extension(self->host, "gh.kv/1") != NULL);
  note(self, P_STATUS, self->host->extension(self->host, GH_EXT_UPSTREAM) != NULL);
  if (strcmp(self->what, "metrics") == 0) define(self);
  if (strcmp(self->what, "fetch_detached") == 0) fetch_detached(self);
  if (strcmp(self->what, "fetch_detached_and_refuse") == 0) {
    fetch_detached(self);
    return -1;
  }
  return 1;
}
