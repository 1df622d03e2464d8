#include "codec/json.h"
#include "base/utf8.h"

/* A cursor over the text. Functions return JSON_FOUND when they have passed what they are named
 * for, else JSON_MORE or JSON_INVALID. */
struct cursor {
    struct str text;
    size_t at;
    unsigned depth;
};

static void skip_space(struct cursor *c)
{
    while (c->at < c->text.n && (c->text.p[c->at] == ' ' || c->text.p[c->at] == '\t' ||
                                 c->text.p[c->at] == '\n' || c->text.p[c->at] == '\r'))
        c->at++;
}

/* The next character after white space; -1 at the end of the bytes. */
static int peek(struct cursor *c)
{
    skip_space(c);
    return c->at < c->text.n ? (unsigned char)c->text.p[c->at] : -1;
}

static enum json_found take(struct cursor *c, char want)
{
    int got = peek(c);
    if (got < 0)
        return JSON_MORE;
    if (got != want)
        return JSON_INVALID;
    c->at++;
    return JSON_FOUND;
}

static enum json_found pass_escape(struct cursor *c)
{
    uint64_t code;
    if (c->at + 1 >= c->text.n)
        return JSON_MORE;
    char kind = c->text.p[c->at + 1];
    if (kind != 'u') {
        c->at += 2;
        return kind && strchr("\"\\/bfnrt", kind) ? JSON_FOUND : JSON_INVALID;
    }
    if (c->at + 6 > c->text.n)
        return JSON_MORE;
    if (str_hex(str_sub(c->text, c->at + 2, 4), 0xffff, &code) < 0)
        return JSON_INVALID;
    c->at += 6;
    return JSON_FOUND;
}

static enum json_found pass_string(struct cursor *c)
{
    enum json_found rc = take(c, '"');
    while (rc == JSON_FOUND) {
        if (c->at >= c->text.n)
            return JSON_MORE;
        unsigned char ch = (unsigned char)c->text.p[c->at];
        if (ch == '"') {
            c->at++;
            return JSON_FOUND;
        }
        if (ch < 0x20)
            return JSON_INVALID;
        if (ch == '\\')
            rc = pass_escape(c);
        else
            c->at++;
    }
    return rc;
}

static void pass_digits(struct cursor *c, size_t *n)
{
    for (*n = 0; c->at < c->text.n && c->text.p[c->at] >= '0' && c->text.p[c->at] <= '9'; c->at++)
        ++*n;
}

/* number = [ minus ] int [ frac ] [ exp ]. At the end of the bytes it may go on: JSON_MORE. */
static enum json_found pass_number(struct cursor *c)
{
    size_t n, begin;
    c->at += c->text.p[c->at] == '-';
    begin = c->at;
    pass_digits(c, &n);
    if (c->at >= c->text.n)
        return JSON_MORE;
    if (n == 0 || (n > 1 && c->text.p[begin] == '0'))
        return JSON_INVALID;
    if (c->text.p[c->at] == '.') {
        c->at++;
        pass_digits(c, &n);
        if (n == 0)
            return c->at >= c->text.n ? JSON_MORE : JSON_INVALID;
    }
    if (c->at < c->text.n && (c->text.p[c->at] | 0x20) == 'e') {
        c->at++;
        c->at += c->at < c->text.n && (c->text.p[c->at] == '+' || c->text.p[c->at] == '-');
        pass_digits(c, &n);
        if (n == 0)
            return c->at >= c->text.n ? JSON_MORE : JSON_INVALID;
    }
    return c->at >= c->text.n ? JSON_MORE : JSON_FOUND;
}

static enum json_found pass_word(struct cursor *c, struct str word)
{
    struct str there = str_sub(c->text, c->at, word.n);
    if (!str_starts(word, there))
        return JSON_INVALID;
    if (there.n < word.n)
        return JSON_MORE;
    c->at += word.n;
    return JSON_FOUND;
}

static enum json_found pass_value(struct cursor *c);

/* After a member or element: true when another one follows, else *rc says how it ended. */
static bool goes_on(struct cursor *c, char close, enum json_found *rc)
{
    int ch = peek(c);
    *rc = ch < 0 ? JSON_MORE : JSON_INVALID;
    if (ch != ',' && ch != close)
        return false;
    c->at++;
    if (ch == close)
        *rc = JSON_FOUND;
    return ch == ',';
}

/* What stands between two brackets, from after the opening one to after the closing one. */
static enum json_found pass_inside(struct cursor *c, bool is_object)
{
    char close = is_object ? '}' : ']';
    enum json_found rc = JSON_FOUND;
    if (++c->depth > JSON_MAX_DEPTH)
        return JSON_INVALID;
    if (peek(c) == close) {
        c->at++;
        c->depth--;
        return JSON_FOUND;
    }
    do {
        if (is_object) {
            rc = pass_string(c);
            if (rc == JSON_FOUND)
                rc = take(c, ':');
        }
        if (rc == JSON_FOUND)
            rc = pass_value(c);
    } while (rc == JSON_FOUND && goes_on(c, close, &rc));
    c->depth--;
    return rc;
}

static enum json_found pass_value(struct cursor *c)
{
    int ch = peek(c);
    switch (ch) {
    case -1:
        return JSON_MORE;
    case '{':
    case '[':
        c->at++;
        return pass_inside(c, ch == '{');
    case '"':
        return pass_string(c);
    case 't':
        return pass_word(c, STR("true"));
    case 'f':
        return pass_word(c, STR("false"));
    case 'n':
        return pass_word(c, STR("null"));
    default:
        return ch == '-' || (ch >= '0' && ch <= '9') ? pass_number(c) : JSON_INVALID;
    }
}

/* ---- pointers */

bool json_pointer_is_valid(struct str pointer)
{
    if (pointer.n == 0)
        return true;
    for (size_t i = 0; i < pointer.n; i++)
        if (pointer.p[i] == '~' &&
            (i + 1 == pointer.n || (pointer.p[i + 1] != '0' && pointer.p[i + 1] != '1')))
            return false;
    return pointer.p[0] == '/';
}

/* One character of a JSON string's content at *at, as UTF-8 into utf8. Returns its length, 0 when
 * it cannot be decoded. */
static size_t string_char(struct str s, size_t *at, char utf8[4]);

/* Whether the string (with quotes) equals a pointer's piece, with ~1 and ~0 decoded. */
static bool piece_is(struct str string, struct str piece)
{
    size_t at = 1, k = 0;
    while (at + 1 < string.n) {
        char utf8[4];
        size_t n = string_char(string, &at, utf8);
        for (size_t i = 0; i < n; i++, k++) {
            if (k >= piece.n)
                return false;
            char want = piece.p[k];
            if (want == '~' && k + 1 < piece.n)
                want = piece.p[++k] == '1' ? '/' : '~';
            if (want != utf8[i])
                return false;
        }
        if (n == 0)
            return false;
    }
    return k == piece.n;
}

/* Goes to the member or element that a piece names: the cursor stands at its value then. */
static enum json_found enter(struct cursor *c, struct str piece)
{
    int ch = peek(c);
    uint64_t index = 0, i = 0;
    bool is_object = ch == '{';
    enum json_found rc = JSON_FOUND;
    if (ch < 0)
        return JSON_MORE;
    if (!is_object && (ch != '[' || str_digits(piece, UINT32_MAX, &index) < 0))
        return (rc = pass_value(c)) == JSON_FOUND ? JSON_ABSENT : rc;
    c->at++;
    if (peek(c) == (is_object ? '}' : ']'))
        return JSON_ABSENT;
    do {
        size_t begin;
        skip_space(c);
        begin = c->at;
        if (is_object) {
            rc = pass_string(c);
            struct str key = str_sub(c->text, begin, c->at - begin);
            if (rc == JSON_FOUND)
                rc = take(c, ':');
            if (rc == JSON_FOUND && piece_is(key, piece))
                return JSON_FOUND;
        } else if (i++ == index) {
            return JSON_FOUND;
        }
        if (rc == JSON_FOUND)
            rc = pass_value(c);
    } while (rc == JSON_FOUND && goes_on(c, is_object ? '}' : ']', &rc));
    return rc == JSON_FOUND ? JSON_ABSENT : rc;
}

static enum json_found go_to(struct cursor *c, struct str pointer)
{
    struct str piece, rest = pointer.n ? str_from(pointer, 1) : STR_NULL;
    while (str_split(&rest, '/', &piece)) {
        enum json_found rc = ++c->depth > JSON_MAX_DEPTH ? JSON_INVALID : enter(c, piece);
        if (rc != JSON_FOUND)
            return rc;
    }
    return peek(c) < 0 ? JSON_MORE : JSON_FOUND;
}

enum json_found json_find(struct str text, struct str pointer, struct str *value)
{
    struct cursor c = {text, 0, 0};
    enum json_found rc = go_to(&c, pointer);
    if (rc != JSON_FOUND)
        return rc;
    size_t begin = c.at;
    bool is_number = text.p[begin] == '-' || (text.p[begin] >= '0' && text.p[begin] <= '9');
    rc = pass_value(&c);
    if (rc == JSON_MORE && is_number && pointer.n == 0)
        return JSON_MORE; /* a number alone may go on */
    *value = str_sub(text, begin, c.at - begin);
    return rc;
}

enum json_empty json_array_is_empty(struct str text, struct str pointer)
{
    struct cursor c = {text, 0, 0};
    enum json_found rc = go_to(&c, pointer);
    if (rc == JSON_MORE)
        return JSON_EMPTY_MORE;
    if (rc != JSON_FOUND || text.p[c.at] != '[')
        return JSON_EMPTY_OTHER;
    c.at++;
    int ch = peek(&c);
    return ch < 0 ? JSON_EMPTY_MORE : ch == ']' ? JSON_EMPTY_YES : JSON_EMPTY_NO;
}

/* ---- strings */

static size_t put_utf8(uint32_t c, char to[4])
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; c >>= 6)
        to[i] = (char)(0x80 | (c & 0x3f));
    to[0] = (char)(lead[n] | c);
    return n;
}

static bool unicode_escape(struct str s, size_t at, uint32_t *code)
{
    uint64_t v;
    if (at + 6 > s.n || s.p[at] != '\\' || s.p[at + 1] != 'u' ||
        str_hex(str_sub(s, at + 2, 4), 0xffff, &v) < 0)
        return false;
    *code = (uint32_t)v;
    return true;
}

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
        const char *k = *at + 1 < s.n && s.p[*at + 1] ? strchr(from, s.p[*at + 1]) : NULL;
        if (!k)
            return 0;
        utf8[0] = to[k - from];
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
    return put_utf8(code, utf8);
}

int json_unescape(struct str string, struct out *o)
{
    struct cursor c = {string, 0, 0};
    char utf8[4];
    if (pass_string(&c) != JSON_FOUND || c.at != string.n)
        return ERR_INVALID;
    for (size_t at = 1; at + 1 < string.n;) {
        size_t n = string_char(string, &at, utf8);
        if (n == 0)
            return ERR_INVALID;
        out_str(o, (struct str){utf8, n});
    }
    return 0;
}
