#include "codec/h1.h"
#include "codec/h1_scan.h"

/* chunk = chunk-size [ chunk-ext ] CRLF. Returns the line's length, 0 when it is incomplete.
 * Extensions are dropped (RFC 9112 section 7.1.1), but they may hold no control character, and
 * nothing may stand between the size and them: other parsers read such lines differently. */
static long size_line(struct str bytes, uint64_t *size)
{
    size_t digits = 0;
    while (digits < bytes.n && digits <= 16 &&
           ((bytes.p[digits] >= '0' && bytes.p[digits] <= '9') ||
            ((bytes.p[digits] | 0x20) >= 'a' && (bytes.p[digits] | 0x20) <= 'f')))
        digits++;
    if (digits > 16)
        return ERR_BAD_REQUEST;
    if (digits == bytes.n)
        return 0;
    if (str_hex(str_sub(bytes, 0, digits), INT64_MAX, size) < 0)
        return ERR_BAD_REQUEST;
    const char *end = bytes.p + bytes.n, *p = bytes.p + digits;
    if (*p == ';')
        p = h1_scan_value(p, end);
    if (p - bytes.p > H1_MAX_CHUNK_LINE)
        return ERR_BAD_REQUEST;
    if (p == end)
        return 0;
    if (*p != '\r' || (p + 1 < end && p[1] != '\n'))
        return ERR_BAD_REQUEST;
    return p + 1 < end ? p + 2 - bytes.p : 0;
}

/* The CRLF after a chunk's data. */
static long data_end(struct str bytes)
{
    if ((bytes.n > 0 && bytes.p[0] != '\r') || (bytes.n > 1 && bytes.p[1] != '\n'))
        return ERR_BAD_REQUEST;
    return bytes.n > 1 ? 2 : 0;
}

/* trailer-section CRLF, whole or not at all. */
static long trailer_section(struct str bytes, size_t max, struct str *trailers)
{
    size_t at = 0;
    for (;;) {
        struct str rest = str_from(bytes, at);
        ptrdiff_t nl = str_find(rest, '\n');
        if ((nl < 0 ? bytes.n : at + (size_t)nl) > max + 1)
            return ERR_HEAD_TOO_LARGE;
        if (nl < 0)
            return 0;
        if (nl == 0 || rest.p[nl - 1] != '\r')
            return ERR_BAD_REQUEST;
        if (nl == 1) {
            *trailers = str_sub(bytes, 0, at);
            return (long)at + 2;
        }
        at += (size_t)nl + 1;
    }
}

static long chunk_step(struct h1_chunked *c, struct str rest, size_t max_trailers,
                       struct str *trailers)
{
    uint64_t size;
    long n;
    switch (c->state) {
    case H1_CHUNK_SIZE:
        n = size_line(rest, &size);
        if (n > 0) {
            c->left = size;
            c->state = size ? H1_CHUNK_DATA : H1_CHUNK_TRAILER;
        }
        return n;
    case H1_CHUNK_DATA_END:
        n = data_end(rest);
        if (n > 0)
            c->state = H1_CHUNK_SIZE;
        return n;
    case H1_CHUNK_TRAILER:
        n = trailer_section(rest, max_trailers, trailers);
        if (n > 0)
            c->state = H1_CHUNK_DONE;
        return n;
    case H1_CHUNK_DATA:
    case H1_CHUNK_DONE:
        break;
    }
    return 0;
}

long h1_chunked_next(struct h1_chunked *c, struct str bytes, size_t max_trailers, struct str *data,
                     struct str *trailers)
{
    size_t at = 0;
    *data = *trailers = STR_NULL;
    for (;;) {
        long n = chunk_step(c, str_from(bytes, at), max_trailers, trailers);
        if (n < 0)
            return n;
        if (n == 0)
            break;
        at += (size_t)n;
    }
    if (c->state == H1_CHUNK_DATA)
        *data = str_sub(bytes, at, c->left < SIZE_MAX ? (size_t)c->left : SIZE_MAX);
    return (long)at;
}

void h1_chunked_consume(struct h1_chunked *c, size_t n)
{
    c->left -= n;
    if (c->left == 0)
        c->state = H1_CHUNK_DATA_END;
}

/* What RFC 9110 section 6.5.1 keeps out of trailers: framing, routing, authentication, content; and
 * what carries a scope. */
static bool is_forbidden_trailer(struct str name)
{
    static const struct str names[] = {
        {"transfer-encoding", 17},
        {"content-length", 14},
        {"host", 4},
        {"connection", 10},
        {"keep-alive", 10},
        {"te", 2},
        {"trailer", 7},
        {"upgrade", 7},
        {"authorization", 13},
        {"proxy-authorization", 19},
        {"cookie", 6},
        {"set-cookie", 10},
        {"content-encoding", 16},
        {"content-type", 12},
        {"content-range", 13},
        {"cache-control", 13},
        {"expect", 6},
        {"max-forwards", 12},
        {"range", 5},
        {"proxy-connection", 16},
        {"location", 8},
        {"scope", 5},
        {"x-scope", 7},
        {"baggage", 7},
        {"traceparent", 11},
        {"tracestate", 10},
        {"via", 3},
        {"forwarded", 9},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (str_eq_nocase(name, names[i]))
            return true;
    return str_eq_nocase(str_sub(name, 0, 7), STR("cheops-")) ||
           str_eq_nocase(str_sub(name, 0, 12), STR("x-forwarded-"));
}

int h1_copy_trailers(struct str trailers, struct out *o)
{
    while (trailers.n) {
        size_t n = (size_t)str_find(trailers, '\n') + 1;
        struct str line = str_sub(trailers, 0, n - 2);
        ptrdiff_t colon = str_find(line, ':');
        struct str name = str_sub(line, 0, colon < 0 ? 0 : (size_t)colon);
        if (!h1_is_token(name) || !h1_is_field_value(str_from(line, name.n + 1)))
            return ERR_BAD_REQUEST;
        if (!is_forbidden_trailer(name))
            out_str(o, str_sub(trailers, 0, n));
        trailers = str_from(trailers, n);
    }
    return 0;
}
