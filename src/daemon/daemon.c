#include "daemon/internal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define RESOLVE_MS 30000
#define STOP_MS    10000 /* for the end itself, after the drain */

/* ---- workers */

static void *worker_main(void *p)
{
    struct worker_thread *t = p;
    crash_enter((size_t)(t - t->daemon->threads), t->crash_stack);
    rt_loop_run(t->loop);
    rt_loop_turn(t->loop, 0); /* what the admin API asked before the end is answered */
    proxy_worker_destroy(&t->worker);
    rt_tls_drop_buffers();
    return NULL;
}

static void on_drained_home(struct rt_loop *l, struct rt_message *m)
{
    struct worker_thread *t = CONTAINER_OF(m, struct worker_thread, drained);
    if (++t->daemon->n_drained == t->daemon->n_threads)
        rt_loop_stop(l);
}

static void on_drained(struct proxy_worker *w)
{
    struct worker_thread *t = w->context;
    w->on_drained = NULL;
    t->drained.deliver = on_drained_home;
    rt_post(t->daemon->loop, &t->drained);
}

static void drain_worker(struct rt_loop *l, struct rt_message *m)
{
    struct worker_thread *t = CONTAINER_OF(m, struct worker_thread, drain);
    (void)l;
    if (!t->worker)
        return; /* it was told to stop before it looked */
    t->worker->context = t;
    t->worker->on_drained = on_drained;
    proxy_worker_drain(t->worker);
}

static int create_worker(struct daemon *x, struct worker_thread *t, struct diag *d)
{
    t->daemon = x;
    int rc = rt_loop_create(&t->loop, d);
    if (rc == 0)
        rc = proxy_worker_create(&t->worker, t->loop, &x->shared, d);
    return rc;
}

/* All of them take the configuration before any of them runs. */
static int configure_workers(struct daemon *x, struct diag *d)
{
    struct proxy_change_from from = {x->cfg, x->peer, &x->passed};
    struct proxy_change **changes = calloc(x->n_threads, sizeof(struct proxy_change *));
    int rc = 0;
    if (!changes)
        return diag_set(d, ERR_NO_MEMORY, "no memory for the workers");
    for (size_t i = 0; i < x->n_threads && rc == 0; i++)
        rc = proxy_change_prepare(&changes[i], x->workers[i], &from, i ? changes[0] : NULL, d);
    for (size_t i = 0; i < x->n_threads && rc == 0; i++)
        rc = proxy_change_apply(&changes[i], d);
    for (size_t i = 0; i < x->n_threads; i++)
        proxy_change_abandon(&changes[i]);
    free(changes);
    return rc;
}

static int start_worker(struct worker_thread *t, size_t index, struct diag *d)
{
    char name[16];
    struct out o;
    out_init(&o, name, sizeof name - 1);
    OUT(&o, "worker-");
    out_u64(&o, index);
    name[o.n] = '\0';
    int rc = rt_thread_start(&t->thread, name, worker_main, t, d);
    t->runs = rc == 0;
    return rc;
}

static int start_workers(struct daemon *x, struct diag *d)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int rc = 0;
    x->n_threads = x->cfg->workers ? x->cfg->workers : cores > 0 ? (size_t)cores : 1;
    x->threads = calloc(x->n_threads, sizeof *x->threads);
    x->workers = calloc(x->n_threads, sizeof(struct proxy_worker *));
    if (!x->threads || !x->workers)
        return diag_set(d, ERR_NO_MEMORY, "no memory for the workers");
    for (size_t i = 0; i < x->n_threads && rc == 0; i++) {
        rc = create_worker(x, &x->threads[i], d);
        x->workers[i] = x->threads[i].worker;
    }
    crash_watch(x);
    if (rc == 0)
        rc = configure_workers(x, d);
    for (size_t i = 0; i < x->n_threads && rc == 0; i++)
        rc = start_worker(&x->threads[i], i, d);
    return rc;
}

static void stop_workers(struct daemon *x)
{
    for (size_t i = 0; x->threads && x->workers && i < x->n_threads; i++) {
        struct worker_thread *t = &x->threads[i];
        if (t->runs) {
            rt_loop_stop(t->loop);
            pthread_join(t->thread, NULL);
        } else {
            proxy_worker_destroy(&t->worker);
        }
        x->workers[i] = NULL; /* what it was asked and did not see is answered without it */
        if (t->loop)
            rt_loop_destroy(&t->loop);
    }
}

/* ---- the service manager */

void daemon_tell_status(const struct daemon *x, const char *first)
{
    const struct cfg *cfg = x->cfg;
    service_tell(&x->service, "%sSTATUS=site %.*s, %zu listeners, %zu other sites%s%s%s", first,
                 STR_ARG(cfg->site), cfg->n_listeners, cfg->n_sites - 1,
                 x->draining ? "; ends what is under way" : "",
                 x->refusal[0] ? "; the last reload was refused: " : "", x->refusal);
}

/* The manager's patience with the end is as long as the configuration's, whatever its unit says. */
static void tell_stopping(const struct daemon *x)
{
    char text[80];
    struct out o;
    out_init(&o, text, sizeof text - 1);
    out_fmt(&o, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu\n",
            (x->cfg->timeouts.drain_ms + STOP_MS) * 1000ULL);
    text[o.n] = '\0';
    daemon_tell_status(x, text);
}

/* Sockets that were passed and are not configured: nobody would answer there. */
static void drop_passed(struct daemon *x)
{
    for (size_t i = 0; i < x->passed.n; i++) {
        const struct rt_passed_socket *s = &x->passed.sockets[i];
        char text[160];
        struct out o;
        if (s->fd < 0)
            continue;
        out_init(&o, text, sizeof text);
        rt_address_print(&s->at, &o);
        fprintf(stderr, "warning: the socket %d%s%s was passed, but %s%.*s: it is closed\n", s->fd,
                s->name[0] ? " " : "", s->name,
                s->at.len ? "nothing is configured for " : "it is none that listens",
                s->at.len ? (int)o.n : 0, text);
    }
    rt_passed_close(&x->passed);
}

/* ---- revocation */

static void send_cut(struct worker_thread *t);

static void on_cut_home(struct rt_loop *l, struct rt_message *m)
{
    struct worker_thread *t = CONTAINER_OF(m, struct worker_thread, cut_done);
    (void)l;
    t->is_cutting = false;
    if (t->cuts_again)
        send_cut(t);
}

/* On the worker's loop. */
static void cut(struct rt_loop *l, struct rt_message *m)
{
    struct worker_thread *t = CONTAINER_OF(m, struct worker_thread, cut);
    (void)l;
    if (t->worker) /* else it was told to stop before it looked */
        proxy_worker_cut_revoked(t->worker);
    t->cut_done.deliver = on_cut_home;
    rt_post(t->daemon->loop, &t->cut_done);
}

static void send_cut(struct worker_thread *t)
{
    t->cuts_again = t->is_cutting; /* one message is under way: another one follows it */
    if (t->is_cutting || !t->loop) /* no loop: the daemon stops */
        return;
    t->is_cutting = true;
    t->cut.deliver = cut;
    rt_post(t->loop, &t->cut);
}

void daemon_cut_revoked(struct daemon *x)
{
    for (size_t i = 0; i < x->n_threads; i++)
        send_cut(&x->threads[i]);
}

static void on_list(void *context, const struct peer_list_news *n)
{
    struct daemon *x = context;
    fprintf(stderr, "cheopsd: the revocation list %llu from %.*s %s%s%s\n",
            (unsigned long long)n->number, STR_ARG(n->from),
            !n->is_taken ? "is refused: "
            : n->why[0]  ? "counts until cheopsd ends, and is not kept: "
                         : "counts from now on, and is kept in ",
            n->why, n->is_taken && !n->why[0] ? x->cfg->peers.crl.p : "");
    if (n->is_taken)
        daemon_cut_revoked(x);
}

struct peer_control_events daemon_control_events(struct daemon *x)
{
    return (struct peer_control_events){.on_list = on_list, .context = x};
}

/* ---- signals */

static void begin_drain(struct daemon *x)
{
    daemon_reload_stop(x);
    x->draining = true;
    x->is_ready = false;
    tell_stopping(x);
    for (size_t i = 0; i < x->n_threads; i++) {
        x->threads[i].drain.deliver = drain_worker;
        rt_post(x->threads[i].loop, &x->threads[i].drain);
    }
    rt_timer_set(x->loop, &x->drain_timer, rt_now_ms(x->loop) + x->cfg->timeouts.drain_ms);
}

/* Of a reload that a signal asked for. */
static void report_reload(const struct admin_wish *wish, int rc, const struct diag *d)
{
    char memory[4096];
    struct out o;
    out_init(&o, memory, sizeof memory);
    if (rc == 0) {
        fputs("cheopsd: the configuration is reloaded\n", stderr);
        return;
    }
    fputs("cheopsd: the configuration stays as it was:\n", stderr);
    cfg_report(d, &o);
    fwrite(o.p, 1, o.n, stderr);
}

static void reopen_log(struct daemon *x)
{
    struct diag d = {0};
    if (x->shared.access_log && rt_log_reopen(x->shared.access_log, &d) < 0)
        fprintf(stderr, "cheopsd: %s\n", d.message);
}

static void on_signal(struct daemon *x, unsigned number)
{
    struct diag d = {0};
    if (number == SIGUSR1) {
        reopen_log(x);
    } else if (number == SIGHUP) {
        reopen_log(x);
        struct admin_wish wish = {report_reload, x};
        int rc = daemon_reload(x, &wish, &d);
        if (rc < 0)
            report_reload(&wish, rc, &d);
    } else if (x->draining) {
        rt_loop_stop(x->loop);
    } else {
        begin_drain(x);
    }
}

static void on_readable(struct rt_source *s, uint32_t events)
{
    struct daemon *x = CONTAINER_OF(s, struct daemon, signals);
    struct signalfd_siginfo info;
    (void)events;
    while (read(x->signal_fd, &info, sizeof info) == sizeof info)
        on_signal(x, info.ssi_signo);
}

static void run_drain(struct rt_task *task)
{
    struct daemon *x = CONTAINER_OF(task, struct daemon, drain_task);
    if (rt_timer_is_due(x->loop, &x->drain_timer))
        rt_loop_stop(x->loop);
}

static int watch_signals(struct daemon *x, struct diag *d)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGHUP);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    /* Before any thread exists, so that all of them leave these signals to the control loop. */
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    x->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    x->signals.on_event = on_readable;
    x->drain_task.run = run_drain;
    rt_timer_init(&x->drain_timer, &x->drain_task);
    if (x->signal_fd < 0)
        return diag_set(d, ERR_SYSTEM, "signals cannot be received");
    return rt_watch(x->loop, x->signal_fd, EPOLLIN | EPOLLET, &x->signals);
}

/* ---- the whole */

static int open_shared(struct daemon *x, struct diag *d)
{
    proxy_names_init(&x->shared.names);
    int rc = proxy_memory_create(&x->shared.memory, x->cfg->limits.correlation_ids);
    if (rc == 0)
        rc = proxy_clients_create(&x->shared.clients);
    if (rc == 0)
        rc = peer_create(&x->peer, x->cfg, NULL, d);
    if (rc == 0 && x->cfg->access_log.p)
        rc = rt_log_open(&x->shared.access_log, x->cfg->access_log.p, d);
    return rc;
}

/* Says so when the clients that the configuration allows, each with a connection to a service, have
 * too few descriptors. */
static void check_fds(const struct daemon *x)
{
    uint64_t have = rt_fds_raise(), clients = x->cfg->limits.connections * x->n_threads;
    uint64_t need = cfg_descriptors(x->cfg, x->n_threads);
    if (have >= need)
        return;
    fprintf(stderr,
            "cheopsd: %llu descriptors are allowed, and %llu clients (limits.connections for each "
            "of %zu workers) with a connection to a service each may need %llu: clients that come "
            "when none is left wait; raise the limit (LimitNOFILE of the unit) or lower "
            "limits.connections\n",
            (unsigned long long)have, (unsigned long long)clients, x->n_threads,
            (unsigned long long)need);
}

static int on_wish(void *context, const struct admin_wish *wish, struct diag *d)
{
    return daemon_reload(context, wish, d);
}

static int start_control(struct daemon *x, struct diag *d)
{
    int rc = 0;
    struct peer_control_events events = daemon_control_events(x);
    if (x->cfg->peers.is_on)
        rc = peer_control_start(&x->control, x->peer, &x->env, &events, d);
    if (rc < 0 || !x->cfg->admin_socket.p)
        return rc;
    struct admin_in in = {.env = &x->env,
                          .cfg = x->cfg,
                          .peer = x->peer,
                          .control = x->control,
                          .workers = x->workers,
                          .n_workers = x->n_threads,
                          .is_ready = &x->is_ready,
                          .reload = on_wish,
                          .context = x,
                          .reloads = &x->reloads,
                          .passed = &x->passed};
    return admin_start(&x->admin, &in, d);
}

/* The first request of a service that is given by a name must find its address. Other sites may be
 * out of reach, and the names with them: nothing waits for those. */
static void settle_names(const struct cfg *cfg)
{
    uint64_t until_ms = rt_mono_us() / 1000 + SETTLE_MS;
    for (size_t i = 0; i < cfg->app->n_services; i++) {
        uint64_t now_ms = rt_mono_us() / 1000;
        if (cfg->instances[i].service && now_ms < until_ms)
            rt_name_settle(cfg->instances[i].name, (unsigned)(until_ms - now_ms));
    }
}

static void close_all(struct daemon *x)
{
    daemon_reload_stop(x);
    if (x->loop)
        daemon_watchdog_stop(x);
    stop_workers(x);
    if (x->loop)
        rt_loop_turn(x->loop, 0); /* what the workers had to say of a reload */
    admin_stop(&x->admin);
    peer_control_stop(&x->control);
    if (x->signal_fd >= 0) {
        rt_unwatch(x->loop, x->signal_fd);
        close(x->signal_fd);
    }
    if (x->loop) {
        rt_loop_turn(x->loop, 0);
        http_env_fini(&x->env);
        rt_loop_destroy(&x->loop);
    }
    crash_watch(NULL);
    free(x->threads); /* until then the control loop may get what the workers had to say */
    free(x->workers);
    peer_unref(&x->peer);
    cfg_unref(&x->cfg);
    proxy_memory_destroy(&x->shared.memory);
    proxy_clients_destroy(&x->shared.clients);
    rt_log_close(&x->shared.access_log);
    proxy_names_fini(&x->shared.names);
    rt_targets_fini(&x->shared.services);
    rt_targets_fini(&x->shared.sites);
    rt_resolver_stop();
    rt_passed_close(&x->passed);
    service_close(&x->service);
}

int daemon_run(struct cfg *cfg, struct diag *d)
{
    struct daemon x = {.cfg = cfg, .signal_fd = -1, .service.fd = -1};
    cfg_count(cfg, &x.reloads.snapshots);
    rt_targets_init(&x.shared.services);
    rt_targets_init(&x.shared.sites);
    int rc = rt_passed_read(&x.passed, d);
    if (rc == 0)
        rc = service_open(&x.service, d);
    if (rc == 0)
        rc = rt_loop_create(&x.loop, d);
    if (rc == 0) {
        http_env_init(&x.env, x.loop);
        rc = watch_signals(&x, d);
    }
    if (rc == 0)
        rc = daemon_confine_files(cfg, d);
    if (rc == 0)
        rc = rt_resolver_start(RESOLVE_MS, d);
    if (rc == 0)
        rc = open_shared(&x, d);
    if (rc == 0) {
        settle_names(cfg);
        rc = start_workers(&x, d);
    }
    if (rc == 0)
        check_fds(&x);
    if (rc == 0)
        rc = start_control(&x, d);
    if (rc == 0)
        rc = daemon_confine_calls(cfg, d);
    if (rc == 0) {
        drop_passed(&x);
        x.is_ready = true;
        daemon_tell_status(&x, "READY=1\n");
        daemon_watchdog_start(&x);
        rt_loop_run(x.loop);
    }
    close_all(&x);
    return rc;
}
