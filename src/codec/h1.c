#include "codec/h1.h"
#include "base/check.h"
#include "codec/h1_scan.h"

#define LONGEST_NAME 18

/* A name in lower case, with zeros behind it: 16 bytes of it can be compared at once. */
struct known_name {
    char text[LONGEST_NAME + 1];
};

static const struct {
    struct known_name name;
    bool hop;
} field_names[H1_FIELD_IDS] = {
#define H1_FIELD(id, name, hop) [H1_##id] = {{name}, hop},
#include "codec/h1_fields.def"
#undef H1_FIELD
};

/* The id by a name's length and the low bits of its second character, which are the same in either
 * case and tell names of one length apart: a name is compared with one other. A unit test holds it
 * against h1_fields.def. */
#define BY(c) [(c)&15]
static const unsigned char ids_by_name[LONGEST_NAME + 1][16] = {
    [2] = {BY('e') = H1_TE},
    [3] = {BY('i') = H1_VIA},
    [4] = {BY('o') = H1_HOST, BY('a') = H1_DATE, BY('i') = H1_LINK},
    [5] = {BY('c') = H1_SCOPE},
    [6] = {BY('x') = H1_EXPECT, BY('e') = H1_SERVER},
    [7] = {BY('-') = H1_X_SCOPE, BY('p') = H1_UPGRADE, BY('r') = H1_TRAILER, BY('a') = H1_BAGGAGE},
    [8] = {BY('o') = H1_LOCATION},
    [9] = {BY('o') = H1_FORWARDED},
    [10] = {BY('o') = H1_CONNECTION, BY('e') = H1_KEEP_ALIVE, BY('r') = H1_TRACESTATE,
            BY('h') = H1_CHEOPS_LEG},
    [11] = {BY('r') = H1_TRACEPARENT, BY('h') = H1_CHEOPS_SITE, BY('e') = H1_RETRY_AFTER},
    [12] = {BY('o') = H1_CONTENT_TYPE, BY('a') = H1_MAX_FORWARDS, BY('h') = H1_CHEOPS_ERROR},
    [14] = {BY('o') = H1_CONTENT_LENGTH},
    [15] = {BY('-') = H1_X_FORWARDED_FOR},
    [16] = {BY('r') = H1_PROXY_CONNECTION, BY('-') = H1_X_FORWARDED_HOST,
            BY('o') = H1_CONTENT_LOCATION},
    [17] = {BY('r') = H1_TRANSFER_ENCODING, BY('-') = H1_X_FORWARDED_PROTO},
    [18] = {BY('-') = H1_X_FORWARDED_PREFIX},
};
#undef BY

static const struct {
    struct str text;
    bool safe, idempotent;
} methods[] = {
    [H1_METHOD_OTHER] = {{"", 0}, false, false},   [H1_GET] = {{"GET", 3}, true, true},
    [H1_HEAD] = {{"HEAD", 4}, true, true},         [H1_POST] = {{"POST", 4}, false, false},
    [H1_PUT] = {{"PUT", 3}, false, true},          [H1_DELETE] = {{"DELETE", 6}, false, true},
    [H1_CONNECT] = {{"CONNECT", 7}, false, false}, [H1_OPTIONS] = {{"OPTIONS", 7}, true, true},
    [H1_TRACE] = {{"TRACE", 5}, true, true},       [H1_PATCH] = {{"PATCH", 5}, false, false},
};

bool h1_is_safe(enum h1_method m)
{
    return methods[m].safe;
}

bool h1_is_idempotent(enum h1_method m)
{
    return methods[m].idempotent;
}

static enum h1_method find_method(struct str text)
{
    for (size_t m = H1_GET; m < sizeof methods / sizeof methods[0]; m++)
        if (str_eq(text, methods[m].text))
            return (enum h1_method)m;
    return H1_METHOD_OTHER;
}

bool h1_is_token(struct str s)
{
    return s.n > 0 && h1_scan_token(s.p, s.p + s.n) == s.p + s.n;
}

bool h1_is_field_value(struct str s)
{
    return s.n == 0 || h1_scan_value(s.p, s.p + s.n) == s.p + s.n;
}

/* What the line feed at i means: 0, go on; else what h1_head_end returns. */
static long line_end(struct str bytes, size_t i, size_t max)
{
    if (i >= max) /* also when something is wrong there: it may not have come so far */
        return ERR_HEAD_TOO_LARGE;
    if (i < 2 || bytes.p[i - 1] != '\r') /* a head does not begin with an empty line */
        return ERR_BAD_REQUEST;
    return bytes.p[i - 2] == '\n' ? (long)i + 1 : 0;
}

long h1_head_end(struct str bytes, size_t *scan, size_t max)
{
    size_t i = *scan;
    long rc = 0;
#ifdef __SSE2__
    for (; bytes.n - i >= 16 && rc == 0; i += 16) {
        __m128i is_lf = _mm_cmpeq_epi8(h1_load(bytes.p + i), _mm_set1_epi8('\n'));
        for (unsigned at = (unsigned)_mm_movemask_epi8(is_lf); at && rc == 0; at &= at - 1)
            rc = line_end(bytes, i + (size_t)__builtin_ctz(at), max);
    }
#endif
    for (; i < bytes.n && rc == 0; i++)
        if (bytes.p[i] == '\n')
            rc = line_end(bytes, i, max);
    if (rc == 0 && bytes.n >= max)
        return ERR_HEAD_TOO_LARGE;
    *scan = bytes.n;
    return rc;
}

static int fail(int code, const char **why, const char *text)
{
    *why = text;
    return code;
}

static uint64_t lower_word(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word | UINT64_C(0x2020202020202020);
}

/* Whether a name is a known one of its length, which has letters and '-' only: the bit that makes a
 * letter small makes no other character one of those, control characters left out. What lies behind
 * the name may be read up to `end`. */
static inline bool is_name(struct str s, const struct known_name *known, const char *end)
{
#ifdef __SSE2__
    if (s.n <= 16 && end - s.p >= 16) {
        __m128i x = _mm_or_si128(h1_load(s.p), _mm_set1_epi8(0x20));
        int same = _mm_movemask_epi8(_mm_cmpeq_epi8(x, h1_load(known->text)));
        return (~(unsigned)same & ((1u << s.n) - 1)) == 0;
    }
#endif
    if (s.n >= 8) { /* in words that overlap; at most 24 bytes */
        bool same = lower_word(s.p) == lower_word(known->text) &&
                    lower_word(s.p + s.n - 8) == lower_word(known->text + s.n - 8);
        return same && (s.n <= 16 || lower_word(s.p + 8) == lower_word(known->text + 8));
    }
    for (size_t i = 0; i < s.n; i++)
        if ((s.p[i] | 0x20) != known->text[i])
            return false;
    return true;
}

/* What a name that is not known begins with. */
static unsigned char family_of(struct str name)
{
    if (name.n < 8)
        return H1_OTHER;
    uint64_t begin = lower_word(name.p);
    if (memcmp(&begin, "cheops-", 7) == 0)
        return H1_OTHER_CHEOPS;
    if (name.n > 12 && begin == lower_word("x-forwar") &&
        lower_word(name.p + 4) == lower_word("rwarded-"))
        return H1_OTHER_X_FORWARDED;
    return H1_OTHER;
}

/* A colon stands behind the name: it has a second character. */
static inline unsigned char find_id(struct str name, const char *end)
{
    unsigned char id = name.n <= LONGEST_NAME ? ids_by_name[name.n][name.p[1] & 15] : H1_OTHER;
    return id && is_name(name, &field_names[id].name, end) ? id : family_of(name);
}

/* field-line = field-name ":" OWS field-value OWS CRLF. Returns where the next line begins, NULL
 * when the line is none of that. */
static const char *parse_field(const char *base, const char *p, const char *end, struct h1_field *f)
{
    const char *name = p;
    p = h1_scan_token(p, end);
    if (p == name || p == end || *p != ':')
        return NULL; /* white space before the colon and obs-fold end here too */
    f->name = (uint32_t)(name - base);
    f->name_len = (uint32_t)(p - name);
    p++;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    const char *value = p;
    p = h1_scan_value(p, end);
    if (end - p < 2 || p[0] != '\r' || p[1] != '\n')
        return NULL;
    const char *last = p;
    while (last > value && (last[-1] == ' ' || last[-1] == '\t'))
        last--;
    f->value = (uint32_t)(value - base);
    f->value_len = (uint32_t)(last - value);
    f->id = find_id((struct str){name, f->name_len}, end);
    f->drop = field_names[f->id].hop;
    f->cut = false;
    return p + 2;
}

/* Up to the empty line, where the head ends: h->size. */
static int parse_fields(struct h1_head *h, const char *p, struct h1_field *fields,
                        size_t max_fields, const char **why)
{
    const char *end = h->base + h->size;
    size_t n = 0;
    uint64_t present = 0, repeated = 0;
    while (end - p >= 2 && (p[0] != '\r' || p[1] != '\n')) {
        if (n == max_fields)
            return fail(ERR_HEAD_TOO_LARGE, why, "too many fields");
        const char *next = parse_field(h->base, p, end, &fields[n]);
        if (!next)
            return memchr(p, '\n', (size_t)(end - p))
                       ? fail(ERR_BAD_REQUEST, why, "a field line is malformed")
                       : ERR_MORE;
        uint64_t bit = UINT64_C(1) << fields[n].id;
        if (!(present & bit))
            h->first[fields[n].id] = (uint8_t)n;
        repeated |= present & bit;
        present |= bit;
        n++;
        p = next;
    }
    if (end - p < 2)
        return ERR_MORE;
    h->fields = fields;
    h->n_fields = (uint32_t)n;
    h->present = present;
    h->repeated = repeated;
    h->size = (uint32_t)(p + 2 - h->base);
    return 0;
}

size_t h1_find_next(const struct h1_head *h, enum h1_field_id id, size_t from)
{
    while (from < h->n_fields && h->fields[from].id != id)
        from++;
    return from;
}

size_t h1_find_name(const struct h1_head *h, struct str name, size_t from)
{
    while (from < h->n_fields && !str_eq_nocase(h1_name(h, from), name))
        from++;
    return from;
}

/* More options than anybody needs: each is looked for among all fields. */
#define MAX_CONNECTION_OPTIONS 32

struct connection_options {
    bool close, keep, upgrade;
    size_t n;
};

/* What a Connection field names is dropped, but never a field that Cheops itself routes or frames
 * by: nobody takes those away from it (RFC 9110 section 7.6.1 and the hop-by-hop abuse of it). */
static void drop_named(struct h1_head *h, struct str name)
{
    for (size_t i = h1_find_name(h, name, 0); i < h->n_fields; i = h1_find_name(h, name, i + 1))
        if (!h1_is_known(h->fields[i].id))
            h->fields[i].drop = true;
}

/* Of the options that mean something themselves only `close` could be a field that is not known. */
static void read_options(struct h1_head *h, struct str list, struct connection_options *o)
{
    static const struct known_name keep = {"keep-alive"}, upgrade = {"upgrade"}, close = {"close"};
    const char *end = h->base + h->size;
    struct str piece;
    if (list.n == 10 && is_name(list, &keep, end)) { /* nearly always the only one */
        o->keep = true;
        o->n++;
        return;
    }
    while (o->n <= MAX_CONNECTION_OPTIONS && str_split(&list, ',', &piece)) {
        struct str option = str_trim(piece);
        o->n++;
        if (option.n == 10 && is_name(option, &keep, end)) {
            o->keep = true;
        } else if (option.n == 7 && is_name(option, &upgrade, end)) {
            o->upgrade = true;
        } else {
            o->close |= option.n == 5 && is_name(option, &close, end);
            drop_named(h, option);
        }
    }
}

static int read_connection(struct h1_head *h, const char **why)
{
    struct connection_options o = {0};
    for (size_t i = h1_find(h, H1_CONNECTION, 0); i < h->n_fields;
         i = h1_find(h, H1_CONNECTION, i + 1)) {
        read_options(h, h1_value(h, i), &o);
        if (o.n > MAX_CONNECTION_OPTIONS)
            return fail(ERR_BAD_REQUEST, why, "Connection has too many options");
    }
    h->keep_alive = !o.close && (h->minor >= 1 || o.keep);
    size_t to = h1_find(h, H1_UPGRADE, 0);
    while (to < h->n_fields && h->fields[to].value_len == 0) /* an empty list asks for nothing */
        to = h1_find(h, H1_UPGRADE, to + 1);
    h->has_upgrade = o.upgrade && h->minor >= 1 && to < h->n_fields;
    return 0;
}

/* Only chunked is served. What does not end in it has no end that is known (RFC 9112 sections 6.1
 * and 6.3). */
static int read_coding(struct str codings, const char **why)
{
    struct str last = codings, piece;
    if (str_eq_nocase(codings, STR("chunked")))
        return 0;
    while (str_split(&codings, ',', &piece))
        last = str_trim(piece);
    return str_eq_nocase(last, STR("chunked"))
               ? fail(ERR_CODING_UNSUPPORTED, why, "a transfer coding other than chunked")
               : fail(ERR_BAD_REQUEST, why, "the last transfer coding is not chunked");
}

/* The two length fields (RFC 9112 section 6). *chunked and h->length, h->has_length. */
static int read_lengths(struct h1_head *h, bool *chunked, const char **why)
{
    size_t te = h1_find(h, H1_TRANSFER_ENCODING, 0), cl = h1_find(h, H1_CONTENT_LENGTH, 0);
    *chunked = te < h->n_fields;
    h->has_length = cl < h->n_fields;
    if (h->has_length) {
        if (h1_find(h, H1_CONTENT_LENGTH, cl + 1) < h->n_fields)
            return fail(ERR_BAD_REQUEST, why, "Content-Length stands twice");
        if (str_digits(h1_value(h, cl), INT64_MAX, &h->length) < 0)
            return fail(ERR_BAD_REQUEST, why, "Content-Length is not a number");
    }
    if (!*chunked)
        return 0;
    if (h->has_length)
        return fail(ERR_BAD_REQUEST, why, "both Content-Length and Transfer-Encoding are there");
    if (h->minor == 0)
        return fail(ERR_BAD_REQUEST, why, "Transfer-Encoding in HTTP/1.0");
    if (h1_find(h, H1_TRANSFER_ENCODING, te + 1) < h->n_fields)
        return fail(ERR_BAD_REQUEST, why, "Transfer-Encoding stands twice");
    return read_coding(h1_value(h, te), why);
}

/* HTTP-version = "HTTP/" DIGIT "." DIGIT. A later minor version is read as 1.1 (RFC 9110
 * section 2.5). */
static int parse_version(struct str s, unsigned *minor, const char **why)
{
    if (s.n != 8 || !str_starts(s, STR("HTTP/")) || s.p[6] != '.' || s.p[5] < '0' || s.p[5] > '9' ||
        s.p[7] < '0' || s.p[7] > '9')
        return fail(ERR_BAD_REQUEST, why, "the HTTP version is malformed");
    if (s.p[5] != '1')
        return fail(ERR_HTTP_VERSION, why, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    *minor = s.p[7] == '0' ? 0 : 1;
    return 0;
}

/* request-target (RFC 9112 section 3.2). */
static int parse_target(struct h1_head *h, const char **why)
{
    struct str t = h->target;
    if (h->method == H1_CONNECT)
        return fail(ERR_METHOD_UNSUPPORTED, why, "CONNECT is not served here");
    if (t.p[0] == '/')
        return 0;
    if (str_eq(t, STR("*")))
        return h->method == H1_OPTIONS
                   ? 0
                   : fail(ERR_BAD_REQUEST, why, "only OPTIONS has the target *");
    size_t scheme = str_eq_nocase(str_sub(t, 0, 7), STR("http://"))    ? 7
                    : str_eq_nocase(str_sub(t, 0, 8), STR("https://")) ? 8
                                                                       : 0;
    if (!scheme)
        return fail(ERR_BAD_REQUEST, why, "the request target is neither a path nor a http URL");
    struct str rest = str_from(t, scheme);
    size_t n = 0;
    while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
        n++;
    h->is_absolute = true;
    h->authority = str_sub(rest, 0, n);
    h->target = str_from(rest, n);
    if (!h1_is_authority(h->authority))
        return fail(ERR_BAD_REQUEST, why, "the authority of the request target is malformed");
    if (h->target.n == 0)
        h->target = h->method == H1_OPTIONS ? STR("*") : STR("/");
    return 0;
}

/* Exactly one Host in HTTP/1.1; an absolute-form's authority replaces it (RFC 9112 section 3.2.2).
 */
static int read_host(struct h1_head *h, const char **why)
{
    size_t i = h1_find(h, H1_HOST, 0);
    if (i == h->n_fields)
        return h->minor == 0 ? 0 : fail(ERR_BAD_REQUEST, why, "Host is missing");
    if (h1_find(h, H1_HOST, i + 1) < h->n_fields)
        return fail(ERR_BAD_REQUEST, why, "Host stands twice");
    if (!h1_is_authority(h1_value(h, i)))
        return fail(ERR_BAD_REQUEST, why, "Host is malformed");
    if (!h->is_absolute)
        h->authority = h1_value(h, i);
    return 0;
}

static int read_expect(struct h1_head *h, const char **why)
{
    size_t i = h1_find(h, H1_EXPECT, 0);
    if (i == h->n_fields || h->minor == 0) /* RFC 9110 section 10.1.1: ignored in HTTP/1.0 */
        return 0;
    if (!str_eq_nocase(h1_value(h, i), STR("100-continue")) ||
        h1_find(h, H1_EXPECT, i + 1) < h->n_fields)
        return fail(ERR_EXPECTATION, why, "an expectation other than 100-continue");
    h->expects_continue = true;
    return 0;
}

/* The first line, without its CRLF; *next is where the fields begin. ERR_MORE: it is not whole. */
static int first_line(const struct h1_head *h, struct str *line, const char **next)
{
    struct str all = {h->base, h->size};
    ptrdiff_t n = str_find(all, '\r');
    if (n < 0 || (size_t)n + 2 > all.n)
        return ERR_MORE;
    *line = str_sub(all, 0, (size_t)n);
    *next = all.p + n + 2;
    return 0;
}

/* request-line = method SP request-target SP HTTP-version. */
static int parse_request_line(struct h1_head *h, const char **next, const char **why)
{
    struct str line;
    if (first_line(h, &line, next) < 0)
        return ERR_MORE;
    const char *end = line.p + line.n, *method_end = h1_scan_token(line.p, end);
    if (method_end == end)
        return fail(ERR_BAD_REQUEST, why, "the request line is malformed");
    if (method_end == line.p || *method_end != ' ')
        return fail(ERR_BAD_REQUEST, why, "the method is malformed");
    const char *target = method_end + 1, *target_end = h1_scan_target(target, end);
    if (target_end == end)
        return fail(ERR_BAD_REQUEST, why, "the request line is malformed");
    if (target_end == target || *target_end != ' ')
        return fail(ERR_BAD_REQUEST, why, "the request target is malformed");
    h->method_text = (struct str){line.p, (size_t)(method_end - line.p)};
    h->target = (struct str){target, (size_t)(target_end - target)};
    h->method = find_method(h->method_text);
    struct str version = {target_end + 1, (size_t)(end - target_end) - 1};
    int rc = parse_version(version, &h->minor, why);
    if (rc < 0)
        return rc;
    if ((*next)[-1] != '\n')
        return fail(ERR_BAD_REQUEST, why, "the request line has a bare CR");
    return parse_target(h, why);
}

int h1_request_parse(struct h1_head *h, struct str bytes, struct h1_field *fields,
                     size_t max_fields, const char **why)
{
    const char *next;
    bool chunked;
    *h = (struct h1_head){.base = bytes.p, .size = (uint32_t)bytes.n};
    int rc = parse_request_line(h, &next, why);
    if (rc == 0)
        rc = parse_fields(h, next, fields, max_fields, why);
    if (rc == 0)
        rc = read_host(h, why);
    if (rc == 0)
        rc = read_lengths(h, &chunked, why);
    if (rc == 0)
        rc = read_expect(h, why);
    if (rc == 0)
        rc = read_connection(h, why);
    if (rc != 0)
        return rc;
    h->framing = chunked ? H1_CHUNKED : h->has_length && h->length ? H1_LENGTH : H1_NO_BODY;
    return 0;
}

/* status-line = HTTP-version SP status-code SP [ reason-phrase ]; a missing second blank is common
 * and harmless. */
static int parse_status_line(struct h1_head *h, const char **next, const char **why)
{
    struct str line;
    uint64_t status;
    if (first_line(h, &line, next) < 0)
        return ERR_MORE;
    if (line.n < 12 || line.p[8] != ' ' || (line.n > 12 && line.p[12] != ' ') ||
        str_digits(str_sub(line, 9, 3), 599, &status) < 0 || status < 100)
        return fail(ERR_SERVICE_BROKEN, why, "the status line is malformed");
    if (parse_version(str_sub(line, 0, 8), &h->minor, why) < 0)
        return ERR_SERVICE_BROKEN;
    h->status = (unsigned)status;
    h->reason = str_from(line, 13);
    if ((*next)[-1] != '\n' || !h1_is_field_value(h->reason))
        return fail(ERR_SERVICE_BROKEN, why, "the status line is malformed");
    return 0;
}

/* RFC 9112 section 6.3. */
static enum h1_framing answer_framing(const struct h1_head *h, enum h1_method method, bool chunked)
{
    if (method == H1_HEAD || h->status < 200 || h->status == 204 || h->status == 304)
        return H1_NO_BODY;
    if (chunked)
        return H1_CHUNKED;
    if (!h->has_length)
        return H1_UNTIL_CLOSE;
    return h->length ? H1_LENGTH : H1_NO_BODY;
}

int h1_response_parse(struct h1_head *h, struct str bytes, struct h1_field *fields,
                      size_t max_fields, enum h1_method method, const char **why)
{
    const char *next;
    bool chunked;
    *h = (struct h1_head){.base = bytes.p, .size = (uint32_t)bytes.n, .method = method};
    int rc = parse_status_line(h, &next, why);
    if (rc == 0)
        rc = parse_fields(h, next, fields, max_fields, why);
    if (rc == 0)
        rc = read_lengths(h, &chunked, why);
    if (rc == 0)
        rc = read_connection(h, why);
    if (rc < 0)
        return rc == ERR_MORE ? rc : ERR_SERVICE_BROKEN;
    h->framing = answer_framing(h, method, chunked);
    return 0;
}

void h1_move(struct h1_head *h, const char *to)
{
    struct str *texts[] = {&h->method_text, &h->target, &h->authority, &h->reason};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i]->p && texts[i]->p >= h->base && texts[i]->p <= h->base + h->size)
            texts[i]->p = to + (texts[i]->p - h->base);
    h->base = to;
}

void h1_cut_value(struct h1_head *h, size_t i, size_t n)
{
    CHECK(n <= h->fields[i].value_len);
    h->fields[i].value_len = (uint32_t)n;
    h->fields[i].cut = true;
}

static void write_cut(const struct h1_head *h, size_t i, struct out *o)
{
    out_str(o, h1_name(h, i));
    OUT(o, ": ");
    out_str(o, h1_value(h, i));
    OUT(o, "\r\n");
}

void h1_copy_fields(const struct h1_head *h, struct out *o)
{
    for (size_t i = 0; i < h->n_fields;) {
        if (h->fields[i].drop || h->fields[i].cut) {
            if (!h->fields[i].drop)
                write_cut(h, i, o);
            i++;
            continue;
        }
        uint32_t from = h->fields[i].name;
        while (i < h->n_fields && !h->fields[i].drop && !h->fields[i].cut)
            i++;
        /* A run ends where the next field's name begins, or before the empty line. */
        uint32_t to = i < h->n_fields ? h->fields[i].name : h->size - 2;
        out_str(o, (struct str){h->base + from, to - from});
    }
}

#define REASON(status, text)                                                                       \
    case status:                                                                                   \
        return STR(text)

struct str h1_reason(unsigned status)
{
    switch (status) {
        REASON(100, "Continue");
        REASON(101, "Switching Protocols");
        REASON(200, "OK");
        REASON(400, "Bad Request");
        REASON(403, "Forbidden");
        REASON(404, "Not Found");
        REASON(405, "Method Not Allowed");
        REASON(406, "Not Acceptable");
        REASON(408, "Request Timeout");
        REASON(409, "Conflict");
        REASON(413, "Content Too Large");
        REASON(414, "URI Too Long");
        REASON(415, "Unsupported Media Type");
        REASON(417, "Expectation Failed");
        REASON(429, "Too Many Requests");
        REASON(431, "Request Header Fields Too Large");
        REASON(500, "Internal Server Error");
        REASON(501, "Not Implemented");
        REASON(502, "Bad Gateway");
        REASON(503, "Service Unavailable");
        REASON(504, "Gateway Timeout");
        REASON(505, "HTTP Version Not Supported");
        REASON(507, "Insufficient Storage");
        REASON(508, "Loop Detected");
    default:
        return STR("");
    }
}
