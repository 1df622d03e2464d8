/* ctl/ca.h: a deployment's certificate authority: one folder of files. Internal to ctl.
 *
 *     ca.crt    its certificate, which every site gets (`peers: ca`)
 *     ca.key    its private key, 0600
 *     crl.pem   what is revoked, which every site gets (`peers: crl`)
 *     index     one line a certificate that was ever issued
 *     SITE.crt, SITE.key    a site's newest certificate and its private key (0600)
 *
 * Files are replaced whole: written beside, synced, renamed. Whoever changes something holds a lock
 * on the folder. The index is written before what it lists, so that whatever was issued can be
 * revoked.
 */
#ifndef CTL_CA_H
#define CTL_CA_H

#include "base/arena.h"
#include "base/check.h"
#include "base/diag.h"
#include "base/err.h"

#include <openssl/x509.h>

#define CA_CERTIFICATE "ca.crt"
#define CA_KEY         "ca.key"
#define CA_CRL         "crl.pem"
#define CA_INDEX       "index"
#define CA_MAX_FILE    (32u << 20)
#define CA_SITE_URI    "cheops://site/" /* what src/peer looks for in a certificate */

/* ---- the folder (ca_files.c) */

enum ca_access { CA_READ, CA_CHANGE, CA_CREATE };

struct ca_dir {
    const char *path;    /* borrowed */
    struct arena *arena; /* borrowed: of what is read */
    int fd, lock;        /* -1: none */
};

/* Opens dir->path. CA_CHANGE waits up to 10 s for the lock; CA_CREATE also makes the folder (0700).
 */
int ca_dir_open(struct ca_dir *dir, enum ca_access access, struct diag *d) MUST_USE;
void ca_dir_close(struct ca_dir *dir);
bool ca_file_exists(const struct ca_dir *dir, const char *name);
/* The whole of a file of at most CA_MAX_FILE bytes. With `is_secret` one that others may read is
 * refused. ERR_NOT_FOUND, ERR_SYSTEM, ERR_FORBIDDEN. */
int ca_file_read(const struct ca_dir *dir, const char *name, bool is_secret, struct str *out,
                 struct diag *d) MUST_USE;
/* Replaces a file; it is on the disk when this returns. */
int ca_file_write(const struct ca_dir *dir, const char *name, unsigned mode, struct str data,
                  struct diag *d) MUST_USE;

/* ---- the index (ca_index.c) */

#define CA_SERIAL_DIGITS 32
#define CA_MAX_ENTRIES   100000

struct ca_entry {
    char serial[CA_SERIAL_DIGITS + 1]; /* hexadecimal, upper case */
    char site[64];
    int64_t issued, expires, revoked; /* seconds since 1970; revoked 0: not */
};

struct ca_index {
    struct ca_entry *entries; /* in the order of issue; malloc'ed */
    size_t n, size;
};

/* Reads the file's text. ERR_CONFIG with its line. */
int ca_index_parse(struct ca_index *x, struct str text, struct diag *d) MUST_USE;
int ca_index_add(struct ca_index *x, const struct ca_entry *e, struct diag *d) MUST_USE;
/* Gives the file's text in the arena. */
int ca_index_print(const struct ca_index *x, struct arena *a, struct str *out) MUST_USE;
/* The newest entry of a site; NULL: none. */
const struct ca_entry *ca_index_newest(const struct ca_index *x, struct str site);
void ca_index_fini(struct ca_index *x);

/* ---- certificates (ca_cert.c); times are seconds since 1970 */

struct ca {
    struct ca_dir dir;
    struct arena arena; /* of what is read and written */
    struct ca_index index;
    X509 *cert;
    EVP_PKEY *key; /* NULL when only read */
    int64_t now;
    size_t crl_bytes; /* of the list that was written last, in DER */
};

int ca_key_create(EVP_PKEY **out, struct diag *d) MUST_USE;
/* The authority's own: signs sites and lists, no further authority. */
int ca_root_create(EVP_PKEY *key, int64_t now, int64_t end, X509 **out, struct diag *d) MUST_USE;
/* A site's: for both ends of TLS, with the site's URI. */
int ca_site_create(const struct ca *ca, EVP_PKEY *key, const char *site, int64_t end, X509 **out,
                   struct diag *d) MUST_USE;
/* The list of what the index calls revoked. It is good as long as the authority: a site that is cut
 * off and gets no newer one goes on working. */
int ca_crl_create(const struct ca *ca, X509_CRL **out, struct diag *d) MUST_USE;
void ca_cert_serial(const X509 *x, char to[CA_SERIAL_DIGITS + 1]);
int64_t ca_cert_end(const X509 *x);

/* PEM, in the arena; the caller wipes what holds a key. */
int ca_pem_of_cert(X509 *x, struct arena *a, struct str *out) MUST_USE;
int ca_pem_of_key(EVP_PKEY *key, struct arena *a, struct str *out) MUST_USE;
int ca_pem_of_crl(X509_CRL *crl, struct arena *a, struct str *out) MUST_USE;
int ca_pem_read(struct str cert, struct str key, X509 **x, EVP_PKEY **k, struct diag *d) MUST_USE;

/* ---- the authority (ca.c) */

/* Opens one that exists; ca_close in any case. */
int ca_open(struct ca *ca, const char *path, enum ca_access access, struct diag *d) MUST_USE;
void ca_close(struct ca *ca);
/* Makes a new one, which is open then. ERR_INVALID when the folder holds one. */
int ca_init(struct ca *ca, const char *path, unsigned days, struct diag *d) MUST_USE;
/* Issues a certificate and writes it; *out is the new entry, until the index changes. */
int ca_issue(struct ca *ca, const char *site, unsigned days, const struct ca_entry **out,
             struct diag *d) MUST_USE;
/* Revokes all certificates of a site, or the one with that serial number, and writes the list.
 * *count are those that were not revoked before. ERR_NOT_FOUND. */
int ca_revoke(struct ca *ca, struct str which, size_t *count, struct diag *d) MUST_USE;
/* Whether a site can have that name in the scope language. ERR_INVALID. */
int ca_check_site(const char *site, struct diag *d) MUST_USE;

#endif
