/* Why TLS failed, in the words of who runs a site; OpenSSL's follow in brackets. */
#include "rt/confine.h"
#include "rt/sys.h"
#include "rt/tls_internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pemerr.h>
#include <openssl/x509err.h>
#include <openssl/x509v3.h>

struct reason {
    int library; /* 0: SSL */
    int code;
    const char *what, *hint;
};

static const struct reason file_reasons[] = {
#define FILE_REASON(library, code, what, hint) {library, code, what, hint},
#include "rt/tls_reasons.def"
#undef FILE_REASON
};

static const struct reason alert_reasons[] = {
#define ALERT_REASON(code, what, hint) {ERR_LIB_SSL, code, what, hint},
#include "rt/tls_reasons.def"
#undef ALERT_REASON
};

#define FITS(text)                                                                                 \
    _Static_assert(sizeof(text) <= sizeof((struct diag *)NULL)->hint, "a hint is too long");
#define FILE_REASON(library, code, what, hint)        FITS(hint)
#define ALERT_REASON(code, what, hint)                FITS(hint)
#define CERTIFICATE_REASON(error, detail, what, hint) FITS(hint)
#include "rt/tls_reasons.def"
#undef FILE_REASON
#undef ALERT_REASON
#undef CERTIFICATE_REASON

enum detail { DETAIL_NONE, DETAIL_BEGIN, DETAIL_END, DETAIL_ASKED, DETAIL_ISSUER };

static const struct {
    long error;
    enum detail detail;
    const char *what, *hint;
} certificate_reasons[] = {
#define CERTIFICATE_REASON(error, detail, what, hint) {error, DETAIL_##detail, what, hint},
#include "rt/tls_reasons.def"
#undef CERTIFICATE_REASON
};

static const struct reason *find(const struct reason *in, size_t n, unsigned long e)
{
    for (size_t i = 0; i < n && !ERR_SYSTEM_ERROR(e); i++)
        if (in[i].library == ERR_GET_LIB(e) && in[i].code == ERR_GET_REASON(e))
            return &in[i];
    return NULL;
}

static void put_error(unsigned long e, struct out *o)
{
    const char *reason = ERR_reason_error_string(e);
    if (reason)
        out_str(o, str_of(reason));
    else if (ERR_SYSTEM_ERROR(e))
        out_str(o, str_of(strerrordesc_np(ERR_GET_REASON(e))));
    else
        out_fmt(o, "error %lx", e);
}

/* Writes the errors in OpenSSL's queue of this thread, the first first, and empties it. Gives the
 * first that the table has; NULL. */
static const struct reason *take_errors(const struct reason *in, size_t n, struct out *o)
{
    const struct reason *found = NULL;
    unsigned long e;
    for (bool is_first = true; (e = ERR_get_error()) != 0; is_first = false) {
        if (!is_first)
            OUT(o, ", ");
        put_error(e, o);
        if (!found)
            found = find(in, n, e);
    }
    return found;
}

/* ---- files */

static int refuse_unread(struct diag *d, const char *what, const char *file, int os_error)
{
    ERR_clear_error();
    diag_set(d, ERR_CONFIG, "cannot use %s '%s': %s", what, file, strerrordesc_np(os_error));
    if (os_error == ENOENT)
        diag_hint(d, "a path that does not begin with / is as seen from the folder of the file "
                     "that names it");
    else if (os_error == EACCES)
        diag_hint(d, "let the daemon's user read it, and go through the folders above it");
    rt_confine_hint_read(file, d);
    return ERR_CONFIG;
}

int rt_tls_refuse(struct diag *d, const char *what, const char *file)
{
    unsigned long first = ERR_peek_error();
    char text[200];
    struct out o;
    if (ERR_SYSTEM_ERROR(first))
        return refuse_unread(d, what, file, ERR_GET_REASON(first));
    out_init(&o, text, sizeof text);
    const struct reason *r = take_errors(file_reasons, COUNT_OF(file_reasons), &o);
    diag_set(d, ERR_CONFIG, "cannot use %s '%s': %s%s%.*s%s", what, file, r ? r->what : "",
             r ? " (" : "", STR_ARG(out_get(&o)), r ? ")" : "");
    diag_hint(d, "%s", r ? r->hint : "");
    return ERR_CONFIG;
}

/* ---- connections */

/* The name or address that the certificate was looked at for. */
static void put_asked(SSL *ssl, struct out *o)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    const char *host = X509_VERIFY_PARAM_get0_host(param, 0);
    char *ip = host ? NULL : X509_VERIFY_PARAM_get1_ip_asc(param);
    if (host || ip)
        out_str(o, str_of(host ? host : ip));
    OPENSSL_free(ip);
}

static void put_detail(struct rt_tls_session *t, enum detail detail, struct out *o)
{
    switch (detail) {
    case DETAIL_NONE:
        return;
    case DETAIL_BEGIN:
    case DETAIL_END:
        out_str(o, detail == DETAIL_END ? STR(": it ended at ") : STR(": it begins at "));
        rt_print_time((uint64_t)(t->refused.limit_s > 0 ? t->refused.limit_s : 0) * 1000000, o);
        return;
    case DETAIL_ASKED:
        OUT(o, " ");
        put_asked(t->ssl, o);
        return;
    case DETAIL_ISSUER:
        OUT(o, ": ");
        out_str(o, str_of(t->refused.issuer));
        return;
    }
}

/* What of its certificate was not taken; false: nothing that is in the table. */
static bool put_certificate(struct rt_tls_session *t, struct out *o)
{
    long error = SSL_get_verify_result(t->ssl);
    for (size_t i = 0; i < COUNT_OF(certificate_reasons); i++) {
        if (certificate_reasons[i].error != error)
            continue;
        out_str(o,
                SSL_is_server(t->ssl) ? STR("the client's certificate") : STR("its certificate"));
        if (t->refused.name[0]) {
            OUT(o, ", of ");
            out_str(o, str_of(t->refused.name));
            OUT(o, ",");
        }
        OUT(o, " ");
        out_str(o, str_of(certificate_reasons[i].what));
        put_detail(t, certificate_reasons[i].detail, o);
        t->hint = certificate_reasons[i].hint;
        return true;
    }
    return false;
}

void rt_tls_explain(struct rt_tls_session *t)
{
    char text[160];
    struct out said, o;
    long verified = SSL_get_verify_result(t->ssl);
    out_init(&said, text, sizeof text);
    const struct reason *r = take_errors(alert_reasons, COUNT_OF(alert_reasons), &said);
    if (verified != X509_V_OK)
        out_fmt(&said, ": %s", X509_verify_cert_error_string(verified));
    out_init(&o, t->why, sizeof t->why - 1);
    bool is_told = verified != X509_V_OK && put_certificate(t, &o);
    if (!is_told && r) {
        out_fmt(&o, "%s %s", SSL_is_server(t->ssl) ? "the client" : "it", r->what);
        t->hint = r->hint;
        is_told = true;
    }
    out_fmt(&o, is_told ? " (%.*s)" : "%.*s", STR_ARG(out_get(&said)));
    t->why[o.n] = '\0';
}
