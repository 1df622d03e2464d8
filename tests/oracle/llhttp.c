/* Reads a message with llhttp, whose C sources Debian's package node-llhttp installs. */
#include "message.h"

#include <llhttp.h>

/* llhttp knows a fixed list of methods, and of versions; RFC 9110 section 9.1 lets any token be a
 * method, and section 6.2 any minor version be spoken. Where the message has another one, llhttp
 * is shown a copy with one that it knows, so that all the rest is compared. */
static bool is_known_method(struct str method)
{
    static const char *const names[] = {
#define NAME(number, symbol, text) #text,
        HTTP_METHOD_MAP(NAME)
#undef NAME
    };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_eq(method, str_of(names[i])))
            return true;
    return false;
}

/* Writes the copy; *shift is how many bytes it is longer. */
static struct str known_to_llhttp(struct str bytes, enum message_kind kind, struct out *copy,
                                  ptrdiff_t *shift)
{
    struct str line = str_sub(bytes, 0, (size_t)str_find(bytes, '\r')), rest = bytes;
    struct str method = str_sub(line, 0, (size_t)str_find(line, ' '));
    *shift = 0;
    if (kind == MESSAGE_REQUEST && h1_is_token(method) && !is_known_method(method)) {
        *shift = (ptrdiff_t)STR("POST").n - (ptrdiff_t)method.n;
        OUT(copy, "POST");
        rest = str_from(bytes, method.n);
    }
    size_t minor = kind == MESSAGE_REQUEST ? line.n - (line.n > 0) : 7;
    if (minor < 7 || minor >= line.n || line.p[minor] < '2' || line.p[minor] > '9') {
        out_str(copy, rest);
        return out_get(copy);
    }
    out_str(copy, (struct str){rest.p, (size_t)(line.p + minor - rest.p)});
    OUT(copy, "1");
    out_str(copy, str_from(bytes, minor + 1));
    return out_get(copy);
}

struct reading {
    struct message *m;
    enum message_kind kind;
    bool begins_field; /* the next piece of a name begins a field */
    bool is_complete;
    struct str *span; /* grows by the pieces that follow; all of its bytes are in m->text */
};

static void span_add(struct reading *r, struct str *span, const char *at, size_t n)
{
    if (r->span != span) {
        r->span = span;
        *span = (struct str){r->m->text.p + r->m->text.n, 0};
    }
    out_str(&r->m->text, (struct str){at, n});
    span->n += n;
}

static int on_url(llhttp_t *parser, const char *at, size_t n)
{
    struct reading *r = parser->data;
    span_add(r, &r->m->target, at, n);
    return 0;
}

static int on_method(llhttp_t *parser, const char *at, size_t n)
{
    struct reading *r = parser->data;
    span_add(r, &r->m->method, at, n);
    return 0;
}

static int on_header_field(llhttp_t *parser, const char *at, size_t n)
{
    struct reading *r = parser->data;
    if (r->begins_field) {
        CHECK(r->m->n_fields < MESSAGE_FIELDS);
        r->m->fields[r->m->n_fields++] = (struct message_field){STR_NULL, STR_NULL};
        r->begins_field = false;
    }
    span_add(r, &r->m->fields[r->m->n_fields - 1].name, at, n);
    return 0;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t n)
{
    struct reading *r = parser->data;
    span_add(r, &r->m->fields[r->m->n_fields - 1].value, at, n);
    return 0;
}

static int on_header_value_complete(llhttp_t *parser)
{
    struct reading *r = parser->data;
    r->begins_field = true;
    return 0;
}

/* llhttp leaves to its user which answers have no body (RFC 9112 section 6.3). */
static int on_headers_complete(llhttp_t *parser)
{
    struct reading *r = parser->data;
    r->m->n_head_fields = r->m->n_fields;
    r->m->status = parser->status_code;
    r->m->minor = parser->http_minor;
    r->m->has_upgrade = parser->upgrade;
    if (r->kind == MESSAGE_REQUEST)
        return 0;
    return r->kind == MESSAGE_ANSWER_TO_HEAD || r->m->status < 200 || r->m->status == 204 ||
           r->m->status == 304;
}

static int on_body(llhttp_t *parser, const char *at, size_t n)
{
    struct reading *r = parser->data;
    out_str(&r->m->body, (struct str){at, n});
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct reading *r = parser->data;
    r->m->keep_alive = llhttp_should_keep_alive(parser);
    r->is_complete = true;
    return HPE_PAUSED;
}

void message_read_llhttp(struct message *m, enum message_kind kind, struct str bytes)
{
    static const llhttp_settings_t settings = {
        .on_url = on_url,
        .on_method = on_method,
        .on_header_field = on_header_field,
        .on_header_value = on_header_value,
        .on_header_value_complete = on_header_value_complete,
        .on_headers_complete = on_headers_complete,
        .on_body = on_body,
        .on_message_complete = on_message_complete,
    };
    static char copy_bytes[MESSAGE_BYTES + 16];
    struct reading r = {.m = m, .kind = kind, .begins_field = true};
    struct out copy;
    llhttp_t parser;
    ptrdiff_t shift;
    memset(m, 0, offsetof(struct message, body_bytes));
    out_init(&m->body, m->body_bytes, sizeof m->body_bytes);
    out_init(&m->text, m->text_bytes, sizeof m->text_bytes);
    out_init(&copy, copy_bytes, sizeof copy_bytes);
    bytes = known_to_llhttp(bytes, kind, &copy, &shift);
    CHECK(!copy.overflowed);
    llhttp_init(&parser, kind == MESSAGE_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
    parser.data = &r;
    llhttp_errno_t rc = llhttp_execute(&parser, bytes.p, bytes.n);
    m->consumed = bytes.n;
    if (rc == HPE_OK && !r.is_complete)
        llhttp_finish(&parser); /* completes a body that ends with the connection */
    else if (rc == HPE_PAUSED)
        m->consumed = (size_t)(llhttp_get_error_pos(&parser) - bytes.p);
    m->consumed -= (size_t)shift;
    m->why = rc == HPE_OK || rc == HPE_PAUSED ? NULL : llhttp_errno_name(rc);
    m->state = r.is_complete  ? MESSAGE_COMPLETE
               : rc == HPE_OK ? MESSAGE_INCOMPLETE
                              : MESSAGE_REFUSED;
}
