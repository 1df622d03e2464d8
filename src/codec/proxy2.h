/* codec/proxy2.h: the header of the PROXY protocol, version 2 (proxy-protocol.txt of HAProxy,
 * section 2.2): who a proxy in front speaks for, before the first byte of a connection. Pure.
 *
 * Strict: what is not version 2 is refused, and so is what no proxy of TCP connections has a reason
 * to send. Additional fields (TLVs) are skipped; a header may have PROXY2_MAX bytes.
 */
#ifndef CODEC_PROXY2_H
#define CODEC_PROXY2_H

#include "base/err.h"
#include "base/str.h"

#define PROXY2_MAX 2048

struct proxy2 {
    uint8_t n_source;   /* bytes of the client's address: 4, 16; 0: none is given, the connection's
                         * own counts */
    uint8_t source[16]; /* in network order */
};

/* Reads a header at the start of bytes. Returns its size, 0 when it is not complete, or
 * ERR_BAD_REQUEST; *why gets a sentence (static). */
long proxy2_parse(struct str bytes, struct proxy2 *out, const char **why) MUST_USE;

#endif
