/* Text to tokens. Nothing is copied; a token that cannot be is a token too (TOO_LONG, BAD_CHAR,
 * BAD_STRING), so that the parser reports errors in reading order. */
#include "scope/internal.h"
#include "base/utf8.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_word_start(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_word(char c)
{
    return is_word_start(c) || c == '.' || c == '-';
}

bool scope_is_name(struct str s)
{
    if (s.n == 0 || s.n > SCOPE_MAX_NAME || !is_word_start(s.p[0]))
        return false;
    for (size_t i = 1; i < s.n; i++)
        if (!is_word(s.p[i]))
            return false;
    return true;
}

void scope_lex_init(struct scope_lexer *l, struct str text)
{
    *l = (struct scope_lexer){
        .text = str_sub(text, 0, SCOPE_MAX_BYTES),
        .is_cut = text.n > SCOPE_MAX_BYTES,
    };
}

static void skip_blanks(struct scope_lexer *l)
{
    while (l->at < l->text.n && is_blank(l->text.p[l->at])) {
        l->at++;
        l->visited++;
    }
}

bool scope_lex_follows(struct scope_lexer *l, char c)
{
    skip_blanks(l);
    return l->at < l->text.n && l->text.p[l->at] == c;
}

/* One character of a JSON string (RFC 8259 section 7). Returns its bytes in the text and its code
 * point; 0 and the problem when there is none. */
struct string_char {
    size_t length;
    uint32_t code;
    bool is_escaped;
    const char *problem, *hint;
};

static struct string_char bad_char(const char *problem, const char *hint)
{
    return (struct string_char){.problem = problem, .hint = hint};
}

static bool read_hex4(struct str s, uint64_t *code)
{
    return s.n >= 4 && str_hex(str_sub(s, 0, 4), 0xffff, code) == 0;
}

/* \uXXXX, or two of them that make one character over U+FFFF. */
static struct string_char read_unicode_escape(struct str s)
{
    uint64_t high, low;
    if (!read_hex4(str_from(s, 2), &high))
        return bad_char("'\\u' needs four hexadecimal digits", "");
    if (high < 0xd800 || high > 0xdfff)
        return (struct string_char){.length = 6, .code = (uint32_t)high, .is_escaped = true};
    struct str second = str_from(s, 6);
    if (high > 0xdbff || !str_starts(second, STR("\\u")) || !read_hex4(str_from(second, 2), &low) ||
        low < 0xdc00 || low > 0xdfff)
        return bad_char("half of a surrogate pair stands alone", "write the character itself");
    uint32_t code = 0x10000 + (((uint32_t)high & 0x3ff) << 10 | ((uint32_t)low & 0x3ff));
    return (struct string_char){.length = 12, .code = code, .is_escaped = true};
}

static struct string_char read_escape(struct str s)
{
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    if (s.n < 2)
        return bad_char(NULL, NULL);
    if (s.p[1] == 'u')
        return read_unicode_escape(s);
    const char *at = s.p[1] ? strchr(letters, s.p[1]) : NULL;
    if (!at)
        return bad_char("a backslash begins no escape of JSON", "write '\\\\' for a backslash");
    return (struct string_char){2, (unsigned char)meant[at - letters], true, NULL, NULL};
}

static struct string_char read_string_char(struct str s)
{
    if (s.p[0] == '\\')
        return read_escape(s);
    if ((unsigned char)s.p[0] < 0x20)
        return bad_char("a control character stands in a string", "write it as '\\n' or '\\u000a'");
    size_t n = utf8_length(s);
    if (n == 0)
        return bad_char("a string is not UTF-8", "");
    return (struct string_char){.length = n};
}

/* The token begins at a quote. */
static void lex_string(struct scope_lexer *l, struct scope_token *t)
{
    size_t from = l->at, at = from + 1;
    while (at < l->text.n && l->text.p[at] != '"') {
        struct string_char c = read_string_char(str_from(l->text, at));
        if (c.length == 0 && c.problem) {
            t->kind = TOKEN_BAD_STRING;
            t->problem = c.problem;
            t->hint = c.hint;
        }
        if (c.length == 0)
            break;
        at += c.length;
    }
    bool is_closed = at < l->text.n && l->text.p[at] == '"';
    t->at.length = (at < l->text.n ? at + 1 : at) - from;
    if (is_closed) {
        t->kind = TOKEN_STRING;
    } else if (t->kind != TOKEN_BAD_STRING) {
        t->kind = l->is_cut ? TOKEN_TOO_LONG : TOKEN_BAD_STRING;
        t->at = (struct scope_span){l->text.n, 0};
        t->problem = "a string does not end";
        t->hint = "add the closing '\"'";
    }
    l->visited += at - from;
    l->at = at < l->text.n ? at + 1 : at;
    t->text = str_sub(l->text, from, l->at - from);
}

size_t scope_lex_decode(const struct scope_token *t, char *to)
{
    struct str rest = str_sub(t->text, 1, t->text.n - 2);
    size_t n = 0;
    while (rest.n) {
        struct string_char c = read_string_char(rest);
        if (c.is_escaped) {
            n += utf8_encode(c.code, to + n);
        } else {
            memmove(to + n, rest.p, c.length);
            n += c.length;
        }
        rest = str_from(rest, c.length);
    }
    return n;
}

static enum scope_token_kind punctuation(char c)
{
    switch (c) {
    case '{':
        return TOKEN_LBRACE;
    case '}':
        return TOKEN_RBRACE;
    case '(':
        return TOKEN_LPAREN;
    case ')':
        return TOKEN_RPAREN;
    case ',':
        return TOKEN_COMMA;
    case ':':
        return TOKEN_COLON;
    case '*':
        return TOKEN_STAR;
    case '&':
        return TOKEN_AND;
    case '%':
        return TOKEN_CROSS;
    case ';':
    case '|':
        return TOKEN_OTHERWISE;
    default:
        return TOKEN_BAD_CHAR;
    }
}

void scope_lex_next(struct scope_lexer *l, struct scope_token *t)
{
    skip_blanks(l);
    *t = (struct scope_token){.kind = l->is_cut ? TOKEN_TOO_LONG : TOKEN_END, .at = {l->at, 0}};
    struct str rest = str_from(l->text, l->at);
    if (rest.n == 0) {
        t->text = rest;
        return;
    }
    if (rest.p[0] == '"') {
        lex_string(l, t);
        return;
    }
    size_t n = 1;
    if (is_word_start(rest.p[0])) {
        t->kind = TOKEN_WORD;
        while (n < rest.n && is_word(rest.p[n]))
            n++;
    } else {
        t->kind = punctuation(rest.p[0]);
        if (str_starts(rest, STR("||")))
            n = 2;
        else if (t->kind == TOKEN_BAD_CHAR && utf8_length(rest))
            n = utf8_length(rest);
    }
    l->at += n;
    l->visited += n;
    t->text = str_sub(rest, 0, n);
    t->at.length = n;
    if (t->kind == TOKEN_WORD && n == rest.n && l->is_cut) { /* half a word says nothing */
        t->kind = TOKEN_TOO_LONG;
        t->at = (struct scope_span){l->at, 0};
    }
}
