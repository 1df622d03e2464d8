/* TLS over a socket. OpenSSL reads and writes through a BIO of ours, which sends without SIGPIPE,
 * and knows from short counts that the socket is empty or full, so that finding that out costs no
 * system call.
 *
 * The owner's flags speak of TLS, the session's of the socket below it. A read takes the owner's
 * can_read away only when OpenSSL has nothing in its buffers and the socket has nothing either.
 */
#include "rt/stream_internal.h"
#include "rt/tls_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define RECORD_BYTES SSL3_RT_MAX_PLAIN_LENGTH

struct rt_tls_session {
    SSL *ssl;
    struct rt_tls *tls;       /* ALPN's callback needs it */
    bool can_recv, can_send;  /* of the socket */
    bool is_up;               /* the socket is connected */
    bool is_eof;              /* the socket's end was read */
    bool read_wants_send;     /* a read waits until the socket can be written */
    bool write_wants_recv;    /* the other way */
    bool is_shutdown_pending; /* close_notify did not fit into the socket */
    uint16_t n_sealed;        /* plain bytes of a record that is not yet sent whole; 0: none */
    char why[160];
};

/* ---- the BIO */

static int bio_read(BIO *bio, char *to, int n)
{
    struct rt_stream *s = BIO_get_data(bio);
    struct rt_tls_session *t = s->ssl;
    BIO_clear_retry_flags(bio);
    if (!t->can_recv) {
        BIO_set_retry_read(bio);
        return -1;
    }
    ssize_t got;
    do {
        got = recv(s->fd, to, (size_t)n, 0);
    } while (got < 0 && errno == EINTR);
    if (got > 0 && got < n && !s->has_hup)
        t->can_recv = false;
    if (got == 0)
        t->is_eof = s->has_hup = true;
    if (got < 0 && errno == EAGAIN) {
        t->can_recv = false;
        BIO_set_retry_read(bio);
    } else if (got < 0) {
        s->os_error = errno;
    }
    return (int)got;
}

static int bio_write(BIO *bio, const char *from, int n)
{
    struct rt_stream *s = BIO_get_data(bio);
    struct rt_tls_session *t = s->ssl;
    BIO_clear_retry_flags(bio);
    if (!t->can_send) {
        BIO_set_retry_write(bio);
        return -1;
    }
    ssize_t put;
    do {
        put = send(s->fd, from, (size_t)n, MSG_NOSIGNAL);
    } while (put < 0 && errno == EINTR);
    if (put >= 0 && put < n)
        t->can_send = false;
    if (put < 0 && errno == EAGAIN) {
        t->can_send = false;
        BIO_set_retry_write(bio);
    } else if (put < 0) {
        s->os_error = errno;
    }
    return (int)put;
}

static long bio_ctrl(BIO *bio, int command, long n, void *p)
{
    struct rt_stream *s = BIO_get_data(bio);
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return s->ssl->is_eof;
    default:
        return 0;
    }
}

static BIO_METHOD *bio_method;

static void make_bio_method(void)
{
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "cheops stream");
    CHECK(bio_method);
    CHECK(BIO_meth_set_read(bio_method, bio_read) == 1);
    CHECK(BIO_meth_set_write(bio_method, bio_write) == 1);
    CHECK(BIO_meth_set_ctrl(bio_method, bio_ctrl) == 1);
}

/* ---- begin and end */

/* 0 on success. The name is one or an address; a dot at its end is not part of a certificate's. */
static int set_server_name(SSL *ssl, struct str name)
{
    char z[254];
    unsigned char address[sizeof(struct in6_addr)];
    if (name.n && name.p[name.n - 1] == '.')
        name.n--;
    if (!name.n || name.n >= sizeof z || memchr(name.p, '\0', name.n))
        return ERR_INVALID;
    memcpy(z, name.p, name.n);
    z[name.n] = '\0';
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (inet_pton(AF_INET, z, address) == 1 || inet_pton(AF_INET6, z, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(param, z) == 1 ? 0 : ERR_INVALID;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (SSL_set_tlsext_host_name(ssl, z) != 1 || X509_VERIFY_PARAM_set1_host(param, z, 0) != 1)
        return ERR_INVALID;
    return 0;
}

int rt_tls_begin(struct rt_stream *s, struct rt_tls *tls, struct str server_name)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, make_bio_method);
    struct rt_tls_session *t = calloc(1, sizeof *t);
    if (!t)
        return ERR_NO_MEMORY;
    BIO *bio = BIO_new(bio_method);
    t->ssl = bio ? SSL_new(tls->ctx) : NULL;
    if (!t->ssl) {
        BIO_free(bio);
        free(t);
        ERR_clear_error();
        return ERR_NO_MEMORY;
    }
    t->tls = rt_tls_ref(tls);
    t->can_recv = t->can_send = true;
    t->is_up = tls->is_server;
    BIO_set_data(bio, s);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    if (tls->is_server)
        SSL_set_accept_state(t->ssl);
    else
        SSL_set_connect_state(t->ssl);
    s->ssl = t;
    s->ops = &rt_tls_ops;
    s->is_connecting = true;
    return server_name.p ? set_server_name(t->ssl, server_name) : 0;
}

static void tls_close(struct rt_stream *s)
{
    struct rt_tls_session *t = s->ssl;
    close(s->fd);
    s->ssl = NULL;
    SSL_free(t->ssl);
    rt_tls_unref(&t->tls);
    free(t);
}

void rt_tls_moved(struct rt_stream *s)
{
    BIO_set_data(SSL_get_rbio(s->ssl->ssl), s);
}

/* ---- what OpenSSL's results mean */

/* OpenSSL looks at its queue of errors to say what a result means, so it must be empty before. */
static void forget_errors(void)
{
    if (ERR_peek_error())
        ERR_clear_error();
}

static void explain(struct rt_tls_session *t)
{
    struct out o;
    out_init(&o, t->why, sizeof t->why - 1);
    rt_tls_print_errors(&o);
    long verified = SSL_get_verify_result(t->ssl);
    if (verified != X509_V_OK) {
        OUT(&o, ": ");
        out_str(&o, str_of(X509_verify_cert_error_string(verified)));
    }
    t->why[o.n] = '\0';
}

/* The code of a call that gave `ret` <= 0: ERR_AGAIN (*wanted: SSL_ERROR_WANT_READ or _WRITE), 0
 * at the close_notify, else what the stream failed with. */
static int judge(struct rt_stream *s, int ret, int *wanted)
{
    struct rt_tls_session *t = s->ssl;
    *wanted = SSL_get_error(t->ssl, ret);
    switch (*wanted) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return ERR_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        s->has_hup = true;
        return 0;
    case SSL_ERROR_SSL:
        if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
            ERR_clear_error();
            return rt_stream_fail(s, s->is_connecting ? ERR_CLOSED : ERR_RESET, 0);
        }
        explain(t);
        return rt_stream_fail(s, ERR_TLS, 0);
    default:
        ERR_clear_error();
        return rt_stream_fail(s, ERR_RESET, s->os_error);
    }
}

/* ---- handshake */

int rt_tls_handshake(struct rt_stream *s)
{
    struct rt_tls_session *t = s->ssl;
    int wanted;
    if (!t->is_up) {
        int rc = rt_socket_connected(s);
        if (rc < 0)
            return rc;
        t->is_up = true;
    }
    forget_errors();
    int ret = SSL_do_handshake(t->ssl);
    if (ret != 1) {
        int rc = judge(s, ret, &wanted);
        return rc < 0 ? rc : rt_stream_fail(s, ERR_CLOSED, 0);
    }
    /* The first read and write find out; an owner that tried one of them before is told. */
    s->can_read = s->can_write = true;
    if (s->task)
        rt_wake(s->loop, s->task);
    return 0;
}

/* ---- events */

static void send_shutdown(struct rt_stream *s)
{
    struct rt_tls_session *t = s->ssl;
    int wanted;
    forget_errors();
    int ret = SSL_shutdown(t->ssl);
    int rc = ret < 0 ? judge(s, ret, &wanted) : 0;
    t->is_shutdown_pending = rc == ERR_AGAIN && wanted == SSL_ERROR_WANT_WRITE;
    if (rc == 0 && shutdown(s->fd, SHUT_WR) < 0)
        rt_stream_fail(s, ERR_RESET, errno);
}

void rt_tls_raise(struct rt_stream *s, uint32_t events)
{
    struct rt_tls_session *t = s->ssl;
    bool can_recv = events & RT_EVENTS_READ, can_send = events & RT_EVENTS_WRITE;
    t->can_recv |= can_recv;
    t->can_send |= can_send;
    if (can_send && t->is_shutdown_pending)
        send_shutdown(s);
    if (can_send && t->read_wants_send) {
        t->read_wants_send = false;
        events |= EPOLLIN;
    }
    if (can_recv && t->write_wants_recv) {
        t->write_wants_recv = false;
        events |= EPOLLOUT;
    }
    rt_stream_raise(s, events);
}

/* ---- the calls */

static ssize_t tls_read(struct rt_stream *s, void *to, size_t n)
{
    struct rt_tls_session *t = s->ssl;
    int rc = rt_stream_connected(s), wanted;
    if (rc < 0) {
        s->can_read &= rc != ERR_AGAIN;
        return rc;
    }
    forget_errors();
    int got = SSL_read(t->ssl, to, n < INT_MAX ? (int)n : INT_MAX);
    if (got <= 0) {
        rc = judge(s, got, &wanted);
        if (rc == ERR_AGAIN) {
            s->can_read = false;
            t->read_wants_send = wanted == SSL_ERROR_WANT_WRITE;
        }
        return rc;
    }
    if (!t->can_recv && !SSL_has_pending(t->ssl))
        s->can_read = false;
    return got;
}

/* A place in an array of iovecs. */
struct cursor {
    const struct iovec *iov;
    int n;
    size_t at; /* in *iov */
};

static void skip(struct cursor *c, size_t bytes)
{
    while (c->n > 0 && bytes >= c->iov->iov_len - c->at) {
        bytes -= c->iov->iov_len - c->at;
        c->iov++;
        c->n--;
        c->at = 0;
    }
    c->at += bytes;
}

/* The next bytes of a record, at most `max`: where they lie if they lie together, else put together
 * in `scratch`. */
static struct str next_record(struct cursor c, size_t max, char *scratch)
{
    skip(&c, 0);
    if (!c.n)
        return STR_NULL;
    struct str first = {(const char *)c.iov->iov_base + c.at, c.iov->iov_len - c.at};
    if (first.n >= max || c.n == 1)
        return str_sub(first, 0, max);
    size_t n = 0;
    while (c.n && n < max) {
        size_t piece = c.iov->iov_len - c.at < max - n ? c.iov->iov_len - c.at : max - n;
        memcpy(scratch + n, (const char *)c.iov->iov_base + c.at, piece);
        n += piece;
        skip(&c, piece);
    }
    return (struct str){scratch, n};
}

/* Writes one record. A record that did not go out whole is sealed: OpenSSL wants the same bytes
 * again, no matter where they lie. */
static int write_record(struct rt_stream *s, struct str record)
{
    struct rt_tls_session *t = s->ssl;
    int wanted;
    forget_errors();
    int ret = SSL_write(t->ssl, record.p, (int)record.n);
    if (ret > 0) {
        t->n_sealed = 0;
        return ret;
    }
    int rc = judge(s, ret, &wanted);
    if (rc == ERR_AGAIN) {
        t->n_sealed = (uint16_t)record.n;
        t->write_wants_recv = wanted == SSL_ERROR_WANT_READ;
        s->can_write = false;
    }
    return rc < 0 ? rc : rt_stream_fail(s, ERR_RESET, 0);
}

static ssize_t tls_write(struct rt_stream *s, const struct iovec *iov, int n)
{
    char scratch[RECORD_BYTES];
    struct cursor c = {iov, n, 0};
    size_t done = 0;
    int rc = rt_stream_connected(s);
    s->can_write &= rc != ERR_AGAIN;
    while (rc >= 0) {
        size_t sealed = s->ssl->n_sealed;
        struct str record = next_record(c, sealed ? sealed : RECORD_BYTES, scratch);
        if (!record.n)
            break;
        CHECK(record.n >= sealed);
        rc = write_record(s, record);
        if (rc > 0) {
            done += (size_t)rc;
            skip(&c, (size_t)rc);
        }
    }
    return done || rc >= 0 ? (ssize_t)done : rc;
}

static int tls_shutdown(struct rt_stream *s)
{
    if (s->error)
        return s->error;
    if (s->is_connecting) {
        /* There is nothing to end in TLS so far. */
        return shutdown(s->fd, SHUT_WR) < 0 ? rt_stream_fail(s, ERR_RESET, errno) : 0;
    }
    send_shutdown(s);
    return s->error;
}

const struct rt_stream_ops rt_tls_ops = {
    .read = tls_read, .write = tls_write, .shutdown = tls_shutdown, .close = tls_close};

/* ---- about a session */

struct str rt_stream_tls_error(const struct rt_stream *s)
{
    return s->ssl ? str_of(s->ssl->why) : STR("");
}

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
