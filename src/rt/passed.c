#include "rt/passed.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define FIRST_FD 3

/* The number in a variable of the environment; 0: it is not there. */
static int read_number(const char *name, uint64_t most, uint64_t *out, struct diag *d)
{
    const char *text = getenv(name);
    *out = 0;
    if (!text || str_digits(str_of(text), most, out) == 0)
        return 0;
    return diag_set(d, ERR_INVALID, "%s is not a number up to %llu: '%.80s'", name,
                    (unsigned long long)most, text);
}

/* What listens on an address of a known family; of all else the address stays unknown. */
static void look_at(struct rt_passed_socket *s)
{
    struct rt_address at = {.len = sizeof at.un};
    int is_listening = 0;
    socklen_t n = sizeof is_listening;
    if (getsockopt(s->fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &n) < 0 || !is_listening ||
        getsockname(s->fd, &at.sa, &at.len) < 0)
        return;
    if (at.sa.sa_family == AF_INET || at.sa.sa_family == AF_INET6 ||
        (at.sa.sa_family == AF_UNIX && at.len > offsetof(struct sockaddr_un, sun_path)))
        s->at = at;
}

static void take_name(struct rt_passed_socket *s, struct str *names)
{
    struct str name;
    struct out o;
    if (!str_split(names, ':', &name))
        return;
    out_init(&o, s->name, sizeof s->name - 1);
    out_visible(&o, name, sizeof s->name / 4);
    s->name[o.n] = '\0';
}

static int read_sockets(struct rt_passed *p, size_t n, struct diag *d)
{
    struct str names = str_of(getenv("LISTEN_FDNAMES"));
    p->sockets = calloc(n, sizeof *p->sockets);
    if (!p->sockets)
        return diag_set(d, ERR_NO_MEMORY, "no memory for the sockets that were passed");
    for (size_t i = 0; i < n; i++) {
        int fd = FIRST_FD + (int)i;
        p->sockets[i].fd = fd;
        p->n++;
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
            p->sockets[i].fd = -1;
            return diag_set(d, ERR_INVALID, "LISTEN_FDS says %zu, but descriptor %d is not open", n,
                            fd);
        }
        take_name(&p->sockets[i], &names);
        look_at(&p->sockets[i]);
    }
    return 0;
}

int rt_passed_read(struct rt_passed *p, struct diag *d)
{
    uint64_t pid, n;
    *p = (struct rt_passed){0};
    int rc = read_number("LISTEN_PID", INT32_MAX, &pid, d);
    if (rc == 0)
        rc = read_number("LISTEN_FDS", RT_PASSED_MAX, &n, d);
    if (rc == 0 && pid == (uint64_t)getpid() && n)
        rc = read_sockets(p, n, d);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (rc < 0)
        rt_passed_close(p);
    return rc;
}

int rt_passed_take(struct rt_passed *p, const struct rt_address *at)
{
    for (size_t i = 0; p && i < p->n; i++) {
        struct rt_passed_socket *s = &p->sockets[i];
        if (s->fd >= 0 && rt_address_is_same(&s->at, at)) {
            int fd = s->fd;
            s->fd = -1;
            return fd;
        }
    }
    return -1;
}

void rt_passed_close(struct rt_passed *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->sockets[i].fd >= 0)
            close(p->sockets[i].fd);
    free(p->sockets);
    *p = (struct rt_passed){0};
}
