/* daemon/internal.h: the daemon's parts, between its files. */
#ifndef DAEMON_INTERNAL_H
#define DAEMON_INTERNAL_H

#include "admin/admin.h"
#include "daemon/crash.h"
#include "daemon/daemon.h"
#include "daemon/service.h"

#include <pthread.h>

/* Sanitizers have signals, a stack and files of their own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif
#ifndef HAS_SANITIZER
#define HAS_SANITIZER 0
#endif

#define SETTLE_MS 2000 /* for the services' names; then without those that lack */

struct daemon;
struct reload;

struct worker_thread {
    struct daemon *daemon;
    struct rt_loop *loop;
    struct proxy_worker *worker;
    struct rt_message drain, drained;
    struct rt_message beat;          /* the watchdog's */
    bool owes_beat;                  /* the worker has not sent it back */
    struct rt_message cut, cut_done; /* what leads to revoked sites */
    bool is_cutting, cuts_again;     /* the control loop's */
    pthread_t thread;
    bool runs;
    char crash_stack[CRASH_STACK_BYTES];
};

struct daemon {
    struct cfg *cfg;      /* referenced; the newest */
    struct peer *peer;    /* of cfg; referenced */
    struct rt_loop *loop; /* control */
    struct http_env env;
    struct proxy_shared shared;
    struct peer_control *control; /* NULL: no other sites */
    struct admin *admin;
    struct worker_thread *threads;
    struct proxy_worker **workers;
    size_t n_threads, n_drained;
    struct rt_source signals;
    struct rt_task drain_task;
    struct rt_timer drain_timer;
    int signal_fd;
    bool is_ready, draining;
    struct reload *reload; /* under way, or NULL */
    struct reload_counts reloads;
    char refusal[200]; /* why the last reload was refused; "" when it was not */
    struct service service;
    struct rt_passed passed; /* sockets that nobody has taken so far */
    struct rt_task beat_task;
    struct rt_timer beat_timer;
    size_t n_beats_owed;
    bool beat_is_late; /* and it was said */
};

/* Tells the service manager how the daemon is, after `first`: "" or an assignment and its line
 * feed. */
void daemon_tell_status(const struct daemon *x, const char *first);

/* watchdog.c: tells the service manager, if it wants to know, that every loop answers. */
void daemon_watchdog_start(struct daemon *x);
/* Nobody is asked any more: the workers are about to end. What they owe still comes home. */
void daemon_watchdog_stop(struct daemon *x);

/* Has every worker cut what leads to or comes from sites that are revoked by now. */
void daemon_cut_revoked(struct daemon *x);
/* What the control is told to do with news: writes them to standard error, cuts. */
struct peer_control_events daemon_control_events(struct daemon *x);

/* confine.c: gives up files, before the process has a second thread, and system calls, once it
 * serves; not with `confine: false`. What the kernel does not give is a warning. ERR_SYSTEM. */
int daemon_confine_files(const struct cfg *cfg, struct diag *d) MUST_USE;
int daemon_confine_calls(const struct cfg *cfg, struct diag *d) MUST_USE;

/* reload.c: reads the configuration anew and takes it, or refuses it whole. 0: wish->on_done is
 * called once, in a later turn, with 0 or why not. Else it is not begun: one at a time
 * (ERR_OVERLOADED), none while the daemon stops (ERR_DRAINING), ERR_NO_MEMORY. */
int daemon_reload(struct daemon *x, const struct admin_wish *wish, struct diag *d) MUST_USE;
/* Ends what is under way: the daemon stops. */
void daemon_reload_stop(struct daemon *x);

#endif
