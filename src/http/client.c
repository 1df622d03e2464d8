#include "http/client.h"

#include <stdlib.h>

void http_pool_init(struct http_pool *p, struct http_env *env)
{
    p->env = env;
    list_init(&p->idle);
    list_init(&p->busy);
    p->n_open = p->n_idle = 0;
    if (p->seat)
        return;
    rt_places_init(&p->own_places);
    rt_seat_init(&p->own_seat, &p->own_places, env->loop);
    p->seat = &p->own_seat;
}

/* A number of the gauge of a pool or a connection; NULL when nobody looks. */
#define GAUGE(p, member) ((p)->gauge ? &(p)->gauge->member : NULL)

static void count(struct counter *c)
{
    if (c)
        counter_add(c, 1);
}

/* Changes a number of the pool, and what others read of it, by 1 up or down. */
static void change(size_t *number, struct counter *gauge, int way)
{
    *number += (size_t)way;
    if (gauge)
        counter_add(gauge, (uint64_t)way);
}

static void conn_free(struct rt_dead *dead)
{
    free(CONTAINER_OF(dead, struct http_client_conn, dead));
}

static void conn_die(struct http_client_conn *c)
{
    struct http_pool *p = c->pool;
    if (c->state == HTTP_CLIENT_DEAD)
        return;
    bool has_place = c->state != HTTP_CLIENT_IDLE;
    if (!has_place)
        change(&p->n_idle, GAUGE(p, idle), -1);
    c->state = HTTP_CLIENT_DEAD;
    http_conn_close(&c->io);
    rt_timer_clear(p->env->loop, &c->timer);
    rt_cancel(p->env->loop, &c->task);
    list_remove(&c->link);
    change(&p->n_open, GAUGE(c, open), -1);
    c->dead.free = conn_free;
    rt_reap(p->env->loop, &c->dead);
    if (has_place)
        rt_place_give(p->seat, &p->bounds);
}

/* An idle connection wakes: the other end closed it, sent what nobody asked for, or its time is up.
 */
static void idle_run(struct rt_task *task)
{
    struct http_client_conn *c = CONTAINER_OF(task, struct http_client_conn, task);
    if (c->state != HTTP_CLIENT_IDLE)
        return;
    if (c->io.stream.has_hup || c->io.stream.error || http_fill(&c->io) != ERR_AGAIN ||
        rt_timer_is_due(c->pool->env->loop, &c->timer))
        conn_die(c);
}

void http_pool_fini(struct http_pool *p)
{
    list_for_each_safe (it, &p->idle) {
        conn_die(LIST_ITEM(it, struct http_client_conn, link));
    }
    CHECK(list_is_empty(&p->busy));
    if (p->seat == &p->own_seat)
        rt_places_fini(&p->own_places);
}

void http_pool_cut(struct http_pool *p,
                   bool (*is_bad)(const struct rt_stream *stream, void *context), void *context)
{
    list_for_each_safe (it, &p->idle) {
        struct http_client_conn *c = LIST_ITEM(it, struct http_client_conn, link);
        if (is_bad(&c->io.stream, context))
            conn_die(c);
    }
    list_for_each (it, &p->busy) {
        struct http_client_conn *c = LIST_ITEM(it, struct http_client_conn, link);
        if (is_bad(&c->io.stream, context))
            rt_stream_cut(&c->io.stream);
    }
}

void http_pool_move(struct http_client_conn *c, struct http_pool *to)
{
    struct http_pool *from = c->pool;
    CHECK(c->state == HTTP_CLIENT_BUSY && from->env == to->env);
    list_remove(&c->link);
    list_push(&to->busy, &c->link);
    c->pool = to;
    from->n_open--;
    to->n_open++;
    rt_place_take_anyway(to->seat);
    rt_place_give(from->seat, &from->bounds);
}

static void start_use(struct http_client_conn *c, struct rt_task *task)
{
    list_push(&c->pool->busy, &c->link);
    c->io.stream.task = task;
    c->has_answer = c->closes = false;
    c->scanned = c->head_size = 0;
}

/* The connection that was used last, if it is still good. */
static struct http_client_conn *take_idle(struct http_pool *p, struct rt_task *task)
{
    while (!list_is_empty(&p->idle)) {
        struct http_client_conn *c = LIST_ITEM(p->idle.next, struct http_client_conn, link);
        if (c->io.stream.has_hup || c->io.stream.error || http_fill(&c->io) != ERR_AGAIN) {
            conn_die(c);
            continue;
        }
        list_remove(&c->link);
        change(&p->n_idle, GAUGE(p, idle), -1);
        count(GAUGE(p, reuses));
        rt_timer_stop(&c->timer);
        rt_cancel(p->env->loop, &c->task);
        c->state = HTTP_CLIENT_BUSY;
        start_use(c, task);
        return c;
    }
    return NULL;
}

static int wait_in_queue(struct http_pool *p, const struct http_want *want, struct diag *d)
{
    want->waiter->task = want->task;
    want->waiter->counted = GAUGE(p, waiting);
    int rc = rt_place_wait(p->seat, &p->bounds, want->waiter);
    if (rc == ERR_AGAIN)
        return rc;
    count(GAUGE(p, refused));
    if (rc == ERR_LIMIT) {
        diag_set(d, ERR_OVERLOADED, "%zu requests wait for one of %zu connections to %.*s already",
                 p->bounds.waiting, p->bounds.places, STR_ARG(rt_name_text(p->name)));
        diag_hint(d, "ask again later, or raise limits.service_queue or service_connections");
    } else {
        diag_set(d, ERR_OVERLOADED,
                 "so many requests wait for one of %zu connections to %.*s that it would take more "
                 "than %u ms",
                 p->bounds.places, STR_ARG(rt_name_text(p->name)), p->bounds.wait_ms);
        diag_hint(d, "ask again later; look at the service, or raise limits.service_connections "
                     "or timeouts.service_queue");
    }
    return ERR_OVERLOADED;
}

int http_pool_give_up(struct http_pool *p, struct rt_waiter *w, struct diag *d)
{
    rt_waiter_leave(w);
    count(GAUGE(p, refused));
    diag_set(d, ERR_OVERLOADED, "all %zu connections to %.*s were in use for %u ms",
             p->bounds.places, STR_ARG(rt_name_text(p->name)), p->bounds.wait_ms);
    diag_hint(d, "ask again later, or raise limits.service_connections or timeouts.service_queue");
    return ERR_OVERLOADED;
}

static struct http_client_conn *conn_create(struct http_pool *p, enum http_client_state state)
{
    struct http_client_conn *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->pool = p;
    c->gauge = p->gauge;
    c->state = state;
    c->task.run = idle_run;
    rt_timer_init(&c->timer, &c->task);
    list_init(&c->link);
    change(&p->n_open, GAUGE(p, open), 1);
    count(GAUGE(p, connects));
    return c;
}

static int open_conn(struct http_pool *p, struct rt_task *task, struct http_client_conn **out,
                     struct diag *d)
{
    struct rt_address to;
    bool has_address = rt_name_get(p->name, &to) == 0;
    struct http_client_conn *c = has_address ? conn_create(p, HTTP_CLIENT_CONNECTING) : NULL;
    if (!c)
        rt_place_give(p->seat, &p->bounds);
    if (!has_address)
        return diag_set(d, ERR_SERVICE_UNREACHABLE, "the name %.*s has no address so far",
                        STR_ARG(rt_name_text(p->name)));
    if (!c)
        return diag_set(d, ERR_NO_MEMORY, "no memory for a connection");
    c->to = to;
    int rc = rt_stream_connect(&c->io.stream, p->env->loop, &to, p->tls, p->server_name, task);
    if (rc == ERR_SYSTEM || rc == ERR_NO_MEMORY) { /* it is not the service that lacks something */
        int os_error = c->io.stream.os_error;
        conn_die(c);
        return diag_set(d, ERR_OVERLOADED, "a connection to %.*s cannot be opened: %s",
                        STR_ARG(rt_name_text(p->name)),
                        os_error ? strerrordesc_np(os_error) : err_text(rc));
    }
    if (rc < 0) {
        conn_die(c);
        return diag_set(d, ERR_SERVICE_UNREACHABLE, "%.*s does not take connections (%s)",
                        STR_ARG(rt_name_text(p->name)), err_text(rc));
    }
    start_use(c, task);
    *out = c;
    return 0;
}

int http_pool_adopt(struct http_pool *p, struct rt_stream *stream, struct rt_task *task,
                    struct http_client_conn **out)
{
    struct http_client_conn *c = conn_create(p, HTTP_CLIENT_BUSY);
    if (c)
        rt_place_take_anyway(p->seat);
    int rc = c ? rt_stream_move(&c->io.stream, stream, task) : ERR_NO_MEMORY;
    if (rc < 0) {
        rt_stream_close(stream);
        if (c)
            conn_die(c);
        return rc;
    }
    start_use(c, task);
    *out = c;
    return 0;
}

int http_pool_get(struct http_pool *p, const struct http_want *want, struct http_client_conn **out,
                  struct diag *d)
{
    if (!rt_waiter_take(want->waiter) && !rt_place_take(p->seat, &p->bounds))
        return wait_in_queue(p, want, d);
    bool may_reuse = !want->fresh && p->keep_alive != HTTP_KEEP_NEVER &&
                     (p->keep_alive == HTTP_KEEP_ALWAYS || !want->unsafe);
    if (may_reuse && (*out = take_idle(p, want->task)))
        return 0;
    if (p->n_open >= p->bounds.places && !list_is_empty(&p->idle))
        conn_die(LIST_ITEM(p->idle.prev, struct http_client_conn, link)); /* the coldest */
    return open_conn(p, want->task, out, d);
}

static int send_greeting(struct http_client_conn *c)
{
    struct out o;
    int rc = http_head_begin(&c->io, &o);
    if (rc < 0)
        return rc;
    out_str(&o, c->pool->greeting);
    rc = http_head_commit(&c->io, &o, H1_NO_BODY, 0);
    return rc < 0 ? rc : http_flush(&c->io);
}

/* Reads the answer to the greeting, head and a small body. */
static int read_greeted(struct http_client_conn *c, struct diag *d)
{
    struct h1_head head;
    const char *why = "";
    int rc = http_flush(&c->io);
    if (rc < 0 && rc != ERR_AGAIN)
        return rc;
    rc = http_client_head(c, H1_POST, &head, &why);
    if (rc == ERR_SERVICE_BROKEN)
        diag_set(d, rc, "%.*s does not answer as a Cheops: %s",
                 STR_ARG(rt_name_text(c->pool->name)), why);
    if (rc < 0)
        return rc;
    if (head.framing != H1_LENGTH && head.framing != H1_NO_BODY)
        return ERR_SERVICE_BROKEN;
    if (head.framing == H1_LENGTH && head.length > RT_BUFFER_BYTES - head.size)
        return ERR_SERVICE_BROKEN;
    size_t body = head.framing == H1_LENGTH ? (size_t)head.length : 0;
    while (http_unread(&c->io).n < head.size + body) {
        long n = http_fill(&c->io);
        if (n <= 0)
            return n == 0 ? ERR_CLOSED : (int)n;
    }
    rc = c->pool->on_greeted(c, &head, str_sub(http_unread(&c->io), head.size, body), d);
    http_consume(&c->io, head.size + body);
    c->scanned = c->head_size = 0;
    c->has_answer = false;
    return rc;
}

/* Connects to the name's next address instead, once. */
static bool connect_next(struct http_client_conn *c)
{
    struct http_pool *p = c->pool;
    struct rt_stream *s = &c->io.stream;
    struct rt_task *task = s->task;
    bool is_refused = s->error == ERR_CLOSED || s->error == ERR_RESET || s->error == ERR_SYSTEM;
    if (!is_refused || !rt_name_failed(p->name, &c->to) || c->is_second ||
        rt_name_get(p->name, &c->to) < 0)
        return false;
    c->is_second = true;
    rt_stream_close(s);
    return rt_stream_connect(s, p->env->loop, &c->to, p->tls, p->server_name, task) == 0;
}

void http_client_tls_failed(const struct http_client_conn *c, struct diag *d)
{
    diag_set(d, ERR_TLS, "TLS to %.*s failed: %.*s", STR_ARG(rt_name_text(c->pool->name)),
             STR_ARG(rt_stream_why(&c->io.stream)));
    diag_hint(d, "%s", rt_stream_tls_hint(&c->io.stream));
}

int http_client_ready(struct http_client_conn *c, struct diag *d)
{
    int rc = 0;
    if (c->state == HTTP_CLIENT_CONNECTING) {
        rc = rt_stream_connected(&c->io.stream);
        if (rc < 0 && rc != ERR_AGAIN && connect_next(c))
            return ERR_AGAIN;
        if (rc == 0 && c->pool->greeting.p) {
            c->state = HTTP_CLIENT_GREETING;
            rc = send_greeting(c);
        } else if (rc == 0) {
            c->state = HTTP_CLIENT_BUSY;
        }
    }
    if (c->state == HTTP_CLIENT_GREETING && (rc == 0 || rc == ERR_AGAIN)) {
        rc = read_greeted(c, d);
        if (rc == 0)
            c->state = HTTP_CLIENT_BUSY;
    }
    if (rc == ERR_TLS)
        http_client_tls_failed(c, d);
    else if (rc < 0 && rc != ERR_AGAIN)
        diag_set(d, rc, "%.*s does not take connections (%s)", STR_ARG(rt_name_text(c->pool->name)),
                 err_text(rc));
    return rc;
}

int http_client_head(struct http_client_conn *c, enum h1_method method, struct h1_head *head,
                     const char **why)
{
    struct http_pool *p = c->pool;
    while (!c->head_size) {
        struct str bytes = str_sub(http_unread(&c->io), 0, p->max_head);
        /* Nearly every head comes whole. What is wrong with one is said when it is. */
        if (c->scanned == 0 && bytes.n &&
            h1_response_parse(head, bytes, p->env->fields, p->max_fields, method, why) == 0) {
            c->head_size = head->size;
            return 0;
        }
        if (http_is_tls(bytes)) {
            *why = "it speaks TLS, and is asked in plain HTTP: its `url` wants https://";
            return ERR_SERVICE_BROKEN;
        }
        size_t scan = c->scanned;
        long n = h1_head_end(http_unread(&c->io), &scan, p->max_head);
        c->scanned = (uint32_t)scan;
        if (n < 0) {
            *why = n == ERR_HEAD_TOO_LARGE ? "its head is longer than limits.head"
                                           : "a line of its head does not end in CRLF";
            return ERR_SERVICE_BROKEN;
        }
        if (n > 0) {
            c->head_size = (uint32_t)n;
            break;
        }
        n = http_fill(&c->io);
        if (n <= 0)
            return n == 0 ? ERR_CLOSED : (int)n;
        c->has_answer = true;
    }
    return h1_response_parse(head, str_sub(http_unread(&c->io), 0, c->head_size), p->env->fields,
                             p->max_fields, method, why);
}

void http_client_head_end(struct http_client_conn *c, const struct h1_head *head,
                          uint32_t max_trailers)
{
    http_consume(&c->io, c->head_size);
    c->scanned = c->head_size = 0;
    if (head->status < 200)
        return;
    c->closes = !head->keep_alive;
    http_read_begin(&c->io, head->framing, head->length, max_trailers);
}

void http_pool_put(struct http_client_conn **cp, bool keep)
{
    struct http_client_conn *c = *cp;
    *cp = NULL;
    if (!c)
        return;
    struct http_pool *p = c->pool;
    struct http_conn *io = &c->io;
    http_read_end(io);
    keep = keep && c->state == HTTP_CLIENT_BUSY && !c->closes && p->keep_alive != HTTP_KEEP_NEVER &&
           p->n_idle < p->max_idle && io->in_done && io->out_done && !http_has_output(io) &&
           !io->in && !io->in_eof && !io->stream.has_hup && !io->stream.error;
    if (!keep) {
        conn_die(c);
        return;
    }
    list_remove(&c->link);
    list_push_front(&p->idle, &c->link);
    change(&p->n_idle, GAUGE(p, idle), 1);
    c->state = HTTP_CLIENT_IDLE;
    c->has_idled = true;
    io->stream.task = &c->task;
    rt_timer_set(p->env->loop, &c->timer, rt_now_ms(p->env->loop) + p->idle_ms);
    if (io->stream.can_read)
        rt_wake(p->env->loop, &c->task);
    rt_place_give(p->seat, &p->bounds);
}
