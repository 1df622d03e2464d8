#include "rt/confine.h"
#include "rt/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the socket */

/* Removes a socket that a process left behind: one that refuses connections. 0, or errno. */
static int remove_stale(const struct rt_address *at)
{
    struct stat st;
    if (lstat(at->un.sun_path, &st) < 0)
        return errno == ENOENT ? 0 : errno;
    if (!S_ISSOCK(st.st_mode))
        return EADDRINUSE;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    int os_error = connect(fd, &at->sa, at->len) < 0 ? errno : 0;
    close(fd);
    if (os_error != ECONNREFUSED)
        return EADDRINUSE;
    return unlink(at->un.sun_path) < 0 && errno != ENOENT ? errno : 0;
}

static int set_flag(int fd, int level, int option)
{
    int one = 1;
    return setsockopt(fd, level, option, &one, sizeof one) < 0 ? errno : 0;
}

/* 0, or errno. */
static int set_tcp_options(int fd, int family, bool reuse_port)
{
    int e = set_flag(fd, SOL_SOCKET, SO_REUSEADDR);
    if (!e && reuse_port)
        e = set_flag(fd, SOL_SOCKET, SO_REUSEPORT);
    if (!e && family == AF_INET6)
        e = set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    return e;
}

/* 0, or errno. A Unix socket takes no connections before its mode is set. */
static int bind_and_listen(int fd, const struct rt_address *at, bool reuse_port, unsigned mode)
{
    bool is_unix = at->sa.sa_family == AF_UNIX;
    int e = is_unix ? remove_stale(at) : set_tcp_options(fd, at->sa.sa_family, reuse_port);
    if (e)
        return e;
    if (bind(fd, &at->sa, at->len) < 0)
        return errno;
    if (is_unix && chmod(at->un.sun_path, mode) < 0)
        return errno;
    return listen(fd, SOMAXCONN) < 0 ? errno : 0;
}

int rt_listen(const struct rt_address *at, bool reuse_port, unsigned mode, int *out, struct diag *d)
{
    int fd = socket(at->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int e = fd < 0 ? errno : bind_and_listen(fd, at, reuse_port, mode);
    if (!e) {
        *out = fd;
        return 0;
    }
    if (fd >= 0)
        close(fd);
    char text[160];
    struct out o;
    out_init(&o, text, sizeof text);
    rt_address_print(at, &o);
    diag_set(d, ERR_SYSTEM, "cannot listen on %.*s: %s", STR_ARG(out_get(&o)), strerrordesc_np(e));
    if (e == EADDRINUSE)
        diag_hint(d, "another process listens there, or a file that is no socket is in the way");
    if (e == EACCES && at->sa.sa_family == AF_UNIX)
        rt_confine_hint_bind(at->un.sun_path, d);
    return ERR_SYSTEM;
}

int rt_listen_group(const struct rt_address *at, struct str group, struct diag *d)
{
    char name[64], memory[4096];
    struct group entry, *found = NULL;
    struct out o;
    out_init(&o, name, sizeof name - 1);
    out_str(&o, group);
    name[o.n] = 0;
    if (o.overflowed || getgrnam_r(name, &entry, memory, sizeof memory, &found) != 0 || !found)
        return diag_set(d, ERR_NOT_FOUND, "there is no group '%.*s'", STR_ARG(group));
    if (chown(at->un.sun_path, (uid_t)-1, found->gr_gid) < 0)
        return diag_set(d, ERR_SYSTEM, "%s cannot be given to the group '%s': %s", at->un.sun_path,
                        name, strerrordesc_np(errno));
    return 0;
}

/* ---- accepting */

static bool is_exhausted(int os_error)
{
    return os_error == EMFILE || os_error == ENFILE || os_error == ENOBUFS || os_error == ENOMEM;
}

static void pause_accepting(struct rt_listener *l, int os_error)
{
    l->paused = true;
    if (l->on_pause)
        l->on_pause(l, os_error);
    rt_timer_set(l->loop, &l->timer, rt_now_ms(l->loop) + RT_ACCEPT_PAUSE_MS);
}

/* Accepts at most `max` connections; returns how many more it might have. on_accept may stop the
 * listener. */
static unsigned accept_some(struct rt_listener *l, unsigned max)
{
    while (max > 0 && l->fd >= 0) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            max--;
            l->on_accept(l, fd);
        } else if (errno == EAGAIN) {
            return max;
        } else if (is_exhausted(errno)) {
            pause_accepting(l, errno);
            return max;
        } else {
            /* The connection failed while it waited (accept(2) lists a dozen reasons): the next. */
            max--;
        }
    }
    return 0;
}

static void listener_run(struct rt_task *t)
{
    struct rt_listener *l = CONTAINER_OF(t, struct rt_listener, task);
    if (l->paused) {
        if (!rt_timer_is_due(l->loop, &l->timer))
            return;
        rt_timer_clear(l->loop, &l->timer);
        l->paused = false;
    }
    if (accept_some(l, RT_ACCEPT_TURN) == 0 && l->fd >= 0)
        rt_wake(l->loop, &l->task);
}

static void on_event(struct rt_source *s, uint32_t events)
{
    struct rt_listener *l = CONTAINER_OF(s, struct rt_listener, source);
    rt_wake(l->loop, &l->task);
}

/* For sockets that were inherited, too: they may block, or be something else. */
static int prepare(int fd)
{
    int is_listening = 0;
    socklen_t n = sizeof is_listening;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &n) < 0)
        return ERR_SYSTEM;
    if (!is_listening) {
        errno = EINVAL;
        return ERR_SYSTEM;
    }
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return ERR_SYSTEM;
    /* Accepted sockets inherit it. A Unix socket refuses it, and does not need it. */
    (void)set_flag(fd, IPPROTO_TCP, TCP_NODELAY);
    return 0;
}

int rt_listener_start(struct rt_listener *l, struct rt_loop *loop, int fd,
                      void (*on_accept)(struct rt_listener *, int), struct diag *d)
{
    *l = (struct rt_listener){.loop = loop,
                              .fd = fd,
                              .source.on_event = on_event,
                              .task.run = listener_run,
                              .on_accept = on_accept};
    rt_timer_init(&l->timer, &l->task);
    int rc = prepare(fd);
    if (rc == 0)
        rc = rt_watch(loop, fd, EPOLLIN | EPOLLEXCLUSIVE, &l->source);
    if (rc < 0) {
        diag_set(d, rc, "cannot wait for connections: %s", strerrordesc_np(errno));
        close(fd);
        l->fd = -1;
    }
    return rc;
}

int rt_listen_share(int fd, int *out, struct diag *d)
{
    *out = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (*out < 0)
        return diag_set(d, ERR_SYSTEM, "cannot share a listening socket: %s",
                        strerrordesc_np(errno));
    return 0;
}

void rt_listener_stop(struct rt_listener *l)
{
    if (!l->loop || l->fd < 0)
        return;
    int fd = l->fd;
    /* Bounded, as clients may come faster than they are taken. */
    (void)accept_some(l, SOMAXCONN);
    rt_timer_clear(l->loop, &l->timer);
    rt_cancel(l->loop, &l->task);
    if (l->fd < 0)
        return; /* on_accept has stopped it */
    rt_unwatch(l->loop, fd);
    close(fd);
    l->fd = -1;
}

void rt_discard(int fd)
{
    close(fd);
}
