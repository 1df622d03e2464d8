/* TLS over a socket. The owner's flags speak of TLS, the session's of the socket below it: a read
 * takes the owner's can_read away only when OpenSSL has nothing in its buffers and the socket has
 * nothing either. Nothing of the owner runs from here; what an event sets off is the rest of an end
 * of sending. */
#include "rt/stream_internal.h"
#include "rt/tls_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <unistd.h>

#define RECORD_BYTES SSL3_RT_MAX_PLAIN_LENGTH

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
    struct rt_tls_session *t = calloc(1, sizeof *t);
    BIO *bio = t ? rt_tls_bio_new(s) : NULL;
    SSL *ssl = bio ? SSL_new(tls->ctx) : NULL;
    if (!ssl) {
        BIO_free(bio);
        free(t);
        ERR_clear_error();
        return ERR_NO_MEMORY;
    }
    SSL_set_bio(ssl, bio, bio);
    SSL_set_app_data(ssl, t);
    *t = (struct rt_tls_session){.ssl = ssl,
                                 .tls = rt_tls_ref(tls),
                                 .can_recv = true,
                                 .can_send = true,
                                 .is_up = tls->is_server};
    if (tls->is_server)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    s->ssl = t;
    s->ops = &rt_tls_ops;
    s->is_connecting = true;
    return server_name.p ? set_server_name(ssl, server_name) : 0;
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
    rt_tls_bio_move(SSL_get_rbio(s->ssl->ssl), s);
}

/* ---- what OpenSSL's results mean */

/* OpenSSL looks at its queue of errors to say what a result means, so it must be empty before. */
static void forget_errors(void)
{
    if (ERR_peek_error())
        ERR_clear_error();
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
        rt_tls_explain(t);
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
    if (s->is_deaf)
        return ERR_RESET;
    forget_errors();
    int ret = SSL_write(t->ssl, record.p, (int)record.n);
    if (ret > 0) {
        t->n_sealed = 0;
        return ret;
    }
    if (SSL_get_error(t->ssl, ret) == SSL_ERROR_SYSCALL) {
        ERR_clear_error();
        /* An alert, or an answer, may have come before, and no event told yet. */
        t->can_recv = true;
        return rt_stream_deafen(s, s->os_error);
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

struct str rt_stream_tls_error(const struct rt_stream *s)
{
    return s->ssl ? str_of(s->ssl->why) : STR("");
}

const char *rt_stream_tls_hint(const struct rt_stream *s)
{
    return s->ssl && s->ssl->hint ? s->ssl->hint : "";
}
