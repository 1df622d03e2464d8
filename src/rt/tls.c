/* TLS contexts: made once from files, then only read, by all loops. */
#include "rt/revoked.h"
#include "rt/tls_internal.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>

/* What our clients prefer; servers take the client's choice. 128 bits are enough, and cost less. */
#define CIPHERS_1_3 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
/* Forward secrecy and authenticated encryption only, for TLS 1.2; 1.3 has nothing else. */
#define CIPHERS_1_2 "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:!aNULL:!PSK"

/* ---- own certificate */

/* A key that wants a pass phrase is refused: nobody is there to ask. */
static int no_passphrase(char *to, int n, int writing, void *context)
{
    return -1;
}

int64_t rt_tls_seconds(const ASN1_TIME *t)
{
    struct tm tm;
    return t && ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static int load_certificate(struct rt_tls *t, const struct rt_tls_config *c, struct diag *d)
{
    if (!c->certificate) {
        if (!c->is_server)
            return 0;
        return diag_set(d, ERR_CONFIG, "a TLS server needs a certificate and its key");
    }
    if (!c->key)
        return diag_set(d, ERR_CONFIG, "certificate '%s' has no key", c->certificate);
    SSL_CTX_set_default_passwd_cb(t->ctx, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(t->ctx, c->certificate) != 1)
        return rt_tls_refuse(d, "certificate", c->certificate);
    if (SSL_CTX_use_PrivateKey_file(t->ctx, c->key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(t->ctx) != 1)
        return rt_tls_refuse(d, "key", c->key);
    t->not_after = rt_tls_seconds(X509_get0_notAfter(SSL_CTX_get0_certificate(t->ctx)));
    return 0;
}

/* ---- the peer's certificate */

static int verify(X509_STORE_CTX *store, void *context)
{
    const struct rt_tls *t = context;
    return rt_revoked_verify(t->revoked, store);
}

static int load_ca(struct rt_tls *t, const struct rt_tls_config *c, struct diag *d)
{
    if (!c->ca) {
        if (c->require_peer)
            return diag_set(d, ERR_CONFIG, "clients cannot be verified without their CA");
        if (c->is_server)
            return 0;
        if (SSL_CTX_set_default_verify_paths(t->ctx) != 1)
            return rt_tls_refuse(d, "CA of", "the system");
    } else {
        if (SSL_CTX_load_verify_file(t->ctx, c->ca) != 1)
            return rt_tls_refuse(d, "CA", c->ca);
        t->has_ca = true;
        STACK_OF(X509_NAME) *names = c->is_server ? SSL_load_client_CA_file(c->ca) : NULL;
        if (names)
            SSL_CTX_set_client_CA_list(t->ctx, names); /* takes it */
    }
    int mode = SSL_VERIFY_PEER;
    if (c->require_peer)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(t->ctx, mode, rt_tls_on_verify);
    if (c->revoked) {
        t->revoked = rt_revoked_ref(c->revoked);
        SSL_CTX_set_cert_verify_callback(t->ctx, verify, t);
    }
    return 0;
}

/* ---- ALPN */

/* RFC 7301 section 3.2: a client that offers only other protocols is refused. */
static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *n,
                       const unsigned char *offered, unsigned n_offered, void *context)
{
    const struct rt_tls *t = context;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, n, t->alpn, t->n_alpn, offered, n_offered) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int set_alpn(struct rt_tls *t, const char *name)
{
    size_t n = name ? strlen(name) : 0;
    if (!n)
        return 0;
    CHECK(n < sizeof t->alpn);
    t->alpn[0] = (unsigned char)n;
    memcpy(t->alpn + 1, name, n);
    t->n_alpn = (unsigned)n + 1;
    if (t->is_server)
        SSL_CTX_set_alpn_select_cb(t->ctx, select_alpn, t);
    else if (SSL_CTX_set_alpn_protos(t->ctx, t->alpn, t->n_alpn) != 0)
        return ERR_NO_MEMORY;
    return 0;
}

/* ---- contexts */

static int set_options(struct rt_tls *t, const struct rt_tls_config *c)
{
    SSL_CTX *ctx = t->ctx;
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ctx, 1);
    /* Tickets keep sessions at the client. Where clients show certificates there is no resumption:
     * a certificate that was revoked since would be taken once more. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    if (c->is_server && c->ca) {
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
        if (SSL_CTX_set_num_tickets(ctx, 0) != 1)
            return ERR_NO_MEMORY;
    } else if (c->is_server && SSL_CTX_set_num_tickets(ctx, 1) != 1) {
        return ERR_NO_MEMORY;
    }
    int lowest = c->only_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
    if (SSL_CTX_set_min_proto_version(ctx, lowest) != 1 ||
        SSL_CTX_set_ciphersuites(ctx, CIPHERS_1_3) != 1 ||
        SSL_CTX_set_cipher_list(ctx, CIPHERS_1_2) != 1 || SSL_CTX_set_dh_auto(ctx, 1) != 1)
        return ERR_NO_MEMORY;
    return set_alpn(t, c->alpn);
}

int rt_tls_create(struct rt_tls **out, const struct rt_tls_config *c, struct diag *d)
{
    ERR_clear_error();
    struct rt_tls *t = calloc(1, sizeof *t);
    if (!t)
        return diag_set(d, ERR_NO_MEMORY, "no memory for a TLS context");
    atomic_init(&t->refs, 1);
    t->is_server = c->is_server;
    t->ctx = SSL_CTX_new(c->is_server ? TLS_server_method() : TLS_client_method());
    int rc = t->ctx ? set_options(t, c) : ERR_NO_MEMORY;
    if (rc < 0)
        diag_set(d, rc, "no memory for a TLS context");
    if (rc == 0)
        rc = load_certificate(t, c, d);
    if (rc == 0)
        rc = load_ca(t, c, d);
    ERR_clear_error();
    if (rc < 0)
        rt_tls_unref(&t);
    else
        *out = t;
    return rc;
}

/* RFC 6066 section 3. OpenSSL calls it before it looks for a certificate; the session goes on with
 * the other context, which the first one keeps. */
static int select_certificate(SSL *ssl, int *alert, void *context)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    (void)alert;
    for (const struct rt_tls *t = context; t && name; t = t->next)
        if (X509_check_host(SSL_CTX_get0_certificate(t->ctx), name, 0, 0, NULL) == 1) {
            (void)SSL_set_SSL_CTX(ssl, t->ctx);
            break;
        }
    return SSL_TLSEXT_ERR_OK;
}

void rt_tls_add(struct rt_tls *t, struct rt_tls *other)
{
    struct rt_tls **last = &t->next;
    CHECK(t->is_server && other->is_server);
    while (*last)
        last = &(*last)->next;
    *last = other;
    SSL_CTX_set_tlsext_servername_callback(t->ctx, select_certificate);
    SSL_CTX_set_tlsext_servername_arg(t->ctx, t);
}

struct rt_tls *rt_tls_ref(struct rt_tls *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void rt_tls_unref(struct rt_tls **out)
{
    struct rt_tls *t = *out;
    *out = NULL;
    if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) > 1)
        return;
    rt_tls_unref(&t->next);
    SSL_CTX_free(t->ctx);
    rt_revoked_unref(&t->revoked);
    free(t);
}
