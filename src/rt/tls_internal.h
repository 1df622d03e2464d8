/* rt/tls_internal.h: what tls.c (contexts) and tls_stream.c (sessions) share. */
#ifndef RT_TLS_INTERNAL_H
#define RT_TLS_INTERNAL_H

#include "rt/stream.h"

#include <openssl/ssl.h>
#include <stdatomic.h>

struct rt_tls {
    atomic_uint refs;
    SSL_CTX *ctx;
    bool is_server;
    int64_t not_after;
    unsigned n_alpn;
    unsigned char alpn[32]; /* as it is sent: a length and a name */
};

/* Writes the reasons in OpenSSL's queue of this thread, the first first, and empties it. */
void rt_tls_print_errors(struct out *o);

#endif
