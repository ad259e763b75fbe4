/* Gatehouse plugin ABI: the basic types.
 *
 * A plugin is a shared library that exports one function (plugin.h). Everything else crosses the border through tables
 * of function pointers. Rules that hold for all headers:
 *
 *   - Fixed-width integers only; no bool, enum members, bit-fields, unions, variadics, long, errno or FILE.
 *   - Every struct starts with struct_size. Whoever reads a member that is newer than 1.0 asks GH_HAS first.
 *   - Text is UTF-8 in a gh_str, never NUL-terminated. Times are nanoseconds, or milliseconds where a name ends in _ms.
 *   - A view handed to a call lives until that call returns; if the hook pended, until complete() was called.
 *   - Nobody frees what the other side allocated. Bytes handed over are copied at once, unless they carry release.
 *   - No host function calls into the plugin before it returns.
 *
 * Thread tags: [control] one call at a time per library, never inside a hook; [create] inside create() only;
 * [hook] concurrent, inside a hook, or from the pend until complete(); [any] concurrent, from any thread.
 */
#ifndef GATEHOUSE_ABI_H
#define GATEHOUSE_ABI_H

#include <stddef.h>
#include <stdint.h>

#define GH_ABI_MAJOR 1
#define GH_ABI_MINOR 0
#define GH_ABI_DRAFT 0 /* 1.0 is frozen: CHANGES.md. Drafts had other numbers, and are built again */

/* A view of text. ptr NULL: absent. len 0 with ptr set: present and empty. */
typedef struct gh_str {
  const char *ptr;
  size_t len;
} gh_str;

/* Bytes handed over. release NULL: the receiver copies before it returns; else it calls release(owner) exactly once, on
 * any thread, also when it refuses them; the instance that gave them is not destroyed before. ptr NULL: no bytes. */
typedef struct gh_bytes {
  const void *ptr;
  size_t len;
  void (*release)(void *owner);
  void *owner;
} gh_bytes;

typedef struct gh_field {
  gh_str key;
  gh_str value;
} gh_field;

typedef struct gh_exchange gh_exchange; /* opaque: one client request with its answer, as one instance may see it */
typedef struct gh_out gh_out;           /* opaque: an upstream request that is being built (provider.h) */
typedef struct gh_host gh_host;         /* host.h */

/* Names one pending call. 0 is no token. A stale token is recognised, never dereferenced. */
typedef uint64_t gh_token;

typedef int32_t gh_status;
enum {
  GH_OK = 0,
  GH_ERROR = -1,       /* the call failed; the host's log says why */
  GH_GONE = -2,        /* what the token or exchange named is over */
  GH_UNSUPPORTED = -3, /* not possible here: another stage, a missing grant, a member this host does not know */
  GH_OVER_LIMIT = -4,  /* larger than the host allows */
  GH_INVALID = -5,     /* the arguments make no sense: out of range, not UTF-8, not JSON */
  GH_NOT_FOUND = -6
};

typedef int32_t gh_side;
enum { GH_SIDE_REQUEST = 0, GH_SIDE_RESPONSE = 1 };

/* True when table t (a pointer to T) is new enough to have member f, and f is set. */
#define GH_HAS(t, T, f) ((t) != NULL && (t)->struct_size >= offsetof(T, f) + sizeof((t)->f) && (t)->f)

/* True when struct s (a pointer to T) is large enough for member f: ask before writing a member newer than 1.0. */
#define GH_FITS(s, T, f) ((s) != NULL && (s)->struct_size >= offsetof(T, f) + sizeof((s)->f))

#ifdef __cplusplus
#define GH_ENTRY_ATTR extern "C" __attribute__((visibility("default")))
#else
#define GH_ENTRY_ATTR __attribute__((visibility("default")))
#endif

/* A gh_str over a string literal. For initialisers and calls in C and C++. */
#define GH_LIT(s) { (s), sizeof(s) - 1 }

#endif
