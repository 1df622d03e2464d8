/* proxy/forwarded.h: whom a request comes from, where a trusted proxy stands in front. Internal to
 * proxy, and pure.
 *
 * A proxy's word counts as far as it is trusted: the addresses of the one field that proxies of the
 * listener write are read from the last one back, and the first that is no trusted proxy's is the
 * client. What stands before it is the client's own to write, and dropped.
 */
#ifndef PROXY_FORWARDED_H
#define PROXY_FORWARDED_H

#include "codec/h1.h"
#include "rt/ip.h"

#define PROXY_FORWARDED_MAX 16 /* addresses that are looked at, from the last one back */

struct proxy_forwarded {
    struct rt_ip chain[PROXY_FORWARDED_MAX]; /* the client first, who connected last */
    size_t n;                                /* at least 1 */
    /* how the client reached the outermost trusted proxy; absent: it does not say, or not well */
    struct str proto, host, prefix; /* borrow from the head */
};

struct proxy_forwarded_by {
    struct rt_ip peer; /* who connected; a trusted one */
    const struct rt_ip_range *proxies;
    size_t n_proxies;
    bool is_forwarded; /* they write Forwarded (RFC 7239); else X-Forwarded-* */
};

void proxy_forwarded_read(const struct h1_head *h, const struct proxy_forwarded_by *by,
                          struct proxy_forwarded *out);
/* Marks what speaks of who forwarded as not to be sent on: Forwarded and X-Forwarded-*; with
 * `only_own` those alone that Cheops writes itself. */
void proxy_forwarded_drop(struct h1_head *h, bool only_own);

#endif
