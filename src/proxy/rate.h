/* proxy/rate.h: how fast a client sends a body, while Cheops waits for it. Internal to proxy, pure.
 *
 * Time counts only while nothing but the client's bytes are waited for; when the service does not
 * take, the clock stands still.
 */
#ifndef PROXY_RATE_H
#define PROXY_RATE_H

#include <stdbool.h>
#include <stdint.h>

/* Zero at first. */
struct proxy_rate {
    uint64_t since_ms;  /* the present wait's begin; 0: the client is not waited for */
    uint64_t waited_ms; /* of this window, in waits before it */
    uint64_t counted;   /* bytes that came before this window */
};

struct proxy_rate_bound {
    uint64_t bytes_per_s; /* 0: none */
    uint32_t window_ms;
};

/* The client is waited for, and `bytes` have come of the whole. True: a window is over, and less
 * came in it than the bound asks for. */
bool proxy_rate_is_low(struct proxy_rate *r, const struct proxy_rate_bound *bound, uint64_t now_ms,
                       uint64_t bytes);
/* The client is not what is waited for. */
void proxy_rate_pause(struct proxy_rate *r, uint64_t now_ms);

#endif
