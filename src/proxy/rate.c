#include "proxy/rate.h"

bool proxy_rate_is_low(struct proxy_rate *r, const struct proxy_rate_bound *bound, uint64_t now_ms,
                       uint64_t bytes)
{
    if (!bound->bytes_per_s)
        return false;
    if (!r->since_ms)
        r->since_ms = now_ms;
    uint64_t waited_ms = r->waited_ms + (now_ms - r->since_ms), came = bytes - r->counted;
    if (waited_ms < bound->window_ms)
        return false;
    *r = (struct proxy_rate){.since_ms = now_ms, .counted = bytes};
    return came * 1000 < bound->bytes_per_s * waited_ms;
}

void proxy_rate_pause(struct proxy_rate *r, uint64_t now_ms)
{
    if (r->since_ms)
        r->waited_ms += now_ms - r->since_ms;
    r->since_ms = 0;
}
