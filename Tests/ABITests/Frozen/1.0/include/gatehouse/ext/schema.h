/* Gatehouse plugin ABI: host extension "gh.schema/1": JSON Schema (2020-12 and draft-07).
 */
#ifndef GATEHOUSE_EXT_SCHEMA_H
#define GATEHOUSE_EXT_SCHEMA_H

#include "../abi.h"

#define GH_EXT_SCHEMA "gh.schema/1"

typedef struct gh_schema_compiled gh_schema_compiled; /* opaque; owned by the plugin until free_schema() */

/* One violation: where in the document, and what was expected. Views live until on_violation returns. */
typedef void (*gh_schema_violation)(void *user, gh_str json_pointer, gh_str message);

enum {
  GH_SCHEMA_FORMATS = 1, /* "format" is a rule; else it is a remark, as the specification has it */
  GH_SCHEMA_DRAFT_7 = 2  /* the dialect of a schema without "$schema"; else 2020-12 */
};

typedef struct gh_schema {
  uint32_t struct_size;
  uint32_t reserved;
  /* [any] NULL when the schema is invalid; each reason, at most twenty, goes to on_violation (may be NULL), with the
   * place in the schema. References to other documents than the two meta-schemas are refused: nothing is fetched. */
  gh_schema_compiled *(*compile)(const gh_host *, gh_str schema_json, uint32_t flags, gh_schema_violation on_violation,
                                 void *user);
  /* [any] 1 valid, 0 not (each reason goes to on_violation), GH_INVALID when the document is not JSON. */
  int32_t (*validate)(const gh_schema_compiled *, gh_str document_json, gh_schema_violation on_violation, void *user);
  /* [any] NULL does nothing. */
  void (*free_schema)(gh_schema_compiled *);
} gh_schema;

#endif
