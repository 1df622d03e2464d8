/* What the parser's functions have in common: taking tokens, and saying what is wrong with one. */
#include "scope/parser.h"
#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- errors ---- */

int scope_fail(struct scope_parser *p, int code, struct scope_span at, const char *format, ...)
{
    char text[400];
    va_list ap;
    if (!p->diag)
        return code;
    va_start(ap, format);
    if (vsnprintf(text, sizeof text, format, ap) < 0)
        text[0] = 0;
    va_end(ap);
    return diag_at(p->diag, code, at.offset, at.length, "%s%s",
                   p->in_string ? "in the quoted location: " : "", text);
}

int scope_no_memory(struct scope_parser *p)
{
    return diag_set(p->diag, ERR_NO_MEMORY, "the scope needs more memory than it may have");
}

struct scope_span scope_place(const struct scope_parser *p, const struct scope_token *t)
{
    return p->in_string ? p->quote : t->at;
}

static int too_long(struct scope_parser *p)
{
    struct scope_span rest = {SCOPE_MAX_BYTES, p->text_bytes - SCOPE_MAX_BYTES};
    return scope_fail(p, ERR_SCOPE_LIMIT, rest, "the scope has %zu bytes, %d are allowed",
                      p->text_bytes, SCOPE_MAX_BYTES);
}

static int bad_char(struct scope_parser *p)
{
    static const struct {
        const char *chars, *hint;
    } char_hints[] = {
        {"+", "replication is written '&'"},
        {"/\\", "otherwise is written ';'"},
        {"=", "a key is followed by ':'"},
        {"'`", "a string stands in double quotes"},
        {"[]<>", "locations are grouped with '(' and ')'"},
        {"-.", "a name begins with a letter, a digit or '_'"},
    };
    struct str c = p->token.text;
    const char *hint = "names are made of letters, digits, '_', '.' and '-'";
    for (size_t i = 0; i < COUNT_OF(char_hints); i++)
        if (c.p[0] && strchr(char_hints[i].chars, c.p[0]))
            hint = char_hints[i].hint;
    int rc = scope_fail(p, ERR_SCOPE_SYNTAX, scope_place(p, &p->token), "unexpected character %s",
                        scope_show(c).text);
    diag_hint(p->diag, "%s", hint);
    return rc;
}

/* What to do when `found` stands behind `after`, from the general to the particular: the last row
 * that fits counts. */
#define ANY TOKEN_NONE
static const struct {
    enum scope_token_kind after, found;
    const char *hint;
} hints[] = {
    {ANY, TOKEN_AND, "an operator stands between two locations"},
    {ANY, TOKEN_CROSS, "an operator stands between two locations"},
    {ANY, TOKEN_OTHERWISE, "an operator stands between two locations"},
    {ANY, TOKEN_LBRACE, "one pair of braces stands around the whole scope"},
    {ANY, TOKEN_COLON, "a key is one name or one string, in front of ':'"},
    {TOKEN_COLON, ANY, "after a key stands a site, 'here', '*' or around(site, duration)"},
    {TOKEN_AND, ANY, "an operator stands between two locations"},
    {TOKEN_CROSS, ANY, "an operator stands between two locations"},
    {TOKEN_OTHERWISE, ANY, "an operator stands between two locations"},
    {TOKEN_COMMA, TOKEN_COMMA, "remove one ','"},
    {TOKEN_LBRACE, TOKEN_COMMA, "remove the ','"},
    {TOKEN_LBRACE, TOKEN_END, "add the closing '}'"},
    {TOKEN_COMMA, TOKEN_END, "add the closing '}'"},
    {TOKEN_LPAREN, TOKEN_RPAREN, "put a location between the parentheses, or remove them"},
    {TOKEN_AND, TOKEN_AND, "replication is written with one '&'"},
    {TOKEN_CROSS, TOKEN_CROSS, "a cross is written with one '%'"},
    {TOKEN_OTHERWISE, TOKEN_OTHERWISE, "otherwise is written ';', '|' or '||'"},
};
const char scope_join_hint[] = "locations are joined by '&', '%' or ';', entries by ','";

static void hint_expected(struct scope_parser *p)
{
    const char *hint = NULL;
    for (size_t i = 0; i < COUNT_OF(hints); i++) {
        bool is_after = hints[i].after == ANY || hints[i].after == p->previous.kind;
        bool is_found = hints[i].found == ANY || hints[i].found == p->token.kind;
        if (is_after && is_found)
            hint = hints[i].hint;
    }
    if (p->token.kind == TOKEN_RBRACE && (p->in_string || !p->is_braced))
        hint = "no '{' is open";
    if (hint)
        diag_hint(p->diag, "%s", hint);
}

int scope_unexpected(struct scope_parser *p, const char *wanted, const char *hint)
{
    const struct scope_token *t = &p->token;
    struct scope_shown found, after;
    if (t->kind == TOKEN_TOO_LONG)
        return too_long(p);
    if (t->kind == TOKEN_BAD_CHAR)
        return bad_char(p);
    if (t->kind == TOKEN_BAD_STRING) {
        int rc = scope_fail(p, ERR_SCOPE_SYNTAX, scope_place(p, t), "%s", t->problem);
        diag_hint(p->diag, "%s", t->hint);
        return rc;
    }
    found = scope_show(t->text);
    after = scope_show(p->previous.text);
    bool is_first = p->previous.kind == TOKEN_NONE, is_string = p->previous.kind == TOKEN_STRING;
    const char *end = p->in_string ? "the end of the string" : "the end";
    int rc = scope_fail(p, ERR_SCOPE_SYNTAX, scope_place(p, t), "expected %s%s%s, found %s", wanted,
                        is_first ? "" : " after ",
                        is_first    ? ""
                        : is_string ? "a string"
                                    : after.text,
                        t->kind == TOKEN_END ? end : found.text);
    if (hint)
        diag_hint(p->diag, "%s", hint);
    else
        hint_expected(p);
    return rc;
}

/* ---- tokens ---- */

void scope_take(struct scope_parser *p)
{
    p->previous = p->token;
    scope_lex_next(&p->lexer, &p->token);
}

struct str scope_unquote(struct scope_parser *p)
{
    const struct scope_token *t = &p->token;
    char *content = p->copy + (t->text.p - p->copy) + 1;
    p->lexer.visited += t->text.n;
    return (struct str){content, scope_lex_decode(t, content)};
}

int scope_expect(struct scope_parser *p, enum scope_token_kind kind, const char *wanted,
                 const char *hint)
{
    if (p->token.kind != kind)
        return scope_unexpected(p, wanted, hint);
    scope_take(p);
    return 0;
}

/* End of the last token taken, in the text that the caller gave. */
size_t scope_last_end(const struct scope_parser *p)
{
    struct scope_span at = scope_place(p, &p->previous);
    return at.offset + at.length;
}

bool scope_begins_location(enum scope_token_kind k)
{
    return k == TOKEN_WORD || k == TOKEN_STRING || k == TOKEN_STAR || k == TOKEN_LPAREN;
}
