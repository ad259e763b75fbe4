/* Gatehouse plugin ABI: host extension "gh.gateway/1": chat completions from other targets of the operator's.
 *
 * The request goes the gateway's own way to an upstream: adapter, credentials, retries and fallbacks of the config that
 * is named. It passes no guards, but for the operator's mandatory ones where the asking check stands in a client's own
 * config. It has a line of its own in the log, with its tokens, under the asking check's name and the trace id of its
 * exchange. What is asked for an exchange that was itself asked for is refused, unless a mandatory guard asks. Manifest:
 * "needs": ["gh.gateway/1"].
 */
#ifndef GATEHOUSE_EXT_GATEWAY_H
#define GATEHOUSE_EXT_GATEWAY_H

#include "../abi.h"
#include "../provider.h"

#define GH_EXT_GATEWAY "gh.gateway/1"

typedef struct gh_gateway_request {
  uint32_t struct_size;
  uint32_t timeout_ms; /* 0: the host's default; never more than what the exchange has left */
  gh_str target; /* the name of a saved config, "@" and the name of a provider, or a config as a JSON object */
  gh_str body;   /* a chat completion request (OpenAI's format, not a stream) as JSON; copied at once */
} gh_gateway_request;

typedef struct gh_gateway {
  uint32_t struct_size;
  uint32_t reserved;
  /* [any] Asks. exchange NULL: for none. done runs exactly once, on a thread of the host's, never inside ask() on its
   * thread, but maybe on another one before ask() has returned its token. It gets what a client would get: the status
   * and the JSON of a chat completion or of an error, without headers; or status 0 and the reason when there was no
   * answer. The views live until it returns. The instance is not destroyed before. 0: refused, done will not run. */
  gh_token (*ask)(const gh_host *, gh_exchange *, const gh_gateway_request *,
                  void (*done)(void *user, const gh_http_in *), void *user);
  /* [any] done runs soon, with status 0, unless it already has. The end of the exchange cancels, too. */
  gh_status (*cancel)(gh_token);
} gh_gateway;

#endif
