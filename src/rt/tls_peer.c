/* What a certificate says of the peer: a verified one who it is, another one who it says it is. */
#include "rt/tls_internal.h"

struct str rt_tls_find_uri(const GENERAL_NAMES *names, struct str prefix, char *to, size_t n)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_URI)
            continue;
        const ASN1_IA5STRING *uri = name->d.uniformResourceIdentifier;
        struct str text = {(const char *)ASN1_STRING_get0_data(uri),
                           (size_t)ASN1_STRING_length(uri)};
        if (!str_starts(text, prefix))
            continue;
        if (text.n > n || memchr(text.p, '\0', text.n))
            return STR_NULL;
        memcpy(to, text.p, text.n);
        return (struct str){to, text.n};
    }
    return STR_NULL;
}

static struct str find_dns(const GENERAL_NAMES *names)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS)
            return (struct str){(const char *)ASN1_STRING_get0_data(name->d.dNSName),
                                (size_t)ASN1_STRING_length(name->d.dNSName)};
    }
    return STR_NULL;
}

/* Writes at most n - 1 bytes of a name as a person can read it, and a zero. */
static void keep_name(struct str name, char *to, size_t n)
{
    struct out o;
    out_init(&o, to, n - 1);
    out_visible(&o, name, n / 2);
    to[o.n] = 0;
}

static void keep_common_name(const X509_NAME *of, char *to, size_t n)
{
    char memory[80];
    int length = X509_NAME_get_text_by_NID(of, NID_commonName, memory, sizeof memory);
    keep_name((struct str){memory, length > 0 ? (size_t)length : 0}, to, n);
}

/* A site's name or another URI if there is one, else a host's, else the common name. */
static void keep_name_of(X509 *certificate, char *to, size_t n)
{
    char memory[80];
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    struct str found = rt_tls_find_uri(names, STR(""), memory, sizeof memory);
    if (!found.p)
        found = find_dns(names);
    if (found.p)
        keep_name(found, to, n);
    else
        keep_common_name(X509_get_subject_name(certificate), to, n);
    GENERAL_NAMES_free(names);
}

int rt_tls_on_verify(int is_good, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct rt_tls_session *t = ssl ? SSL_get_app_data(ssl) : NULL;
    X509 *certificate = X509_STORE_CTX_get0_cert(store);
    X509 *bad = X509_STORE_CTX_get_current_cert(store); /* that one, or an authority of its chain */
    if (is_good || !t || !certificate)
        return is_good;
    if (!bad)
        bad = certificate;
    keep_name_of(certificate, t->refused.name, sizeof t->refused.name);
    keep_common_name(X509_get_issuer_name(bad), t->refused.issuer, sizeof t->refused.issuer);
    bool is_early = X509_STORE_CTX_get_error(store) == X509_V_ERR_CERT_NOT_YET_VALID;
    t->refused.limit_s =
        rt_tls_seconds(is_early ? X509_get0_notBefore(bad) : X509_get0_notAfter(bad));
    return is_good;
}

/* NULL: there is none, or it was not verified. */
static X509 *verified_certificate(const struct rt_stream *s)
{
    SSL *ssl = s->ssl ? s->ssl->ssl : NULL;
    if (!ssl || s->is_connecting || !(SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) ||
        SSL_get_verify_result(ssl) != X509_V_OK)
        return NULL;
    return SSL_get0_peer_certificate(ssl);
}

int64_t rt_stream_peer_not_after(const struct rt_stream *s)
{
    X509 *certificate = verified_certificate(s);
    return certificate ? rt_tls_seconds(X509_get0_notAfter(certificate)) : 0;
}

struct str rt_stream_peer_uri(const struct rt_stream *s, struct str prefix, char *to, size_t n)
{
    X509 *certificate = verified_certificate(s);
    if (!certificate)
        return STR_NULL;
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    struct str found = rt_tls_find_uri(names, prefix, to, n);
    GENERAL_NAMES_free(names);
    return found;
}

bool rt_stream_is_accepted(const struct rt_stream *s, struct rt_tls *tls)
{
    SSL *ssl = s->ssl ? s->ssl->ssl : NULL;
    X509 *certificate = ssl ? SSL_get0_peer_certificate(ssl) : NULL;
    X509_STORE_CTX *store = certificate ? X509_STORE_CTX_new() : NULL;
    bool is_good =
        store &&
        X509_STORE_CTX_init(store, SSL_CTX_get_cert_store(tls->ctx), certificate,
                            SSL_get_peer_cert_chain(ssl)) == 1 &&
        X509_STORE_CTX_set_default(store, SSL_is_server(ssl) ? "ssl_client" : "ssl_server") == 1 &&
        (tls->revoked ? rt_revoked_verify(tls->revoked, store) : X509_verify_cert(store)) == 1;
    X509_STORE_CTX_free(store);
    return is_good;
}
