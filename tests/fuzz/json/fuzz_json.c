/* A text and a pointer into it. The scanner must agree with a parser that is written from the
 * grammar of RFC 8259, one function a rule, and with itself however the text comes.
 *
 *   byte 0     length of the pointer, which comes first
 *   byte 1     size of the pieces in which the text comes; 0: whole
 */
#include "fuzz.h"

#include "base/check.h"
#include "base/utf8.h"
#include "codec/json.h"

/* ---- the reference: recursive, of a whole text */

struct reference {
    struct str text;
    size_t at;
    unsigned depth;
};

static bool ref_value(struct reference *r);

static int peek(const struct reference *r)
{
    return r->at < r->text.n ? (unsigned char)r->text.p[r->at] : -1;
}

static bool take(struct reference *r, char c)
{
    bool is_there = peek(r) == (unsigned char)c;
    r->at += is_there;
    return is_there;
}

static void ref_space(struct reference *r)
{
    while (peek(r) == ' ' || peek(r) == '\t' || peek(r) == '\n' || peek(r) == '\r')
        r->at++;
}

static bool ref_digits(struct reference *r)
{
    size_t from = r->at;
    while (peek(r) >= '0' && peek(r) <= '9')
        r->at++;
    return r->at > from;
}

/* number = [ "-" ] ( "0" / digit1-9 *DIGIT ) [ "." 1*DIGIT ] [ ( "e" / "E" ) [ "-" / "+" ] 1*DIGIT
 * ]
 */
static bool ref_number(struct reference *r)
{
    take(r, '-');
    if (!take(r, '0') && !ref_digits(r))
        return false;
    if (take(r, '.') && !ref_digits(r))
        return false;
    if (take(r, 'e') || take(r, 'E')) {
        if (!take(r, '-'))
            take(r, '+');
        return ref_digits(r);
    }
    return true;
}

/* char = unescaped / "\" ( one of "\/bfnrt / "u" 4HEXDIG ) */
static bool ref_char(struct reference *r)
{
    uint64_t v;
    if (!take(r, '\\')) {
        size_t n = peek(r) < 0x20 ? 0 : utf8_length(str_from(r->text, r->at));
        r->at += n;
        return n > 0;
    }
    int c = peek(r);
    if (c <= 0 || !strchr("\"\\/bfnrtu", c))
        return false;
    r->at++;
    if (c != 'u')
        return true;
    struct str digits = str_sub(r->text, r->at, 4);
    r->at += 4;
    return digits.n == 4 && str_hex(digits, 0xffff, &v) == 0;
}

static bool ref_string(struct reference *r)
{
    if (!take(r, '"'))
        return false;
    while (!take(r, '"'))
        if (!ref_char(r))
            return false;
    return true;
}

/* object = "{" [ string ":" value *( "," string ":" value ) ] "}"; an array without the names. */
static bool ref_bracket(struct reference *r, bool is_object)
{
    char end = is_object ? '}' : ']';
    if (++r->depth > JSON_MAX_DEPTH)
        return false;
    r->at++;
    ref_space(r);
    if (!take(r, end)) {
        do {
            ref_space(r);
            if (is_object && !ref_string(r))
                return false;
            ref_space(r);
            if (is_object && !take(r, ':'))
                return false;
            ref_space(r);
            if (!ref_value(r))
                return false;
            ref_space(r);
        } while (take(r, ','));
        if (!take(r, end))
            return false;
    }
    r->depth--;
    return true;
}

static bool ref_word(struct reference *r, struct str word)
{
    bool is_there = str_starts(str_from(r->text, r->at), word);
    r->at += is_there ? word.n : 0;
    return is_there;
}

static bool ref_value(struct reference *r)
{
    switch (peek(r)) {
    case '{':
    case '[':
        return ref_bracket(r, peek(r) == '{');
    case '"':
        return ref_string(r);
    case 't':
        return ref_word(r, STR("true"));
    case 'f':
        return ref_word(r, STR("false"));
    case 'n':
        return ref_word(r, STR("null"));
    default:
        return ref_number(r);
    }
}

static bool ref_is_valid(struct str text)
{
    struct reference r = {.text = text};
    ref_space(&r);
    if (!ref_value(&r))
        return false;
    ref_space(&r);
    return r.at == text.n;
}

/* Whether the name (with quotes) means a pointer's piece (RFC 6901 section 4). */
static bool ref_name_is(struct str name, struct str piece)
{
    char memory[1024], wanted[256];
    struct out o, want;
    out_init(&o, memory, sizeof memory);
    out_init(&want, wanted, sizeof wanted);
    for (size_t i = 0; i < piece.n; i++)
        if (piece.p[i] == '~')
            out_char(&want, piece.p[++i] == '1' ? '/' : '~');
        else
            out_char(&want, piece.p[i]);
    return json_unescape(name, &o) == 0 && !o.overflowed && str_eq(out_get(&o), out_get(&want));
}

static bool ref_index_is(struct str piece, size_t index)
{
    char text[24];
    struct out o;
    out_init(&o, text, sizeof text);
    out_u64(&o, index);
    return str_eq(piece, out_get(&o));
}

/* The value that the pointer leads to in a valid text, from where a value begins. */
static struct str ref_find(struct reference *r, struct str pointer)
{
    size_t from = r->at;
    if (pointer.n == 0)
        return ref_value(r) ? str_sub(r->text, from, r->at - from) : STR_NULL;
    bool is_object = peek(r) == '{';
    struct str rest = str_from(pointer, 1), piece;
    str_split(&rest, '/', &piece);
    if (!is_object && peek(r) != '[')
        return STR_NULL;
    r->at++;
    ref_space(r);
    for (size_t i = 0; peek(r) != '}' && peek(r) != ']'; i++) {
        size_t name = r->at;
        bool is_next = !is_object && ref_index_is(piece, i);
        if (is_object) {
            ref_string(r);
            is_next = ref_name_is(str_sub(r->text, name, r->at - name), piece);
            ref_space(r);
            take(r, ':');
            ref_space(r);
        }
        if (is_next)
            return ref_find(r, str_from(pointer, piece.n + 1));
        ref_value(r);
        ref_space(r);
        take(r, ',');
        ref_space(r);
    }
    return STR_NULL;
}

/* ---- the scanner */

/* What a finder says of a text that comes in pieces, and the value. */
static enum json_found find_in_pieces(struct str text, struct str pointer, size_t piece,
                                      struct str *value)
{
    struct json_finder f;
    size_t n = 0;
    bool has_begun = false;
    json_finder_init(&f, pointer);
    enum json_found found = JSON_MORE;
    while (found == JSON_MORE) {
        n = piece && text.n - n > piece ? n + piece : text.n;
        found = json_finder_push(&f, str_sub(text, 0, n), n == text.n);
        CHECK(!has_begun || json_finder_has_begun(&f) || found == JSON_INVALID);
        has_begun = json_finder_has_begun(&f);
        CHECK(found != JSON_MORE || n < text.n);
    }
    CHECK(json_finder_push(&f, text, true) == found);
    *value = json_finder_value(&f, text);
    CHECK((value->p != NULL) == (found == JSON_FOUND));
    return found;
}

/* Tokens lie one behind the other, and between them is only white space, commas and colons. */
static void check_tokens(struct str text)
{
    struct json_scan s = {0};
    struct json_token t;
    size_t at = 0;
    while (json_next(&s, text, true, &t) == 0) {
        CHECK(t.from >= at && t.to > t.from && t.to <= text.n);
        for (; at < t.from; at++)
            CHECK(strchr(" \t\r\n,:", text.p[at]));
        at = t.to;
    }
    CHECK(s.at <= text.n);
}

static void check_string(struct str value)
{
    char memory[4096];
    struct out o;
    out_init(&o, memory, sizeof memory);
    if (json_unescape(value, &o) < 0)
        return;
    CHECK(!o.overflowed && utf8_whole(out_get(&o)).n == o.n);
    CHECK((json_string_find(value, '@') >= 0) == (str_find(out_get(&o), '@') >= 0));
}

static void check_find(struct str text, struct str pointer, size_t piece, bool is_valid)
{
    struct str whole, cut, expected = STR_NULL;
    struct reference r = {.text = text};
    enum json_found found = find_in_pieces(text, pointer, 0, &whole);
    CHECK(find_in_pieces(text, pointer, piece, &cut) == found);
    CHECK(cut.p == whole.p && cut.n == whole.n);
    if (!is_valid)
        return;
    ref_space(&r);
    if (json_pointer_is_valid(pointer))
        expected = ref_find(&r, pointer);
    CHECK(found == (expected.p ? JSON_FOUND : JSON_ABSENT));
    CHECK(whole.p == expected.p && whole.n == expected.n);
    if (whole.n && whole.p[0] == '"')
        check_string(whole);
    if (whole.n && whole.p[0] == '[') {
        struct str inside = str_trim(str_sub(whole, 1, whole.n - 2));
        while (inside.n && strchr(" \t\r\n", inside.p[0]))
            inside = str_from(inside, 1);
        CHECK(json_array_is_empty(text, pointer) == (inside.n ? JSON_EMPTY_NO : JSON_EMPTY_YES));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 2048)
        return 0;
    struct str all = {(const char *)data + 2, size - 2};
    struct str pointer = str_sub(all, 0, data[0]), text = str_from(all, data[0]);
    bool is_valid = ref_is_valid(text);
    size_t at;
    CHECK(json_is_valid(text, &at) == is_valid && at <= text.n);
    check_tokens(text);
    check_find(text, pointer, data[1], is_valid);
    return 0;
}
