/* http/conn.h: one end of an HTTP/1.1 connection: a stream, what was read of it, what is to be
 * written.
 *
 * Bodies are pulled: the owner peeks at decoded payload where it lies in the read buffer, writes it
 * to another connection, and consumes what that one took. Nothing is read while the other end does
 * not take, so memory is one buffer in and one out, whatever the size of the body; an idle
 * connection has neither.
 *
 *     while ((rc = http_body_peek(from, &data)) > 0) {
 *         n = http_body_write(to, data);            bytes taken, 0: the other end is full
 *         http_body_consume(from, n);
 *     }
 *     if (rc == 0) http_body_write_end(to, from->trailers);
 *     http_flush(to);
 */
#ifndef HTTP_CONN_H
#define HTTP_CONN_H

#include "codec/h1.h"
#include "rt/stream.h"

struct http_stowed;

struct http_conn {
    struct rt_stream stream;
    struct rt_buffer *in;         /* read and not consumed; NULL: nothing */
    struct http_stowed *stowed;   /* what `in` would have, while more is waited for; or NULL */
    struct rt_buffer *out;        /* to be written before anything else; NULL: nothing */
    uint64_t bytes_in, bytes_out; /* on the stream, since it was opened */

    /* the message being read */
    enum h1_framing in_framing;
    uint64_t in_left; /* H1_LENGTH */
    struct h1_chunked chunked;
    uint32_t in_max_trailers;
    uint32_t in_tail;    /* framing at the end whose trailers are still looked at */
    bool in_done;        /* its body was read to the end */
    bool in_eof;         /* the other end ended its sending */
    struct str trailers; /* lines with CRLF, once in_done; valid until http_read_end */

    /* the message being written */
    enum h1_framing out_framing;
    uint64_t out_left;   /* H1_LENGTH */
    uint64_t chunk_left; /* of the chunk whose size was written */
    bool out_done;
};

/* Unread bytes. */
static inline struct str http_unread(const struct http_conn *c)
{
    if (!c->in)
        return STR_NULL;
    return (struct str){c->in->data + c->in->start, c->in->end - c->in->start};
}
/* Throws n of them away; gives the buffer back when none is left. */
void http_consume(struct http_conn *c, size_t n);
/* Reads once into the buffer. Bytes read, 0 at the end of the stream, ERR_AGAIN, ERR_LIMIT when the
 * buffer is full, ERR_NO_MEMORY, or what broke the stream. */
long http_fill(struct http_conn *c) MUST_USE;

/* Keeps the unread bytes in memory of their own size until the next http_fill, so that a head that
 * comes byte by byte holds no buffer. Without memory nothing changes. */
void http_stow(struct http_conn *c);

/* ---- reading a body */

void http_read_begin(struct http_conn *c, enum h1_framing framing, uint64_t length,
                     uint32_t max_trailers);
/* 1: *data is payload (borrowed until it is consumed or the connection is filled). 0: the body is
 * complete. ERR_AGAIN: nothing there now. ERR_CLOSED: it ended too early. ERR_BAD_REQUEST,
 * ERR_HEAD_TOO_LARGE: bad framing. ERR_RESET, ERR_TLS, ERR_NO_MEMORY. */
int http_body_peek(struct http_conn *c, struct str *data) MUST_USE;
void http_body_consume(struct http_conn *c, size_t n);
/* Takes what is already here of a body that nobody wants, up to `most` bytes and a buffer. Whether
 * that was the rest of it. */
bool http_body_discard(struct http_conn *c, size_t most);
/* After the body is complete and its trailers were used. */
void http_read_end(struct http_conn *c);

/* Whether what came where HTTP begins is TLS: a ClientHello, or an alert. */
static inline bool http_is_tls(struct str bytes)
{
    return bytes.n >= 2 && (bytes.p[0] == 0x15 || bytes.p[0] == 0x16) && bytes.p[1] == 3;
}

/* ---- writing a message */

/* A writer over the free part of the out buffer, for a head. ERR_NO_MEMORY. */
int http_head_begin(struct http_conn *c, struct out *o) MUST_USE;
/* Takes what was written as the head of a message with this framing. ERR_HEAD_TOO_LARGE when the
 * writer has overflowed. */
int http_head_commit(struct http_conn *c, const struct out *o, enum h1_framing framing,
                     uint64_t length) MUST_USE;
/* Frames and writes payload, or keeps it in the out buffer when it is little. Returns how many of
 * its bytes were taken: 0 when the stream is full (a later wake tells). ERR_RESET, ERR_TLS,
 * ERR_INVALID (more than the length announced), ERR_NO_MEMORY. */
long http_body_write(struct http_conn *c, struct str data) MUST_USE;
/* Ends the body; trailers (lines with CRLF) are written where the framing can bear them, else
 * dropped. ERR_AGAIN when there is no room for them now; ERR_INVALID when less than announced was
 * written; ERR_BAD_REQUEST when a trailer line is malformed. */
int http_body_write_end(struct http_conn *c, struct str trailers) MUST_USE;
/* Writes what is in the out buffer. 0: all; ERR_AGAIN: a wake tells; else what broke. */
int http_flush(struct http_conn *c) MUST_USE;
static inline bool http_has_output(const struct http_conn *c)
{
    return c->out != NULL;
}
/* The other end does not read: its socket was full at the last write. */
static inline bool http_is_full(const struct http_conn *c)
{
    return c->out != NULL || !c->stream.can_write;
}

/* Closes the stream and gives the buffers back. A message that only the end of the connection ends
 * is broken off with a reset unless it is complete, so that nobody takes it for whole. May be
 * called again. */
void http_conn_close(struct http_conn *c);

#endif
