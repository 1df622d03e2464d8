#include "daemon/service.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

/* An absolute path, or "@name" of the abstract namespace. */
static int read_address(const char *text, struct rt_address *out, struct diag *d)
{
    struct rt_address a = {.un.sun_family = AF_UNIX};
    size_t n = strlen(text);
    if ((text[0] != '/' && text[0] != '@') || n < 2 || n >= sizeof a.un.sun_path)
        return diag_set(d, ERR_INVALID, "NOTIFY_SOCKET is no socket's path: '%.120s'", text);
    memcpy(a.un.sun_path, text, n);
    if (text[0] == '@')
        a.un.sun_path[0] = '\0'; /* such a name has a length, and no end */
    a.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (text[0] == '/'));
    *out = a;
    return 0;
}

static int open_socket(struct service *s, struct diag *d)
{
    const struct timeval most = {.tv_sec = SERVICE_TELL_MS / 1000};
    s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0 || setsockopt(s->fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most) < 0)
        return diag_set(d, ERR_SYSTEM, "no socket to the service manager: %s",
                        strerrordesc_np(errno));
    return 0;
}

/* WATCHDOG_PID may say that another process is meant. */
static int read_watchdog(struct service *s, struct diag *d)
{
    const char *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    uint64_t meant = (uint64_t)getpid();
    if (us && str_digits(str_of(us), INT64_MAX, &s->watchdog_us) < 0)
        return diag_set(d, ERR_INVALID, "WATCHDOG_USEC is not a number: '%.80s'", us);
    if (pid && str_digits(str_of(pid), INT32_MAX, &meant) < 0)
        return diag_set(d, ERR_INVALID, "WATCHDOG_PID is not a number: '%.80s'", pid);
    if (meant != (uint64_t)getpid())
        s->watchdog_us = 0;
    return 0;
}

int service_open(struct service *s, struct diag *d)
{
    const char *where = getenv("NOTIFY_SOCKET");
    *s = (struct service){.fd = -1};
    int rc = 0;
    if (where && where[0])
        rc = read_address(where, &s->to, d);
    if (rc == 0 && s->to.len)
        rc = open_socket(s, d);
    if (rc == 0 && s->to.len)
        rc = read_watchdog(s, d);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    if (rc < 0)
        service_close(s);
    return rc;
}

void service_tell(const struct service *s, const char *format, ...)
{
    char text[SERVICE_TELL_BYTES];
    va_list ap;
    if (s->fd < 0)
        return;
    va_start(ap, format);
    int n = vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    CHECK(n > 0);
    size_t bytes = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    if (sendto(s->fd, text, bytes, MSG_NOSIGNAL, &s->to.sa, s->to.len) < 0)
        fprintf(stderr, "warning: the service manager could not be told '%.20s': %s\n", text,
                strerrordesc_np(errno));
}

void service_close(struct service *s)
{
    if (s->fd >= 0)
        close(s->fd);
    *s = (struct service){.fd = -1};
}
