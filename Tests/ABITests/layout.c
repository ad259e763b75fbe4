/* Compiled, never run. For each public struct: it names its size first unless it is one of the small values, and it ends
 * with its last member, so that a member appended later cannot hide in padding (an old table would seem to have it).
 * run.sh sees to it that no struct of the headers is missing here. */
#include "gatehouse/gatehouse.h"

#define ENDS_WITH(T, member) \
  _Static_assert(sizeof(T) == offsetof(T, member) + sizeof(((T *)0)->member), #T " has padding at its end")
#define VERSIONED(T, member) \
  _Static_assert(offsetof(T, struct_size) == 0 && sizeof(((T *)0)->struct_size) == 4, #T " must begin with struct_size"); \
  ENDS_WITH(T, member)

ENDS_WITH(gh_str, len);
ENDS_WITH(gh_bytes, owner);
ENDS_WITH(gh_field, value);
ENDS_WITH(gh_regex_span, end);

VERSIONED(gh_host, complete);
VERSIONED(gh_segment, name);
VERSIONED(gh_decision, released_to);
VERSIONED(gh_window, offset);
VERSIONED(gh_failure, message);
VERSIONED(gh_hooks, on_done);
VERSIONED(gh_create_info, config_json);
VERSIONED(gh_plugin, query);
VERSIONED(gh_http_in, transport_error);
VERSIONED(gh_upstream, out_get);
VERSIONED(gh_provider, map_error);
VERSIONED(gh_auth, sign);
VERSIONED(gh_http_request, body);
VERSIONED(gh_http, cancel);
VERSIONED(gh_gateway_request, body);
VERSIONED(gh_gateway, cancel);
VERSIONED(gh_metrics, observe);
VERSIONED(gh_regex, free_pattern);
VERSIONED(gh_schema, free_schema);
