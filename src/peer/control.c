#include "peer/control.h"
#include "codec/date.h"
#include "peer/message.h"

#include <stdlib.h>

enum state { PAUSE, CONNECT, ASK, LIST };

struct beat {
    struct peer_control *control;
    size_t site;
    enum state state;
    struct peer_target target;
    struct http_pool pool;
    struct rt_waiter waiter;
    struct http_client_conn *conn;
    struct rt_task task;
    struct rt_timer timer;
    uint64_t asked_us;
    char error[640];                      /* a diagnostic's message and hint */
    uint64_t refused_list, list_again_ms; /* its number, and when it is asked for anew */
    char list_error[256];
};

struct peer_control {
    struct peer *peer;
    struct http_env *env;
    struct rt_loop *loop;
    struct peer_control_events events;
    struct rt_task watch; /* sees silence when it has lasted long enough */
    struct rt_timer watch_timer;
    size_t n;
    struct beat *beats; /* by site; the own one unused */
};

static uint64_t now_ms(void)
{
    return rt_mono_us() / 1000;
}

static const struct cfg_peers *settings(const struct beat *b)
{
    return &peer_cfg(b->control->peer)->peers;
}

/* Not before a site that is heard of now can be silent for too long; earlier if it was so. */
static void watch_from_now(struct peer_control *c)
{
    uint64_t due = rt_now_ms(c->loop) + peer_cfg(c->peer)->peers.suspect_ms;
    if (!c->watch_timer.due_ms || c->watch_timer.due_ms > due)
        rt_timer_set(c->loop, &c->watch_timer, due);
}

static void run_watch(struct rt_task *task)
{
    struct peer_control *c = CONTAINER_OF(task, struct peer_control, watch);
    uint64_t now = now_ms(), next = peer_sites_tick(peer_sites_of(c->peer), now);
    if (next != UINT64_MAX)
        rt_timer_set(c->loop, &c->watch_timer, rt_now_ms(c->loop) + (next - now));
}

static void pause_until_next(struct beat *b)
{
    b->state = PAUSE;
    rt_timer_set(b->control->loop, &b->timer,
                 rt_now_ms(b->control->loop) + settings(b)->heartbeat_ms);
}

static void keep_text(char *to, size_t n, const char *text)
{
    struct out o;
    out_init(&o, to, n - 1);
    out_str(&o, str_sub(str_of(text), 0, n - 1));
    to[o.n] = 0;
}

static void keep_error(struct beat *b, const struct diag *d, int code)
{
    struct out o;
    out_init(&o, b->error, sizeof b->error - 1);
    out_str(&o, str_of(d && d->message[0] ? d->message : err_text(code)));
    if (d && d->hint[0])
        out_fmt(&o, ": %s", d->hint);
    b->error[o.n] = 0;
}

static void failed(struct beat *b, const struct diag *d, int code)
{
    rt_waiter_leave(&b->waiter);
    http_pool_put(&b->conn, false);
    keep_error(b, d, code);
    peer_sites_failed(peer_sites_of(b->control->peer), b->site, now_ms());
    watch_from_now(b->control);
    pause_until_next(b);
}

static int write_question(struct beat *b, struct str head, struct str body)
{
    struct out o;
    int rc = http_head_begin(&b->conn->io, &o);
    if (rc < 0)
        return rc;
    out_str(&o, head);
    out_str(&o, body);
    rc = http_head_commit(&b->conn->io, &o, H1_NO_BODY, 0);
    if (rc == 0)
        rc = http_flush(&b->conn->io);
    return rc == ERR_AGAIN ? 0 : rc;
}

static int write_heartbeat(struct beat *b)
{
    char memory[PEER_MESSAGE_MAX], head[200];
    struct out o, text;
    out_init(&text, memory, sizeof memory);
    peer_write_heartbeat(b->control->peer, b->site, &text);
    out_init(&o, head, sizeof head);
    out_fmt(&o,
            "POST /cheops/v1/heartbeat HTTP/1.1\r\nHost: cheops\r\nContent-Type: "
            "application/json\r\nContent-Length: %zu\r\n\r\n",
            text.n);
    b->asked_us = rt_mono_us();
    return write_question(b, out_get(&o), out_get(&text));
}

static void connect_or_wait(struct beat *b)
{
    struct diag d = {0};
    struct http_want want = {.task = &b->task, .waiter = &b->waiter};
    int rc = 0;
    if (!b->conn)
        rc = http_pool_get(&b->pool, &want, &b->conn, &d);
    if (rc == 0)
        rc = http_client_ready(b->conn, &d);
    if (rc == 0) {
        b->state = ASK;
        rc = write_heartbeat(b);
    }
    if (rc < 0 && rc != ERR_AGAIN)
        failed(b, &d, rc);
}

/* Reads until a whole answer is in the read buffer: its length is known and small. */
static int wait_for_answer(struct beat *b, struct h1_head *head, size_t most)
{
    struct http_conn *io = &b->conn->io;
    const char *why;
    int rc = http_flush(io);
    if (rc < 0 && rc != ERR_AGAIN)
        return rc;
    rc = http_client_head(b->conn, H1_POST, head, &why);
    if (rc < 0)
        return rc;
    bool is_empty = head->framing == H1_NO_BODY && head->status != 200;
    if ((head->framing != H1_LENGTH && !is_empty) || head->length > most)
        return ERR_SITE_REFUSED;
    while (http_unread(io).n < head->size + head->length) {
        long n = http_fill(io);
        if (n <= 0)
            return n == 0 ? ERR_CLOSED : (int)n;
    }
    return 0;
}

/* Goes behind the answer. */
static void end_answer(struct beat *b, const struct h1_head *head)
{
    http_client_head_end(b->conn, head, 0);
    http_body_consume(&b->conn->io, (size_t)head->length);
}

static struct str body_of(const struct beat *b, const struct h1_head *head)
{
    return str_sub(http_unread(&b->conn->io), head->size, (size_t)head->length);
}

/* The answer was written half a round trip ago, in the middle of the second that its Date names, as
 * far as anybody can know. */
static void take_clock(struct beat *b, const struct h1_head *head)
{
    size_t field = h1_find(head, H1_DATE, 0);
    int64_t seconds, written_us = (int64_t)(rt_wall_us() - (rt_mono_us() - b->asked_us) / 2);
    if (field < head->n_fields && date_parse(h1_value(head, field), &seconds) == 0)
        peer_take_clock(b->control->peer, b->site, seconds * 1000 + 500 - written_us / 1000);
}

static int read_heartbeat(struct beat *b, bool *keep)
{
    struct h1_head head;
    int rc = wait_for_answer(b, &head, PEER_MESSAGE_MAX);
    if (rc == 0 && head.status != 200)
        rc = ERR_SITE_REFUSED;
    if (rc < 0)
        return rc;
    struct peer_sites *sites = peer_sites_of(b->control->peer);
    peer_sites_sample(sites, b->site, (uint32_t)(rt_mono_us() - b->asked_us));
    take_clock(b, &head);
    peer_take_heartbeat(b->control->peer, b->site, body_of(b, &head));
    *keep = head.keep_alive;
    end_answer(b, &head);
    return 0;
}

static void put_and_pause(struct beat *b, bool keep)
{
    http_pool_put(&b->conn, keep);
    pause_until_next(b);
}

/* ---- the list of revoked certificates */

static struct rt_revoked *own_list(const struct peer_control *c)
{
    return peer_cfg(c->peer)->peers.revoked;
}

static bool wants_list(const struct beat *b)
{
    const struct rt_revoked *own = own_list(b->control);
    uint64_t told = peer_list_number(b->control->peer, b->site);
    return own && told > rt_revoked_number(own) &&
           (told != b->refused_list || now_ms() >= b->list_again_ms);
}

/* Writes the list in use to its file; why it cannot goes to what is shown of this site. */
static const char *save_list(struct peer_control *c)
{
    const struct cfg *cfg = peer_cfg(c->peer);
    struct beat *own = &c->beats[cfg->self];
    struct diag d = {0};
    own->list_error[0] = 0;
    if (!cfg->peers.crl.p)
        keep_text(own->list_error, sizeof own->list_error, "peers.crl names no file to keep it in");
    else if (rt_revoked_save(own_list(c), cfg->peers.crl.p, &d) < 0)
        keep_text(own->list_error, sizeof own->list_error, d.message);
    return own->list_error;
}

/* Whoever it lists has no connection from now on. */
static void cut_revoked(struct peer_control *c)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->beats[i].control)
            http_pool_cut(&c->beats[i].pool, peer_is_revoked, c->peer);
}

static void judge_list(struct beat *b, const struct h1_head *head)
{
    struct peer_control *c = b->control;
    struct diag d = {0};
    struct peer_list_news news = {.from = peer_cfg(c->peer)->sites[b->site].name,
                                  .number = peer_list_number(c->peer, b->site)};
    int rc = head->status == 200 ? rt_revoked_offer(own_list(c), body_of(b, head), &d)
                                 : diag_set(&d, ERR_SITE_REFUSED, "it answers %u", head->status);
    if (rc == 0) {
        news.is_taken = true;
        news.number = rt_revoked_number(own_list(c));
        news.why = save_list(c);
        b->list_error[0] = 0;
        cut_revoked(c);
    } else {
        b->refused_list = news.number;
        b->list_again_ms = now_ms() + PEER_LIST_AGAIN_MS;
        keep_text(b->list_error, sizeof b->list_error, d.message);
        news.why = b->list_error;
    }
    if (c->events.on_list)
        c->events.on_list(c->events.context, &news);
}

static void take_list(struct beat *b)
{
    struct h1_head head;
    int rc = wait_for_answer(b, &head, RT_REVOKED_BYTES);
    if (rc == ERR_AGAIN)
        return;
    if (rc < 0) {
        failed(b, NULL, rc);
        return;
    }
    judge_list(b, &head);
    end_answer(b, &head);
    put_and_pause(b, head.keep_alive);
}

static void ask_for_list(struct beat *b)
{
    b->state = LIST;
    int rc =
        write_question(b, STR("GET /cheops/v1/crl HTTP/1.1\r\nHost: cheops\r\n\r\n"), STR_NULL);
    if (rc < 0)
        failed(b, NULL, rc);
}

/* ---- the states */

static void ask(struct beat *b)
{
    bool keep = false;
    int rc = read_heartbeat(b, &keep);
    if (rc == ERR_AGAIN)
        return;
    if (rc < 0) {
        failed(b, NULL, rc);
        return;
    }
    b->error[0] = 0;
    peer_sites_heard(peer_sites_of(b->control->peer), b->site, now_ms());
    watch_from_now(b->control);
    if (keep && wants_list(b))
        ask_for_list(b);
    else
        put_and_pause(b, keep);
}

static void run(struct rt_task *task)
{
    struct beat *b = CONTAINER_OF(task, struct beat, task);
    struct rt_loop *l = b->control->loop;
    bool due = rt_timer_is_due(l, &b->timer);
    if (b->state == PAUSE) {
        if (!due)
            return;
        b->state = CONNECT;
        rt_timer_set(l, &b->timer, rt_now_ms(l) + settings(b)->down_ms);
        due = false;
    }
    if (b->state == CONNECT)
        connect_or_wait(b);
    if (b->state == ASK)
        ask(b);
    if (b->state == LIST)
        take_list(b);
    if (due && b->state != PAUSE)
        failed(b, NULL, ERR_SITE_TIMEOUT);
}

static void begin(struct peer_control *c, size_t site)
{
    const struct cfg *cfg = peer_cfg(c->peer);
    struct beat *b = &c->beats[site];
    b->control = c;
    b->site = site;
    b->target = (struct peer_target){c->peer, site};
    b->task.run = run;
    rt_timer_init(&b->timer, &b->task);
    b->pool = (struct http_pool){
        .name = cfg->sites[site].address,
        .tls = cfg->peers.client,
        .keep_alive = HTTP_KEEP_ALWAYS,
        .bounds = {.places = 1, .waiting = 1},
        .max_idle = 1,
        .idle_ms = cfg->peers.down_ms * 2,
        .max_head = 8192,
        .max_fields = 64,
        .greeting = peer_greeting(c->peer),
        .on_greeted = peer_on_greeted,
        .context = &b->target,
    };
    http_pool_init(&b->pool, c->env);
    rt_timer_set(c->loop, &b->timer, rt_now_ms(c->loop));
}

int peer_control_start(struct peer_control **out, struct peer *p, struct http_env *env,
                       const struct peer_control_events *events, struct diag *d)
{
    const struct cfg *cfg = peer_cfg(p);
    struct peer_control *c = calloc(1, sizeof *c);
    if (c)
        c->beats = calloc(cfg->n_sites, sizeof *c->beats);
    if (!c || !c->beats) {
        free(c);
        return diag_set(d, ERR_NO_MEMORY, "no memory for the other sites");
    }
    c->peer = p;
    c->env = env;
    c->events = *events;
    c->loop = env->loop;
    c->n = cfg->n_sites;
    c->watch.run = run_watch;
    rt_timer_init(&c->watch_timer, &c->watch);
    rt_wake(c->loop, &c->watch);
    for (size_t i = 0; i < c->n; i++)
        if (i != cfg->self)
            begin(c, i);
    if (own_list(c) && rt_revoked_changes(own_list(c)))
        save_list(c); /* a list that came before a reload, which may have named another file */
    *out = c;
    return 0;
}

void peer_control_stop(struct peer_control **cp)
{
    struct peer_control *c = *cp;
    *cp = NULL;
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++) {
        struct beat *b = &c->beats[i];
        if (!b->control)
            continue;
        rt_waiter_leave(&b->waiter);
        http_pool_put(&b->conn, false);
        http_pool_fini(&b->pool);
        rt_timer_clear(c->loop, &b->timer);
        rt_cancel(c->loop, &b->task);
    }
    rt_timer_clear(c->loop, &c->watch_timer);
    rt_cancel(c->loop, &c->watch);
    free(c->beats);
    free(c);
}

const char *peer_control_error(const struct peer_control *c, size_t site)
{
    return c->beats[site].error;
}

const char *peer_control_list_error(const struct peer_control *c, size_t site)
{
    return c->beats[site].list_error;
}
