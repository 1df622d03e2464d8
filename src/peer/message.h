/* peer/message.h: bodies of the peer protocol (docs/peer-protocol.md). Internal to peer. */
#ifndef PEER_MESSAGE_H
#define PEER_MESSAGE_H

#include "peer/peer.h"

/* Bytes of the body of a message or of its answer. */
#define PEER_MESSAGE_MAX 16384

/* {"site", "incarnation", "row": {site: us}}: of a heartbeat and of its answer. The caller frees.
 */
char *peer_heartbeat_text(const struct peer *p);
/* Takes the row of such a body as what `from` published. What is malformed is left out. */
void peer_take_row(struct peer *p, size_t from, const char *text, size_t n);

#endif
