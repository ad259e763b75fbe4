/* Made by layout_of.py of the headers of 1.0, and never changed after their release. It compiles with the headers of 1.0
 * and of every later minor: members keep their place, their type and their meaning, and structs only grow. */
#include <stdio.h>
#include <string.h>

/* Those of the include path, never those beside this file. */
#include <gatehouse/gatehouse.h>

#define MEMBER(T, place, member, ...) \
  _Static_assert(sizeof(void *) != 8 || offsetof(struct T, member) == place, #T "." #member " has moved"); \
  _Static_assert(_Generic(((struct T *)0)->member, __VA_ARGS__: 1, default: 0), #T "." #member " has another type")
#define SIZE(T, size) _Static_assert(sizeof(void *) != 8 || sizeof(struct T) == size, #T " has another size")
#define GROWS(T, size) _Static_assert(sizeof(void *) != 8 || sizeof(struct T) >= size, #T " has lost members")
#define VALUE(name, value) _Static_assert((name) == (value), #name " has another value")
#define TYPE(name, ...) _Static_assert(_Generic((name *)0, __VA_ARGS__: 1, default: 0), #name " is another type")

SIZE(gh_str, 16);
MEMBER(gh_str, 0, ptr, const char *);
MEMBER(gh_str, 8, len, size_t);

SIZE(gh_bytes, 32);
MEMBER(gh_bytes, 0, ptr, const void *);
MEMBER(gh_bytes, 8, len, size_t);
MEMBER(gh_bytes, 16, release, void (*)(void *));
MEMBER(gh_bytes, 24, owner, void *);

SIZE(gh_field, 32);
MEMBER(gh_field, 0, key, gh_str);
MEMBER(gh_field, 16, value, gh_str);

GROWS(gh_segment, 96);
MEMBER(gh_segment, 0, struct_size, uint32_t);
MEMBER(gh_segment, 4, flags, uint32_t);
MEMBER(gh_segment, 8, kind, gh_segment_kind);
MEMBER(gh_segment, 12, role, gh_role);
MEMBER(gh_segment, 16, id, uint64_t);
MEMBER(gh_segment, 24, index, uint64_t);
MEMBER(gh_segment, 32, text, gh_str);
MEMBER(gh_segment, 48, pointer, gh_str);
MEMBER(gh_segment, 64, media_type, gh_str);
MEMBER(gh_segment, 80, name, gh_str);

GROWS(gh_host, 216);
MEMBER(gh_host, 0, struct_size, uint32_t);
MEMBER(gh_host, 4, abi_minor, uint32_t);
MEMBER(gh_host, 8, name, gh_str);
MEMBER(gh_host, 24, version, gh_str);
MEMBER(gh_host, 40, log, void (*)(const gh_host *, int32_t, gh_str, const gh_field *, size_t));
MEMBER(gh_host, 48, config_error, void (*)(const gh_host *, gh_str, gh_str));
MEMBER(gh_host, 56, extension, const void *(*)(const gh_host *, const char *));
MEMBER(gh_host, 64, info, gh_str (*)(const gh_exchange *, int32_t));
MEMBER(gh_host, 72, metadata, gh_str (*)(const gh_exchange *, gh_str));
MEMBER(gh_host, 80, header, gh_str (*)(const gh_exchange *, gh_side, gh_str, size_t));
MEMBER(gh_host, 88, body, gh_str (*)(const gh_exchange *, gh_side));
MEMBER(gh_host, 96, json, gh_str (*)(const gh_exchange *, gh_side, gh_str));
MEMBER(gh_host, 104, segment_count, size_t (*)(const gh_exchange *, gh_side));
MEMBER(gh_host, 112, segment, gh_status (*)(const gh_exchange *, gh_side, size_t, gh_segment *));
MEMBER(gh_host, 120, time_left_ns, int64_t (*)(const gh_exchange *));
MEMBER(gh_host, 128, edit, gh_status (*)(gh_exchange *, uint64_t, uint64_t, uint64_t, gh_str));
MEMBER(gh_host, 136, set_json, gh_status (*)(gh_exchange *, gh_side, gh_str, gh_str, uint32_t));
MEMBER(gh_host, 144, set_body, gh_status (*)(gh_exchange *, gh_side, gh_str));
MEMBER(gh_host, 152, set_header, gh_status (*)(gh_exchange *, gh_side, gh_str, gh_str));
MEMBER(gh_host, 160, set_attribute, gh_status (*)(gh_exchange *, gh_str, gh_str));
MEMBER(gh_host, 168, report, gh_status (*)(gh_exchange *, uint32_t, gh_str));
MEMBER(gh_host, 176, keep, gh_str (*)(gh_exchange *, gh_str));
MEMBER(gh_host, 184, set_state, gh_status (*)(gh_exchange *, void *, void (*)(void *)));
MEMBER(gh_host, 192, state, void *(*)(const gh_exchange *));
MEMBER(gh_host, 200, pend, gh_token (*)(gh_exchange *));
MEMBER(gh_host, 208, complete, gh_status (*)(gh_token, int32_t, const gh_decision *));

GROWS(gh_decision, 120);
MEMBER(gh_decision, 0, struct_size, uint32_t);
MEMBER(gh_decision, 4, http_status, int32_t);
MEMBER(gh_decision, 8, retry_after_ms, uint32_t);
MEMBER(gh_decision, 12, flags, uint32_t);
MEMBER(gh_decision, 16, code, gh_str);
MEMBER(gh_decision, 32, message, gh_str);
MEMBER(gh_decision, 48, target, gh_str);
MEMBER(gh_decision, 64, body, gh_bytes);
MEMBER(gh_decision, 96, content_type, gh_str);
MEMBER(gh_decision, 112, released_to, uint64_t);

GROWS(gh_window, 64);
MEMBER(gh_window, 0, struct_size, uint32_t);
MEMBER(gh_window, 4, flags, uint32_t);
MEMBER(gh_window, 8, text, gh_str);
MEMBER(gh_window, 24, fresh_from, uint64_t);
MEMBER(gh_window, 32, segment, const gh_segment *);
MEMBER(gh_window, 40, event, gh_str);
MEMBER(gh_window, 56, offset, uint64_t);

GROWS(gh_failure, 80);
MEMBER(gh_failure, 0, struct_size, uint32_t);
MEMBER(gh_failure, 4, http_status, int32_t);
MEMBER(gh_failure, 8, flags, uint32_t);
MEMBER(gh_failure, 12, retry_after_ms, uint32_t);
MEMBER(gh_failure, 16, type, gh_str);
MEMBER(gh_failure, 32, code, gh_str);
MEMBER(gh_failure, 48, param, gh_str);
MEMBER(gh_failure, 64, message, gh_str);

GROWS(gh_hooks, 56);
MEMBER(gh_hooks, 0, struct_size, uint32_t);
MEMBER(gh_hooks, 4, reserved, uint32_t);
MEMBER(gh_hooks, 8, on_request, gh_verdict (*)(void *, gh_exchange *, gh_decision *));
MEMBER(gh_hooks, 16, on_response, gh_verdict (*)(void *, gh_exchange *, gh_decision *));
MEMBER(gh_hooks, 24, on_stream, gh_verdict (*)(void *, gh_exchange *, const gh_window *, gh_decision *));
MEMBER(gh_hooks, 32, on_error, gh_verdict (*)(void *, gh_exchange *, const gh_failure *, gh_decision *));
MEMBER(gh_hooks, 40, on_cancel, void (*)(void *, gh_exchange *, gh_token));
MEMBER(gh_hooks, 48, on_done, void (*)(void *, const gh_exchange *));

GROWS(gh_create_info, 56);
MEMBER(gh_create_info, 0, struct_size, uint32_t);
MEMBER(gh_create_info, 4, reserved, uint32_t);
MEMBER(gh_create_info, 8, interface_id, gh_str);
MEMBER(gh_create_info, 24, check, gh_str);
MEMBER(gh_create_info, 40, config_json, gh_str);

GROWS(gh_plugin, 72);
MEMBER(gh_plugin, 0, struct_size, uint32_t);
MEMBER(gh_plugin, 4, abi_minor, uint32_t);
MEMBER(gh_plugin, 8, min_host_minor, uint32_t);
MEMBER(gh_plugin, 12, flags, uint32_t);
MEMBER(gh_plugin, 16, id, gh_str);
MEMBER(gh_plugin, 32, version, gh_str);
MEMBER(gh_plugin, 48, create, void *(*)(const gh_host *, const gh_create_info *));
MEMBER(gh_plugin, 56, destroy, void (*)(void *));
MEMBER(gh_plugin, 64, query, const void *(*)(const char *));

GROWS(gh_http_in, 56);
MEMBER(gh_http_in, 0, struct_size, uint32_t);
MEMBER(gh_http_in, 4, status, int32_t);
MEMBER(gh_http_in, 8, headers, const gh_field *);
MEMBER(gh_http_in, 16, header_count, size_t);
MEMBER(gh_http_in, 24, body, gh_str);
MEMBER(gh_http_in, 40, transport_error, gh_str);

GROWS(gh_upstream, 72);
MEMBER(gh_upstream, 0, struct_size, uint32_t);
MEMBER(gh_upstream, 4, reserved, uint32_t);
MEMBER(gh_upstream, 8, out_target, gh_status (*)(gh_out *, gh_str, gh_str));
MEMBER(gh_upstream, 16, out_header, gh_status (*)(gh_out *, gh_str, gh_str));
MEMBER(gh_upstream, 24, out_body, gh_status (*)(gh_out *, gh_bytes));
MEMBER(gh_upstream, 32, out_credential, gh_status (*)(gh_out *, gh_str, gh_str, gh_str));
MEMBER(gh_upstream, 40, out_mode, gh_status (*)(gh_out *, uint32_t, gh_framing));
MEMBER(gh_upstream, 48, out_dropped, gh_status (*)(gh_out *, gh_str));
MEMBER(gh_upstream, 56, out_answer, gh_status (*)(gh_out *, int32_t, gh_str, gh_bytes, uint32_t, uint32_t));
MEMBER(gh_upstream, 64, out_get, gh_str (*)(const gh_out *, int32_t, gh_str));

GROWS(gh_provider, 64);
MEMBER(gh_provider, 0, struct_size, uint32_t);
MEMBER(gh_provider, 4, reserved, uint32_t);
MEMBER(gh_provider, 8, build, gh_verdict (*)(void *, gh_exchange *, gh_out *, gh_decision *));
MEMBER(gh_provider, 16, map_response, gh_status (*)(void *, gh_exchange *, const gh_http_in *, gh_bytes *));
MEMBER(gh_provider, 24, stream_open, void *(*)(void *, gh_exchange *));
MEMBER(gh_provider, 32, map_event, gh_status (*)(void *, void *, gh_str, gh_str, gh_emit, void *));
MEMBER(gh_provider, 40, stream_close, gh_status (*)(void *, void *, gh_emit, void *));
MEMBER(gh_provider, 48, stream_drop, void (*)(void *, void *));
MEMBER(gh_provider, 56, map_error, gh_status (*)(void *, gh_exchange *, const gh_http_in *, gh_failure *));

GROWS(gh_auth, 16);
MEMBER(gh_auth, 0, struct_size, uint32_t);
MEMBER(gh_auth, 4, reserved, uint32_t);
MEMBER(gh_auth, 8, sign, gh_verdict (*)(void *, gh_exchange *, gh_out *, gh_decision *));

GROWS(gh_gateway_request, 40);
MEMBER(gh_gateway_request, 0, struct_size, uint32_t);
MEMBER(gh_gateway_request, 4, timeout_ms, uint32_t);
MEMBER(gh_gateway_request, 8, target, gh_str);
MEMBER(gh_gateway_request, 24, body, gh_str);

GROWS(gh_gateway, 24);
MEMBER(gh_gateway, 0, struct_size, uint32_t);
MEMBER(gh_gateway, 4, reserved, uint32_t);
MEMBER(gh_gateway, 8, ask, gh_token (*)(const gh_host *, gh_exchange *, const gh_gateway_request *, void (*)(void *, const gh_http_in *), void *));
MEMBER(gh_gateway, 16, cancel, gh_status (*)(gh_token));

GROWS(gh_http_request, 72);
MEMBER(gh_http_request, 0, struct_size, uint32_t);
MEMBER(gh_http_request, 4, timeout_ms, uint32_t);
MEMBER(gh_http_request, 8, method, gh_str);
MEMBER(gh_http_request, 24, url, gh_str);
MEMBER(gh_http_request, 40, headers, const gh_field *);
MEMBER(gh_http_request, 48, header_count, size_t);
MEMBER(gh_http_request, 56, body, gh_str);

GROWS(gh_http, 24);
MEMBER(gh_http, 0, struct_size, uint32_t);
MEMBER(gh_http, 4, reserved, uint32_t);
MEMBER(gh_http, 8, fetch, gh_token (*)(const gh_host *, gh_exchange *, const gh_http_request *, void (*)(void *, const gh_http_in *), void *));
MEMBER(gh_http, 16, cancel, gh_status (*)(gh_token));

GROWS(gh_metrics, 40);
MEMBER(gh_metrics, 0, struct_size, uint32_t);
MEMBER(gh_metrics, 4, reserved, uint32_t);
MEMBER(gh_metrics, 8, counter, gh_metric (*)(const gh_host *, gh_str, gh_str));
MEMBER(gh_metrics, 16, histogram, gh_metric (*)(const gh_host *, gh_str, gh_str, const double *, size_t));
MEMBER(gh_metrics, 24, add, void (*)(const gh_host *, gh_metric, double));
MEMBER(gh_metrics, 32, observe, void (*)(const gh_host *, gh_metric, double));

SIZE(gh_regex_span, 16);
MEMBER(gh_regex_span, 0, begin, uint64_t);
MEMBER(gh_regex_span, 8, end, uint64_t);

GROWS(gh_regex, 40);
MEMBER(gh_regex, 0, struct_size, uint32_t);
MEMBER(gh_regex, 4, reserved, uint32_t);
MEMBER(gh_regex, 8, compile, gh_regex_pattern *(*)(const gh_host *, gh_str, uint32_t, uint64_t *, char *, size_t));
MEMBER(gh_regex, 16, match, int32_t (*)(const gh_regex_pattern *, gh_str, uint64_t, gh_regex_span *, size_t));
MEMBER(gh_regex, 24, group_name, gh_str (*)(const gh_regex_pattern *, uint32_t));
MEMBER(gh_regex, 32, free_pattern, void (*)(gh_regex_pattern *));

GROWS(gh_schema, 32);
MEMBER(gh_schema, 0, struct_size, uint32_t);
MEMBER(gh_schema, 4, reserved, uint32_t);
MEMBER(gh_schema, 8, compile, gh_schema_compiled *(*)(const gh_host *, gh_str, uint32_t, gh_schema_violation, void *));
MEMBER(gh_schema, 16, validate, int32_t (*)(const gh_schema_compiled *, gh_str, gh_schema_violation, void *));
MEMBER(gh_schema, 24, free_schema, void (*)(gh_schema_compiled *));

VALUE(GH_OK, 0);
VALUE(GH_ERROR, -1);
VALUE(GH_GONE, -2);
VALUE(GH_UNSUPPORTED, -3);
VALUE(GH_OVER_LIMIT, -4);
VALUE(GH_INVALID, -5);
VALUE(GH_NOT_FOUND, -6);
VALUE(GH_SIDE_REQUEST, 0);
VALUE(GH_SIDE_RESPONSE, 1);
VALUE(GH_LOG_DEBUG, 0);
VALUE(GH_LOG_INFO, 1);
VALUE(GH_LOG_WARNING, 2);
VALUE(GH_LOG_ERROR, 3);
VALUE(GH_INFO_ENDPOINT, 1);
VALUE(GH_INFO_MODEL, 2);
VALUE(GH_INFO_PROVIDER, 3);
VALUE(GH_INFO_TARGET, 4);
VALUE(GH_INFO_ATTEMPT, 5);
VALUE(GH_INFO_ATTEMPT_COUNT, 6);
VALUE(GH_INFO_STREAM, 7);
VALUE(GH_INFO_TRACE_ID, 8);
VALUE(GH_INFO_WORKSPACE, 9);
VALUE(GH_INFO_PRINCIPAL, 10);
VALUE(GH_INFO_METADATA, 11);
VALUE(GH_INFO_USAGE, 12);
VALUE(GH_INFO_FINISH_REASON, 13);
VALUE(GH_INFO_METHOD, 14);
VALUE(GH_INFO_PATH, 15);
VALUE(GH_INFO_STATUS, 16);
VALUE(GH_INFO_MODE, 17);
VALUE(GH_PUT_INSERT, 1);
VALUE(GH_SEGMENT_TEXT, 0);
VALUE(GH_SEGMENT_REASONING, 1);
VALUE(GH_SEGMENT_TOOL_ARGUMENTS, 2);
VALUE(GH_SEGMENT_TOOL_RESULT, 3);
VALUE(GH_SEGMENT_TOOL_SCHEMA, 4);
VALUE(GH_SEGMENT_IMAGE, 5);
VALUE(GH_SEGMENT_AUDIO, 6);
VALUE(GH_SEGMENT_FILE, 7);
VALUE(GH_SEGMENT_TOKEN_IDS, 8);
VALUE(GH_SEGMENT_OTHER, 9);
VALUE(GH_ROLE_NONE, 0);
VALUE(GH_ROLE_SYSTEM, 1);
VALUE(GH_ROLE_USER, 2);
VALUE(GH_ROLE_ASSISTANT, 3);
VALUE(GH_ROLE_TOOL, 4);
VALUE(GH_SEGMENT_PARTIAL, 1);
VALUE(GH_SEGMENT_BINARY, 2);
VALUE(GH_SEGMENT_READ_ONLY, 4);
VALUE(GH_CONTINUE, 0);
VALUE(GH_DENY, 1);
VALUE(GH_ANSWER, 2);
VALUE(GH_RETRY, 3);
VALUE(GH_PENDING, 4);
VALUE(GH_FAIL, 5);
VALUE(GH_DECISION_RELEASE_PRESET, 1);
VALUE(GH_WINDOW_LAST, 1);
VALUE(GH_WINDOW_END, 2);
VALUE(GH_FAILURE_RETRYABLE, 1);
VALUE(GH_FAILURE_FINAL, 2);
VALUE(GH_FAILURE_TRANSPORT, 4);
VALUE(GH_FRAMING_AUTO, 0);
VALUE(GH_FRAMING_SSE, 1);
VALUE(GH_FRAMING_JSON_LINES, 2);
VALUE(GH_OUT_PASSTHROUGH, 1);
VALUE(GH_OUT_GET_METHOD, 1);
VALUE(GH_OUT_GET_URL, 2);
VALUE(GH_OUT_GET_HEADER, 3);
VALUE(GH_OUT_GET_BODY, 4);
VALUE(GH_REGEX_CASELESS, 1);
VALUE(GH_REGEX_MULTILINE, 2);
VALUE(GH_REGEX_DOTALL, 4);
VALUE(GH_REGEX_EXTENDED, 8);
VALUE(GH_REGEX_BYTES, 16);
VALUE(GH_SCHEMA_FORMATS, 1);
VALUE(GH_SCHEMA_DRAFT_7, 2);
VALUE(GH_ABI_MAJOR, 1);

TYPE(gh_token, uint64_t *);
TYPE(gh_status, int32_t *);
TYPE(gh_side, int32_t *);
TYPE(gh_segment_kind, int32_t *);
TYPE(gh_role, int32_t *);
TYPE(gh_verdict, int32_t *);
TYPE(gh_plugin_entry_fn, const gh_plugin *(**)(const gh_host *));
TYPE(gh_framing, int32_t *);
TYPE(gh_emit, void (**)(void *, gh_str, gh_str));
TYPE(gh_metric, uint32_t *);
TYPE(gh_schema_violation, void (**)(void *, gh_str, gh_str));

_Static_assert(_Generic(&gh_plugin_entry_v1, const gh_plugin *(*)(const gh_host *): 1, default: 0), "the entry has another type");

int main(void) {
  const char *const strings[][2] = {
      {GH_EXT_GATEWAY, "gh.gateway/1"},
      {GH_EXT_HTTP, "gh.http/1"},
      {GH_EXT_METRICS, "gh.metrics/1"},
      {GH_EXT_REGEX, "gh.regex/1"},
      {GH_EXT_SCHEMA, "gh.schema/1"},
      {GH_EXT_UPSTREAM, "gh.upstream/1"},
      {GH_INTERFACE_AUTH, "gh.auth/1"},
      {GH_INTERFACE_HOOKS, "gh.hooks/1"},
      {GH_INTERFACE_PROVIDER, "gh.provider/1"},
      {GH_PLUGIN_ENTRY, "gh_plugin_entry_v1"},
  };
  int failed = 0;
  for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
    if (strcmp(strings[i][0], strings[i][1]) != 0) {
      printf("the string %s has become %s\n", strings[i][1], strings[i][0]);
      failed = 1;
    }
  return failed;
}
