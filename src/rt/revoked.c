#include "rt/revoked.h"
#include "rt/sys.h"
#include "rt/tls_internal.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>

struct rt_revoked {
    atomic_uint refs;
    X509 *ca;
    pthread_mutex_t lock; /* of lists, which are never changed, only exchanged */
    STACK_OF(X509_CRL) * lists;
    _Atomic uint64_t number, changes;
};

/* ---- one list */

static bool is_of(X509_CRL *list, X509 *ca)
{
    return X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_subject_name(ca)) == 0;
}

static bool is_signed_by(X509_CRL *list, X509 *ca)
{
    EVP_PKEY *key = X509_get0_pubkey(ca);
    bool is_signed =
        key && (X509_get_key_usage(ca) & KU_CRL_SIGN) && X509_CRL_verify(list, key) == 1;
    ERR_clear_error();
    return is_signed;
}

static uint64_t number_of(X509_CRL *list)
{
    uint64_t number = 0;
    ASN1_INTEGER *n = X509_CRL_get_ext_d2i(list, NID_crl_number, NULL, NULL);
    if (!n || ASN1_INTEGER_get_uint64(&number, n) != 1 || number > INT64_MAX)
        number = 0;
    ASN1_INTEGER_free(n);
    ERR_clear_error();
    return number;
}

static bool is_within_time(X509_CRL *list)
{
    const ASN1_TIME *end = X509_CRL_get0_nextUpdate(list);
    return X509_cmp_current_time(X509_CRL_get0_lastUpdate(list)) < 0 &&
           (!end || X509_cmp_current_time(end) > 0);
}

/* ---- lists */

static void free_lists(STACK_OF(X509_CRL) * lists)
{
    sk_X509_CRL_pop_free(lists, X509_CRL_free);
}

/* The place of the CA's list; -1: there is none. */
static int find(const STACK_OF(X509_CRL) * lists, X509 *ca)
{
    for (int i = 0; i < sk_X509_CRL_num(lists); i++)
        if (is_of(sk_X509_CRL_value(lists, i), ca))
            return i;
    return -1;
}

static STACK_OF(X509_CRL) * copy_lists(struct rt_revoked *r)
{
    pthread_mutex_lock(&r->lock);
    STACK_OF(X509_CRL) *copy = sk_X509_CRL_dup(r->lists);
    for (int i = 0; i < sk_X509_CRL_num(copy); i++)
        X509_CRL_up_ref(sk_X509_CRL_value(copy, i));
    pthread_mutex_unlock(&r->lock);
    return copy;
}

int rt_revoked_verify(struct rt_revoked *r, X509_STORE_CTX *store)
{
    STACK_OF(X509_CRL) *lists = copy_lists(r);
    int rc = 0;
    if (!lists) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_OUT_OF_MEM);
        return rc;
    }
    if (sk_X509_CRL_num(lists) > 0) {
        X509_STORE_CTX_set0_crls(store, lists);
        X509_STORE_CTX_set_flags(store, X509_V_FLAG_CRL_CHECK);
    }
    rc = X509_verify_cert(store);
    X509_STORE_CTX_set0_crls(store, NULL);
    free_lists(lists);
    return rc;
}

bool rt_stream_is_revoked(const struct rt_stream *s, struct rt_revoked *r)
{
    SSL *ssl = s->ssl ? s->ssl->ssl : NULL;
    X509 *certificate = ssl ? SSL_get0_peer_certificate(ssl) : NULL;
    X509_REVOKED *entry;
    if (!certificate)
        return false;
    STACK_OF(X509_CRL) *lists = copy_lists(r);
    bool is_listed = !lists;
    for (int i = 0; i < sk_X509_CRL_num(lists) && !is_listed; i++)
        is_listed = X509_CRL_get0_by_cert(sk_X509_CRL_value(lists, i), &entry, certificate) == 1;
    free_lists(lists);
    return is_listed;
}

/* ---- reading */

static int read_ca(struct rt_revoked *r, const char *file, struct diag *d)
{
    BIO *bio = BIO_new_file(file, "r");
    r->ca = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    return r->ca ? 0 : rt_tls_refuse(d, "CA", file);
}

/* Gives the lists of a PEM file. */
static int read_lists(const char *file, STACK_OF(X509_CRL) * *out, struct diag *d)
{
    BIO *bio = BIO_new_file(file, "r");
    STACK_OF(X509_CRL) *lists = sk_X509_CRL_new_null();
    X509_CRL *list;
    while (bio && lists && (list = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)))
        if (!sk_X509_CRL_push(lists, list))
            X509_CRL_free(list);
    BIO_free(bio);
    bool is_at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    if (sk_X509_CRL_num(lists) > 0 && is_at_end) {
        ERR_clear_error();
        *out = lists;
        return 0;
    }
    free_lists(lists);
    return rt_tls_refuse(d, "revocation list", file);
}

static int load(struct rt_revoked *r, const char *file, struct diag *d)
{
    int rc = read_lists(file, &r->lists, d);
    int at = rc == 0 ? find(r->lists, r->ca) : -1;
    X509_CRL *list = at >= 0 ? sk_X509_CRL_value(r->lists, at) : NULL;
    if (list && !is_signed_by(list, r->ca))
        return diag_set(d, ERR_CONFIG, "the revocation list '%s' is not signed by the CA", file);
    atomic_init(&r->number, list ? number_of(list) : 0);
    return rc;
}

int rt_revoked_open(struct rt_revoked **out, const char *ca, const char *file, struct diag *d)
{
    ERR_clear_error();
    struct rt_revoked *r = calloc(1, sizeof *r);
    if (!r)
        return diag_set(d, ERR_NO_MEMORY, "no memory for revocation lists");
    atomic_init(&r->refs, 1);
    pthread_mutex_init(&r->lock, NULL);
    int rc = read_ca(r, ca, d);
    if (rc == 0 && file)
        rc = load(r, file, d);
    if (rc == 0 && !r->lists && !(r->lists = sk_X509_CRL_new_null()))
        rc = diag_set(d, ERR_NO_MEMORY, "no memory for revocation lists");
    if (rc < 0)
        rt_revoked_unref(&r);
    else
        *out = r;
    return rc;
}

struct rt_revoked *rt_revoked_ref(struct rt_revoked *r)
{
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

void rt_revoked_unref(struct rt_revoked **rp)
{
    struct rt_revoked *r = *rp;
    *rp = NULL;
    if (!r || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) > 1)
        return;
    free_lists(r->lists);
    X509_free(r->ca);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

uint64_t rt_revoked_number(const struct rt_revoked *r)
{
    return atomic_load_explicit(&r->number, memory_order_relaxed);
}

uint64_t rt_revoked_changes(const struct rt_revoked *r)
{
    return atomic_load_explicit(&r->changes, memory_order_acquire);
}

/* The CA's list, with a reference; NULL: there is none. */
static X509_CRL *current(struct rt_revoked *r)
{
    pthread_mutex_lock(&r->lock);
    int at = find(r->lists, r->ca);
    X509_CRL *list = at >= 0 ? sk_X509_CRL_value(r->lists, at) : NULL;
    if (list)
        X509_CRL_up_ref(list);
    pthread_mutex_unlock(&r->lock);
    return list;
}

struct str rt_revoked_copy(struct rt_revoked *r, struct arena *a)
{
    X509_CRL *list = current(r);
    unsigned char *der = NULL;
    struct str out = STR_NULL;
    int n = list && number_of(list) ? i2d_X509_CRL(list, &der) : 0;
    if (n > 0 && n <= RT_REVOKED_BYTES)
        out = arena_str(a, (struct str){(const char *)der, (size_t)n});
    OPENSSL_free(der);
    X509_CRL_free(list);
    return out;
}

/* ---- a newer one */

static X509_CRL *decode(struct str der)
{
    const unsigned char *at = (const unsigned char *)der.p;
    X509_CRL *list =
        der.n && der.n <= RT_REVOKED_BYTES ? d2i_X509_CRL(NULL, &at, (long)der.n) : NULL;
    if (list && at != (const unsigned char *)der.p + der.n) {
        X509_CRL_free(list);
        list = NULL;
    }
    ERR_clear_error();
    return list;
}

static int judge(const struct rt_revoked *r, X509_CRL *list, struct diag *d)
{
    uint64_t number = number_of(list), here = rt_revoked_number(r);
    if (!is_of(list, r->ca) || !is_signed_by(list, r->ca))
        return diag_set(d, ERR_INVALID, "it is not signed by this deployment's CA");
    if (number <= here)
        return diag_set(d, ERR_INVALID, "its number is %llu, and the list here has %llu",
                        (unsigned long long)number, (unsigned long long)here);
    /* It would refuse every certificate. */
    if (!is_within_time(list))
        return diag_set(d, ERR_INVALID, "it is not within its time: look at the clocks");
    if (X509_CRL_get_ext_by_critical(list, 1, -1) >= 0)
        return diag_set(d, ERR_INVALID, "it has a critical extension, and may not be a whole list");
    return 0;
}

/* Puts it in the place of the CA's list, or behind the others. */
static int exchange(struct rt_revoked *r, X509_CRL *list, struct diag *d)
{
    STACK_OF(X509_CRL) *lists = copy_lists(r);
    int at = find(lists, r->ca);
    X509_CRL_up_ref(list);
    if (lists && at >= 0) {
        X509_CRL_free(sk_X509_CRL_value(lists, at));
        sk_X509_CRL_set(lists, at, list);
    } else if (!lists || !sk_X509_CRL_push(lists, list)) {
        X509_CRL_free(list);
        free_lists(lists);
        return diag_set(d, ERR_NO_MEMORY, "no memory for a revocation list");
    }
    pthread_mutex_lock(&r->lock);
    STACK_OF(X509_CRL) *old = r->lists;
    r->lists = lists;
    pthread_mutex_unlock(&r->lock);
    free_lists(old);
    atomic_store_explicit(&r->number, number_of(list), memory_order_relaxed);
    atomic_fetch_add_explicit(&r->changes, 1, memory_order_release);
    return 0;
}

int rt_revoked_offer(struct rt_revoked *r, struct str der, struct diag *d)
{
    X509_CRL *list = decode(der);
    int rc = list ? judge(r, list, d) : diag_set(d, ERR_INVALID, "it is not a revocation list");
    if (rc == 0)
        rc = exchange(r, list, d);
    X509_CRL_free(list);
    return rc;
}

/* ---- writing */

/* Whether the file's list of the CA has at least this number. */
static bool has_number(const char *file, X509 *ca, uint64_t number)
{
    struct diag d = {0};
    STACK_OF(X509_CRL) *lists = NULL;
    int at = read_lists(file, &lists, &d) == 0 ? find(lists, ca) : -1;
    X509_CRL *list = at >= 0 ? sk_X509_CRL_value(lists, at) : NULL;
    bool has = list && number_of(list) >= number && is_signed_by(list, ca);
    free_lists(lists);
    return has;
}

int rt_revoked_save(struct rt_revoked *r, const char *file, struct diag *d)
{
    char *text = NULL;
    if (has_number(file, r->ca, rt_revoked_number(r)))
        return 0;
    STACK_OF(X509_CRL) *lists = copy_lists(r);
    BIO *bio = lists ? BIO_new(BIO_s_mem()) : NULL;
    bool is_written = bio != NULL;
    for (int i = 0; i < sk_X509_CRL_num(lists) && is_written; i++)
        is_written = PEM_write_bio_X509_CRL(bio, sk_X509_CRL_value(lists, i)) == 1;
    long n = is_written ? BIO_get_mem_data(bio, &text) : 0;
    int rc = n > 0 ? rt_file_replace(file, 0644, (struct str){text, (size_t)n}, d)
                   : diag_set(d, ERR_NO_MEMORY, "no memory to write %s", file);
    BIO_free(bio);
    free_lists(lists);
    return rc;
}
