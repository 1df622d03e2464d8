/* rt/tls_internal.h: what tls.c (contexts), tls_stream.c (sessions), tls_bio.c and tls_peer.c
 * share.
 */
#ifndef RT_TLS_INTERNAL_H
#define RT_TLS_INTERNAL_H

#include "rt/stream.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>

struct rt_tls {
    atomic_uint refs;
    SSL_CTX *ctx;
    struct rt_revoked *revoked; /* NULL: nothing is looked up */
    bool is_server, has_ca;     /* has_ca: of its own, not the system's */
    int64_t not_after;
    struct rt_tls *next; /* of a server: its next certificate, for other names; owned */
    unsigned n_alpn;
    unsigned char alpn[32]; /* as it is sent: a length and a name */
};

/* OpenSSL's callback for each certificate of a chain: keeps what was not taken. */
int rt_tls_on_verify(int is_good, X509_STORE_CTX *store);

/* Refuses a file: ERR_CONFIG with why, by OpenSSL's queue of errors, and what to do. */
int rt_tls_refuse(struct diag *d, const char *what, const char *file);

/* The first URI among a certificate's names (NULL: none) that begins with `prefix`, copied into
 * to[n]; absent: none, or longer. */
struct str rt_tls_find_uri(const GENERAL_NAMES *names, struct str prefix, char *to, size_t n);

/* X509_verify_cert, with these lists. */
int rt_revoked_verify(struct rt_revoked *r, X509_STORE_CTX *store);

/* Seconds since 1970; 0: it cannot be read. */
int64_t rt_tls_seconds(const ASN1_TIME *t);

/* What a stream with TLS has more. */
struct rt_tls_session {
    SSL *ssl;
    struct rt_tls *tls;       /* ALPN's callback needs it */
    bool can_recv, can_send;  /* of the socket */
    bool is_up;               /* the socket is connected */
    bool is_eof;              /* the socket's end was read */
    bool read_wants_send;     /* a read waits until the socket can be written */
    bool write_wants_recv;    /* the other way */
    bool is_shutdown_pending; /* close_notify did not fit into the socket */
    uint16_t n_sealed;        /* plain bytes of a record that is not yet sent whole; 0: none */
    char why[320];
    const char *hint; /* what to do; NULL: nothing is known */
    struct {
        char name[80], issuer[80];
        int64_t limit_s; /* of its time, the nearer end; since 1970 */
    } refused;           /* of the certificate that was not taken; "" */
};

/* Keeps why the session failed, by OpenSSL's queue of errors, which it empties, and what to do. */
void rt_tls_explain(struct rt_tls_session *t);

/* A BIO over the socket of a stream, used when its session is set; NULL without memory.
 * rt_tls_bio_move: the stream lies elsewhere now. */
BIO *rt_tls_bio_new(struct rt_stream *s);
void rt_tls_bio_move(BIO *bio, struct rt_stream *s);

#endif
