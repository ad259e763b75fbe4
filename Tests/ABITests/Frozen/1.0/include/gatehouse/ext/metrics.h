/* Gatehouse plugin ABI: host extension "gh.metrics/1": counters and histograms on the gateway's /metrics.
 *
 * Define in create(), record in hooks. The name is prefixed with gatehouse_plugin_<plugin id>_.
 */
#ifndef GATEHOUSE_EXT_METRICS_H
#define GATEHOUSE_EXT_METRICS_H

#include "../abi.h"

#define GH_EXT_METRICS "gh.metrics/1"

typedef uint32_t gh_metric; /* 0: none; recording it does nothing */

typedef struct gh_metrics {
  uint32_t struct_size;
  uint32_t reserved;
  /* [create] name: [a-z][a-z0-9_]*. The same name gives the same metric. 0: refused, the log says why. */
  gh_metric (*counter)(const gh_host *, gh_str name, gh_str help);
  /* [create] bounds: ascending upper bounds of the buckets, at most 64. */
  gh_metric (*histogram)(const gh_host *, gh_str name, gh_str help, const double *bounds, size_t bound_count);
  /* [any] */
  void (*add)(const gh_host *, gh_metric, double amount);
  void (*observe)(const gh_host *, gh_metric, double value);
} gh_metrics;

#endif
