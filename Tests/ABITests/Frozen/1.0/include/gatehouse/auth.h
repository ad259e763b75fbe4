/* Gatehouse plugin ABI: interface "gh.auth/1", credentials of an upstream request, orthogonal to the wire format.
 *
 * A target whose options have "auth", a plugin's id or {"plugin": id, ...}, has its requests signed by that plugin. One
 * instance per target; its config_json is the object without "plugin", its check is "auth". sign() is the last step
 * before a request goes out, once per attempt, when method, URL, headers and body are final: out_get() gives them (no
 * body for uploads that are streamed), out_header() and out_credential() add to them. An instance that pends may use the
 * gh_out until it completes. A request that is not signed is not sent: the client gets a 502.
 */
#ifndef GATEHOUSE_AUTH_H
#define GATEHOUSE_AUTH_H

#include "abi.h"
#include "hooks.h"

typedef struct gh_auth {
  uint32_t struct_size;
  uint32_t reserved;
  /* [hook] CONTINUE, FAIL, or PENDING while a token is fetched. Large bodies: on a thread of the host's pool. */
  gh_verdict (*sign)(void *self, gh_exchange *, gh_out *, gh_decision *);
} gh_auth;

#endif
