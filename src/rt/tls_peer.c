/* What a verified certificate says of the peer. */
#include "rt/tls_internal.h"

#include <openssl/x509v3.h>

static struct str find_uri(const GENERAL_NAMES *names, struct str prefix, char *to, size_t n)
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

struct str rt_stream_peer_uri(const struct rt_stream *s, struct str prefix, char *to, size_t n)
{
    SSL *ssl = s->ssl ? s->ssl->ssl : NULL;
    if (!ssl || s->is_connecting || !(SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) ||
        SSL_get_verify_result(ssl) != X509_V_OK)
        return STR_NULL;
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    if (!certificate)
        return STR_NULL;
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    struct str found = find_uri(names, prefix, to, n);
    GENERAL_NAMES_free(names);
    return found;
}
