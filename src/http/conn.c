#include "http/conn.h"

#include <stdlib.h>

/* Payload up to this size is copied behind the head or chunk before it, so that both leave in one
 * write; larger payload is written from where it was read. */
#define SMALL_BYTES 4096
/* Of one record. */
#define TLS_BYTES 16384
/* "ffffffffffffffff\r\n" and the CRLF after a chunk. */
#define CHUNK_FRAME_BYTES 20

struct http_stowed {
    uint32_t n;
    char bytes[];
};

void http_consume(struct http_conn *c, size_t n)
{
    if (n == 0)
        return;
    CHECK(c->in && n <= c->in->end - c->in->start);
    c->in->start += (uint32_t)n;
    if (c->in->start == c->in->end)
        rt_buffer_put(c->stream.loop, &c->in);
}

void http_stow(struct http_conn *c)
{
    struct str unread = http_unread(c);
    struct http_stowed *s = unread.n ? malloc(sizeof *s + unread.n) : NULL;
    if (!s)
        return;
    s->n = (uint32_t)unread.n;
    memcpy(s->bytes, unread.p, unread.n);
    c->stowed = s;
    rt_buffer_put(c->stream.loop, &c->in);
}

static void unstow(struct http_conn *c)
{
    struct http_stowed *s = c->stowed;
    memcpy(c->in->data, s->bytes, s->n);
    c->in->end = s->n;
    c->stowed = NULL;
    free(s);
}

long http_fill(struct http_conn *c)
{
    if (!c->stream.can_read)
        return ERR_AGAIN;
    if (!c->in && !(c->in = rt_buffer_get(c->stream.loop)))
        return ERR_NO_MEMORY;
    struct rt_buffer *b = c->in;
    if (c->stowed)
        unstow(c);
    if (b->start > 0 && b->end == RT_BUFFER_BYTES) {
        memmove(b->data, b->data + b->start, b->end - b->start);
        b->end -= b->start;
        b->start = 0;
    }
    if (b->end == RT_BUFFER_BYTES)
        return ERR_LIMIT;
    ssize_t n = rt_read(&c->stream, b->data + b->end, RT_BUFFER_BYTES - b->end);
    if (n > 0) {
        b->end += (uint32_t)n;
        c->bytes_in += (uint64_t)n;
    } else if (b->start == b->end) {
        rt_buffer_put(c->stream.loop, &c->in);
    }
    if (n == 0)
        c->in_eof = true;
    return n;
}

void http_read_begin(struct http_conn *c, enum h1_framing framing, uint64_t length,
                     uint32_t max_trailers)
{
    c->in_framing = framing;
    c->in_left = length;
    c->chunked = (struct h1_chunked){.state = H1_CHUNK_SIZE};
    c->in_max_trailers = max_trailers;
    c->in_tail = 0;
    c->in_done = framing == H1_NO_BODY || (framing == H1_LENGTH && length == 0);
    c->trailers = STR_NULL;
}

/* Payload among the unread bytes: 1, 0 at the end of the body, ERR_MORE when bytes are lacking. */
static int peek_unread(struct http_conn *c, struct str *data)
{
    struct str bytes = http_unread(c);
    long n;
    switch (c->in_framing) {
    case H1_NO_BODY:
        return 0;
    case H1_LENGTH:
        *data = str_sub(bytes, 0, c->in_left < bytes.n ? (size_t)c->in_left : bytes.n);
        break;
    case H1_UNTIL_CLOSE:
        *data = bytes;
        break;
    case H1_CHUNKED:
        n = h1_chunked_next(&c->chunked, bytes, c->in_max_trailers, data, &c->trailers);
        if (n < 0)
            return (int)n;
        if (c->chunked.state == H1_CHUNK_DONE && c->trailers.n)
            c->in_tail = (uint32_t)n; /* the trailers lie in it: http_read_end consumes it */
        else
            http_consume(c, (size_t)n);
        if (c->chunked.state == H1_CHUNK_DONE)
            return 0;
        break;
    }
    return data->n ? 1 : ERR_MORE;
}

int http_body_peek(struct http_conn *c, struct str *data)
{
    *data = STR_NULL;
    while (!c->in_done) {
        int rc = peek_unread(c, data);
        if (rc != ERR_MORE) {
            c->in_done = rc == 0;
            return rc;
        }
        if (c->in_eof) {
            c->in_done = c->in_framing == H1_UNTIL_CLOSE;
            return c->in_done ? 0 : ERR_CLOSED;
        }
        long n = http_fill(c);
        if (n < 0)
            return (int)n;
    }
    return 0;
}

void http_body_consume(struct http_conn *c, size_t n)
{
    if (n == 0)
        return;
    http_consume(c, n);
    if (c->in_framing == H1_CHUNKED) {
        h1_chunked_consume(&c->chunked, n);
    } else if (c->in_framing == H1_LENGTH) {
        c->in_left -= n;
        c->in_done = c->in_left == 0;
    }
}

bool http_body_discard(struct http_conn *c, size_t most)
{
    struct str data;
    size_t n = 0;
    while (n <= most && http_body_peek(c, &data) > 0) {
        http_body_consume(c, data.n);
        n += data.n;
    }
    return c->in_done;
}

void http_read_end(struct http_conn *c)
{
    http_consume(c, c->in_tail);
    c->in_tail = 0;
    c->trailers = STR_NULL;
}

/* ---- writing */

static int need_out(struct http_conn *c)
{
    if (!c->out)
        c->out = rt_buffer_get(c->stream.loop);
    return c->out ? 0 : ERR_NO_MEMORY;
}

static size_t out_room(const struct http_conn *c)
{
    return c->out ? RT_BUFFER_BYTES - c->out->end : RT_BUFFER_BYTES;
}

static void append(struct http_conn *c, struct str s)
{
    CHECK(s.n <= out_room(c));
    if (s.n)
        memcpy(c->out->data + c->out->end, s.p, s.n);
    c->out->end += (uint32_t)s.n;
}

int http_head_begin(struct http_conn *c, struct out *o)
{
    int rc = need_out(c);
    if (rc == 0)
        out_init(o, c->out->data + c->out->end, RT_BUFFER_BYTES - c->out->end);
    return rc;
}

int http_head_commit(struct http_conn *c, const struct out *o, enum h1_framing framing,
                     uint64_t length)
{
    if (o->overflowed) {
        if (c->out->start == c->out->end)
            rt_buffer_put(c->stream.loop, &c->out);
        return ERR_HEAD_TOO_LARGE;
    }
    c->out->end += (uint32_t)o->n;
    c->out_framing = framing;
    c->out_left = length;
    c->chunk_left = 0;
    c->out_done = framing == H1_NO_BODY;
    return 0;
}

/* Writes the out buffer and up to two further pieces. Returns how many bytes of the pieces left;
 * the out buffer is given back when it is empty. */
static long write_out(struct http_conn *c, const struct iovec *more, int n_more)
{
    struct iovec iov[3];
    int n = 0;
    size_t pending = c->out ? c->out->end - c->out->start : 0;
    if (pending)
        iov[n++] = (struct iovec){c->out->data + c->out->start, pending};
    for (int i = 0; i < n_more; i++)
        if (more[i].iov_len)
            iov[n++] = more[i];
    ssize_t w = n ? rt_write(&c->stream, iov, n) : 0;
    if (w < 0)
        return w;
    c->bytes_out += (uint64_t)w;
    size_t from_out = (size_t)w < pending ? (size_t)w : pending;
    if (c->out) {
        c->out->start += (uint32_t)from_out;
        if (c->out->start == c->out->end)
            rt_buffer_put(c->stream.loop, &c->out);
    }
    return w - (long)from_out;
}

int http_flush(struct http_conn *c)
{
    while (c->out) {
        if (!c->stream.can_write)
            return ERR_AGAIN;
        long n = write_out(c, NULL, 0);
        if (n < 0)
            return (int)n;
    }
    return 0;
}

/* Begins a chunk of n bytes, or goes on with one that was begun. */
static void begin_chunk(struct http_conn *c, size_t n)
{
    struct out o;
    if (c->chunk_left)
        return;
    out_init(&o, c->out->data + c->out->end, out_room(c));
    out_hex(&o, n);
    OUT(&o, "\r\n");
    c->out->end += (uint32_t)o.n;
    c->chunk_left = n;
}

/* Accounts for n bytes of payload that left or were copied. */
static void took(struct http_conn *c, size_t n)
{
    if (c->out_framing == H1_CHUNKED)
        c->chunk_left -= n;
    else if (c->out_framing == H1_LENGTH)
        c->out_left -= n;
}

/* Makes room for `n` bytes in the out buffer: 0, ERR_AGAIN, or what broke. */
static int make_room(struct http_conn *c, size_t n)
{
    if (n > out_room(c)) {
        int rc = http_flush(c);
        if (rc < 0 && (rc != ERR_AGAIN || n > out_room(c)))
            return rc;
    }
    return need_out(c);
}

static long write_large(struct http_conn *c, struct str data)
{
    bool chunked = c->out_framing == H1_CHUNKED;
    struct iovec iov[2] = {{(void *)(uintptr_t)data.p, data.n}, {(void *)(uintptr_t) "\r\n", 0}};
    if (chunked && data.n == c->chunk_left)
        iov[1].iov_len = 2;
    if (!c->stream.can_write)
        return 0;
    long n = write_out(c, iov, 2);
    if (n == ERR_AGAIN)
        return 0;
    if (n < 0)
        return n;
    size_t taken = (size_t)n < data.n ? (size_t)n : data.n;
    took(c, taken);
    if (taken == data.n && iov[1].iov_len) { /* what is left of the CRLF */
        int rc = need_out(c);
        if (rc < 0)
            return rc;
        append(c, str_from(STR("\r\n"), (size_t)n - taken));
        if (c->out->start == c->out->end)
            rt_buffer_put(c->stream.loop, &c->out);
    }
    return (long)taken;
}

long http_body_write(struct http_conn *c, struct str data)
{
    if (data.n == 0 || c->out_done)
        return data.n == 0 ? 0 : ERR_INVALID;
    if (c->out_framing == H1_LENGTH && data.n > c->out_left)
        return ERR_INVALID;
    bool chunked = c->out_framing == H1_CHUNKED;
    /* TLS wants a refused write again from its first byte on and not shorter: only the out buffer
     * can promise that, and a record is a copy anyhow. */
    bool small = data.n <= SMALL_BYTES || c->stream.ssl;
    if (c->stream.ssl)
        data = str_sub(data, 0, TLS_BYTES);
    int rc = make_room(c, (chunked ? CHUNK_FRAME_BYTES : 0) + (small ? data.n : 0));
    if (rc < 0)
        return rc == ERR_AGAIN ? 0 : rc;
    if (chunked) {
        begin_chunk(c, data.n);
        data = str_sub(data, 0, (size_t)c->chunk_left);
    }
    if (!small)
        return write_large(c, data);
    append(c, data);
    took(c, data.n);
    if (chunked && c->chunk_left == 0)
        append(c, STR("\r\n"));
    if (data.n > SMALL_BYTES && (rc = http_flush(c)) < 0 && rc != ERR_AGAIN)
        return rc;
    return (long)data.n;
}

int http_body_write_end(struct http_conn *c, struct str trailers)
{
    struct out o;
    if (c->out_done)
        return 0;
    if (c->chunk_left || (c->out_framing == H1_LENGTH && c->out_left))
        return ERR_INVALID;
    int rc = 0;
    if (c->out_framing != H1_CHUNKED) { /* no place for trailers: they are only looked at */
        out_init(&o, NULL, 0);
        rc = h1_copy_trailers(trailers, &o);
        c->out_done = rc == 0;
        return rc;
    }
    rc = make_room(c, trailers.n + 8);
    if (rc < 0)
        return rc;
    out_init(&o, c->out->data + c->out->end, out_room(c));
    OUT(&o, "0\r\n");
    rc = h1_copy_trailers(trailers, &o);
    OUT(&o, "\r\n");
    if (rc < 0 || o.overflowed)
        return rc < 0 ? rc : ERR_LIMIT;
    c->out->end += (uint32_t)o.n;
    c->out_done = true;
    return 0;
}

void http_conn_close(struct http_conn *c)
{
    if (!c->stream.loop)
        return;
    if (c->in)
        rt_buffer_put(c->stream.loop, &c->in);
    free(c->stowed);
    c->stowed = NULL;
    if (c->out)
        rt_buffer_put(c->stream.loop, &c->out);
    if (c->out_framing == H1_UNTIL_CLOSE && !c->out_done)
        rt_stream_abort(&c->stream);
    else
        rt_stream_close(&c->stream);
}
