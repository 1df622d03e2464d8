/* What is known of a context's own files: the certificate that the other end will see, and the CA.
 */
#include "rt/tls_internal.h"

int64_t rt_tls_not_after(const struct rt_tls *t)
{
    return t->not_after;
}

static X509 *own_certificate(const struct rt_tls *t)
{
    return SSL_CTX_get0_certificate(t->ctx);
}

int64_t rt_tls_not_before(const struct rt_tls *t)
{
    const X509 *own = own_certificate(t);
    return own ? rt_tls_seconds(X509_get0_notBefore(own)) : 0;
}

int64_t rt_tls_ca_not_after(const struct rt_tls *t)
{
    STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(SSL_CTX_get_cert_store(t->ctx));
    int64_t last = 0;
    for (int i = 0; t->has_ca && i < sk_X509_OBJECT_num(all); i++) {
        const X509 *ca = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));
        int64_t end = ca ? rt_tls_seconds(X509_get0_notAfter(ca)) : 0;
        last = end > last ? end : last;
    }
    return last;
}

struct str rt_tls_own_uri(const struct rt_tls *t, struct str prefix, char *to, size_t n)
{
    X509 *own = own_certificate(t);
    GENERAL_NAMES *names = own ? X509_get_ext_d2i(own, NID_subject_alt_name, NULL, NULL) : NULL;
    struct str found = rt_tls_find_uri(names, prefix, to, n);
    GENERAL_NAMES_free(names);
    return found;
}

const char *rt_tls_refusal(const struct rt_tls *t, const struct rt_tls *by)
{
    X509 *own = own_certificate(t);
    STACK_OF(X509) *chain = NULL;
    const char *why = "out of memory";
    if (!own)
        return "there is none";
    SSL_CTX_get0_chain_certs(t->ctx, &chain);
    X509_STORE_CTX *store = X509_STORE_CTX_new();
    if (store && X509_STORE_CTX_init(store, SSL_CTX_get_cert_store(by->ctx), own, chain) == 1 &&
        X509_STORE_CTX_set_default(store, by->is_server ? "ssl_client" : "ssl_server") == 1) {
        int rc = by->revoked ? rt_revoked_verify(by->revoked, store) : X509_verify_cert(store);
        why = rc == 1 ? "" : X509_verify_cert_error_string(X509_STORE_CTX_get_error(store));
    }
    X509_STORE_CTX_free(store);
    return why;
}
