/* Gatehouse plugin ABI: interface "gh.hooks/1". Guardrails and everything else that looks at an exchange.
 *
 * Hooks of one instance run concurrently for different exchanges; calls for one exchange and instance are serial. The
 * verdict is the return value alone. Strings in a decision must outlive the return: literals, views of the exchange, or
 * host->keep().
 */
#ifndef GATEHOUSE_HOOKS_H
#define GATEHOUSE_HOOKS_H

#include "abi.h"
#include "host.h"

typedef int32_t gh_verdict;
enum {
  GH_CONTINUE = 0, /* go on, with the staged edits */
  GH_DENY = 1,     /* refuse: http_status (0: the host's default), code, message, retry_after_ms */
  GH_ANSWER = 2,   /* answer the client now: http_status (0: 200), body, content_type */
  GH_RETRY = 3,    /* on_response, on_error: try again; target names one, absent = the router's next */
  GH_PENDING = 4,  /* complete() says it later; pend() was called */
  GH_FAIL = 5      /* this plugin could not judge; the operator's failure policy decides. message goes to the log */
};

struct gh_decision { /* the host zeroes it and sets struct_size before every call */
  uint32_t struct_size;
  int32_t http_status;
  uint32_t retry_after_ms;
  uint32_t flags;      /* GH_DECISION_* */
  gh_str code;         /* DENY: a stable word, "pii_found" */
  gh_str message;      /* DENY: a sentence for the client; FAIL: one for the log */
  gh_str target;       /* RETRY */
  gh_bytes body;       /* ANSWER */
  gh_str content_type; /* ANSWER; absent = application/json */
  uint64_t released_to; /* on_stream: offset in the window's text up to which the host may let go. The host presets it
                         * to the end less the configured overlap. What is before it is never presented again. For a
                         * pending call it is what complete() gets: a zeroed decision holds everything back, unless
                         * GH_DECISION_RELEASE_PRESET is set. */
};
enum {
  GH_DECISION_RELEASE_PRESET = 1 /* on_stream: released_to is not set; what the host had preset counts */
};

/* Streamed text that the host holds back for this instance. One window belongs to one segment: content, reasoning and
 * each tool call's arguments of each choice are segments of their own. */
typedef struct gh_window {
  uint32_t struct_size;
  uint32_t flags;             /* GH_WINDOW_* */
  gh_str text;                /* never half a character */
  uint64_t fresh_from;        /* text[0, fresh_from) was presented before */
  const gh_segment *segment;  /* its text member is absent; edit() takes its id and offsets in text */
  gh_str event;               /* mode "event": the newest event as canonical JSON; else absent */
  uint64_t offset;            /* where text[0] stands in the segment's whole text, in bytes as the answer came to this
                               * guard: edits do not move it. offset + fresh_from is 0 in a segment's first window */
} gh_window;
enum {
  GH_WINDOW_LAST = 1, /* nothing of this segment follows, as far as the events tell */
  GH_WINDOW_END = 2   /* the whole answer has ended. Comes once, with an empty text, to checks whose manifest says
                       * "end": true for on_stream; not for an answer without text, nor for one that broke off */
};

/* A failed attempt. */
typedef struct gh_failure {
  uint32_t struct_size;
  int32_t http_status;     /* what the client would get */
  uint32_t flags;          /* GH_FAILURE_* */
  uint32_t retry_after_ms; /* 0: not said */
  gh_str type;
  gh_str code;
  gh_str param;
  gh_str message;
} gh_failure;
enum {
  GH_FAILURE_RETRYABLE = 1,
  GH_FAILURE_FINAL = 2,     /* the router has nothing left to try */
  GH_FAILURE_TRANSPORT = 4  /* no answer at all: connect, TLS, timeout, cut */
};

typedef struct gh_hooks { /* a NULL member: not interested */
  uint32_t struct_size;
  uint32_t reserved;
  /* Before the request goes out, once per attempt (once per exchange for the operator's mandatory guards). Not RETRY. */
  gh_verdict (*on_request)(void *self, gh_exchange *, gh_decision *);
  /* After a whole answer came. On streams only in mode "full". */
  gh_verdict (*on_response)(void *self, gh_exchange *, gh_decision *);
  /* For each window of a streamed answer. DENY stops the upstream and ends the stream with one error event. Neither
   * ANSWER nor RETRY: the client has part of the answer. */
  gh_verdict (*on_stream)(void *self, gh_exchange *, const gh_window *, gh_decision *);
  /* After each failed attempt, never for requests refused before there was a plan. CONTINUE, RETRY, ANSWER or DENY;
   * after the first byte went to the client the verdict is ignored. */
  gh_verdict (*on_error)(void *self, gh_exchange *, const gh_failure *, gh_decision *);
  /* The host stopped waiting for a pending call. complete() must still be called; it will say GH_GONE. */
  void (*on_cancel)(void *self, gh_exchange *, gh_token);
  /* Once, when the exchange is over. Read only. */
  void (*on_done)(void *self, const gh_exchange *);
} gh_hooks;

#endif
