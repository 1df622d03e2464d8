/* peer/message.h: bodies of the peer protocol (docs/peer-protocol.md), read and written. Internal
 * to peer. What is read came from another site, and is taken for what it is: members that are not
 * known are passed over, those that are must have their form.
 */
#ifndef PEER_MESSAGE_H
#define PEER_MESSAGE_H

#include "peer/peer.h"

#define PEER_NAME_BYTES 64 /* of a site or an application, with a NUL */
#define PEER_ROW_SITES  64 /* of the table of round trips that one heartbeat tells */
#define PEER_ID_DIGITS  16 /* incarnation and digest: hexadecimal digits */

/* {"site", "incarnation", "protocol": [least, most], "application", "digest"} */
struct peer_hello {
    char site[PEER_NAME_BYTES], application[PEER_NAME_BYTES];
    uint64_t incarnation, digest;
    unsigned least, most; /* versions of the protocol */
};

void peer_hello_write(const struct peer_hello *h, struct out *o);
/* ERR_BAD_REQUEST with the member in d. Of a hello whose versions are all unknown here only `site`
 * and `protocol` are read. */
int peer_hello_read(struct str text, struct peer_hello *out, struct diag *d) MUST_USE;

/* {"site", "incarnation", "crl": number, "row": {site: us or null}}: of a heartbeat and of its
 * answer. "crl" is left out when this site has no list of revoked certificates. Tells at most
 * PEER_ROW_SITES sites of the row, the next ones each time: *next is where it goes on. */
void peer_heartbeat_write(const struct cfg *cfg, const struct peer_sites *sites,
                          uint64_t incarnation, uint32_t *next, struct out *o);
/* Takes the row of such a body as what `from` has measured. What is malformed is left out. Returns
 * the number of its list of revoked certificates, 0: none. */
uint64_t peer_heartbeat_read(const struct cfg *cfg, struct peer_sites *sites, size_t from,
                             struct str text);

/* The same for the peer: where each site's row goes on is kept there. */
void peer_write_heartbeat(struct peer *p, size_t to, struct out *o);
void peer_take_heartbeat(struct peer *p, size_t from, struct str text);

/* Keeps what peer_clock_ms says. */
void peer_take_clock(struct peer *p, size_t from, int64_t ahead_ms);

#endif
