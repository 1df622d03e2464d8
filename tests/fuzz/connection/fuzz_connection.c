/* Bytes from outside through the real connections of http/, once in one piece and once in pieces:
 * what is read of them, and what is answered, must not depend on how they were cut.
 *
 *   byte 0     bit 0: they are requests to a server, or answers to a client; bits 1 and 2: how the
 *              server's answers are framed; bit 3: the client's request was HEAD
 *   byte 1     how many bytes the stream holds each way (times 16)
 *   byte 2     how many sizes of pieces follow (its lower 4 bits; none: byte by byte)
 *   the sizes  less 1; used in turns
 *   the rest   the bytes
 */
#include "fuzz.h"

#include "base/check.h"
#include "http/client.h"
#include "http/server.h"

#include <stdio.h>

#define MAX_BYTES    4096
#define MAX_HEAD     1024 /* and other limits: small, so that inputs meet them */
#define MAX_TRAILERS 256
#define MAX_REQUESTS 6

struct input {
    bool is_answer, is_head;
    enum h1_framing framing;
    size_t capacity;
    const uint8_t *sizes;
    size_t n_sizes;
    struct str bytes;
};

/* One connection, the far end that sends the bytes, and the record of what happened. */
struct run {
    const struct input *in;
    struct rt_stream far;
    struct rt_task far_task, task;
    struct out record, output; /* what the near end noted, and what it sent */
    /* the server side */
    struct http_server server;
    struct http_exchange *x;
    bool is_answering;
    struct out body;
    size_t body_at;
    /* the client side */
    struct http_pool pool;
    struct http_client_conn *conn;
    struct h1_head head;
    bool has_head;
    char record_bytes[65536], output_bytes[16384], body_bytes[MAX_BYTES];
};

static struct rt_loop *loop;
static struct http_env env;

static void note_head(struct run *r, const struct h1_head *h)
{
    struct out *o = &r->record;
    out_fmt(o, "head %u.%u %u framing %d length %llu keep %d continue %d upgrade %d\n",
            (unsigned)h->method, h->minor, h->status, (int)h->framing,
            (unsigned long long)h->length, h->keep_alive, h->expects_continue, h->has_upgrade);
    out_json(o, h->method_text);
    out_json(o, h->target);
    out_json(o, h->authority);
    out_json(o, h->reason);
    h1_copy_fields(h, o);
}

static void note_end(struct run *r, const char *what, int code, const char *why)
{
    out_fmt(&r->record, "\n%s: %s, %s\n", what, code < 0 ? err_text(code) : "well", why ? why : "");
}

/* Reads what is there of a body. ERR_AGAIN: not all of it. */
static int read_body(struct run *r, struct http_conn *io)
{
    struct str data;
    int rc;
    while ((rc = http_body_peek(io, &data)) > 0) {
        out_str(&r->record, data);
        out_str(&r->body, data);
        http_body_consume(io, data.n);
    }
    if (rc == ERR_AGAIN)
        return rc;
    if (rc == 0)
        out_str(&r->record, io->trailers);
    note_end(r, "body", rc, NULL);
    return rc;
}

/* ---- the server: each request is answered with its own body */

static int begin_answer(struct run *r, struct http_conn *io)
{
    struct out o;
    int rc = http_head_begin(io, &o);
    CHECK(rc == 0);
    bool keeps = http_exchange_keeps(r->x);
    enum h1_framing framing = r->x->error ? H1_NO_BODY : r->in->framing;
    out_fmt(&o, "HTTP/1.1 %u \r\n", r->x->error ? err_status(r->x->error) : 200);
    if (framing == H1_LENGTH)
        out_fmt(&o, "Content-Length: %zu\r\n", r->body.n);
    else if (framing == H1_CHUNKED)
        OUT(&o, "Transfer-Encoding: chunked\r\n");
    if (!keeps)
        OUT(&o, "Connection: close\r\n");
    OUT(&o, "\r\n");
    r->is_answering = true;
    return http_head_commit(io, &o, framing, r->body.n);
}

/* Writes as much of the answer as the stream takes. */
static int write_answer(struct run *r, struct http_conn *io)
{
    struct str left = r->x->error ? STR_NULL : str_from(out_get(&r->body), r->body_at);
    while (left.n) {
        long n = http_body_write(io, left);
        if (n <= 0)
            return n == 0 ? ERR_AGAIN : (int)n;
        r->body_at += (size_t)n;
        left = str_from(left, (size_t)n);
    }
    int rc = http_body_write_end(io, r->x->error ? STR_NULL : io->trailers);
    return rc < 0 ? rc : http_flush(io);
}

static void run_server(struct run *r)
{
    struct http_conn *io = &r->x->conn->io;
    int rc = 0;
    if (!r->is_answering) {
        rc = r->x->error ? 0 : read_body(r, io);
        if (rc == ERR_AGAIN)
            return;
        if (rc == 0)
            rc = begin_answer(r, io);
    }
    if (rc == 0)
        rc = write_answer(r, io);
    if (rc == ERR_AGAIN)
        return;
    CHECK(rc == 0 || rc == ERR_RESET || rc == ERR_CLOSED || rc == ERR_BAD_REQUEST ||
          rc == ERR_HEAD_TOO_LARGE);
    struct http_exchange *x = r->x;
    x->closes |= r->in->framing == H1_UNTIL_CLOSE;
    note_end(r, "exchange", rc, http_exchange_keeps(x) ? "keeps" : "closes");
    r->x = NULL;
    http_exchange_end(x, rc == 0);
}

static void on_request(struct http_exchange *x)
{
    struct run *r = x->conn->server->context;
    CHECK(!r->x);
    r->x = x;
    r->is_answering = false;
    r->body.n = r->body_at = 0;
    if (x->error)
        note_end(r, "refused", x->error, x->why);
    else
        note_head(r, &x->head);
    http_exchange_attach(x, &r->task);
    rt_wake(loop, &r->task);
}

/* ---- the client: heads and the body of one answer */

static void run_client(struct run *r)
{
    struct http_client_conn *c = r->conn;
    const char *why = NULL;
    int rc = 0;
    while (!r->has_head) {
        rc = http_client_head(c, r->in->is_head ? H1_HEAD : H1_GET, &r->head, &why);
        if (rc == ERR_AGAIN)
            return;
        if (rc < 0)
            break;
        note_head(r, &r->head);
        http_client_head_end(c, &r->head, MAX_TRAILERS);
        r->has_head = r->head.status >= 200;
    }
    if (rc < 0)
        note_end(r, "answer", rc, why);
    else
        rc = read_body(r, &c->io);
    if (rc == ERR_AGAIN)
        return;
    c->io.out_done = true;
    http_pool_put(&r->conn, rc == 0);
}

static void run_task(struct rt_task *t)
{
    struct run *r = CONTAINER_OF(t, struct run, task);
    if (r->x)
        run_server(r);
    else if (r->conn)
        run_client(r);
}

/* ---- the far end */

static void far_run(struct rt_task *t)
{
}

static bool is_over(const struct run *r)
{
    return r->in->is_answer ? r->pool.n_open == 0 : r->server.n_conns == 0;
}

/* Lets the connection do all that it can with what came so far. */
static void settle(struct run *r)
{
    char bytes[512];
    ssize_t n = 1;
    for (int idle = 0; idle<2; idle = n> 0 ? 0 : idle + 1) {
        rt_loop_turn(loop, 0);
        n = r->far.can_read ? rt_read(&r->far, bytes, sizeof bytes) : 0;
        if (n > 0)
            out_str(&r->output, (struct str){bytes, (size_t)n});
    }
}

/* Sends a piece; false when nobody takes it any more. */
static bool send_piece(struct run *r, struct str piece)
{
    while (piece.n) {
        struct iovec iov = {(void *)(uintptr_t)piece.p, piece.n};
        ssize_t n = rt_write(&r->far, &iov, 1);
        if (n < 0 && n != ERR_AGAIN)
            return false;
        piece = str_from(piece, n > 0 ? (size_t)n : 0);
        settle(r);
    }
    return true;
}

static void send_all(struct run *r, bool is_whole)
{
    struct str rest = r->in->bytes;
    for (size_t i = 0; rest.n; i++) {
        size_t n = r->in->n_sizes ? (size_t)r->in->sizes[i % r->in->n_sizes] + 1 : 1;
        struct str piece = str_sub(rest, 0, is_whole ? rest.n : n);
        if (!send_piece(r, piece))
            return;
        rest = str_from(rest, piece.n);
    }
    CHECK(rt_stream_shutdown(&r->far) == 0);
    settle(r);
}

static void begin(struct run *r, const struct input *in, bool is_whole)
{
    struct http_server_options o = {.max_head = MAX_HEAD,
                                    .max_target = MAX_HEAD / 2,
                                    .max_fields = 16,
                                    .max_trailers = MAX_TRAILERS,
                                    .max_requests = MAX_REQUESTS,
                                    .max_connections = 1,
                                    .max_arena = 1 << 16,
                                    .idle_ms = 3600000,
                                    .head_ms = 3600000,
                                    .linger_ms = 3600000};
    struct rt_stream near;
    memset(r, 0, offsetof(struct run, record_bytes));
    r->in = in;
    r->far_task.run = far_run;
    r->task.run = run_task;
    out_init(&r->record, r->record_bytes, sizeof r->record_bytes);
    out_init(&r->output, r->output_bytes, sizeof r->output_bytes);
    out_init(&r->body, r->body_bytes, sizeof r->body_bytes);
    size_t capacity = is_whole ? MAX_BYTES : in->capacity;
    CHECK(rt_pipe_create(&near, &r->far, loop, capacity, 0) == 0);
    r->far.task = &r->far_task;
    if (!in->is_answer) {
        http_server_init(&r->server, &env, &o, NULL, on_request, r);
        http_server_adopt(&r->server, &near);
        return;
    }
    r->pool = (struct http_pool){.bounds.places = 1, .max_idle = 1, .idle_ms = 3600000};
    r->pool.max_head = MAX_HEAD;
    r->pool.max_fields = 16;
    http_pool_init(&r->pool, &env);
    CHECK(http_pool_adopt(&r->pool, &near, &r->task, &r->conn) == 0);
    rt_wake(loop, &r->task);
}

static void run(struct run *r, const struct input *in, bool is_whole)
{
    begin(r, in, is_whole);
    send_all(r, is_whole);
    CHECK(is_over(r) && !r->x && !r->conn);
    rt_stream_close(&r->far);
    rt_cancel(loop, &r->far_task);
    rt_cancel(loop, &r->task);
    rt_loop_turn(loop, 0);
    CHECK(rt_buffers_in_use(loop) == 0);
    CHECK(!r->record.overflowed && !r->output.overflowed && !r->body.overflowed);
}

static bool read_input(struct input *in, const uint8_t *data, size_t size)
{
    static const enum h1_framing framings[] = {H1_LENGTH, H1_CHUNKED, H1_UNTIL_CLOSE, H1_CHUNKED};
    size_t n = size < 3 ? 0 : data[2] & 15;
    if (size < 3 + n || size - 3 - n > MAX_BYTES)
        return false;
    *in = (struct input){.is_answer = data[0] & 1,
                         .framing = framings[data[0] >> 1 & 3],
                         .is_head = data[0] & 8,
                         .capacity = 16 * ((size_t)data[1] + 1),
                         .sizes = data + 3,
                         .n_sizes = n,
                         .bytes = {(const char *)data + 3 + n, size - 3 - n}};
    return true;
}

static void compare(const struct out *whole, const struct out *cut)
{
    if (str_eq(out_get(whole), out_get(cut)))
        return;
    fprintf(stderr, "-- whole:\n%.*s\n-- in pieces:\n%.*s\n", STR_ARG(out_get(whole)),
            STR_ARG(out_get(cut)));
    CHECK(false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run whole, cut;
    struct diag d = {0};
    struct input in;
    if (!loop) {
        CHECK(rt_loop_create(&loop, &d) == 0);
        http_env_init(&env, loop);
    }
    if (!read_input(&in, data, size))
        return 0;
    run(&whole, &in, true);
    run(&cut, &in, false);
    compare(&whole.record, &cut.record);
    compare(&whole.output, &cut.output);
    return 0;
}
