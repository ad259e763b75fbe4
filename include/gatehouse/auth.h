/* Gatehouse plugin ABI: interface "gh.auth/1", credentials of an upstream request, orthogonal to the wire format.
 *
 * sign() is the last step before a request goes out, once per attempt, when method, URL, headers and body are final.
 */
#ifndef GATEHOUSE_AUTH_H
#define GATEHOUSE_AUTH_H

#include "abi.h"
#include "hooks.h"

typedef struct gh_auth {
  uint32_t struct_size;
  uint32_t reserved;
  /* CONTINUE, FAIL, or PENDING while a token is fetched. */
  gh_verdict (*sign)(void *self, gh_exchange *, gh_out *, gh_decision *);
} gh_auth;

#endif
