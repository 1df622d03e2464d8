/* OpenSSL's way to the socket: sends without SIGPIPE, and knows from short counts that the socket
 * is empty or full, so that finding that out costs no system call. */
#include "rt/tls_internal.h"

#include <errno.h>
#include <pthread.h>

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

BIO *rt_tls_bio_new(struct rt_stream *s)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, make_bio_method);
    BIO *bio = BIO_new(bio_method);
    if (!bio)
        return NULL;
    BIO_set_data(bio, s);
    BIO_set_init(bio, 1);
    return bio;
}

void rt_tls_bio_move(BIO *bio, struct rt_stream *s)
{
    BIO_set_data(bio, s);
}
