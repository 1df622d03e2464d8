/* X.509 (RFC 5280) with OpenSSL's libcrypto: the authority, its sites, its revocation list. */
#include "ctl/ca.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

/* What a clock of a site may be behind this machine's. */
#define SKEW_S 3600

static int failed(struct diag *d, const char *what)
{
    const char *why = ERR_reason_error_string(ERR_get_error());
    ERR_clear_error();
    return diag_set(d, ERR_SYSTEM, "%s: %s", what, why ? why : "OpenSSL gives no reason");
}

int ca_key_create(EVP_PKEY **out, struct diag *d)
{
    *out = EVP_EC_gen("P-256");
    return *out ? 0 : failed(d, "a private key cannot be made");
}

/* ---- certificates */

/* 128 bits with the first one set, so that every serial has the same number of digits. */
static bool set_serial(X509 *x)
{
    BIGNUM *n = BN_new();
    bool is_set = n && BN_rand(n, 4 * CA_SERIAL_DIGITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
                  BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)) != NULL;
    BN_free(n);
    return is_set;
}

static bool set_names(X509 *x, X509 *issuer, const char *name)
{
    return X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                                      (const unsigned char *)name, -1, -1, 0) == 1 &&
           X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x)) == 1;
}

static bool set_times(X509 *x, int64_t now, int64_t end)
{
    return ASN1_TIME_set(X509_getm_notBefore(x), (time_t)(now - SKEW_S)) &&
           ASN1_TIME_set(X509_getm_notAfter(x), (time_t)end);
}

struct extension {
    int nid;
    const char *value;
};

static bool add_extension(X509 *x, X509 *issuer, const struct extension *e)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *made = X509V3_EXT_conf_nid(NULL, &ctx, e->nid, e->value);
    bool is_added = made && X509_add_ext(x, made, -1) == 1;
    X509_EXTENSION_free(made);
    return is_added;
}

/* Extensions are added when subject, issuer and key are set: identifiers are made of them. */
static bool add_extensions(X509 *x, X509 *issuer, const struct extension *e, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!add_extension(x, issuer ? issuer : x, &e[i]))
            return false;
    return true;
}

static bool sign(X509 *x, EVP_PKEY *key)
{
    return X509_sign(x, key, EVP_sha256()) > 0;
}

int ca_root_create(EVP_PKEY *key, int64_t now, int64_t end, X509 **out, struct diag *d)
{
    static const struct extension extensions[] = {
        {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
        {NID_key_usage, "critical,keyCertSign,cRLSign"},
        {NID_subject_key_identifier, "hash"},
    };
    char serial[CA_SERIAL_DIGITS + 1], name[64];
    X509 *x = X509_new();
    bool is_made = x && X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x);
    if (is_made) { /* two authorities have two names, so that errors of OpenSSL tell which */
        ca_cert_serial(x, serial);
        snprintf(name, sizeof name, "Cheops CA %.8s", serial);
        is_made = set_names(x, NULL, name) && set_times(x, now, end) &&
                  X509_set_pubkey(x, key) == 1 &&
                  add_extensions(x, NULL, extensions, COUNT_OF(extensions)) && sign(x, key);
    }
    if (is_made) {
        *out = x;
        return 0;
    }
    X509_free(x);
    return failed(d, "the authority's certificate cannot be made");
}

int ca_site_create(const struct ca *ca, EVP_PKEY *key, const char *site, int64_t end, X509 **out,
                   struct diag *d)
{
    char uri[128];
    snprintf(uri, sizeof uri, "URI:" CA_SITE_URI "%s", site); /* a name: no comma, no colon */
    const struct extension extensions[] = {
        {NID_basic_constraints, "critical,CA:FALSE"},
        {NID_key_usage, "critical,digitalSignature"},
        {NID_ext_key_usage, "serverAuth,clientAuth"}, /* each site calls and is called */
        {NID_subject_key_identifier, "hash"},
        {NID_authority_key_identifier, "keyid:always"},
        {NID_subject_alt_name, uri},
    };
    X509 *x = X509_new();
    bool is_made = x && X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
                   set_names(x, ca->cert, site) && set_times(x, ca->now, end) &&
                   X509_set_pubkey(x, key) == 1 &&
                   add_extensions(x, ca->cert, extensions, COUNT_OF(extensions)) &&
                   sign(x, ca->key);
    if (is_made) {
        *out = x;
        return 0;
    }
    X509_free(x);
    return failed(d, "the site's certificate cannot be made");
}

void ca_cert_serial(const X509 *x, char to[CA_SERIAL_DIGITS + 1])
{
    BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
    unsigned char bytes[CA_SERIAL_DIGITS / 2] = {0};
    if (n)
        BN_bn2binpad(n, bytes, sizeof bytes); /* a longer one, of another's making, stays 0 */
    BN_free(n);
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(to + 2 * i, 3, "%02X", bytes[i]);
}

int64_t ca_cert_end(const X509 *x)
{
    struct tm tm;
    return ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

/* ---- the revocation list */

static bool add_revoked(X509_CRL *crl, const struct ca_entry *e)
{
    X509_REVOKED *r = X509_REVOKED_new();
    ASN1_TIME *at = ASN1_TIME_set(NULL, (time_t)e->revoked);
    BIGNUM *n = NULL;
    ASN1_INTEGER *serial = BN_hex2bn(&n, e->serial) ? BN_to_ASN1_INTEGER(n, NULL) : NULL;
    bool is_added = r && at && serial && X509_REVOKED_set_serialNumber(r, serial) == 1 &&
                    X509_REVOKED_set_revocationDate(r, at) == 1 &&
                    X509_CRL_add0_revoked(crl, r) == 1;
    if (!is_added)
        X509_REVOKED_free(r);
    ASN1_INTEGER_free(serial);
    ASN1_TIME_free(at);
    BN_free(n);
    return is_added;
}

static bool add_all_revoked(X509_CRL *crl, const struct ca_index *x, long *count)
{
    *count = 0;
    for (size_t i = 0; i < x->n; i++) {
        if (!x->entries[i].revoked)
            continue;
        if (!add_revoked(crl, &x->entries[i]))
            return false;
        ++*count;
    }
    return true;
}

/* RFC 5280 section 5.2 wants both. Nothing leaves the list, so its length can number it. */
static bool add_crl_extensions(X509_CRL *crl, X509 *root, long number)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, root, NULL, NULL, crl, 0);
    X509_EXTENSION *issuer =
        X509V3_EXT_conf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid:always");
    ASN1_INTEGER *n = ASN1_INTEGER_new();
    bool is_added = issuer && X509_CRL_add_ext(crl, issuer, -1) == 1 && n &&
                    ASN1_INTEGER_set(n, number) == 1 &&
                    X509_CRL_add1_ext_i2d(crl, NID_crl_number, n, 0, 0) == 1;
    X509_EXTENSION_free(issuer);
    ASN1_INTEGER_free(n);
    return is_added;
}

int ca_crl_create(const struct ca *ca, X509_CRL **out, struct diag *d)
{
    long count;
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *at = ASN1_TIME_set(NULL, (time_t)(ca->now - SKEW_S));
    bool is_made = crl && at && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
                   X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->cert)) == 1 &&
                   X509_CRL_set1_lastUpdate(crl, at) == 1 &&
                   X509_CRL_set1_nextUpdate(crl, X509_get0_notAfter(ca->cert)) == 1 &&
                   add_all_revoked(crl, &ca->index, &count) &&
                   add_crl_extensions(crl, ca->cert, count + 1) && X509_CRL_sort(crl) == 1 &&
                   X509_CRL_sign(crl, ca->key, EVP_sha256()) > 0;
    ASN1_TIME_free(at);
    if (is_made) {
        *out = crl;
        return 0;
    }
    X509_CRL_free(crl);
    return failed(d, "the revocation list cannot be made");
}

/* ---- PEM */

/* Copies what was written to a BIO, and frees it; `is_written` is the result of the writing. */
static int take_pem(BIO *bio, bool is_written, struct arena *a, struct str *out)
{
    char *data = NULL;
    long n = bio && is_written ? BIO_get_mem_data(bio, &data) : 0;
    *out = n > 0 ? arena_str(a, (struct str){data, (size_t)n}) : STR_NULL;
    BIO_free(bio);
    return out->p ? 0 : ERR_NO_MEMORY;
}

int ca_pem_of_cert(X509 *x, struct arena *a, struct str *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    return take_pem(bio, bio && PEM_write_bio_X509(bio, x) == 1, a, out);
}

int ca_pem_of_key(EVP_PKEY *key, struct arena *a, struct str *out)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    return take_pem(bio,
                    bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1,
                    a, out);
}

int ca_pem_of_crl(X509_CRL *crl, struct arena *a, struct str *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    return take_pem(bio, bio && PEM_write_bio_X509_CRL(bio, crl) == 1, a, out);
}

/* A key that wants a pass phrase is refused: commands may run where nobody is to be asked. */
static int no_passphrase(char *to, int n, int writing, void *context)
{
    (void)to, (void)n, (void)writing, (void)context;
    return -1;
}

int ca_pem_read(struct str cert, struct str key, X509 **x, EVP_PKEY **k, struct diag *d)
{
    BIO *bio = BIO_new_mem_buf(cert.p, (int)cert.n);
    *x = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    if (!*x)
        return failed(d, CA_CERTIFICATE " is not a certificate");
    if (!key.p)
        return 0;
    bio = BIO_new_mem_buf(key.p, (int)key.n);
    *k = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    if (!*k)
        return failed(d, CA_KEY " is not a private key without a pass phrase");
    if (X509_check_private_key(*x, *k) != 1)
        return failed(d, CA_KEY " is not the key of " CA_CERTIFICATE);
    return 0;
}
