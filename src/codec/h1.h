/* codec/h1.h: HTTP/1.1 heads and chunked bodies (RFC 9112), strict, pure.
 *
 * A head is parsed in one piece: the caller keeps the bytes, fields are offsets into them. One that
 * is not whole so far is waited for with h1_head_end, which looks at each byte once. What a lenient
 * parser would mend and another one read differently (bare CR or LF, obs-fold, white space before
 * the colon, repeated or odd Content-Length, both length fields, control characters) is refused:
 * that difference is request smuggling.
 *
 *     rc = h1_request_parse(&head, bytes, fields, n_fields, &why)
 *     if (rc == ERR_MORE) n = h1_head_end(bytes, &scan, max)         0: not complete so far
 *     for (i = 0; i < head.n_fields; i++) h1_name(&head, i), h1_value(&head, i)
 */
#ifndef CODEC_H1_H
#define CODEC_H1_H

#include "base/err.h"
#include "base/out.h"
#include "base/str.h"

/* Fields that an intermediary acts on. H1_FIELD(id, "name-in-lower-case", hop): hop says that the
 * field belongs to one connection and is never forwarded (RFC 9110 section 7.6.1). */
enum h1_field_id {
    H1_OTHER,
    H1_OTHER_CHEOPS,      /* begins with "cheops-" */
    H1_OTHER_X_FORWARDED, /* begins with "x-forwarded-" */
#define H1_FIELD(id, name, hop) H1_##id,
#include "codec/h1_fields.def"
#undef H1_FIELD
    H1_FIELD_IDS
};

/* Whether it is one of the table. */
static inline bool h1_is_known(unsigned id)
{
    return id > H1_OTHER_X_FORWARDED;
}

struct h1_field {
    uint32_t name, value;         /* offsets from head->base */
    uint32_t name_len, value_len; /* value without surrounding white space */
    uint8_t id;                   /* enum h1_field_id */
    bool drop;                    /* not to be forwarded: h1_copy_fields leaves it out */
    bool cut;                     /* value_len was shortened: written on its own */
};

enum h1_method {
    H1_METHOD_OTHER,
    H1_GET,
    H1_HEAD,
    H1_POST,
    H1_PUT,
    H1_DELETE,
    H1_CONNECT,
    H1_OPTIONS,
    H1_TRACE,
    H1_PATCH,
};

/* How the end of a body is known (RFC 9112 section 6.3). */
enum h1_framing { H1_NO_BODY, H1_LENGTH, H1_CHUNKED, H1_UNTIL_CLOSE };

#define H1_MAX_FIELDS 256

struct h1_head {
    const char *base;
    uint32_t size; /* bytes with the empty line */
    /* requests */
    enum h1_method method;
    struct str method_text;
    struct str target; /* origin-form or "*"; of an absolute-form its path and query, or "/"; where
                        * its path is empty "?query" alone, without the "/" that belongs there */
    struct str
        authority;    /* of an absolute-form, else the value of Host; absent in HTTP/1.0 without */
    bool is_absolute; /* the target was in absolute-form: authority replaces Host */
    /* answers */
    unsigned status;
    struct str reason;
    /* both */
    unsigned minor; /* of HTTP/1.x */
    enum h1_framing framing;
    uint64_t length;  /* H1_LENGTH */
    bool keep_alive;  /* what version and Connection say; the caller may still close */
    bool has_length;  /* Content-Length was there: HEAD and 304 repeat it without a body */
    bool has_upgrade; /* Connection lists upgrade, and Upgrade is there */
    bool expects_continue;
    struct h1_field *fields; /* the caller's */
    uint32_t n_fields;
    uint64_t present;  /* a bit for each id that a field has: most are looked for in vain */
    uint64_t repeated; /* … that several have */
    uint8_t first[H1_FIELD_IDS]; /* of an id that is present: the first field that has it */
};
_Static_assert(H1_FIELD_IDS <= 64, "h1_head.present has a bit for each");
_Static_assert(H1_MAX_FIELDS <= UINT8_MAX + 1, "h1_head.first has room for each");

static inline struct str h1_name(const struct h1_head *h, size_t i)
{
    return (struct str){h->base + h->fields[i].name, h->fields[i].name_len};
}

static inline struct str h1_value(const struct h1_head *h, size_t i)
{
    return (struct str){h->base + h->fields[i].value, h->fields[i].value_len};
}

/* Looks for the empty line that ends a head. `scan` is 0 at first and remembers how far was looked.
 * Returns the head's size, or 0 when it is not complete, or an error: ERR_BAD_REQUEST for a line
 * that does not end in CRLF, ERR_HEAD_TOO_LARGE when max bytes hold no end. */
long h1_head_end(struct str bytes, size_t *scan, size_t max) MUST_USE;

/* Parses the request head at the start of bytes; h->size says where it ends. `fields` has room for
 * max_fields. Fields that belong to the connection are marked `drop`, with those that Connection
 * names. Returns 0, ERR_MORE when the head is not whole, or
 * ERR_BAD_REQUEST, ERR_HEAD_TOO_LARGE (too many fields), ERR_HTTP_VERSION, ERR_CODING_UNSUPPORTED,
 * ERR_METHOD_UNSUPPORTED (CONNECT), ERR_EXPECTATION; `why` gets a sentence (static). */
int h1_request_parse(struct h1_head *h, struct str bytes, struct h1_field *fields,
                     size_t max_fields, const char **why) MUST_USE;
/* The same for an answer to a request with `method`, which decides on the body together with the
 * status. Errors are ERR_SERVICE_BROKEN. */
int h1_response_parse(struct h1_head *h, struct str bytes, struct h1_field *fields,
                      size_t max_fields, enum h1_method method, const char **why) MUST_USE;

size_t h1_find_next(const struct h1_head *h, enum h1_field_id id, size_t from);
/* The first field with this id from `from` on; h->n_fields when there is none. */
static inline size_t h1_find(const struct h1_head *h, enum h1_field_id id, size_t from)
{
    if (!(h->present >> id & 1))
        return h->n_fields;
    if (from <= h->first[id])
        return h->first[id];
    return h->repeated >> id & 1 ? h1_find_next(h, id, from) : h->n_fields;
}
/* Marks all fields with this id as `drop`. */
static inline void h1_drop(struct h1_head *h, enum h1_field_id id)
{
    for (size_t i = h1_find(h, id, 0); i < h->n_fields; i = h1_find(h, id, i + 1))
        h->fields[i].drop = true;
}
/* The first with this name (any case) from `from` on. */
size_t h1_find_name(const struct h1_head *h, struct str name, size_t from);

/* The bytes of a parsed head were copied to `to`. */
void h1_move(struct h1_head *h, const char *to);

/* Shortens a field's value to its first n bytes. */
void h1_cut_value(struct h1_head *h, size_t i, size_t n);

/* Writes every field that is not marked `drop`, each with its CRLF: as it came, runs of them in one
 * piece; those whose value was cut on their own. */
void h1_copy_fields(const struct h1_head *h, struct out *o);

/* RFC 9110 section 9.2.1 and 9.2.2. */
bool h1_is_safe(enum h1_method m);
bool h1_is_idempotent(enum h1_method m);
/* The standard reason phrase of a status; "" when there is none. */
struct str h1_reason(unsigned status);
/* A field name (token), a field value without control characters. */
bool h1_is_token(struct str s);
bool h1_is_field_value(struct str s);

/* ---- chunked (RFC 9112 section 7.1), one decoder a body ---------------------------------- */

enum h1_chunk_state {
    H1_CHUNK_SIZE,
    H1_CHUNK_DATA,
    H1_CHUNK_DATA_END,
    H1_CHUNK_TRAILER,
    H1_CHUNK_DONE,
};

#define H1_MAX_CHUNK_LINE 256 /* with its extensions, which are dropped */

struct h1_chunked {
    enum h1_chunk_state state;
    uint64_t left; /* of the current chunk's data */
};

/* Steps over the framing at the start of `bytes`. Returns how many bytes of framing can be thrown
 * away (maybe 0), or ERR_BAD_REQUEST, or ERR_HEAD_TOO_LARGE when the trailers pass max_trailers
 * bytes. *data is the payload that follows the framing; take it with h1_chunked_consume. Empty data
 * and a state other than H1_CHUNK_DONE: more bytes are needed. On the step that reaches
 * H1_CHUNK_DONE *trailers are the trailer lines with their CRLFs, without the empty line; they lie
 * within the returned count, so copy them before throwing it away. */
long h1_chunked_next(struct h1_chunked *c, struct str bytes, size_t max_trailers, struct str *data,
                     struct str *trailers) MUST_USE;
/* n bytes of payload were taken. */
void h1_chunked_consume(struct h1_chunked *c, size_t n);

/* Copies those trailer lines that may be forwarded: well formed, and none that frames, routes,
 * authenticates or describes the content (RFC 9110 section 6.5.1). Returns ERR_BAD_REQUEST when a
 * line is malformed. */
int h1_copy_trailers(struct str trailers, struct out *o) MUST_USE;

#endif
