/* daemon/service.h: the service manager that started the daemon, by systemd's protocol
 * (sd_notify(3)): what it wants to hear. Without one nothing is said.
 *
 *     service_open(&s, &d);
 *     service_tell(&s, "READY=1\nSTATUS=%zu listeners", n);
 *     service_close(&s);
 *
 * One thread.
 */
#ifndef DAEMON_SERVICE_H
#define DAEMON_SERVICE_H

#include "rt/stream.h"

struct service {
    int fd;               /* -1: nobody is to be told */
    struct rt_address to; /* where it hears */
    uint64_t watchdog_us; /* it ends a daemon that is silent for so long; 0: it does not */
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and takes them out of the environment.
 * ERR_INVALID, ERR_SYSTEM. */
int service_open(struct service *s, struct diag *d) MUST_USE;
/* Sends assignments, one a line, at most SERVICE_TELL_BYTES; the rest is cut. Waits at most
 * SERVICE_TELL_MS when the manager does not read. That it failed is said on standard error. */
#define SERVICE_TELL_BYTES 512
#define SERVICE_TELL_MS    1000
void service_tell(const struct service *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void service_close(struct service *s);

#endif
