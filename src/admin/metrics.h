/* admin/metrics.h: what /metrics says (OpenMetrics 1.0; docs/metrics.md).
 *
 * Read from the workers' meters while they count; nothing waits for them. On the control loop.
 */
#ifndef ADMIN_METRICS_H
#define ADMIN_METRICS_H

#include "admin/admin.h"

#define METRICS_BYTES (1024 * 1024) /* the most that is ever written */
#define METRICS_TYPE  "application/openmetrics-text; version=1.0.0; charset=utf-8"

void metrics_print(const struct admin_in *in, struct out *o);

#endif
