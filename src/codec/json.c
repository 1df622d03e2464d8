/* A scan is a state (what may come next) and a stack of one bit per open bracket. Inside a token
 * the position stays at a place from which the look can go on: a whole character of a string, any
 * digit of a number; only words (true) and escapes are looked at again. */
#include "codec/json.h"
#include "base/check.h"
#include "base/utf8.h"

/* ---- tokens */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool in_object(const struct json_scan *s)
{
    return s->depth && (s->objects >> (s->depth - 1) & 1);
}

static int more(bool is_whole)
{
    return is_whole ? ERR_INVALID : ERR_MORE;
}

/* The escape at the scan's position. */
static int pass_escape(struct json_scan *s, struct str text, bool is_whole)
{
    struct str escape = str_sub(text, s->at, 6);
    if (escape.n < 2)
        return more(is_whole);
    if (escape.p[1] != 'u') {
        if (!memchr("\"\\/bfnrt", escape.p[1], 8))
            return ERR_INVALID;
        s->at += 2;
        return 0;
    }
    for (size_t i = 2; i < escape.n; i++)
        if (!is_digit(escape.p[i]) && ((escape.p[i] | 0x20) < 'a' || (escape.p[i] | 0x20) > 'f'))
            return ERR_INVALID;
    if (escape.n < 6)
        return more(is_whole);
    s->at += 6;
    return 0;
}

/* A character that is more than a byte. */
static int pass_wide(struct json_scan *s, struct str text, bool is_whole)
{
    struct str rest = str_from(text, s->at);
    size_t n = utf8_length(rest);
    if (n == 0)
        return rest.n < 4 && !is_whole && utf8_whole(rest).n < rest.n ? ERR_MORE : ERR_INVALID;
    s->at += n;
    return 0;
}

/* From after the opening quote, or wherever the bytes ended, to after the closing one. */
static int pass_string(struct json_scan *s, struct str text, bool is_whole)
{
    int rc = 0;
    while (rc == 0 && s->at < text.n) {
        unsigned char c = (unsigned char)text.p[s->at];
        if (c == '"') {
            s->at++;
            return 0;
        }
        if (c < 0x20)
            return ERR_INVALID;
        if (c == '\\')
            rc = pass_escape(s, text, is_whole);
        else if (c >= 0x80)
            rc = pass_wide(s, text, is_whole);
        else
            s->at++;
    }
    return rc < 0 ? rc : more(is_whole);
}

/* Digits of s from *at on, at least one. */
static bool pass_digits(struct str s, size_t *at)
{
    size_t begin = *at;
    while (*at < s.n && is_digit(s.p[*at]))
        ++*at;
    return *at > begin;
}

/* number = [ minus ] int [ frac ] [ exp ] */
static bool is_number(struct str s)
{
    size_t at = s.n && s.p[0] == '-';
    if (str_starts(str_from(s, at), STR("0")))
        at++;
    else if (!pass_digits(s, &at))
        return false;
    if (at < s.n && s.p[at] == '.') {
        at++;
        if (!pass_digits(s, &at))
            return false;
    }
    if (at < s.n && (s.p[at] == 'e' || s.p[at] == 'E')) {
        at++;
        at += at < s.n && (s.p[at] == '+' || s.p[at] == '-');
        if (!pass_digits(s, &at))
            return false;
    }
    return at == s.n;
}

static int pass_number(struct json_scan *s, struct str text, bool is_whole)
{
    while (s->at < text.n && (is_digit(text.p[s->at]) || memchr("+-.eE", text.p[s->at], 5)))
        s->at++;
    if (s->at == text.n && !is_whole)
        return ERR_MORE;
    if (is_number(str_sub(text, s->from, s->at - s->from)))
        return 0;
    s->at = s->from;
    return ERR_INVALID;
}

static int pass_word(struct json_scan *s, struct str text, bool is_whole, struct str word)
{
    struct str there = str_sub(text, s->at, word.n);
    if (!str_starts(word, there))
        return ERR_INVALID;
    if (there.n < word.n)
        return more(is_whole);
    s->at += word.n;
    return 0;
}

static int pass_token(struct json_scan *s, struct str text, bool is_whole, enum json_kind *kind)
{
    switch (text.p[s->from]) {
    case '"':
        s->at += s->at == s->from;
        *kind = JSON_STRING;
        return pass_string(s, text, is_whole);
    case 't':
        *kind = JSON_TRUE;
        return pass_word(s, text, is_whole, STR("true"));
    case 'f':
        *kind = JSON_FALSE;
        return pass_word(s, text, is_whole, STR("false"));
    case 'n':
        *kind = JSON_NULL;
        return pass_word(s, text, is_whole, STR("null"));
    default:
        *kind = JSON_NUMBER;
        return pass_number(s, text, is_whole);
    }
}

static void expect_after_value(struct json_scan *s)
{
    s->expect = s->depth ? JSON_EXPECT_COMMA_OR_END : JSON_EXPECT_NOTHING;
}

/* A string, number or word, or the rest of one. */
static int next_scalar(struct json_scan *s, struct str text, bool is_whole, struct json_token *t)
{
    if (!s->in_token)
        s->from = s->at;
    s->in_token = true;
    int rc = pass_token(s, text, is_whole, &t->kind);
    if (rc < 0)
        return rc;
    s->in_token = false;
    t->from = s->from;
    t->to = s->at;
    if (s->expect == JSON_EXPECT_NAME || s->expect == JSON_EXPECT_NAME_OR_END) {
        t->kind = JSON_NAME;
        s->expect = JSON_EXPECT_COLON;
    } else {
        expect_after_value(s);
    }
    return 0;
}

static int next_open(struct json_scan *s, bool is_object, struct json_token *t)
{
    if (s->depth == JSON_MAX_DEPTH)
        return ERR_INVALID;
    s->objects &= ~(1ull << s->depth);
    s->objects |= (uint64_t)is_object << s->depth;
    s->depth++;
    s->expect = is_object ? JSON_EXPECT_NAME_OR_END : JSON_EXPECT_VALUE_OR_END;
    *t = (struct json_token){is_object ? JSON_OBJECT : JSON_ARRAY, s->at, s->at + 1};
    s->at++;
    return 0;
}

/* A closing bracket: `c` where one may stand. */
static int next_end(struct json_scan *s, char c, struct json_token *t)
{
    if (c != (in_object(s) ? '}' : ']'))
        return ERR_INVALID;
    s->depth--;
    *t = (struct json_token){JSON_END, s->at, s->at + 1};
    s->at++;
    expect_after_value(s);
    return 0;
}

/* Passes white space, and the colon or comma before the next token. */
static int pass_between(struct json_scan *s, struct str text, bool is_whole)
{
    for (; s->at < text.n; s->at++) {
        char c = text.p[s->at];
        if (is_space(c))
            continue;
        if (s->expect == JSON_EXPECT_COLON) {
            if (c != ':')
                return ERR_INVALID;
            s->expect = JSON_EXPECT_VALUE;
        } else if (s->expect == JSON_EXPECT_COMMA_OR_END && c == ',') {
            s->expect = in_object(s) ? JSON_EXPECT_NAME : JSON_EXPECT_VALUE;
        } else {
            return s->expect == JSON_EXPECT_NOTHING ? ERR_INVALID : 0;
        }
    }
    if (s->expect == JSON_EXPECT_NOTHING && is_whole)
        return ERR_CLOSED;
    return more(is_whole);
}

int json_next(struct json_scan *s, struct str text, bool is_whole, struct json_token *t)
{
    if (s->in_token)
        return next_scalar(s, text, is_whole, t);
    int rc = pass_between(s, text, is_whole);
    if (rc < 0)
        return rc;
    char c = text.p[s->at];
    bool is_value = s->expect == JSON_EXPECT_VALUE || s->expect == JSON_EXPECT_VALUE_OR_END;
    if ((c == '{' || c == '[') && is_value)
        return next_open(s, c == '{', t);
    if (c == '}' || c == ']')
        return s->expect == JSON_EXPECT_VALUE || s->expect == JSON_EXPECT_NAME ? ERR_INVALID
                                                                               : next_end(s, c, t);
    if (s->expect == JSON_EXPECT_COMMA_OR_END)
        return ERR_INVALID;
    bool is_scalar = c == '"' || (is_value && (is_digit(c) || memchr("-tfn", c, 4)));
    return is_scalar ? next_scalar(s, text, is_whole, t) : ERR_INVALID;
}

void json_scan_drop(struct json_scan *s, size_t n)
{
    CHECK(n <= json_scan_kept(s));
    s->at -= n;
    s->from = s->in_token ? s->from - n : s->at;
}

bool json_is_valid(struct str text, size_t *at)
{
    struct json_scan s = {0};
    struct json_token t;
    int rc;
    while ((rc = json_next(&s, text, true, &t)) == 0)
        ;
    if (at)
        *at = s.at;
    return rc == ERR_CLOSED;
}

/* ---- strings */

static bool unicode_escape(struct str s, size_t at, uint32_t *code)
{
    uint64_t v;
    if (at + 6 > s.n || s.p[at] != '\\' || s.p[at + 1] != 'u' ||
        str_hex(str_sub(s, at + 2, 4), 0xffff, &v) < 0)
        return false;
    *code = (uint32_t)v;
    return true;
}

/* The character at *at of a valid string, as UTF-8. Returns its length and passes it; 0 when it is
 * half a surrogate pair. */
static size_t string_char(struct str s, size_t *at, char utf8[4])
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    uint32_t code, low;
    if (s.p[*at] != '\\') {
        size_t n = utf8_length(str_from(s, *at));
        memcpy(utf8, s.p + *at, n);
        *at += n;
        return n;
    }
    if (!unicode_escape(s, *at, &code)) {
        utf8[0] = to[strchr(from, s.p[*at + 1]) - from];
        *at += 2;
        return 1;
    }
    *at += 6;
    if (code >= 0xd800 && code <= 0xdbff) {
        if (!unicode_escape(s, *at, &low) || low < 0xdc00 || low > 0xdfff)
            return 0;
        *at += 6;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code <= 0xdfff) {
        return 0;
    }
    return utf8_encode(code, utf8);
}

int json_unescape(struct str string, struct out *o)
{
    struct json_scan s = {0};
    struct json_token t;
    char utf8[4];
    if (json_next(&s, string, true, &t) < 0 || t.kind != JSON_STRING || t.from > 0 ||
        t.to < string.n)
        return ERR_INVALID;
    for (size_t at = 1; at + 1 < string.n;) {
        size_t n = string_char(string, &at, utf8);
        if (n == 0)
            return ERR_INVALID;
        out_str(o, (struct str){utf8, n});
    }
    return 0;
}

ptrdiff_t json_string_find(struct str string, char c)
{
    char utf8[4];
    for (size_t at = 1; at + 1 < string.n;) {
        size_t begin = at, n = string_char(string, &at, utf8);
        if (n == 1 && utf8[0] == c)
            return (ptrdiff_t)begin;
    }
    return -1;
}

bool json_string_is(struct str string, struct str text)
{
    size_t k = 0;
    for (size_t at = 1; at + 1 < string.n;) {
        char utf8[4];
        size_t n = string_char(string, &at, utf8);
        if (n == 0 || n > text.n - k || memcmp(text.p + k, utf8, n) != 0)
            return false;
        k += n;
    }
    return k == text.n;
}

/* ---- pointers */

bool json_pointer_is_valid(struct str pointer)
{
    for (size_t i = 0; i < pointer.n; i++)
        if (pointer.p[i] == '~' &&
            (i + 1 == pointer.n || (pointer.p[i + 1] != '0' && pointer.p[i + 1] != '1')))
            return false;
    return pointer.n == 0 || pointer.p[0] == '/';
}

/* The pointer's first piece, without its slash. */
static struct str first_piece(struct str pointer)
{
    struct str rest = str_from(pointer, 1), piece = STR_NULL;
    str_split(&rest, '/', &piece);
    return piece;
}

/* Whether a name (with quotes) equals a pointer's piece, with ~1 and ~0 decoded. */
static bool name_is(struct str name, struct str piece)
{
    size_t k = 0;
    for (size_t at = 1; at + 1 < name.n;) {
        char utf8[4];
        size_t n = string_char(name, &at, utf8);
        for (size_t i = 0; i < n; i++, k++) {
            if (k >= piece.n)
                return false;
            char want = piece.p[k];
            if (want == '~')
                want = piece.p[++k] == '1' ? '/' : '~';
            if (want != utf8[i])
                return false;
        }
        if (n == 0)
            return false;
    }
    return k == piece.n;
}

/* array-index = "0" / ( "1"-"9" *DIGIT ) */
static bool index_is(struct str piece, uint64_t index)
{
    uint64_t v;
    return str_digits(piece, UINT32_MAX, &v) == 0 && v == index &&
           (piece.n == 1 || piece.p[0] != '0');
}

void json_finder_init(struct json_finder *f, struct str pointer)
{
    *f = (struct json_finder){.pointer = pointer, .is_next = true, .found = JSON_MORE};
    if (!json_pointer_is_valid(pointer))
        f->found = JSON_ABSENT;
}

/* A value on the way begins: it is the one, or it is entered. */
static enum json_found reach(struct json_finder *f, const struct json_token *t)
{
    bool is_bracket = t->kind == JSON_OBJECT || t->kind == JSON_ARRAY;
    f->is_next = false;
    if (f->pointer.n == 0) {
        f->has_begun = true;
        f->kind = t->kind;
        f->from = t->from;
        f->to = t->to;
        f->path_depth = f->scan.depth;
        return is_bracket ? JSON_MORE : JSON_FOUND;
    }
    if (!is_bracket)
        return JSON_ABSENT;
    f->path_depth = f->scan.depth;
    f->index = 0;
    return JSON_MORE;
}

/* A token while the way leads through the bracket at path_depth. */
static enum json_found follow(struct json_finder *f, struct str text, const struct json_token *t)
{
    bool in_array = f->path_depth && !(f->scan.objects >> (f->path_depth - 1) & 1);
    unsigned outside = f->scan.depth - (t->kind == JSON_OBJECT || t->kind == JSON_ARRAY);
    if (t->kind == JSON_END)
        return f->scan.depth < f->path_depth ? JSON_ABSENT : JSON_MORE;
    if (!f->is_next && outside == f->path_depth) {
        struct str piece = first_piece(f->pointer);
        if (t->kind == JSON_NAME)
            f->is_next = name_is(str_sub(text, t->from, t->to - t->from), piece);
        else if (in_array)
            f->is_next = index_is(piece, f->index++);
        if (f->is_next)
            f->pointer = str_from(f->pointer, piece.n + 1);
        if (t->kind == JSON_NAME)
            return JSON_MORE;
    }
    return f->is_next ? reach(f, t) : JSON_MORE;
}

/* A token while the value, a bracket, is being passed. */
static enum json_found pass_inside(struct json_finder *f, const struct json_token *t)
{
    if (t->kind != JSON_END || f->scan.depth >= f->path_depth) {
        f->has_inside = true;
        return JSON_MORE;
    }
    f->to = t->to;
    return JSON_FOUND;
}

enum json_found json_finder_push(struct json_finder *f, struct str text, bool is_whole)
{
    while (f->found == JSON_MORE) {
        struct json_token t;
        int rc = json_next(&f->scan, text, is_whole, &t);
        if (rc == ERR_MORE)
            break;
        if (rc < 0)
            f->found = JSON_INVALID;
        else
            f->found = f->has_begun ? pass_inside(f, &t) : follow(f, text, &t);
    }
    return f->found;
}

struct str json_finder_value(const struct json_finder *f, struct str text)
{
    return f->found == JSON_FOUND ? str_sub(text, f->from, f->to - f->from) : STR_NULL;
}

bool json_finder_has_begun(const struct json_finder *f)
{
    return f->has_begun || (f->is_next && f->pointer.n == 0 && f->scan.in_token);
}

enum json_empty json_finder_is_empty(const struct json_finder *f)
{
    if (f->found == JSON_ABSENT || f->found == JSON_INVALID ||
        (f->has_begun && f->kind != JSON_ARRAY))
        return JSON_EMPTY_OTHER;
    if (f->has_inside || (f->has_begun && f->scan.in_token))
        return JSON_EMPTY_NO;
    return f->found == JSON_FOUND ? JSON_EMPTY_YES : JSON_EMPTY_MORE;
}

enum json_found json_find(struct str text, struct str pointer, struct str *value)
{
    struct json_finder f;
    json_finder_init(&f, pointer);
    json_finder_push(&f, text, false);
    *value = json_finder_value(&f, text);
    return f.found;
}

enum json_empty json_array_is_empty(struct str text, struct str pointer)
{
    struct json_finder f;
    json_finder_init(&f, pointer);
    json_finder_push(&f, text, false);
    return json_finder_is_empty(&f);
}
