/* A library with one thing wrong with it, chosen by -D. Without any it is sound. It leans on nothing but the headers. */
#include <string.h>

#include "gatehouse/gatehouse.h"

#ifndef ID
#define ID "refusals"
#endif
#ifndef VERSION
#define VERSION "1.0.0"
#endif
#ifndef STRUCT_SIZE
#define STRUCT_SIZE sizeof(gh_plugin)
#endif
#ifndef MIN_HOST_MINOR
#define MIN_HOST_MINOR 0
#endif
#ifndef FLAGS
#define FLAGS GH_ABI_DRAFT
#endif
#ifndef HOOKS_SIZE
#define HOOKS_SIZE sizeof(gh_hooks)
#endif
#ifndef GENERATION
#define GENERATION 1
#endif

static gh_verdict on_request(void *self, gh_exchange *x, gh_decision *out) {
  (void)self, (void)x;
  out->http_status = 450 + GENERATION;
  return GH_DENY;
}

static const gh_hooks hooks = {
    .struct_size = HOOKS_SIZE,
#ifndef NO_HOOK
    .on_request = on_request
#endif
};

#ifdef PROVIDER
static const gh_provider provider = {.struct_size = sizeof provider};
#endif

static int living;
static void *create(const gh_host *host, const gh_create_info *info) {
  (void)host, (void)info;
  return &living;
}
static void destroy(void *self) { (void)self; }
static const void *query(const char *id) {
#ifdef NO_TABLE
  (void)id;
  return NULL;
#else
#ifdef PROVIDER
  if (strcmp(id, GH_INTERFACE_PROVIDER) == 0) return &provider;
#endif
  return strcmp(id, GH_INTERFACE_HOOKS) == 0 ? &hooks : NULL;
#endif
}

static const gh_plugin plugin = {
    .struct_size = STRUCT_SIZE, .abi_minor = GH_ABI_MINOR, .min_host_minor = MIN_HOST_MINOR, .flags = FLAGS,
    .id = GH_LIT(ID), .version = GH_LIT(VERSION),
#ifndef NO_CREATE
    .create = create,
#endif
    .destroy = destroy, .query = query};

#ifdef OTHER_MAJOR
#define gh_plugin_entry_v1 gh_plugin_entry_v2
GH_ENTRY_ATTR const gh_plugin *gh_plugin_entry_v2(const gh_host *host);
#endif
#ifdef NO_ENTRY
extern const gh_plugin *const gh_reference;
const gh_plugin *const gh_reference = &plugin;
#else
GH_ENTRY_ATTR const gh_plugin *gh_plugin_entry_v1(const gh_host *host) {
  (void)host;
#ifdef ENTRY_NULL
  host->log(host, GH_LOG_ERROR, (gh_str)GH_LIT("this host will not do"), NULL, 0);
  return plugin.struct_size ? NULL : &plugin;
#else
  return &plugin;
#endif
}
#endif

#ifdef UNDEFINED
extern int gh_nobody_defines_this(void);
int gh_uses_it(void);
int gh_uses_it(void) { return gh_nobody_defines_this(); }
#endif
