#include "ctl/probe.h"
#include "base/check.h"
#include "codec/date.h"

#include <stdio.h>
#include <stdlib.h>

#define NAME_STEP_MS 20
#define REFRESH_MS   60000
#define MAX_HEAD     16384

enum state { NAME, CONNECT, ASK, DONE };

struct probe {
    struct peer_target target; /* of a site; what the pool's context points to */
    struct probing *all;
    const struct cfg_instance *instance; /* NULL: a site */
    struct probe_result *result;
    enum state state;
    struct http_pool pool;
    struct rt_waiter waiter;
    struct http_client_conn *conn;
    struct rt_task task;
    struct rt_timer timer;
    uint64_t begun_us, asked_us;
};

struct probing {
    struct rt_loop *loop;
    struct http_env env;
    struct peer *peer; /* NULL: sites are not asked */
    struct probe *probes;
    size_t n, n_done;
};

/* ---- what came of it */

static void finish(struct probe *p, int rc, const struct diag *d)
{
    struct probe_result *r = p->result;
    struct rt_loop *l = p->all->loop;
    r->rc = rc;
    r->took_us = rt_mono_us() - p->begun_us;
    if (rc < 0)
        snprintf(r->why, sizeof r->why, "%s", d && d->message[0] ? d->message : err_text(rc));
    rt_waiter_leave(&p->waiter);
    http_pool_put(&p->conn, false);
    rt_timer_clear(l, &p->timer);
    rt_cancel(l, &p->task);
    p->state = DONE;
    p->all->n_done++;
}

/* The Date stands for the middle of its second, and was written somewhen between question and
 * answer. */
static void take_clock(struct probe *p, const struct h1_head *head)
{
    size_t field = h1_find(head, H1_DATE, 0);
    uint64_t half_us = (rt_mono_us() - p->asked_us) / 2;
    int64_t seconds, middle_ms = (int64_t)((rt_wall_us() - half_us) / 1000);
    if (field == head->n_fields || date_parse(h1_value(head, field), &seconds) < 0)
        return;
    p->result->has_clock = true;
    p->result->ahead_ms = seconds * 1000 + 500 - middle_ms;
    p->result->slack_ms = 500 + half_us / 1000;
}

/* ---- the states */

static int on_greeted(struct http_client_conn *c, const struct h1_head *answer, struct str body,
                      struct diag *d)
{
    struct peer_target *target = c->pool->context;
    take_clock(CONTAINER_OF(target, struct probe, target), answer);
    return peer_on_greeted(c, answer, body, d);
}

static int write_question(struct probe *p)
{
    struct out o;
    int rc = http_head_begin(&p->conn->io, &o);
    if (rc < 0)
        return rc;
    out_fmt(&o,
            "GET / HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: cheops-check\r\nAccept: */*\r\n"
            "Connection: close\r\n\r\n",
            STR_ARG(p->instance->host));
    p->asked_us = rt_mono_us();
    rc = http_head_commit(&p->conn->io, &o, H1_NO_BODY, 0);
    if (rc == 0)
        rc = http_flush(&p->conn->io);
    return rc == ERR_AGAIN ? 0 : rc;
}

static int step_name(struct probe *p, struct diag *d)
{
    struct rt_address to;
    struct rt_loop *l = p->all->loop;
    if (rt_name_get(p->pool.name, &to) == 0) {
        p->state = CONNECT;
        p->asked_us = rt_mono_us();
        rt_timer_clear(l, &p->timer);
        return 0;
    }
    rt_timer_set(l, &p->timer, rt_now_ms(l) + NAME_STEP_MS);
    return ERR_AGAIN;
}

static int step_connect(struct probe *p, struct diag *d)
{
    struct http_want want = {.task = &p->task, .waiter = &p->waiter};
    int rc = p->conn ? 0 : http_pool_get(&p->pool, &want, &p->conn, d);
    if (rc == 0)
        rc = http_client_ready(p->conn, d);
    if (rc < 0)
        return rc;
    if (!p->instance) {
        finish(p, 0, NULL);
        return 0;
    }
    p->state = ASK;
    return write_question(p);
}

static int step_ask(struct probe *p, struct diag *d)
{
    struct h1_head head = {.status = 0};
    const char *why = "";
    int rc = http_flush(&p->conn->io);
    if (rc == 0 || rc == ERR_AGAIN)
        rc = http_client_head(p->conn, H1_GET, &head, &why);
    if (rc == ERR_SERVICE_BROKEN)
        return diag_set(d, rc, "its answer is not HTTP/1.1: %s", why);
    if (rc < 0)
        return rc == ERR_AGAIN ? rc : diag_set(d, rc, "it ends the connection without an answer");
    p->result->status = head.status;
    take_clock(p, &head);
    finish(p, 0, NULL);
    return 0;
}

static void run(struct rt_task *task)
{
    struct probe *p = CONTAINER_OF(task, struct probe, task);
    struct diag d = {0};
    int rc = 0;
    if (p->state == NAME)
        rc = step_name(p, &d);
    if (rc == 0 && p->state == CONNECT)
        rc = step_connect(p, &d);
    if (rc == 0 && p->state == ASK)
        rc = step_ask(p, &d);
    if (rc < 0 && rc != ERR_AGAIN)
        finish(p, rc, &d);
}

/* What it was doing when its time was over. */
static void time_out(struct probe *p)
{
    static const char *const doing[] = {
        [NAME] = "its name has no address so far",
        [CONNECT] = "it does not take the connection",
        [ASK] = "it takes connections, but does not answer",
    };
    struct diag d = {0};
    diag_set(&d, ERR_AGAIN, "%s within %d s", doing[p->state], PROBE_MS / 1000);
    finish(p, ERR_AGAIN, &d);
}

/* ---- all of them */

static void begin(struct probe *p, struct probing *all, const struct cfg *cfg, struct rt_name *name)
{
    p->all = all;
    p->begun_us = rt_mono_us();
    p->task.run = run;
    rt_timer_init(&p->timer, &p->task);
    p->pool = (struct http_pool){
        .name = name,
        .tls = p->instance ? p->instance->tls : cfg->peers.client,
        .server_name = p->instance ? p->instance->server_name : STR_NULL,
        .keep_alive = HTTP_KEEP_NEVER,
        .bounds = {.places = 1, .waiting = 1},
        .max_head = MAX_HEAD,
        .max_fields = H1_MAX_FIELDS,
        .greeting = p->instance ? STR_NULL : peer_greeting(all->peer),
        .on_greeted = on_greeted,
        .context = &p->target,
    };
    p->result->is_asked = true;
    http_pool_init(&p->pool, &all->env);
    rt_wake(all->loop, &p->task);
}

static void begin_all(struct probing *all, const struct cfg *cfg, const struct probe_results *to)
{
    for (size_t i = 0; i < cfg->app->n_services; i++) {
        const struct cfg_instance *instance = &cfg->instances[i];
        if (!instance->service)
            continue;
        struct probe *p = &all->probes[all->n++];
        p->instance = instance;
        p->result = &to->services[i];
        begin(p, all, cfg, instance->name);
    }
    for (size_t i = 0; all->peer && i < cfg->n_sites; i++) {
        if (i == cfg->self)
            continue;
        struct probe *p = &all->probes[all->n++];
        p->target = (struct peer_target){all->peer, i};
        p->result = &to->sites[i];
        begin(p, all, cfg, cfg->sites[i].address);
    }
}

static void end_all(struct probing *all)
{
    for (size_t i = 0; i < all->n; i++) {
        struct probe *p = &all->probes[i];
        if (p->state != DONE)
            time_out(p);
        if (!p->instance && p->result->rc == 0) {
            p->result->description = peer_description_of(all->peer, p->target.site);
            p->result->not_after = peer_not_after(all->peer, p->target.site);
        }
        http_pool_fini(&p->pool);
    }
    rt_loop_turn(all->loop, 0); /* what died is freed at the end of a turn */
}

static void turn_until_done(struct probing *all)
{
    uint64_t due_us = rt_mono_us() + (uint64_t)PROBE_MS * 1000, now_us;
    while (all->n_done < all->n && (now_us = rt_mono_us()) < due_us)
        rt_loop_turn(all->loop, (int)((due_us - now_us + 999) / 1000));
}

int probe_all(struct cfg *cfg, bool with_sites, struct arena *a, struct probe_results *out,
              struct diag *d)
{
    struct probing all = {.loop = NULL};
    out->services = arena_zalloc(a, cfg->app->n_services * sizeof *out->services);
    out->sites = arena_zalloc(a, cfg->n_sites * sizeof *out->sites);
    all.probes = calloc(cfg->app->n_services + cfg->n_sites, sizeof *all.probes);
    if (!out->services || !out->sites || !all.probes || arena_overflowed(a)) {
        free(all.probes);
        return diag_set(d, ERR_NO_MEMORY, "no memory to ask services and sites");
    }
    int rc = rt_loop_create(&all.loop, d);
    if (rc == 0)
        rc = rt_resolver_start(REFRESH_MS, d);
    if (rc == 0 && with_sites)
        rc = peer_create(&all.peer, cfg, NULL, d);
    if (rc == 0) {
        http_env_init(&all.env, all.loop);
        begin_all(&all, cfg, out);
        turn_until_done(&all);
        end_all(&all);
        http_env_fini(&all.env);
    }
    peer_unref(&all.peer);
    rt_resolver_stop();
    rt_loop_destroy(&all.loop);
    free(all.probes);
    return rc;
}
