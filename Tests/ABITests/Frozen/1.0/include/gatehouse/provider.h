/* Gatehouse plugin ABI: interface "gh.provider/1", the wire format of a provider.
 *
 * One instance per target. Its config_json is {"description": …, "target": …}: the provider's description file (or the
 * entry of the manifest) and the target's own options. The client's format is OpenAI's, unless the manifest says that
 * the endpoint is "native". A request's headers set only the options that the description declares: by name in its
 * "options", or as a place in base_url, paths, query and headers ("{region}"). build() and map_*() may run again for
 * every attempt and must not depend on earlier runs. The host cuts frames, decodes content encodings and enforces
 * limits: the adapter sees whole events.
 */
#ifndef GATEHOUSE_PROVIDER_H
#define GATEHOUSE_PROVIDER_H

#include "abi.h"
#include "hooks.h"

/* How the host cuts a streamed answer. AUTO: by its content type. JSON_LINES: each line is an event, without a name. */
typedef int32_t gh_framing;
enum { GH_FRAMING_AUTO = 0, GH_FRAMING_SSE = 1, GH_FRAMING_JSON_LINES = 2 };

/* An answer as it came. status 0: there was none, and transport_error says why. */
typedef struct gh_http_in {
  uint32_t struct_size;
  int32_t status;
  const gh_field *headers;
  size_t header_count;
  gh_str body;
  gh_str transport_error;
} gh_http_in;

/* Host extension "gh.upstream/1": builds the upstream request. Calls are valid inside build() and sign() only. */
typedef struct gh_upstream {
  uint32_t struct_size;
  uint32_t reserved;
  /* Method and absolute URL (http, https). A URL in "mock:" asks for no network: see out_answer. */
  gh_status (*out_target)(gh_out *, gh_str method, gh_str url);
  /* Sets a header; value absent removes it. Authorization and the like: out_credential. */
  gh_status (*out_header)(gh_out *, gh_str name, gh_str value);
  /* The body; the last call counts. Without it the client's own body is sent, byte for byte. Bytes with release live
   * until the request has gone, and the instance with them. */
  gh_status (*out_body)(gh_out *, gh_bytes body);
  /* The host writes prefix + credential into the header. ref: "api_key". GH_NOT_FOUND: the target has none. */
  gh_status (*out_credential)(gh_out *, gh_str header_name, gh_str prefix, gh_str ref);
  /* flags: GH_OUT_*. */
  gh_status (*out_mode)(gh_out *, uint32_t flags, gh_framing framing);
  /* The adapter could not carry a parameter: named in the log and in x-gatehouse-dropped-params. */
  gh_status (*out_dropped)(gh_out *, gh_str parameter);
  /* Answers in place of an upstream: status, content type, body, sent in pieces of chunk_bytes (0: whole) with delay_ms
   * before each piece. For test doubles. The answer then takes the path of a real one. */
  gh_status (*out_answer)(gh_out *, int32_t status, gh_str content_type, gh_bytes body, uint32_t chunk_bytes,
                          uint32_t delay_ms);
  /* What has been set so far, for signers: GH_OUT_GET_*; name is the header's, else absent. */
  gh_str (*out_get)(const gh_out *, int32_t what, gh_str name);
} gh_upstream;
#define GH_EXT_UPSTREAM "gh.upstream/1"

enum {
  GH_OUT_PASSTHROUGH = 1 /* answers and events are already in the client's format: map_response, map_event not called */
};
enum { GH_OUT_GET_METHOD = 1, GH_OUT_GET_URL = 2, GH_OUT_GET_HEADER = 3, GH_OUT_GET_BODY = 4 };

/* Hands one canonical event to the host. data is JSON, or "[DONE]"; event is the SSE event name or absent. */
typedef void (*gh_emit)(void *sink, gh_str event, gh_str data);

typedef struct gh_provider {
  uint32_t struct_size;
  uint32_t reserved;
  /* Makes the upstream request of one attempt. CONTINUE, DENY (the request cannot be expressed: 400) or FAIL. */
  gh_verdict (*build)(void *self, gh_exchange *, gh_out *, gh_decision *);
  /* A 2xx answer to canonical JSON. The host zeroes *json. Bytes without release are copied as soon as this has
   * returned: they may be the instance's or the answer's own, or keep()'s, but not this function's. Bytes with release belong to
   * the host: it calls release(owner) once, on any thread, maybe long after the exchange, whatever the status here, and
   * the instance lives until then. GH_INVALID: not an answer of this provider (502). */
  gh_status (*map_response)(void *self, gh_exchange *, const gh_http_in *, gh_bytes *json);
  /* State of one stream; NULL is allowed. */
  void *(*stream_open)(void *self, gh_exchange *);
  /* One whole upstream event to 0..n canonical ones. GH_INVALID: unreadable. */
  gh_status (*map_event)(void *self, void *stream, gh_str event, gh_str data, gh_emit emit, void *sink);
  /* The upstream ended. Emits what is left and frees the state. GH_INVALID: the stream was cut short. */
  gh_status (*stream_close)(void *self, void *stream, gh_emit emit, void *sink);
  /* The stream was cancelled: frees the state, emits nothing. */
  void (*stream_drop)(void *self, void *stream);
  /* A non-2xx answer. Fills what it recognises. GH_INVALID: not this provider's error shape. Strings: literals, views of
   * the answer, or keep(). */
  gh_status (*map_error)(void *self, gh_exchange *, const gh_http_in *, gh_failure *);
} gh_provider;

#endif
