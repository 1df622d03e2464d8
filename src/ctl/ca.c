/* The authority: what is read and written in which order. */
#include "ctl/ca.h"
#include "rt/sys.h"
#include "scope/scope.h"

#include <openssl/crypto.h>
#include <stdio.h>

#define ARENA_SIZE (96u << 20)
#define DAY_S      86400

int ca_check_site(const char *site, struct diag *d)
{
    struct str name = str_of(site);
    if (str_eq(name, STR("ca")))
        return diag_set(d, ERR_INVALID,
                        "no site can be named 'ca': " CA_CERTIFICATE
                        " is the authority's own certificate");
    if (scope_is_site_name(name))
        return 0;
    return diag_set(d, ERR_INVALID,
                    "'%.*s' cannot be a site's name: a name has letters, digits, '_' and, after "
                    "the first, '.' and '-', at most %d, and is no word of the scope language",
                    STR_ARG(str_sub(name, 0, 80)), SCOPE_MAX_NAME);
}

static void begin(struct ca *ca, const char *path)
{
    *ca = (struct ca){.dir = {.path = path, .arena = &ca->arena, .fd = -1, .lock = -1},
                      .now = (int64_t)(rt_wall_us() / 1000000)};
    arena_init(&ca->arena, NULL, 0, ARENA_SIZE);
}

static int load(struct ca *ca, bool with_key, struct diag *d)
{
    struct str cert, key = STR_NULL, index;
    int rc = ca_file_read(&ca->dir, CA_CERTIFICATE, false, &cert, d);
    if (rc == 0 && with_key)
        rc = ca_file_read(&ca->dir, CA_KEY, true, &key, d);
    if (rc == 0)
        rc = ca_pem_read(cert, key, &ca->cert, &ca->key, d);
    if (key.p)
        OPENSSL_cleanse((void *)(uintptr_t)key.p, key.n);
    if (rc == 0)
        rc = ca_file_read(&ca->dir, CA_INDEX, false, &index, d);
    return rc == 0 ? ca_index_parse(&ca->index, index, d) : rc;
}

int ca_open(struct ca *ca, const char *path, enum ca_access access, struct diag *d)
{
    begin(ca, path);
    int rc = ca_dir_open(&ca->dir, access, d);
    return rc == 0 ? load(ca, access != CA_READ, d) : rc;
}

void ca_close(struct ca *ca)
{
    X509_free(ca->cert);
    EVP_PKEY_free(ca->key);
    ca_index_fini(&ca->index);
    ca_dir_close(&ca->dir);
    arena_fini(&ca->arena);
}

/* ---- writing */

static int write_key(struct ca *ca, const char *name, EVP_PKEY *key, struct diag *d)
{
    struct str pem;
    int rc = ca_pem_of_key(key, &ca->arena, &pem);
    if (rc < 0)
        return diag_set(d, rc, "no memory to write a key");
    rc = ca_file_write(&ca->dir, name, 0600, pem, d);
    OPENSSL_cleanse((void *)(uintptr_t)pem.p, pem.n);
    return rc;
}

static int write_cert(struct ca *ca, const char *name, X509 *x, struct diag *d)
{
    struct str pem;
    int rc = ca_pem_of_cert(x, &ca->arena, &pem);
    return rc < 0 ? diag_set(d, rc, "no memory to write a certificate")
                  : ca_file_write(&ca->dir, name, 0644, pem, d);
}

static int write_index(struct ca *ca, struct diag *d)
{
    struct str text;
    int rc = ca_index_print(&ca->index, &ca->arena, &text);
    return rc < 0 ? diag_set(d, rc, "no memory to write the authority's index")
                  : ca_file_write(&ca->dir, CA_INDEX, 0644, text, d);
}

static int write_crl(struct ca *ca, struct diag *d)
{
    struct str pem;
    X509_CRL *crl = NULL;
    int rc = ca_crl_create(ca, &crl, d);
    if (rc == 0 && ca_pem_of_crl(crl, &ca->arena, &pem) < 0)
        rc = diag_set(d, ERR_NO_MEMORY, "no memory to write the revocation list");
    if (rc == 0)
        rc = ca_file_write(&ca->dir, CA_CRL, 0644, pem, d);
    int bytes = crl ? i2d_X509_CRL(crl, NULL) : 0;
    ca->crl_bytes = bytes > 0 ? (size_t)bytes : 0;
    X509_CRL_free(crl);
    return rc;
}

/* ---- what the commands do */

/* The certificate comes last: a folder with it is whole. */
static int write_new(struct ca *ca, struct diag *d)
{
    int rc = write_key(ca, CA_KEY, ca->key, d);
    if (rc == 0)
        rc = write_index(ca, d);
    if (rc == 0)
        rc = write_crl(ca, d);
    return rc == 0 ? write_cert(ca, CA_CERTIFICATE, ca->cert, d) : rc;
}

int ca_init(struct ca *ca, const char *path, unsigned days, struct diag *d)
{
    static const char *const files[] = {CA_KEY, CA_CERTIFICATE, CA_INDEX, CA_CRL};
    begin(ca, path);
    int rc = ca_dir_open(&ca->dir, CA_CREATE, d);
    for (size_t i = 0; rc == 0 && i < COUNT_OF(files); i++)
        if (ca_file_exists(&ca->dir, files[i])) {
            rc = diag_set(d, ERR_INVALID, "%s holds %s already, which is not overwritten", path,
                          files[i]);
            diag_hint(d, "name another folder with --dir; sites trust the authority that signed "
                         "their certificates only");
        }
    if (rc == 0)
        rc = ca_key_create(&ca->key, d);
    if (rc == 0)
        rc = ca_root_create(ca->key, ca->now, ca->now + (int64_t)days * DAY_S, &ca->cert, d);
    return rc == 0 ? write_new(ca, d) : rc;
}

static int write_site(struct ca *ca, const char *site, EVP_PKEY *key, X509 *x, struct diag *d)
{
    char name[80];
    snprintf(name, sizeof name, "%s.key", site);
    int rc = write_key(ca, name, key, d);
    snprintf(name, sizeof name, "%s.crt", site);
    return rc == 0 ? write_cert(ca, name, x, d) : rc;
}

int ca_issue(struct ca *ca, const char *site, unsigned days, const struct ca_entry **out,
             struct diag *d)
{
    EVP_PKEY *key = NULL;
    X509 *x = NULL;
    int64_t end = ca->now + (int64_t)days * DAY_S, last = ca_cert_end(ca->cert);
    struct ca_entry e = {.issued = ca->now, .expires = end < last ? end : last};
    int rc = ca_check_site(site, d);
    if (rc == 0 && last <= ca->now) {
        rc = diag_set(d, ERR_INVALID, "the authority in %s has expired", ca->dir.path);
        diag_hint(d, "make a new one with `cheops ca init --dir DIR`, and give it to every site");
    }
    if (rc == 0)
        rc = ca_key_create(&key, d);
    if (rc == 0)
        rc = ca_site_create(ca, key, site, e.expires, &x, d);
    if (rc == 0) {
        ca_cert_serial(x, e.serial);
        snprintf(e.site, sizeof e.site, "%s", site);
        rc = ca_index_add(&ca->index, &e, d);
    }
    if (rc == 0)
        rc = write_index(ca, d);
    if (rc == 0)
        rc = write_site(ca, site, key, x, d);
    X509_free(x);
    EVP_PKEY_free(key);
    *out = rc == 0 ? &ca->index.entries[ca->index.n - 1] : NULL;
    return rc;
}

int ca_revoke(struct ca *ca, struct str which, size_t *count, struct diag *d)
{
    bool is_site = ca_index_newest(&ca->index, which) != NULL, is_found = is_site;
    *count = 0;
    for (size_t i = 0; i < ca->index.n; i++) {
        struct ca_entry *e = &ca->index.entries[i];
        if (is_site ? !str_eq(str_of(e->site), which) : !str_eq_nocase(str_of(e->serial), which))
            continue;
        is_found = true;
        *count += e->revoked == 0;
        e->revoked = e->revoked ? e->revoked : ca->now;
    }
    if (!is_found) {
        int rc = diag_set(d, ERR_NOT_FOUND,
                          "the authority has issued nothing to a site or with a serial '%.*s'",
                          STR_ARG(str_sub(which, 0, 80)));
        diag_hint(d, "`cheops ca list` shows what it has issued");
        return rc;
    }
    int rc = *count ? write_index(ca, d) : 0;
    return rc == 0 ? write_crl(ca, d) : rc; /* also anew, if a run before was killed in between */
}
