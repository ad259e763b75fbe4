/* Gatehouse plugin ABI: host extension "gh.http/1": fetches over the host's own client.
 *
 * The host's connections, proxies, CA store and egress rules apply; redirects are not followed; the answer is limited in
 * size. Manifest: "needs": ["gh.http/1"]. For addresses that are not public, "grants": {"egress": […]} asks, and the
 * operator's plugins.settings.<plugin id>.egress grants: a fetch of what is not granted ends with status 0 and the reason.
 */
#ifndef GATEHOUSE_EXT_HTTP_H
#define GATEHOUSE_EXT_HTTP_H

#include "../abi.h"
#include "../provider.h"

#define GH_EXT_HTTP "gh.http/1"

typedef struct gh_http_request {
  uint32_t struct_size;
  uint32_t timeout_ms; /* 0: the host's default; never more than what the exchange has left */
  gh_str method;
  gh_str url;
  const gh_field *headers;
  size_t header_count;
  gh_str body; /* copied at once */
} gh_http_request;

typedef struct gh_http {
  uint32_t struct_size;
  uint32_t reserved;
  /* [any] Starts a fetch. exchange NULL: none of an exchange (key sets, token refresh). done runs exactly once, on a
   * thread of the host's, never inside fetch() on its thread, but maybe on another one before fetch() has returned its
   * token; the answer's views live until it returns. The instance is not destroyed before. 0: refused, done will not
   * run. */
  gh_token (*fetch)(const gh_host *, gh_exchange *, const gh_http_request *,
                    void (*done)(void *user, const gh_http_in *), void *user);
  /* [any] done runs soon, with status 0, unless it already has. */
  gh_status (*cancel)(gh_token);
} gh_http;

#endif
