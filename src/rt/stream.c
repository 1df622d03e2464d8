#include "rt/stream_internal.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

#define KEEPALIVE_INTERVAL_S 15
#define KEEPALIVE_PROBES     4

/* ---- flags */

void rt_stream_raise(struct rt_stream *s, uint32_t events)
{
    bool can_read = events & RT_EVENTS_READ;
    bool can_write = events & RT_EVENTS_WRITE;
    bool has_hup = events & RT_EVENTS_HUP;
    bool is_news = s->is_connecting || (can_read && !s->can_read) || (can_write && !s->can_write) ||
                   (has_hup && !s->has_hup);
    s->can_read |= can_read;
    s->can_write |= can_write;
    s->has_hup |= has_hup;
    if (is_news && s->task)
        rt_wake(s->loop, s->task);
}

static void on_event(struct rt_source *source, uint32_t events)
{
    struct rt_stream *s = CONTAINER_OF(source, struct rt_stream, source);
    if (s->ssl)
        rt_tls_raise(s, events);
    else
        rt_stream_raise(s, events);
}

void rt_stream_look(struct rt_stream *s)
{
    if (s->fd >= 0)
        on_event(&s->source, EPOLLIN);
}

int rt_stream_fail(struct rt_stream *s, int code, int os_error)
{
    s->error = code;
    s->os_error = os_error;
    s->is_connecting = false;
    s->can_read = s->can_write = s->has_hup = true; /* whoever tries learns of it */
    return code;
}

/* ---- plain sockets */

static ssize_t receive(struct rt_stream *s, void *to, size_t n, int flags)
{
    if (s->error || s->is_connecting) {
        int rc = rt_stream_connected(s);
        if (rc < 0) {
            s->can_read &= rc != ERR_AGAIN;
            return rc;
        }
    }
    ssize_t got;
    do {
        got = recv(s->fd, to, n, flags);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        /* Less than there was room for: the socket is empty, and the kernel will tell of more. It
         * has told of the end already when has_hup is set. */
        if ((size_t)got < n && !s->has_hup)
            s->can_read = false;
        return got;
    }
    if (got == 0 && s->is_deaf)
        return rt_stream_fail(s, ERR_RESET, s->os_error); /* the reset was told to the write */
    if (got == 0) {
        s->has_hup = true;
        return 0;
    }
    if (errno != EAGAIN)
        return rt_stream_fail(s, ERR_RESET, errno);
    s->can_read = false;
    return ERR_AGAIN;
}

static ssize_t plain_read(struct rt_stream *s, void *to, size_t n)
{
    return receive(s, to, n, 0);
}

ssize_t rt_peek(struct rt_stream *s, void *to, size_t n)
{
    CHECK(s->fd >= 0 && !s->ssl);
    return receive(s, to, n, MSG_PEEK);
}

int rt_stream_deafen(struct rt_stream *s, int os_error)
{
    s->is_deaf = true;
    s->os_error = os_error;
    s->can_read = s->can_write = s->has_hup = true;
    return ERR_RESET;
}

static ssize_t plain_write(struct rt_stream *s, const struct iovec *iov, int n)
{
    if (s->error || s->is_connecting) {
        int rc = rt_stream_connected(s);
        if (rc < 0)
            return rc;
    }
    struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n};
    size_t wanted = 0;
    for (int i = 0; i < n; i++)
        wanted += iov[i].iov_len;
    ssize_t put;
    do {
        put = sendmsg(s->fd, &m, MSG_NOSIGNAL);
    } while (put < 0 && errno == EINTR);
    if (put >= 0) {
        if ((size_t)put < wanted)
            s->can_write = false;
        return put;
    }
    if (errno != EAGAIN)
        return rt_stream_deafen(s, s->is_deaf ? s->os_error : errno);
    s->can_write = false;
    return ERR_AGAIN;
}

static int plain_shutdown(struct rt_stream *s)
{
    if (s->error)
        return s->error;
    if (shutdown(s->fd, SHUT_WR) < 0)
        return rt_stream_fail(s, ERR_RESET, errno);
    return 0;
}

static void plain_close(struct rt_stream *s)
{
    close(s->fd);
}

static const struct rt_stream_ops plain_ops = {
    .read = plain_read, .write = plain_write, .shutdown = plain_shutdown, .close = plain_close};

/* ---- opening */

/* Sets the stream up over fd and registers it. Whatever fails, it is closed then. */
static int begin(struct rt_stream *s, struct rt_loop *l, int fd, struct rt_tls *tls,
                 struct str server_name, struct rt_task *task)
{
    *s = (struct rt_stream){.ops = &plain_ops,
                            .loop = l,
                            .task = task,
                            .source.on_event = on_event,
                            .fd = fd,
                            .can_write = true};
    int rc = tls ? rt_tls_begin(s, tls, server_name) : 0;
    if (rc < 0)
        rt_stream_close(s);
    return rc;
}

static int watch(struct rt_stream *s)
{
    return rt_watch(s->loop, s->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP, &s->source);
}

int rt_stream_accept(struct rt_stream *s, struct rt_loop *l, int fd, struct rt_tls *tls,
                     struct rt_task *task)
{
    int rc = begin(s, l, fd, tls, STR_NULL, task);
    if (rc < 0)
        return rc;
    rc = watch(s);
    if (rc < 0)
        rt_stream_close(s);
    return rc;
}

int rt_stream_secure(struct rt_stream *s, struct rt_tls *tls)
{
    return rt_tls_begin(s, tls, STR_NULL);
}

static int connect_error(int os_error)
{
    switch (os_error) {
    case ECONNREFUSED:
    case ENOENT:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ETIMEDOUT:
    case EAGAIN: /* a Unix socket whose queue is full */
        return ERR_CLOSED;
    case ECONNRESET:
    case EPIPE:
        return ERR_RESET;
    default:
        return ERR_SYSTEM;
    }
}

int rt_stream_connect(struct rt_stream *s, struct rt_loop *l, const struct rt_address *to,
                      struct rt_tls *tls, struct str server_name, struct rt_task *task)
{
    int fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        *s = (struct rt_stream){.fd = -1, .os_error = errno};
        return ERR_SYSTEM;
    }
    int one = 1;
    if (to->sa.sa_family != AF_UNIX)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    int rc = begin(s, l, fd, tls, server_name, task);
    if (rc < 0)
        return rc;
    bool is_refused = false;
    if (connect(fd, &to->sa, to->len) < 0) {
        s->is_connecting |= errno == EINPROGRESS;
        s->can_write = false;
        is_refused = errno != EINPROGRESS;
        if (is_refused)
            rt_stream_fail(s, connect_error(errno), errno);
    }
    /* Registered only now: a socket that was never connected reports a hang-up. */
    rc = is_refused ? 0 : watch(s);
    if (rc < 0)
        rt_stream_close(s);
    else if (s->can_write && task)
        rt_wake(l, task);
    return rc;
}

int rt_socket_connected(struct rt_stream *s)
{
    if (!s->can_write)
        return ERR_AGAIN;
    int os_error = 0;
    socklen_t n = sizeof os_error;
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &os_error, &n) < 0)
        os_error = errno;
    return os_error ? rt_stream_fail(s, connect_error(os_error), os_error) : 0;
}

int rt_stream_connected(struct rt_stream *s)
{
    if (s->error)
        return s->error;
    if (!s->is_connecting)
        return 0;
    int rc = s->ssl ? rt_tls_handshake(s) : rt_socket_connected(s);
    if (rc == 0)
        s->is_connecting = false;
    return rc;
}

/* ---- ending, moving */

int rt_stream_shutdown(struct rt_stream *s)
{
    return s->ops->shutdown(s);
}

void rt_stream_close(struct rt_stream *s)
{
    if (!s->ops)
        return;
    s->ops->close(s);
    s->ops = NULL;
    s->fd = -1;
    s->can_read = s->can_write = s->is_connecting = false;
}

void rt_stream_cut(struct rt_stream *s)
{
    if (!s->ops || s->error)
        return;
    rt_stream_fail(s, ERR_RESET, 0);
    if (s->task)
        rt_wake(s->loop, s->task);
}

void rt_stream_abort(struct rt_stream *s)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (s->ops && s->fd >= 0) /* a Unix socket has no reset */
        (void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    rt_stream_close(s);
}

int rt_stream_move(struct rt_stream *to, struct rt_stream *from, struct rt_task *task)
{
    *to = *from;
    to->task = task;
    *from = (struct rt_stream){.fd = -1};
    if (to->pipe)
        rt_pipe_moved(to, from);
    if (to->ssl)
        rt_tls_moved(to);
    if (to->fd < 0)
        return 0;
    rt_unwatch(to->loop, to->fd);
    int rc = watch(to); /* reports what is ready anew */
    if (rc < 0)
        rt_stream_close(to);
    return rc;
}

/* ---- about a stream */

void rt_stream_keepalive(struct rt_stream *s, unsigned idle_s)
{
    int on = 1, idle = (int)idle_s, interval = KEEPALIVE_INTERVAL_S, probes = KEEPALIVE_PROBES;
    /* A socket that is not TCP refuses these, and needs none. */
    (void)setsockopt(s->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(s->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    (void)setsockopt(s->fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    (void)setsockopt(s->fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

static int take_address(const struct rt_stream *s, int (*get)(int, struct sockaddr *, socklen_t *),
                        struct rt_address *out)
{
    *out = (struct rt_address){.len = sizeof(sa_family_t), .sa.sa_family = AF_UNIX};
    if (s->pipe)
        return 0;
    socklen_t n = sizeof *out - offsetof(struct rt_address, sa);
    if (get(s->fd, &out->sa, &n) < 0)
        return ERR_RESET;
    out->len = n;
    if (out->sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&out->in6.sin6_addr)) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = out->in6.sin6_port};
        memcpy(&in.sin_addr, &out->in6.sin6_addr.s6_addr[12], sizeof in.sin_addr);
        out->in = in;
        out->len = sizeof in;
    }
    return 0;
}

int rt_stream_peer(const struct rt_stream *s, struct rt_address *out)
{
    return take_address(s, getpeername, out);
}

int rt_stream_local(const struct rt_stream *s, struct rt_address *out)
{
    return take_address(s, getsockname, out);
}

int rt_stream_peer_uid(const struct rt_stream *s, uid_t *uid)
{
    struct rt_address own;
    struct ucred who;
    socklen_t n = sizeof who;
    if (s->pipe || rt_stream_local(s, &own) < 0 || own.sa.sa_family != AF_UNIX ||
        getsockopt(s->fd, SOL_SOCKET, SO_PEERCRED, &who, &n) < 0)
        return ERR_UNSUPPORTED;
    *uid = who.uid;
    return 0;
}

bool rt_stream_peer_is_trusted(const struct rt_stream *s)
{
    uid_t uid;
    return rt_stream_peer_uid(s, &uid) == 0 && (uid == 0 || uid == geteuid());
}

struct str rt_stream_why(const struct rt_stream *s)
{
    struct str tls = rt_stream_tls_error(s);
    if (tls.n || !s->error)
        return tls;
    const char *text = s->os_error ? strerrordesc_np(s->os_error) : NULL;
    return str_of(text ? text : err_text(s->error));
}
