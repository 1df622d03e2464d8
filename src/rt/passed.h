/* rt/passed.h: listening sockets that were opened for this process before it began, as a service
 * manager does (sd_listen_fds(3)): LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES in the environment.
 *
 *     rt_passed_read(&p, &d);                 once, before anything opens a descriptor
 *     fd = rt_passed_take(&p, &address);      instead of rt_listen
 *     rt_passed_close(&p);                    what nobody took
 *
 * A socket is recognised by the address that it listens on; its name is for people. One thread.
 */
#ifndef RT_PASSED_H
#define RT_PASSED_H

#include "rt/stream.h"

#define RT_PASSED_MAX 256

struct rt_passed_socket {
    int fd;               /* -1: taken */
    struct rt_address at; /* len 0: it is no listening socket of a family that is known */
    char name[64];        /* "" when it has none */
};

struct rt_passed {
    struct rt_passed_socket *sockets;
    size_t n;
};

/* Nothing was passed, or it was passed to another process: 0, and p is empty. The variables are
 * taken out of the environment. ERR_INVALID: they are not as they should be; ERR_NO_MEMORY. */
int rt_passed_read(struct rt_passed *p, struct diag *d) MUST_USE;
/* Gives the socket that listens on `at`; -1: there is none. p may be NULL. */
int rt_passed_take(struct rt_passed *p, const struct rt_address *at);
/* Closes what is left, and frees; may be called again. */
void rt_passed_close(struct rt_passed *p);

#endif
