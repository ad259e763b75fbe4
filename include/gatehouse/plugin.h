/* Gatehouse plugin ABI: the entry and the descriptor. The one file to read first.
 *
 * A plugin library exports exactly one symbol, gh_plugin_entry_v1, whose major version is in its name. It is called once
 * per load and returns a static descriptor. The manifest beside the library (plugin.json) has said before what checks
 * and providers it has and which parameters they take; ids and version must be equal in both.
 */
#ifndef GATEHOUSE_PLUGIN_H
#define GATEHOUSE_PLUGIN_H

#include "abi.h"
#include "host.h"

#define GH_INTERFACE_HOOKS "gh.hooks/1"       /* gh_hooks, hooks.h */
#define GH_INTERFACE_PROVIDER "gh.provider/1" /* gh_provider, provider.h */
#define GH_INTERFACE_AUTH "gh.auth/1"         /* gh_auth, auth.h */

/* What an instance is for. */
typedef struct gh_create_info {
  uint32_t struct_size;
  uint32_t reserved;
  gh_str interface_id; /* GH_INTERFACE_* */
  gh_str check;        /* the check's or provider's id as in the manifest, without the plugin's prefix */
  gh_str config_json;  /* its parameters, already valid by the manifest's schema */
} gh_create_info;

typedef struct gh_plugin {
  uint32_t struct_size;
  uint32_t abi_minor;      /* GH_ABI_MINOR of the headers it was compiled with */
  uint32_t min_host_minor; /* the oldest minor it can live with */
  uint32_t flags;          /* GH_ABI_DRAFT; a host refuses others */
  gh_str id;
  gh_str version;
  /* [control] One instance per use in a config, immutable afterwards. host lives until destroy() has returned. NULL:
   * config_error() said why. */
  void *(*create)(const gh_host *, const gh_create_info *);
  /* [control] After the last call. No token is open and no hook runs. */
  void (*destroy)(void *self);
  /* [control] The table of an interface, or NULL. Lives as long as the process. */
  const void *(*query)(const char *interface_id);
} gh_plugin;

typedef const gh_plugin *(*gh_plugin_entry_fn)(const gh_host *);
#define GH_PLUGIN_ENTRY "gh_plugin_entry_v1"

/* [control] The host passes a table for log() and extension(); it belongs to the library, not to an instance. NULL:
 * the plugin refuses to live in this host, and log() said why. */
GH_ENTRY_ATTR const gh_plugin *gh_plugin_entry_v1(const gh_host *host);

#endif
