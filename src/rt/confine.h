/* rt/confine.h: what this process gives up for good: every file outside of some folders (Landlock),
 * and every system call that it has no use for (seccomp).
 *
 *     rt_confine_begin(&c, &d);
 *     rt_confine_allow(&c, "/etc", RT_MAY_READ);
 *     rt_confine_commit(&c, &d);     before the process has a second thread
 *     rt_confine_calls(&d);          once it has started
 *
 * Both hold for all threads, and for those that are made later; nothing takes them back. One
 * thread.
 */
#ifndef RT_CONFINE_H
#define RT_CONFINE_H

#include "base/diag.h"
#include "base/err.h"

enum rt_confine_right {
    RT_MAY_READ = 1,   /* files and folders are opened to be read */
    RT_MAY_CREATE = 2, /* files are made and written; none goes */
    RT_MAY_CHANGE = 4, /* files and folders are read, made, written, renamed and removed */
    RT_MAY_BIND = 8,   /* sockets are made and removed */
};

struct rt_confine {
    int fd; /* the ruleset; -1: none */
    unsigned long handled;
    struct diag diag; /* the first rule that failed */
};

/* ERR_UNSUPPORTED: the kernel has no Landlock, or not enough of it, or whoever started this process
 * does not let it; ERR_SYSTEM. */
int rt_confine_begin(struct rt_confine *c, struct diag *d) MUST_USE;
/* Allows rights (bits) in a folder and beneath it, or on a file that is no folder. What is not
 * there is passed over. What fails is told by commit. */
void rt_confine_allow(struct rt_confine *c, const char *path, unsigned rights);
/* The same in the folder that has the file, and in the one that has it once links are followed:
 * files there may be replaced. */
void rt_confine_allow_beside(struct rt_confine *c, const char *path, unsigned rights);
/* From now on this thread, and those that it makes, open nothing else. Open files stay open, and
 * sockets may be connected to wherever they are. Ends c, also on error. ERR_SYSTEM. */
int rt_confine_commit(struct rt_confine *c, struct diag *d) MUST_USE;

/* From now on all threads make the system calls of rt/calls.def only; nothing makes memory
 * executable any more. ERR_UNSUPPORTED as above; ERR_SYSTEM. */
int rt_confine_calls(struct diag *d) MUST_USE;

/* Adds what to do to the error just set when it is Landlock alone that keeps `path` from being
 * read, or a socket from being made there. */
void rt_confine_hint_read(const char *path, struct diag *d);
void rt_confine_hint_bind(const char *path, struct diag *d);

#endif
