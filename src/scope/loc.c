/* Locations: the rules of docs/scope-lang.md from `loc` down, one function each. Recursion goes
 * through scope_parse_loc only, which counts the nesting. */
#include "scope/parser.h"
#include "base/check.h"

/* ---- words ---- */

/* name = [A-Za-z0-9_] [A-Za-z0-9_.-]{0,62} */
int scope_parse_name(struct scope_parser *p, const char *wanted, struct str *out)
{
    if (p->token.kind == TOKEN_STRING)
        return scope_unexpected(p, wanted, "write the name without quotes");
    if (p->token.kind != TOKEN_WORD)
        return scope_unexpected(p, wanted, "a name is made of letters, digits, '_', '.' and '-'");
    if (p->token.text.n > SCOPE_MAX_NAME)
        return scope_fail(p, ERR_SCOPE_SYNTAX, scope_place(p, &p->token),
                          "a name of %zu bytes, %d are allowed", p->token.text.n, SCOPE_MAX_NAME);
    *out = p->token.text;
    scope_take(p);
    return 0;
}

/* duration = digits ( "us" | "ms" | "s" ) */
int scope_parse_duration(struct scope_parser *p, struct scope_duration *out)
{
    static const struct {
        const char *name;
        uint64_t us;
    } units[] = {{"us", 1}, {"ms", 1000}, {"s", 1000000}};
    if (p->token.kind == TOKEN_STRING)
        return scope_unexpected(p, "a duration", "write the duration without quotes");
    if (p->token.kind != TOKEN_WORD)
        return scope_unexpected(p, "a duration", "a duration is written 500us, 10ms or 5s");
    struct str word = p->token.text, unit = word;
    struct scope_span at = scope_place(p, &p->token);
    while (unit.n && unit.p[0] >= '0' && unit.p[0] <= '9')
        unit = str_from(unit, 1);
    struct str digits = str_sub(word, 0, word.n - unit.n);
    if (digits.n == 0)
        return scope_unexpected(p, "a duration", "a duration is written 500us, 10ms or 5s");
    size_t i = 0, n_units = COUNT_OF(units);
    while (i < n_units && !str_eq(unit, str_of(units[i].name)))
        i++;
    if (i == n_units) {
        int rc = unit.n ? scope_fail(p, ERR_SCOPE_SYNTAX, at, "%s is not a unit of time",
                                     scope_show(unit).text)
                        : scope_fail(p, ERR_SCOPE_SYNTAX, at, "the duration %s has no unit",
                                     scope_show(word).text);
        diag_hint(p->diag, "the units are us, ms and s");
        return rc;
    }
    uint64_t value;
    if (str_digits(digits, SCOPE_MAX_DURATION_US / units[i].us, &value) < 0) {
        int rc = scope_fail(p, ERR_SCOPE_SYNTAX, at, "the duration %s is over an hour",
                            scope_show(word).text);
        diag_hint(p->diag, "at most 3600s");
        return rc;
    }
    *out = (struct scope_duration){word, value * units[i].us};
    scope_take(p);
    return 0;
}

/* ---- locations ---- */

static struct scope_loc *new_loc(struct scope_parser *p, enum scope_loc_kind kind,
                                 struct scope_span at)
{
    struct scope_loc *l = arena_new(p->arena, struct scope_loc);
    if (arena_overflowed(p->arena))
        return NULL;
    l->kind = kind;
    l->offset = (uint32_t)at.offset;
    l->length = (uint32_t)at.length;
    return l;
}

/* One site, here, '*' or around: counts as a location. */
static int new_leaf(struct scope_parser *p, enum scope_loc_kind kind, struct scope_loc **out)
{
    struct scope_span at = scope_place(p, &p->token);
    if (p->locations == SCOPE_MAX_LOCATIONS)
        return scope_fail(p, ERR_SCOPE_LIMIT, at, "more than %d locations", SCOPE_MAX_LOCATIONS);
    p->locations++;
    *out = new_loc(p, kind, at);
    return *out ? 0 : scope_no_memory(p);
}

/* What both spellings share: "around" and the token behind it, then ( name | "here" ) ","
 * duration. */
int scope_parse_around(struct scope_parser *p, struct scope_loc **out)
{
    int rc = new_leaf(p, SCOPE_AROUND, out);
    if (rc < 0)
        return rc;
    scope_take(p);
    scope_take(p);
    struct scope_loc *around = *out;
    struct scope_span at = scope_place(p, &p->token);
    struct str name = STR_NULL;
    if ((rc = scope_parse_name(p, "a site's name or 'here'", &name)) < 0)
        return rc;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): set whenever rc is 0 */
    around->name = str_eq(name, STR("here")) ? STR_NULL : name;
    around->offset = (uint32_t)at.offset;
    around->length = (uint32_t)at.length;
    const char *hint = "around takes one site and a duration, as in around(Nantes, 10ms)";
    if ((rc = scope_expect(p, TOKEN_COMMA, "','", hint)) < 0)
        return rc;
    return scope_parse_duration(p, &around->duration);
}

/* "around" "(" ( name | "here" ) "," duration ")" */
static int parse_around_call(struct scope_parser *p, struct scope_loc **out)
{
    int rc = scope_parse_around(p, out);
    return rc < 0 ? rc : scope_expect(p, TOKEN_RPAREN, "')'", "add the closing ')'");
}

/* "(" loc ")" */
static int parse_group(struct scope_parser *p, struct scope_loc **out)
{
    scope_take(p);
    int rc = scope_parse_loc(p, out);
    if (rc < 0)
        return rc;
    const char *hint = "add the closing ')'";
    if (scope_begins_location(p->token.kind))
        hint = scope_join_hint;
    return scope_expect(p, TOKEN_RPAREN, "an operator or ')'", hint);
}

/* string: what it stands for is read as a loc */
static int parse_quoted(struct scope_parser *p, struct scope_loc **out)
{
    struct str content = scope_unquote(p);
    struct scope_parser outer = *p;
    p->quote = scope_place(p, &p->token);
    p->in_string = true;
    p->previous.kind = TOKEN_NONE;
    scope_lex_init(&p->lexer, content);
    scope_lex_next(&p->lexer, &p->token);
    int rc = scope_parse_loc(p, out);
    if (rc == 0 && p->token.kind != TOKEN_END)
        rc = scope_unexpected(p, "an operator or the end of the string", NULL);
    outer.lexer.visited += p->lexer.visited;
    p->lexer = outer.lexer;
    p->token = outer.token;
    p->in_string = outer.in_string;
    scope_take(p);
    return rc;
}

/* term = name | string | "here" | "*" | "around" "(" … ")" | "(" loc ")" */
static int parse_term(struct scope_parser *p, struct scope_loc **out)
{
    if (p->token.kind == TOKEN_LPAREN)
        return parse_group(p, out);
    if (p->token.kind == TOKEN_STRING)
        return parse_quoted(p, out);
    bool is_word = p->token.kind == TOKEN_WORD;
    if (is_word && str_eq(p->token.text, STR("around")) && scope_lex_follows(&p->lexer, '('))
        return parse_around_call(p, out);
    if (!is_word && p->token.kind != TOKEN_STAR)
        return scope_unexpected(p, "a location", NULL);
    bool is_here = is_word && str_eq(p->token.text, STR("here"));
    int rc = new_leaf(p, is_here ? SCOPE_HERE : is_word ? SCOPE_SITE : SCOPE_ALL, out);
    if (rc < 0)
        return rc;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): set whenever rc is 0 */
    if ((*out)->kind == SCOPE_SITE)
        return scope_parse_name(p, "a location", &(*out)->name);
    scope_take(p);
    return 0;
}

/* Puts an operand behind the last one; the operands of a chain of the same kind one by one, so that
 * chains are flat. Returns the new last one. */
static struct scope_loc *append(struct scope_loc *chain, struct scope_loc *last,
                                struct scope_loc *operand)
{
    struct scope_loc *first = operand->kind == chain->kind ? operand->first : operand;
    if (last)
        last->next = first;
    else
        chain->first = first;
    while (first->next)
        first = first->next;
    return first;
}

/* operand { operator operand } */
static int parse_chain(struct scope_parser *p, enum scope_token_kind operator,
                       enum scope_loc_kind kind,
                       int (*parse_operand)(struct scope_parser *, struct scope_loc **),
                       struct scope_loc **out)
{
    struct scope_loc *operand = NULL, *last = NULL;
    int rc = parse_operand(p, &operand);
    if (rc < 0 || p->token.kind != operator) {
        *out = operand;
        return rc;
    }
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): set whenever rc is 0 */
    *out = new_loc(p, kind, (struct scope_span){operand->offset, operand->length});
    if (!*out)
        return scope_no_memory(p);
    last = append(*out, NULL, operand);
    while (p->token.kind == operator) {
        scope_take(p);
        if ((rc = parse_operand(p, &operand)) < 0)
            return rc;
        last = append(*out, last, operand);
    }
    return 0;
}

/* replica = term { "&" term } */
static int parse_replica(struct scope_parser *p, struct scope_loc **out)
{
    return parse_chain(p, TOKEN_AND, SCOPE_REPLICA, parse_term, out);
}

/* cross = replica { "%" replica } */
static int parse_cross(struct scope_parser *p, struct scope_loc **out)
{
    return parse_chain(p, TOKEN_CROSS, SCOPE_CROSS, parse_replica, out);
}

/* loc = cross { ( ";" | "|" | "||" ) cross } */
int scope_parse_loc(struct scope_parser *p, struct scope_loc **out)
{
    if (p->nesting == SCOPE_MAX_NESTING)
        return scope_fail(p, ERR_SCOPE_LIMIT, scope_place(p, &p->token), "nested more than %d deep",
                          SCOPE_MAX_NESTING);
    p->nesting++;
    int rc = parse_chain(p, TOKEN_OTHERWISE, SCOPE_OTHERWISE, parse_cross, out);
    p->nesting--;
    return rc;
}
