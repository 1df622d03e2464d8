/* certs.h: certificate authorities for tests, made in memory and written as PEM files. */
#ifndef TEST_CERTS_H
#define TEST_CERTS_H

#include <openssl/x509.h>
#include <stdbool.h>

struct certs_ca {
    const char *dir; /* the caller's, stays */
    X509 *certificate;
    EVP_PKEY *key;
    long next_serial;
};

/* Writes DIR/NAME.pem. */
void certs_ca_init(struct certs_ca *ca, const char *dir, const char *name);
void certs_ca_fini(struct certs_ca *ca);
/* Writes DIR/NAME.pem and DIR/NAME.key, valid for a day; `names` is a list of subject alternative
 * names as OpenSSL's configuration has it ("DNS:localhost,IP:127.0.0.1"), or NULL. Returns the
 * serial number. */
long certs_issue(struct certs_ca *ca, const char *name, const char *names);
/* The same, valid from `begin_s` until `end_s` from now. */
long certs_issue_within(struct certs_ca *ca, const char *name, const char *names, long begin_s,
                        long end_s);
/* Writes DIR/NAME.pem, a revocation list of the one certificate (0: of none). */
void certs_revoke(struct certs_ca *ca, const char *name, long serial);
/* The same of a list with a number, good until `left_s` from now (negative: it has ended), with a
 * critical extension (that it is a part of another one) when `is_delta`. */
struct certs_list {
    long serial, number, left_s;
    bool is_delta;
};
void certs_write_list(struct certs_ca *ca, const char *name, const struct certs_list *l);
/* A path in `dir` of a few static ones, for passing on. */
const char *certs_path(const char *dir, const char *name, const char *suffix);

#endif
