#include "message.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_TRAILERS 4096

/* How many of `total` bytes have come when there are `seen` and one more piece comes. */
static size_t more(size_t seen, size_t piece, size_t total)
{
    return piece && total - seen > piece ? seen + piece : total;
}

static enum message_state refuse(struct message *m, int code, const char *why)
{
    m->code = code;
    m->why = why;
    return MESSAGE_REFUSED;
}

static void keep_fields(struct message *m, const struct h1_head *h)
{
    m->n_fields = m->n_head_fields = h->n_fields;
    for (size_t i = 0; i < h->n_fields; i++)
        m->fields[i] = (struct message_field){h1_name(h, i), h1_value(h, i)};
}

/* What the header promises of a head that was taken. */
static void check_head(const struct h1_head *h)
{
    static char copied[MESSAGE_BYTES], expected[MESSAGE_BYTES];
    struct out a, b;
    out_init(&a, copied, sizeof copied);
    out_init(&b, expected, sizeof expected);
    for (size_t i = 0; i < h->n_fields; i++) {
        const struct h1_field *f = &h->fields[i];
        CHECK(h1_is_token(h1_name(h, i)) && h1_is_field_value(h1_value(h, i)));
        CHECK(f->name + f->name_len < f->value + 1 && f->value + f->value_len <= h->size - 4);
        CHECK(str_eq(str_trim(h1_value(h, i)), h1_value(h, i)));
        size_t end = i + 1 < h->n_fields ? f[1].name : h->size - 2;
        if (!f->drop)
            out_str(&b, (struct str){h->base + f->name, end - f->name});
    }
    h1_copy_fields(h, &a);
    CHECK(str_eq(out_get(&a), out_get(&b)));
    CHECK(h->framing != H1_LENGTH || (h->has_length && h->length > 0));
}

static void keep_trailers(struct message *m, struct str lines)
{
    while (lines.n) {
        size_t n = (size_t)str_find(lines, '\n') + 1;
        struct str line = str_sub(lines, 0, n - 2);
        size_t colon = (size_t)str_find(line, ':');
        CHECK(m->n_fields < MESSAGE_FIELDS);
        m->fields[m->n_fields++] =
            (struct message_field){str_sub(line, 0, colon), str_trim(str_from(line, colon + 1))};
        lines = str_from(lines, n);
    }
}

/* Copies framing of chunks to m->framed, without what stands between a size and its line's end. */
static void keep_framing(struct message *m, struct str framing)
{
    while (framing.n) {
        size_t n = (size_t)str_find(framing, '\n') + 1;
        struct str line = str_sub(framing, 0, n - 2);
        ptrdiff_t extension = str_find(line, ';');
        out_str(&m->framed, extension < 0 ? line : str_sub(line, 0, (size_t)extension));
        OUT(&m->framed, "\r\n");
        framing = str_from(framing, n);
    }
}

static enum message_state end_chunked(struct message *m, struct str trailers)
{
    struct out o;
    out_init(&o, m->text_bytes, sizeof m->text_bytes);
    int rc = h1_copy_trailers(trailers, &o);
    if (rc < 0)
        return refuse(m, rc, "trailers");
    CHECK(o.n <= trailers.n);
    out_str(&m->framed, out_get(&o));
    OUT(&m->framed, "\r\n");
    keep_trailers(m, out_get(&o));
    return MESSAGE_COMPLETE;
}

static enum message_state read_chunked(struct message *m, struct str bytes, size_t piece)
{
    struct h1_chunked c = {0};
    struct str data, trailers;
    size_t at = m->consumed, seen = at;
    for (;;) {
        long n = h1_chunked_next(&c, str_sub(bytes, at, seen - at), MAX_TRAILERS, &data, &trailers);
        if (n < 0)
            return refuse(m, (int)n, "chunked");
        CHECK((size_t)n <= seen - at && data.n <= seen - at - (size_t)n);
        CHECK(data.n == 0 || data.p == bytes.p + at + n);
        bool is_end = c.state == H1_CHUNK_DONE;
        size_t sizes = is_end ? (size_t)n - trailers.n - 2 : (size_t)n;
        keep_framing(m, str_sub(bytes, at, sizes));
        at += (size_t)n;
        m->consumed = at;
        if (is_end)
            return end_chunked(m, trailers);
        if (data.n) {
            out_str(&m->body, data);
            out_str(&m->framed, data);
            h1_chunked_consume(&c, data.n);
            at += data.n;
        } else if (seen == bytes.n) {
            return MESSAGE_INCOMPLETE;
        } else {
            seen = more(seen, piece, bytes.n);
        }
    }
}

/* Copies the head to m->framed, with blanks for tabs at the ends of lines. */
static void keep_head(struct message *m, struct str head)
{
    out_str(&m->framed, head);
    bool is_at_end = false;
    for (size_t i = head.n; i > 0; i--) {
        char *c = &m->framed.p[i - 1];
        is_at_end = *c == '\r' || (is_at_end && (*c == ' ' || *c == '\t'));
        if (is_at_end && *c == '\t')
            *c = ' ';
    }
}

static enum message_state read_body(struct message *m, const struct h1_head *h, struct str bytes,
                                    size_t piece)
{
    struct str rest = str_from(bytes, h->size);
    m->consumed = h->size;
    keep_head(m, str_sub(bytes, 0, h->size));
    switch (h->framing) {
    case H1_NO_BODY:
        return MESSAGE_COMPLETE;
    case H1_LENGTH:
        rest = str_sub(rest, 0, h->length);
        out_str(&m->body, rest);
        out_str(&m->framed, rest);
        m->consumed += rest.n;
        return rest.n == h->length ? MESSAGE_COMPLETE : MESSAGE_INCOMPLETE;
    case H1_UNTIL_CLOSE:
        out_str(&m->body, rest);
        out_str(&m->framed, rest);
        m->consumed += rest.n;
        return MESSAGE_COMPLETE;
    case H1_CHUNKED:
        break;
    }
    return read_chunked(m, bytes, piece);
}

/* The head's size, once enough pieces came. */
static long find_head(struct str bytes, size_t piece)
{
    size_t scan = 0, seen = 0;
    long n = 0;
    while (n == 0 && seen < bytes.n) {
        seen = more(seen, piece, bytes.n);
        n = h1_head_end(str_sub(bytes, 0, seen), &scan, MESSAGE_BYTES);
        CHECK(scan <= seen && n <= (long)seen);
    }
    return n;
}

static enum message_state read_message(struct message *m, enum message_kind kind, struct str bytes,
                                       size_t piece)
{
    static struct h1_field fields[H1_MAX_FIELDS];
    struct h1_head h;
    const char *why = NULL;
    long n = find_head(bytes, piece);
    if (n <= 0)
        return n == 0 ? MESSAGE_INCOMPLETE : refuse(m, (int)n, "head");
    struct str head = str_sub(bytes, 0, (size_t)n);
    int rc = kind == MESSAGE_REQUEST
                 ? h1_request_parse(&h, head, fields, H1_MAX_FIELDS, &why)
                 : h1_response_parse(&h, head, fields, H1_MAX_FIELDS,
                                     kind == MESSAGE_ANSWER ? H1_GET : H1_HEAD, &why);
    CHECK((rc == 0) == (why == NULL));
    if (rc < 0)
        return refuse(m, rc, why);
    check_head(&h);
    keep_fields(m, &h);
    m->method = h.method_text;
    if (kind == MESSAGE_REQUEST)
        m->target = str_sub(head, h.method_text.n + 1,
                            (size_t)str_find(str_from(head, h.method_text.n + 1), ' '));
    m->status = h.status;
    m->minor = h.minor;
    m->keep_alive = h.keep_alive && h.framing != H1_UNTIL_CLOSE;
    m->has_upgrade = h.has_upgrade && (kind == MESSAGE_REQUEST || h.status == 101);
    return read_body(m, &h, bytes, piece);
}

void message_read_h1(struct message *m, enum message_kind kind, struct str bytes, size_t piece)
{
    CHECK(bytes.n <= MESSAGE_BYTES);
    memset(m, 0, offsetof(struct message, body_bytes));
    out_init(&m->body, m->body_bytes, sizeof m->body_bytes);
    out_init(&m->text, m->text_bytes, sizeof m->text_bytes);
    out_init(&m->framed, m->framed_bytes, sizeof m->framed_bytes);
    m->state = read_message(m, kind, bytes, piece);
    CHECK(!m->body.overflowed && !m->framed.overflowed);
}

static void differ(const char *what, struct str a, struct str b, struct str bytes)
{
    static char text[8 * MESSAGE_BYTES];
    struct out o;
    out_init(&o, text, sizeof text);
    OUT(&o, "the parsers differ in ");
    out_str(&o, str_of(what));
    OUT(&o, "\n  ours:   ");
    out_json(&o, a);
    OUT(&o, "\n  theirs: ");
    out_json(&o, b);
    OUT(&o, "\n  bytes:  ");
    out_json(&o, bytes);
    fprintf(stderr, "%.*s\n", STR_ARG(out_get(&o)));
    abort();
}

static void same_text(const char *what, struct str a, struct str b, struct str bytes)
{
    if (!str_eq(a, b))
        differ(what, a, b, bytes);
}

static void same_number(const char *what, uint64_t a, uint64_t b, struct str bytes)
{
    char texts[2][24];
    struct out o[2];
    if (a == b)
        return;
    for (int i = 0; i < 2; i++) {
        out_init(&o[i], texts[i], sizeof texts[i]);
        out_u64(&o[i], i ? b : a);
    }
    differ(what, out_get(&o[0]), out_get(&o[1]), bytes);
}

void message_compare(const struct message *ours, const struct message *theirs, struct str bytes)
{
    if (theirs->state != MESSAGE_COMPLETE)
        differ("what is a message", STR("complete"),
               theirs->why ? str_of(theirs->why) : STR("incomplete"), bytes);
    same_text("the target", ours->target, theirs->target, bytes);
    same_number("the status", ours->status, theirs->status, bytes);
    same_number("the minor version", ours->minor, theirs->minor, bytes);
    /* llhttp takes no tab for white space between the options of Connection. */
    bool has_tab = str_find(bytes, '\t') >= 0;
    if (ours->keep_alive && !has_tab)
        same_number("keep-alive", ours->keep_alive, theirs->keep_alive, bytes);
    if (ours->minor == 1 && !has_tab) /* RFC 9110 section 7.8: ignored in HTTP/1.0 */
        same_number("upgrade", ours->has_upgrade, theirs->has_upgrade, bytes);
    same_number("the number of fields", ours->n_fields, theirs->n_fields, bytes);
    same_number("the number of trailers", ours->n_fields - ours->n_head_fields,
                theirs->n_fields - theirs->n_head_fields, bytes);
    for (size_t i = 0; i < ours->n_fields; i++) {
        same_text("a field's name", ours->fields[i].name, theirs->fields[i].name, bytes);
        same_text("a field's value", ours->fields[i].value, str_trim(theirs->fields[i].value),
                  bytes);
    }
    same_text("the body", out_get(&ours->body), out_get(&theirs->body), bytes);
    same_number("where the message ends", ours->framed.n, theirs->consumed, bytes);
}

/* The same bytes in other pieces are the same message. */
static void same_reading(const struct message *a, const struct message *b, struct str bytes)
{
    same_number("the verdict, in pieces", a->state, b->state, bytes);
    if (a->state == MESSAGE_REFUSED)
        same_number("the error, in pieces", (uint64_t)-a->code, (uint64_t)-b->code, bytes);
    if (a->state == MESSAGE_COMPLETE)
        same_text("the message, in pieces", out_get(&a->framed), out_get(&b->framed), bytes);
    same_text("the body, in pieces", out_get(&a->body), out_get(&b->body), bytes);
}

size_t message_check(enum message_kind kind, struct str bytes, size_t piece)
{
    static struct message ours, again, theirs;
    message_read_h1(&ours, kind, bytes, 0);
    message_read_h1(&again, kind, bytes, piece);
    same_reading(&ours, &again, bytes);
    if (ours.state != MESSAGE_COMPLETE)
        return 0;
    struct str rest = str_from(bytes, ours.consumed);
    out_str(&ours.framed, rest);
    message_read_llhttp(&theirs, kind, out_get(&ours.framed));
    ours.framed.n -= rest.n;
    message_compare(&ours, &theirs, bytes);
    return ours.consumed;
}
