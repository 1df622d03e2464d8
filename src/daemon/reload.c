/* A reload: the configuration, descriptions and certificates as they are in the files now.
 *
 *   SETTLE ──(the names have addresses, or SETTLE_MS passed)──> prepare ──> APPLY ──> done
 *      └────────────────────── refused ──────────────────────────┘
 *
 * Runs on the control loop. Everything that can fail is done before the first worker hears of it;
 * each worker applies its change in one turn of its loop and says so. Suspension points: the timer
 * of SETTLE, the workers' messages in APPLY.
 */
#include "daemon/internal.h"

#include <stdio.h>
#include <stdlib.h>

#define SETTLE_STEP_MS 20

/* What one worker gets, and gives back. */
struct part {
    struct rt_message message;
    struct reload *reload;
    struct worker_thread *to;
    struct proxy_change *change;
    struct diag diag;
    int rc;
};

struct reload {
    struct daemon *daemon;
    struct admin_wish wish;
    struct cfg *cfg;
    struct peer *peer;
    struct peer_control *control;
    struct rt_task task;
    struct rt_timer timer;
    uint64_t until_ms; /* of SETTLE */
    struct part *parts;
    size_t n_away; /* parts that are with their workers */
    struct diag diag;
    int rc;
};

static void reload_free(struct reload *r)
{
    rt_timer_clear(r->daemon->loop, &r->timer);
    rt_cancel(r->daemon->loop, &r->task);
    for (size_t i = 0; r->parts && i < r->daemon->n_threads; i++)
        proxy_change_abandon(&r->parts[i].change);
    peer_control_stop(&r->control);
    peer_unref(&r->peer);
    cfg_unref(&r->cfg);
    free(r->parts);
    free(r);
}

/* Ends it and says how. */
static void finish(struct reload *r, int rc)
{
    struct daemon *x = r->daemon;
    struct out refusal;
    r->diag.code = rc;
    x->reload = NULL;
    out_init(&refusal, x->refusal, sizeof x->refusal - 1);
    if (rc < 0) {
        x->reloads.refused++;
        out_visible(&refusal, str_of(r->diag.message), sizeof x->refusal / 4);
    } else {
        x->reloads.done++;
        x->reloads.last_us = rt_wall_us();
    }
    x->refusal[refusal.n] = '\0';
    daemon_tell_status(x, "READY=1\n");
    r->wish.on_done(&r->wish, rc, &r->diag);
    reload_free(r);
}

/* ---- what cannot change */

static int check_same(const struct cfg *old, const struct cfg *new, struct diag *d)
{
    const struct {
        const char *key;
        struct str old, new;
    } texts[] = {
        {"site", old->site, new->site},
        {"application", old->app->name, new->app->name},
        {"admin.socket", old->admin_socket, new->admin_socket},
        {"admin.group", old->admin_group, new->admin_group},
        {"log.access", old->access_log, new->access_log},
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (!str_eq(texts[i].old, texts[i].new)) {
            diag_set(d, ERR_CONFIG, "%s cannot change while cheopsd runs", texts[i].key);
            diag_hint(d, "restart cheopsd, or put back '%.*s'",
                      STR_ARG(str_sub(texts[i].old, 0, 100)));
            return ERR_CONFIG;
        }
    if (old->confine != new->confine) {
        diag_set(d, ERR_CONFIG, "confine cannot change while cheopsd runs");
        diag_hint(d, "restart cheopsd, or put it back");
        return ERR_CONFIG;
    }
    if (old->workers != new->workers ||
        old->limits.correlation_ids != new->limits.correlation_ids) {
        diag_set(d, ERR_CONFIG, "%s cannot change while cheopsd runs",
                 old->workers != new->workers ? "workers" : "limits.correlation_ids");
        diag_hint(d, "restart cheopsd, or put it back");
        return ERR_CONFIG;
    }
    return 0;
}

/* ---- APPLY */

/* Every worker has the new configuration: the control loop takes it, too. */
static void take(struct reload *r)
{
    struct daemon *x = r->daemon;
    struct cfg *cfg = x->cfg;
    struct peer *peer = x->peer;
    struct peer_control *control = x->control;
    x->cfg = r->cfg;
    x->peer = r->peer;
    x->control = r->control;
    r->cfg = cfg; /* the old ones end with the reload */
    r->peer = peer;
    r->control = control;
    if (x->admin)
        admin_update(x->admin, x->cfg, x->peer, x->control);
    daemon_cut_revoked(x);
}

static void come_home(struct rt_loop *l, struct rt_message *m)
{
    struct part *p = CONTAINER_OF(m, struct part, message);
    struct reload *r = p->reload;
    if (p->rc < 0 && r->rc == 0) {
        r->rc = p->rc;
        r->diag = p->diag;
    }
    if (--r->n_away > 0)
        return;
    take(r);
    finish(r, r->rc);
}

/* On the worker's loop. */
static void visit(struct rt_loop *l, struct rt_message *m)
{
    struct part *p = CONTAINER_OF(m, struct part, message);
    p->rc = proxy_change_apply(&p->change, &p->diag);
    p->message.deliver = come_home;
    rt_post(p->reload->daemon->loop, &p->message);
}

static int prepare(struct reload *r)
{
    struct daemon *x = r->daemon;
    struct proxy_change_from from = {r->cfg, NULL};
    int rc = peer_create(&r->peer, r->cfg, x->peer, &r->diag);
    struct peer_control_events events = daemon_control_events(x);
    from.peer = r->peer;
    r->parts = calloc(x->n_threads, sizeof *r->parts);
    if (rc == 0 && !r->parts)
        rc = diag_set(&r->diag, ERR_NO_MEMORY, "no memory for a reload");
    for (size_t i = 0; i < x->n_threads && rc == 0; i++)
        rc = proxy_change_prepare(&r->parts[i].change, x->workers[i], &from,
                                  i ? r->parts[0].change : NULL, &r->diag);
    if (rc == 0 && r->cfg->peers.is_on)
        rc = peer_control_start(&r->control, r->peer, &x->env, &events, &r->diag);
    return rc;
}

static void send_parts(struct reload *r)
{
    struct daemon *x = r->daemon;
    r->n_away = x->n_threads;
    for (size_t i = 0; i < x->n_threads; i++) {
        struct part *p = &r->parts[i];
        p->reload = r;
        p->to = &x->threads[i];
        p->message.deliver = visit;
        rt_post(p->to->loop, &p->message);
    }
}

/* ---- SETTLE */

static bool names_are_settled(const struct cfg *cfg)
{
    for (size_t i = 0; i < cfg->app->n_services; i++)
        if (cfg->instances[i].service && !rt_name_settle(cfg->instances[i].name, 0))
            return false;
    return true;
}

static void run(struct rt_task *task)
{
    struct reload *r = CONTAINER_OF(task, struct reload, task);
    struct rt_loop *l = r->daemon->loop;
    if (r->rc < 0) {
        finish(r, r->rc);
        return;
    }
    if (!names_are_settled(r->cfg) && rt_now_ms(l) < r->until_ms) {
        rt_timer_set(l, &r->timer, rt_now_ms(l) + SETTLE_STEP_MS);
        return;
    }
    rt_timer_clear(l, &r->timer);
    int rc = prepare(r);
    if (rc < 0)
        finish(r, rc);
    else
        send_parts(r);
}

static int begin(struct reload *r)
{
    struct daemon *x = r->daemon;
    char path[4096];
    struct out o;
    out_init(&o, path, sizeof path - 1);
    out_str(&o, x->cfg->file);
    if (o.overflowed)
        return diag_set(&r->diag, ERR_CONFIG, "the configuration's path is too long");
    path[o.n] = 0;
    int rc = cfg_read(path, &r->cfg, &r->diag);
    if (rc == 0)
        cfg_count(r->cfg, &x->reloads.snapshots);
    if (rc == 0)
        rc = check_same(x->cfg, r->cfg, &r->diag);
    if (rc == 0)
        r->cfg->generation = x->cfg->generation + 1;
    return rc;
}

int daemon_reload(struct daemon *x, const struct admin_wish *wish, struct diag *d)
{
    if (x->draining)
        return diag_set(d, ERR_DRAINING, "cheopsd is stopping");
    if (x->reload)
        return diag_set(d, ERR_OVERLOADED, "another reload is under way");
    struct reload *r = calloc(1, sizeof *r);
    if (!r)
        return diag_set(d, ERR_NO_MEMORY, "no memory for a reload");
    r->daemon = x;
    r->wish = *wish;
    r->task.run = run;
    rt_timer_init(&r->timer, &r->task);
    x->reload = r;
    service_tell(&x->service, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)rt_mono_us());
    r->rc = begin(r);
    r->until_ms = rt_now_ms(x->loop) + SETTLE_MS;
    rt_wake(x->loop, &r->task); /* what is wrong is said in a later turn, too */
    return 0;
}

void daemon_reload_stop(struct daemon *x)
{
    struct reload *r = x->reload;
    if (!r || r->n_away > 0)
        return; /* what is with the workers comes home, and is finished */
    diag_set(&r->diag, ERR_DRAINING, "cheopsd is stopping");
    finish(r, ERR_DRAINING);
}
