#include "certs.h"
#include "base/check.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

const char *certs_path(const char *dir, const char *name, const char *suffix)
{
    static char paths[16][200];
    static unsigned at;
    char *path = paths[at++ % 16];
    snprintf(path, sizeof paths[0], "%s/%s%s", dir, name, suffix);
    return path;
}

static FILE *file(const char *dir, const char *name, const char *suffix)
{
    FILE *f = fopen(certs_path(dir, name, suffix), "w");
    CHECK(f);
    return f;
}

static void write_certificate(const char *dir, const char *name, X509 *x)
{
    FILE *f = file(dir, name, ".pem");
    CHECK(PEM_write_X509(f, x) == 1);
    CHECK(fclose(f) == 0);
}

static void add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    CHECK(e && X509_add_ext(x, e, -1) == 1);
    X509_EXTENSION_free(e);
}

static X509 *make(const char *name, EVP_PKEY *key, long serial, X509 *issuer)
{
    X509 *x = X509_new();
    CHECK(x && X509_set_version(x, X509_VERSION_3) == 1);
    CHECK(ASN1_INTEGER_set(X509_get_serialNumber(x), serial) == 1);
    CHECK(X509_gmtime_adj(X509_getm_notBefore(x), -3600));
    CHECK(X509_gmtime_adj(X509_getm_notAfter(x), 86400));
    CHECK(X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                                     (const unsigned char *)name, -1, -1, 0) == 1);
    X509 *from = issuer ? issuer : x;
    CHECK(X509_set_issuer_name(x, X509_get_subject_name(from)) == 1);
    CHECK(X509_set_pubkey(x, key) == 1);
    return x;
}

void certs_ca_init(struct certs_ca *ca, const char *dir, const char *name)
{
    *ca = (struct certs_ca){.dir = dir, .next_serial = 2};
    ca->key = EVP_EC_gen("P-256");
    CHECK(ca->key);
    ca->certificate = make(name, ca->key, 1, NULL);
    add_extension(ca->certificate, ca->certificate, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(ca->certificate, ca->certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
    CHECK(X509_sign(ca->certificate, ca->key, EVP_sha256()) > 0);
    write_certificate(dir, name, ca->certificate);
}

void certs_ca_fini(struct certs_ca *ca)
{
    X509_free(ca->certificate);
    EVP_PKEY_free(ca->key);
}

long certs_issue(struct certs_ca *ca, const char *name, const char *names)
{
    return certs_issue_within(ca, name, names, -3600, 86400);
}

long certs_issue_within(struct certs_ca *ca, const char *name, const char *names, long begin_s,
                        long end_s)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    CHECK(key);
    X509 *x = make(name, key, ca->next_serial, ca->certificate);
    CHECK(X509_gmtime_adj(X509_getm_notBefore(x), begin_s));
    CHECK(X509_gmtime_adj(X509_getm_notAfter(x), end_s));
    add_extension(x, ca->certificate, NID_ext_key_usage, "serverAuth,clientAuth");
    if (names)
        add_extension(x, ca->certificate, NID_subject_alt_name, names);
    CHECK(X509_sign(x, ca->key, EVP_sha256()) > 0);
    write_certificate(ca->dir, name, x);
    FILE *f = file(ca->dir, name, ".key");
    CHECK(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1);
    CHECK(fclose(f) == 0);
    X509_free(x);
    EVP_PKEY_free(key);
    return ca->next_serial++;
}

static void number_list(X509_CRL *crl, int nid, long number, int critical)
{
    ASN1_INTEGER *n = ASN1_INTEGER_new();
    CHECK(n && ASN1_INTEGER_set(n, number) == 1);
    CHECK(X509_CRL_add1_ext_i2d(crl, nid, n, critical, 0) == 1);
    ASN1_INTEGER_free(n);
}

void certs_revoke(struct certs_ca *ca, const char *name, long serial)
{
    certs_write_list(ca, name, &(struct certs_list){.serial = serial, .left_s = 86400});
}

void certs_write_list(struct certs_ca *ca, const char *name, const struct certs_list *l)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *at = ASN1_TIME_new();
    CHECK(crl && at && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1);
    CHECK(X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->certificate)) == 1);
    CHECK(X509_gmtime_adj(at, -7200) && X509_CRL_set1_lastUpdate(crl, at) == 1);
    if (l->serial) {
        X509_REVOKED *r = X509_REVOKED_new();
        ASN1_INTEGER *number = ASN1_INTEGER_new();
        CHECK(r && number && ASN1_INTEGER_set(number, l->serial) == 1);
        CHECK(X509_REVOKED_set_serialNumber(r, number) == 1);
        CHECK(X509_REVOKED_set_revocationDate(r, at) == 1);
        CHECK(X509_CRL_add0_revoked(crl, r) == 1);
        ASN1_INTEGER_free(number);
    }
    CHECK(X509_gmtime_adj(at, l->left_s) && X509_CRL_set1_nextUpdate(crl, at) == 1);
    if (l->number)
        number_list(crl, NID_crl_number, l->number, 0);
    if (l->is_delta)
        number_list(crl, NID_delta_crl, 1, 1);
    CHECK(X509_CRL_sort(crl) == 1 && X509_CRL_sign(crl, ca->key, EVP_sha256()) > 0);
    FILE *f = file(ca->dir, name, ".pem");
    CHECK(PEM_write_X509_CRL(f, crl) == 1);
    CHECK(fclose(f) == 0);
    ASN1_TIME_free(at);
    X509_CRL_free(crl);
}
