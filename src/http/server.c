#include "http/server.h"

#include "codec/proxy2.h"

#include <stdlib.h>

#define FREE_BLOCKS_MAX 128

/* An exchange with the first part of its arena, in one piece that is used again. */
struct http_block {
    struct http_block *next;
    struct rt_dead dead;
    struct http_env *env;
    struct http_exchange exchange;
    _Alignas(16) char memory[HTTP_BLOCK_BYTES];
};

void http_env_init(struct http_env *e, struct rt_loop *loop)
{
    e->loop = loop;
    e->free_blocks = NULL;
    e->n_free_blocks = 0;
}

void http_env_fini(struct http_env *e)
{
    while (e->free_blocks) {
        struct http_block *b = e->free_blocks;
        e->free_blocks = b->next;
        free(b);
    }
    e->n_free_blocks = 0;
}

static struct http_exchange *exchange_create(struct http_server_conn *c)
{
    struct http_env *e = c->server->env;
    struct http_block *b = e->free_blocks;
    if (b) {
        e->free_blocks = b->next;
        e->n_free_blocks--;
    } else if (!(b = malloc(sizeof *b))) {
        return NULL;
    }
    b->env = e;
    b->exchange = (struct http_exchange){.conn = c};
    arena_init(&b->exchange.arena, b->memory, sizeof b->memory, c->server->options.max_arena);
    return &b->exchange;
}

static void block_free(struct rt_dead *dead)
{
    struct http_block *b = CONTAINER_OF(dead, struct http_block, dead);
    struct http_env *e = b->env;
    arena_fini(&b->exchange.arena);
    if (e->n_free_blocks == FREE_BLOCKS_MAX) {
        free(b);
        return;
    }
    b->next = e->free_blocks;
    e->free_blocks = b;
    e->n_free_blocks++;
}

static void conn_free(struct rt_dead *dead)
{
    free(CONTAINER_OF(dead, struct http_server_conn, dead));
}

static void conn_die(struct http_server_conn *c)
{
    struct rt_loop *l = c->server->env->loop;
    if (c->state == HTTP_DEAD)
        return;
    c->state = HTTP_DEAD;
    http_conn_close(&c->io);
    rt_timer_clear(l, &c->timer);
    rt_cancel(l, &c->task);
    list_remove(&c->link);
    c->server->n_conns--;
    if (c->server->connections)
        counter_sub(c->server->connections, 1);
    if (c->counted)
        counter_give(c->counted);
    c->dead.free = conn_free;
    rt_reap(l, &c->dead);
    if (c->server->draining && c->server->n_conns == 0 && c->server->on_empty)
        rt_wake(l, c->server->on_empty);
}

static void set_deadline(struct http_server_conn *c, uint32_t ms)
{
    struct rt_loop *l = c->server->env->loop;
    rt_timer_set(l, &c->timer, rt_now_ms(l) + ms);
}

static void become_idle(struct http_server_conn *c)
{
    c->state = HTTP_IDLE;
    c->scanned = 0;
    c->has_skipped = false;
    c->io.stream.task = c->timer.task = &c->task;
    set_deadline(c, c->over ? c->server->options.head_ms : c->server->options.idle_ms);
}

/* Hands an exchange to the owner. */
static void hand_over(struct http_server_conn *c, struct http_exchange *x)
{
    rt_timer_stop(&c->timer);
    c->state = HTTP_BUSY;
    c->exchange = x;
    c->n_requests++;
    c->server->on_request(x);
}

static void refuse(struct http_server_conn *c, int code, const char *why)
{
    struct http_exchange *x = exchange_create(c);
    if (!x) {
        conn_die(c);
        return;
    }
    x->error = code;
    x->why = why;
    http_read_begin(&c->io, H1_NO_BODY, 0, 0);
    hand_over(c, x);
}

/* An empty path of an absolute-form is "/" in origin-form (RFC 9112 section 3.2.1). */
static void complete_target(struct http_exchange *x)
{
    struct h1_head *h = &x->head;
    if (h->target.n && h->target.p[0] == '?') {
        h->target = arena_printf(&x->arena, "/%.*s", STR_ARG(h->target));
        x->error = h->target.p ? 0 : ERR_NO_MEMORY;
    }
}

/* Takes a complete head of head->size bytes, of which rc and why were said. It is copied into the
 * exchange's arena: the read buffer goes on with the body. */
static void begin_request(struct http_server_conn *c, const struct h1_head *head, int rc,
                          const char *why)
{
    struct http_exchange *x = exchange_create(c);
    const struct http_server_options *o = &c->server->options;
    if (!x) {
        conn_die(c);
        return;
    }
    struct str copy = arena_str(&x->arena, (struct str){head->base, head->size});
    http_consume(&c->io, head->size);
    x->head = *head;
    x->error = copy.p ? rc : ERR_NO_MEMORY;
    x->why = why;
    if (copy.p)
        h1_move(&x->head, copy.p);
    else
        x->head = (struct h1_head){0};
    if (!x->error)
        complete_target(x);
    if (!x->error && x->head.target.n > o->max_target)
        x->error = ERR_URI_TOO_LONG;
    if (!x->error)
        x->error = c->over;
    if (!x->error) {
        size_t size = x->head.n_fields * sizeof *x->head.fields;
        struct h1_field *fields = arena_alloc(&x->arena, size);
        if (fields && !arena_overflowed(&x->arena))
            x->head.fields = memcpy(fields, x->head.fields, size);
        else
            x->error = ERR_NO_MEMORY;
    }
    if (x->error)
        http_read_begin(&c->io, H1_NO_BODY, 0, 0);
    else
        http_read_begin(&c->io, x->head.framing, x->head.length, o->max_trailers);
    hand_over(c, x);
}

/* One empty line before a request line is forgiven (RFC 9112 section 2.2). */
static void skip_empty_line(struct http_server_conn *c)
{
    if (c->scanned == 0 && !c->has_skipped && str_starts(http_unread(&c->io), STR("\r\n"))) {
        http_consume(&c->io, 2);
        c->has_skipped = true;
    }
}

static int parse_head(struct http_server_conn *c, struct str bytes, struct h1_head *head,
                      const char **why)
{
    return h1_request_parse(head, bytes, c->server->env->fields, c->server->options.max_fields,
                            why);
}

/* Looks for a complete head. Returns false when more bytes are needed. */
static bool try_head(struct http_server_conn *c)
{
    size_t scan, max = c->server->options.max_head;
    struct h1_head head;
    const char *why = NULL;
    skip_empty_line(c);
    struct str bytes = http_unread(&c->io);
    if (bytes.n == 0)
        return false;
    /* Nearly every head comes whole. What is wrong with one is said when it is. */
    if (c->scanned == 0 && parse_head(c, str_sub(bytes, 0, max), &head, &why) == 0) {
        begin_request(c, &head, 0, NULL);
        return true;
    }
    if (c->state == HTTP_IDLE) {
        c->state = HTTP_HEAD;
        set_deadline(c, c->server->options.head_ms);
    }
    if (http_is_tls(bytes)) {
        refuse(
            c, ERR_BAD_REQUEST,
            "it is TLS, and this port takes plain HTTP: use http://, or give the listener `tls`");
        return true;
    }
    if (bytes.n == 1 && bytes.p[0] == '\r')
        return false; /* maybe half of an empty line */
    scan = c->scanned;
    long n = h1_head_end(bytes, &scan, max);
    c->scanned = (uint32_t)scan;
    if (n == 0)
        return false;
    if (n < 0) {
        bool long_target = n == ERR_HEAD_TOO_LARGE && str_find(str_sub(bytes, 0, max), '\n') < 0;
        refuse(c, long_target ? ERR_URI_TOO_LONG : (int)n,
               n == ERR_BAD_REQUEST ? "a line of the head does not end in CRLF" : NULL);
    } else {
        int rc = parse_head(c, str_sub(bytes, 0, (size_t)n), &head, &why);
        begin_request(c, &head, rc, why);
    }
    return true;
}

/* Nothing more is expected of an idle connection of a server that drains; who has just shaken hands
 * is about to ask. */
static bool is_over_for(const struct http_server_conn *c)
{
    return c->server->draining && c->state == HTTP_IDLE && !(c->is_tls && c->n_requests == 0);
}

static void step_head(struct http_server_conn *c)
{
    while (!try_head(c)) {
        long n = http_fill(&c->io);
        if (n == ERR_AGAIN) {
            if (!is_over_for(c) && !rt_timer_is_due(c->server->env->loop, &c->timer)) {
                http_stow(&c->io);
                return;
            }
            if (c->state == HTTP_HEAD)
                refuse(c, ERR_REQUEST_TIMEOUT, "the head did not arrive in time");
            else
                conn_die(c);
            return;
        }
        if (n <= 0) { /* the client has gone, between requests or within a head */
            conn_die(c);
            return;
        }
    }
}

static void lose(struct http_server_conn *c, int code, struct str why)
{
    if (c->server->on_lost)
        c->server->on_lost(c, code, why);
    conn_die(c);
}

static void count_refused(struct http_server *s)
{
    if (s->refused)
        counter_add(s->refused, 1);
}

/* Whether the connection goes on: its peer is known now. */
static bool admit(struct http_server_conn *c)
{
    struct http_server *s = c->server;
    int rc = s->admit ? s->admit(c) : 0;
    if (rc < 0)
        count_refused(s);
    if (rc < 0 && rc != ERR_LIMIT)
        c->over = rc;
    return rc != ERR_LIMIT;
}

/* Begins with what follows what a proxy has to say. */
static void begin_speaking(struct http_server_conn *c)
{
    struct http_server *s = c->server;
    if (!admit(c)) {
        conn_die(c);
        return;
    }
    c->is_tls = s->tls != NULL;
    c->state = HTTP_SHAKING;
    if (c->is_tls)
        set_deadline(c, s->options.tls_handshake_ms);
    else
        become_idle(c);
    rt_wake(s->env->loop, &c->task);
}

/* Takes a header that is here whole, of n bytes. What follows it stays for TLS or a request. */
static int take_proxied(struct http_server_conn *c, const struct proxy2 *p, char *scratch, size_t n)
{
    struct http_server *s = c->server;
    if (rt_read(&c->io.stream, scratch, n) != (ssize_t)n)
        return ERR_RESET;
    c->io.stream.can_read = true; /* more may be here: the read did not look for it */
    if (p->n_source) {
        rt_ip_set(&c->peer, p->source, p->n_source);
        c->has_peer = true;
        c->peer_host[0] = 0;
    }
    return s->tls ? rt_stream_secure(&c->io.stream, s->tls) : 0;
}

/* The header is looked at and not taken before it is whole, so that waiting for it holds no memory.
 */
static void step_proxied(struct http_server_conn *c)
{
    char bytes[PROXY2_MAX];
    const char *why = "the connection broke before the header of the PROXY protocol was whole";
    struct proxy2 p;
    if (!http_peer_is_in(c, c->server->options.proxies, c->server->options.n_proxies)) {
        lose(c, ERR_FORBIDDEN,
             STR("only trusted_proxies may connect to a listener with "
                 "proxy_protocol"));
        return;
    }
    ssize_t got = c->io.stream.can_read ? rt_peek(&c->io.stream, bytes, sizeof bytes) : ERR_AGAIN;
    if (got == 0) { /* a check of whether somebody listens: nothing to tell */
        conn_die(c);
        return;
    }
    long n = got > 0 ? proxy2_parse((struct str){bytes, (size_t)got}, &p, &why) : 0;
    if (n > 0)
        n = take_proxied(c, &p, bytes, (size_t)n) < 0 ? ERR_RESET : n;
    if (n > 0)
        begin_speaking(c);
    else if (n < 0 || (got < 0 && got != ERR_AGAIN))
        lose(c, n < 0 ? (int)n : (int)got, str_of(why));
    else if (rt_timer_is_due(c->server->env->loop, &c->timer))
        lose(c, ERR_REQUEST_TIMEOUT, STR("the header of the PROXY protocol did not come in time"));
}

static void lose_handshake(struct http_server_conn *c, int code)
{
    char text[512];
    const char *hint = rt_stream_tls_hint(&c->io.stream);
    struct out o;
    out_init(&o, text, sizeof text);
    out_str(&o, rt_stream_why(&c->io.stream));
    if (hint[0])
        out_fmt(&o, ": %s", hint);
    lose(c, code, out_get(&o));
}

static void step_shaking(struct http_server_conn *c)
{
    int rc = rt_stream_connected(&c->io.stream);
    if (rc == 0) {
        become_idle(c);
        step_head(c);
    } else if (rc != ERR_AGAIN) {
        lose_handshake(c, rc);
    } else if (rt_timer_is_due(c->server->env->loop, &c->timer)) {
        lose(c, ERR_REQUEST_TIMEOUT, STR("the TLS handshake was not over in time"));
    }
}

/* Reads and throws away what the client still sends, so that it can read the answer before a reset
 * reaches it (RFC 9112 section 9.6). */
static void step_linger(struct http_server_conn *c)
{
    struct rt_loop *l = c->server->env->loop;
    uint64_t stop = c->io.bytes_in + HTTP_LINGER_BYTES;
    long n;
    do {
        http_consume(&c->io, http_unread(&c->io).n);
        n = http_fill(&c->io);
    } while (n > 0 && c->io.bytes_in < stop);
    if (rt_timer_is_due(l, &c->timer) || (n <= 0 && n != ERR_AGAIN))
        conn_die(c);
    else if (n > 0)
        rt_wake(l, &c->task);
}

static void conn_run(struct rt_task *task)
{
    struct http_server_conn *c = CONTAINER_OF(task, struct http_server_conn, task);
    switch (c->state) {
    case HTTP_PROXIED:
        step_proxied(c);
        break;
    case HTTP_SHAKING:
        step_shaking(c);
        break;
    case HTTP_IDLE:
    case HTTP_HEAD:
        step_head(c);
        break;
    case HTTP_LINGER:
        step_linger(c);
        break;
    case HTTP_BUSY:
    case HTTP_DEAD:
        break;
    }
}

static struct http_server_conn *conn_create(struct http_server *s)
{
    struct http_server_conn *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->server = s;
    c->task.run = conn_run;
    rt_timer_init(&c->timer, &c->task);
    list_push(&s->conns, &c->link);
    s->n_conns++;
    if (s->connections)
        counter_add(s->connections, 1);
    return c;
}

void http_server_accept(struct http_server *s, int fd)
{
    bool is_over = s->n_conns >= s->options.max_connections;
    bool is_far_over = s->n_conns >= s->options.max_connections + HTTP_OVER_MAX;
    struct http_server_conn *c = is_far_over ? NULL : conn_create(s);
    if (is_over || !c)
        count_refused(s);
    if (!c) {
        rt_discard(fd);
        return;
    }
    c->over = is_over ? ERR_OVERLOADED : 0;
    bool is_proxied = s->options.proxy_protocol;
    struct rt_tls *tls = is_proxied ? NULL : s->tls;
    if (rt_stream_accept(&c->io.stream, s->env->loop, fd, tls, &c->task) < 0) {
        conn_die(c);
        return;
    }
    if (!is_proxied) {
        begin_speaking(c);
        return;
    }
    c->state = HTTP_PROXIED;
    set_deadline(c, s->options.head_ms);
    rt_wake(s->env->loop, &c->task);
}

void http_server_adopt(struct http_server *s, struct rt_stream *stream)
{
    struct http_server_conn *c = conn_create(s);
    if (!c) {
        rt_stream_close(stream);
        return;
    }
    if (rt_stream_move(&c->io.stream, stream, &c->task) < 0) {
        conn_die(c);
        return;
    }
    become_idle(c);
    rt_wake(s->env->loop, &c->task);
}

void http_server_init(struct http_server *s, struct http_env *env,
                      const struct http_server_options *o, struct rt_tls *tls,
                      void (*on_request)(struct http_exchange *), void *context)
{
    *s = (struct http_server){
        .env = env, .options = *o, .tls = tls, .on_request = on_request, .context = context};
    list_init(&s->conns);
}

void http_server_drain(struct http_server *s)
{
    s->draining = true;
    list_for_each_safe (it, &s->conns) {
        struct http_server_conn *c = LIST_ITEM(it, struct http_server_conn, link);
        if (c->state != HTTP_IDLE)
            continue;
        /* What has come since the loop looked last is not told so far: a read finds out. */
        rt_stream_look(&c->io.stream);
        rt_wake(s->env->loop, &c->task);
    }
}

bool http_server_is_ending(const struct http_server *s)
{
    list_for_each (it, &s->conns) {
        const struct http_server_conn *c = LIST_ITEM(it, struct http_server_conn, link);
        if (c->state != HTTP_LINGER && !(c->state == HTTP_BUSY && c->exchange->closes))
            return false;
    }
    return s->draining;
}

void http_server_cut(struct http_server *s,
                     bool (*is_bad)(const struct rt_stream *stream, void *context), void *context)
{
    list_for_each (it, &s->conns) {
        struct http_server_conn *c = LIST_ITEM(it, struct http_server_conn, link);
        if (is_bad(&c->io.stream, context))
            rt_stream_cut(&c->io.stream);
    }
}

void http_server_fini(struct http_server *s)
{
    list_for_each_safe (it, &s->conns) {
        conn_die(LIST_ITEM(it, struct http_server_conn, link));
    }
}

/* Of the exchange itself, whatever the server is told. */
static bool can_keep(const struct http_exchange *x)
{
    const struct http_server_conn *c = x->conn;
    return !x->closes && !x->error && x->head.keep_alive && !c->io.in_eof && c->io.in_done &&
           c->n_requests < c->server->options.max_requests;
}

bool http_exchange_keeps(struct http_exchange *x)
{
    x->closes = x->conn->server->draining || !can_keep(x);
    return !x->closes;
}

/* The server drains, but the answer that was just written had not said so, and the next request was
 * sent behind it: it is served, and its answer says so. */
static bool has_next(struct http_server_conn *c)
{
    c->io.stream.task = &c->task;
    rt_stream_look(&c->io.stream);
    return http_unread(&c->io).n > 0 || http_fill(&c->io) > 0;
}

static void linger(struct http_server_conn *c)
{
    if (rt_stream_shutdown(&c->io.stream) < 0) {
        conn_die(c);
        return;
    }
    c->state = HTTP_LINGER;
    c->io.stream.task = c->timer.task = &c->task;
    set_deadline(c, c->server->options.linger_ms);
    rt_wake(c->server->env->loop, &c->task);
}

void http_exchange_end(struct http_exchange *x, bool keep)
{
    struct http_server_conn *c = x->conn;
    struct http_block *b = CONTAINER_OF(x, struct http_block, exchange);
    bool kept = keep && can_keep(x) && c->io.out_done && !http_has_output(&c->io);
    c->exchange = NULL;
    b->dead.free = block_free;
    rt_reap(c->server->env->loop, &b->dead);
    if (kept)
        http_read_end(&c->io);
    if (kept && (!c->server->draining || has_next(c))) {
        become_idle(c);
        rt_wake(c->server->env->loop, &c->task);
    } else if (keep && !http_has_output(&c->io) && !c->io.stream.error) {
        linger(c);
    } else {
        conn_die(c);
    }
}

const struct rt_ip *http_peer(struct http_server_conn *c)
{
    struct rt_address a;
    if (!c->has_peer && rt_stream_peer(&c->io.stream, &a) == 0) {
        rt_ip_of(&a, &c->peer);
        c->has_peer = true;
    }
    return &c->peer;
}

struct str http_peer_host(struct http_server_conn *c)
{
    struct out o;
    if (!c->peer_host[0]) {
        const struct rt_ip *peer = http_peer(c);
        out_init(&o, c->peer_host, sizeof c->peer_host - 1);
        if (c->has_peer)
            rt_ip_print(peer, &o);
    }
    return str_of(c->peer_host);
}

bool http_peer_is_in(struct http_server_conn *c, const struct rt_ip_range *ranges, size_t n)
{
    return n && http_peer(c) && c->has_peer && rt_ip_is_in(&c->peer, ranges, n);
}
