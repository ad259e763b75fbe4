/* Gatehouse plugin ABI: what the host offers. The table outlives every instance.
 *
 * create() gets a gh_host that belongs to that instance, so that log lines, metrics and grants know who speaks: keep the
 * pointer, do not copy the table. Newer members are appended only: ask GH_HAS(host, gh_host, member).
 */
#ifndef GATEHOUSE_HOST_H
#define GATEHOUSE_HOST_H

#include "abi.h"

typedef struct gh_decision gh_decision; /* hooks.h */

enum { GH_LOG_DEBUG = 0, GH_LOG_INFO = 1, GH_LOG_WARNING = 2, GH_LOG_ERROR = 3 };

/* Keys of info(). An unknown key gives an absent string. */
enum {
  GH_INFO_ENDPOINT = 1,       /* "chat_completions", "completions", "embeddings", "messages", "proxy" */
  GH_INFO_MODEL = 2,          /* the model of this attempt; before an attempt, the one the client asked for */
  GH_INFO_PROVIDER = 3,       /* the provider's slug; absent before an attempt */
  GH_INFO_TARGET = 4,         /* the target's path in the config, "config.targets[1]"; absent before an attempt */
  GH_INFO_ATTEMPT = 5,        /* number of this attempt, from "1"; absent before an attempt */
  GH_INFO_ATTEMPT_COUNT = 6,  /* attempts made so far, this one included */
  GH_INFO_STREAM = 7,         /* "true" when the client asked for a stream, else "false" */
  GH_INFO_TRACE_ID = 8,
  GH_INFO_WORKSPACE = 9,      /* absent when the gateway runs without keys */
  GH_INFO_PRINCIPAL = 10,     /* the gateway key's name, never its value */
  GH_INFO_METADATA = 11,      /* the request's metadata as a JSON object of strings */
  GH_INFO_USAGE = 12,         /* {"prompt_tokens":n,"completion_tokens":n,"total_tokens":n}, once known */
  GH_INFO_FINISH_REASON = 13, /* once known */
  GH_INFO_METHOD = 14,        /* "POST" */
  GH_INFO_PATH = 15,          /* the canonical path with its query, "/v1/chat/completions" */
  GH_INFO_STATUS = 16,        /* the upstream's status, once known */
  GH_INFO_MODE = 17           /* what becomes of this call's verdict: "enforced"; "async" or "shadow": it is recorded only,
                               * and edits are forgotten */
};

/* How set_json() puts a value. */
enum {
  GH_PUT_INSERT = 1 /* before the element of an array that stands at the pointer, instead of replacing it */
};

/* What a segment is. */
typedef int32_t gh_segment_kind;
enum {
  GH_SEGMENT_TEXT = 0,
  GH_SEGMENT_REASONING = 1,
  GH_SEGMENT_TOOL_ARGUMENTS = 2, /* one decoded string leaf of the arguments; in a stream, their JSON text */
  GH_SEGMENT_TOOL_RESULT = 3,
  GH_SEGMENT_TOOL_SCHEMA = 4,    /* a tool's or parameter's description */
  GH_SEGMENT_IMAGE = 5,          /* text is the URL or the base64 data: see flags */
  GH_SEGMENT_AUDIO = 6,
  GH_SEGMENT_FILE = 7,
  GH_SEGMENT_TOKEN_IDS = 8,
  GH_SEGMENT_OTHER = 9           /* a member the host's table does not know: presented, so that nothing passes unseen */
};

typedef int32_t gh_role;
enum {
  GH_ROLE_NONE = 0,
  GH_ROLE_SYSTEM = 1, /* system and developer messages */
  GH_ROLE_USER = 2,
  GH_ROLE_ASSISTANT = 3,
  GH_ROLE_TOOL = 4
};

enum {
  GH_SEGMENT_PARTIAL = 1,  /* more of it may follow (windows) */
  GH_SEGMENT_BINARY = 2,   /* text is base64 data, or absent: nothing to read as text */
  GH_SEGMENT_READ_ONLY = 4 /* edit() answers GH_UNSUPPORTED */
};

/* One piece of what a person or a model wrote, whatever the wire format. The host fills it in. */
typedef struct gh_segment {
  uint32_t struct_size;
  uint32_t flags;
  gh_segment_kind kind;
  gh_role role;
  uint64_t id;        /* stable for this exchange and side; what edit() takes */
  uint64_t index;     /* of the message (request) or choice (answer) that it belongs to */
  gh_str text;        /* decoded UTF-8 */
  gh_str pointer;     /* JSON pointer of the member in the body, "/messages/0/content" */
  gh_str media_type;  /* of images, audio and files, where the body says; else absent */
  gh_str name;        /* the tool's name, for tool kinds; else absent */
} gh_segment;

struct gh_host {
  uint32_t struct_size;
  uint32_t abi_minor;
  gh_str name;    /* "gatehouse" */
  gh_str version; /* the gateway's own version */

  /* [any] One structured log line under the instance's name. No format strings. Never put prompt text in it. */
  void (*log)(const gh_host *, int32_t level, gh_str message, const gh_field *fields, size_t count);

  /* [create] Refuses the configuration at a place, "/words/0". May be called many times; then return NULL. */
  void (*config_error)(const gh_host *, gh_str json_pointer, gh_str message);

  /* [any] An optional table by its id, a C string such as "gh.http/1"; NULL when this host lacks it or the manifest did
   * not ask for it. The table lives as long as the process. */
  const void *(*extension)(const gh_host *, const char *id);

  /* [hook] A fact about the exchange, GH_INFO_*. */
  gh_str (*info)(const gh_exchange *, int32_t what);
  /* [hook] The metadata value of a key; absent when there is none. */
  gh_str (*metadata)(const gh_exchange *, gh_str key);
  /* [hook] The index-th value of a header; absent past the last. Credentials are invisible unless granted. */
  gh_str (*header)(const gh_exchange *, gh_side, gh_str name, size_t index);
  /* [hook] The whole body in the client's format (request: as shaped so far). Absent when it is not buffered. */
  gh_str (*body)(const gh_exchange *, gh_side);
  /* [hook] The raw JSON value at a JSON pointer (RFC 6901); absent when there is none. */
  gh_str (*json)(const gh_exchange *, gh_side, gh_str json_pointer);

  /* [hook] How many segments the side has. */
  size_t (*segment_count)(const gh_exchange *, gh_side);
  /* [hook] Fills *out, whose struct_size the caller has set. GH_NOT_FOUND past the last. Reading it counts as seeing it.
   * Where text is withheld from the plugin (grants): GH_UNSUPPORTED, and body() and json() are absent. */
  gh_status (*segment)(const gh_exchange *, gh_side, size_t index, gh_segment *out);

  /* [hook] Nanoseconds until the host stops waiting: the smaller of the hook's and the exchange's limit. */
  int64_t (*time_left_ns)(const gh_exchange *);

  /* [hook] Replaces the bytes [begin, end) of a segment's text as it was presented. Staged, like all changes: applied
   * together when the decision lets the exchange go on, and invisible until then. Ranges of one call may not overlap
   * and must not cut a character: GH_INVALID, and a verdict that lets the exchange go on then counts as GH_FAIL. In
   * on_response and on_error, edits of the request's side go with GH_RETRY into the next attempt; with other verdicts
   * they are forgotten. */
  gh_status (*edit)(gh_exchange *, uint64_t segment_id, uint64_t begin, uint64_t end, gh_str replacement);
  /* [hook] Puts a raw JSON value at a JSON pointer: replaces, or adds to an object; an array index "-" appends. flags:
   * GH_PUT_*. */
  gh_status (*set_json)(gh_exchange *, gh_side, gh_str json_pointer, gh_str raw_json, uint32_t flags);
  /* [hook] Replaces the whole body, before what set_json puts. It and edit() exclude each other on one side of one
   * call: the second of them answers GH_INVALID. */
  gh_status (*set_body)(gh_exchange *, gh_side, gh_str body);
  /* [hook] Sets a header of the answer to the client; value absent removes it. Those that say where the answer ends
   * (content-length, transfer-encoding, connection and the like) are the host's: GH_INVALID. */
  gh_status (*set_header)(gh_exchange *, gh_side, gh_str name, gh_str value);
  /* [hook] A fact for the log and the span, under plugin.<id>.<key>. */
  gh_status (*set_attribute)(gh_exchange *, gh_str key, gh_str value);

  /* [hook] What a check found. passed 0 or 1; data a JSON value for hook_results, or absent. The operator's config, not
   * the plugin, decides what a failed check does. */
  gh_status (*report)(gh_exchange *, uint32_t passed, gh_str data_json);

  /* [hook] A copy that lives as long as the exchange, for strings of a decision. Absent when the host refuses. */
  gh_str (*keep)(gh_exchange *, gh_str text);

  /* [hook] One pointer per exchange and instance; drop runs once, after the last hook. NULL before it is set. */
  gh_status (*set_state)(gh_exchange *, void *state, void (*drop)(void *state));
  void *(*state)(const gh_exchange *);

  /* [hook] Starts a pending call: then return GH_PENDING and call complete() exactly once, also after on_cancel. */
  gh_token (*pend)(gh_exchange *);
  /* [any] Ends a pending call with the verdict and decision that the hook would have returned. NULL decision: one as
   * the host presets it. GH_GONE: the host had stopped waiting, or the token was used before. GH_INVALID: GH_PENDING is
   * no end; the call has failed. GH_UNSUPPORTED: members that this host does not know are set; complete again without.
   * Afterwards the exchange is not yours, and the instance with its gh_host may be destroyed before this returns: a
   * thread of the plugin's own takes what it still needs from elsewhere. The table of the entry lives on. */
  gh_status (*complete)(gh_token, int32_t verdict, const gh_decision *decision);
};

#endif
