/* Scopes, entries, bindings and options: the rules of docs/scope-lang.md above `loc`, one function
 * each. Errors are found in reading order, so everything is tested where it is read, and the first
 * error ends the parse. */
#include "scope/parser.h"
#include "base/check.h"

/* No byte of a text becomes more than six in the canonical form (DEL in a quoted key); braces come
 * to it. */
#define MAX_GROWTH 6

static const struct scope_binding *find_key(const struct scope *s, struct str key, bool is_any)
{
    const struct scope_binding *b = s->bindings;
    while (b && !(b->is_any == is_any && !b->key.p == !key.p && str_eq(b->key, key)))
        b = b->next;
    return b;
}

/* key absent: a bare location */
static int duplicate_key(struct scope_parser *p, struct str key, struct scope_span at)
{
    int rc;
    if (key.p) {
        rc = scope_fail(p, ERR_SCOPE_DUPLICATE_KEY, at, "the key %s stands twice",
                        scope_show(key).text);
        diag_hint(p->diag, "bind it once; alternatives are written 'A ; B'");
    } else {
        rc = scope_fail(p, ERR_SCOPE_DUPLICATE_KEY, at, "a second location without a key");
        diag_hint(p->diag, "write the service in front of it, as in {image: Paris}");
    }
    return rc;
}

/* Adds a binding without its location. key absent and not is_any: a bare location. */
static int add_binding(struct scope_parser *p, struct str key, bool is_any,
                       struct scope_binding **out)
{
    struct scope_span at = scope_place(p, &p->token);
    if (find_key(p->scope, key, is_any))
        return duplicate_key(p, is_any ? STR("*") : key, at);
    struct scope_binding *b = arena_new(p->arena, struct scope_binding);
    if (arena_overflowed(p->arena))
        return scope_no_memory(p);
    b->key = key;
    b->is_any = is_any;
    b->offset = (uint32_t)at.offset;
    b->length = (uint32_t)at.length;
    *p->tail = b;
    p->tail = &b->next;
    *out = b;
    return 0;
}

static int parse_bound_loc(struct scope_parser *p, struct scope_binding *b)
{
    size_t from = scope_place(p, &p->token).offset;
    int rc = scope_parse_loc(p, &b->loc);
    b->loc_offset = (uint32_t)from;
    b->loc_length = (uint32_t)(scope_last_end(p) - from);
    return rc;
}

/* key ":" loc, with key = name | string | "*" */
static int parse_keyed(struct scope_parser *p)
{
    const struct scope_token *t = &p->token;
    struct str key = t->text;
    bool is_any = t->kind == TOKEN_STAR;
    struct scope_binding *b = NULL;
    if (t->kind == TOKEN_STRING) {
        key = scope_unquote(p);
        is_any = str_eq(key, STR("*"));
    } else if (t->kind == TOKEN_WORD && key.n > SCOPE_MAX_NAME) {
        return scope_parse_name(p, "a key", &key);
    }
    int rc = add_binding(p, is_any ? STR_NULL : key, is_any, &b);
    if (rc < 0)
        return rc;
    scope_take(p);
    scope_take(p);
    return parse_bound_loc(p, b);
}

/* loc */
static int parse_bare(struct scope_parser *p)
{
    struct scope_binding *b = NULL;
    int rc = add_binding(p, STR_NULL, false, &b);
    if (rc < 0 || (rc = parse_bound_loc(p, b)) < 0)
        return rc;
    b->offset = b->loc_offset;
    b->length = b->loc_length;
    return 0;
}

/* "around" ":" name "," duration */
static int parse_around_option(struct scope_parser *p)
{
    struct scope_binding *b = NULL;
    size_t from = p->token.at.offset;
    int rc = add_binding(p, STR_NULL, false, &b);
    if (rc < 0 || (rc = scope_parse_around(p, &b->loc)) < 0)
        return rc;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): set whenever rc is 0 */
    b->loc_offset = (uint32_t)from;
    b->loc_length = b->length = (uint32_t)(scope_last_end(p) - from);
    return 0;
}

/* One of the words that an option takes; gives its enumerator. */
static int parse_word(struct scope_parser *p, enum scope_option option, int *out)
{
    const struct scope_option_row *row = &scope_options[option];
    const struct scope_token *t = &p->token;
    struct str values[COUNT_OF(row->values)];
    size_t n = 0;
    for (; row->values[n]; n++) {
        values[n] = str_of(row->values[n]);
        if (t->kind == TOKEN_WORD && str_eq(t->text, values[n])) {
            *out = (int)n + 1;
            scope_take(p);
            return 0;
        }
    }
    if (t->kind == TOKEN_STRING)
        return scope_unexpected(p, row->wanted, "write the word without quotes");
    int rc = scope_unexpected(p, row->wanted, "");
    struct str near = t->kind == TOKEN_WORD ? str_nearest(t->text, values, n) : STR_NULL;
    if (near.p)
        diag_hint(p->diag, "did you mean '%.*s'?", STR_ARG(near));
    return rc;
}

/* option = "prime" ":" name | "wait" ":" ( "one" | … ) | … */
static int parse_option(struct scope_parser *p, enum scope_option option)
{
    struct scope *s = p->scope;
    int value = 0, rc;
    if (option == SCOPE_OPTION_AROUND)
        return parse_around_option(p);
    if (p->options_seen & 1u << option) {
        rc = scope_fail(p, ERR_SCOPE_DUPLICATE_KEY, scope_place(p, &p->token),
                        "the option '%s' stands twice", scope_options[option].name);
        diag_hint(p->diag, "remove one of them");
        return rc;
    }
    p->options_seen |= 1u << option;
    scope_take(p);
    scope_take(p);
    switch (option) {
    case SCOPE_OPTION_PRIME:
        s->prime_offset = (uint32_t)p->token.at.offset;
        return scope_parse_name(p, "a site's name", &s->prime);
    case SCOPE_OPTION_TIMEOUT:
        return scope_parse_duration(p, &s->timeout);
    case SCOPE_OPTION_WAIT:
        rc = parse_word(p, option, &value);
        s->wait = (enum scope_wait)value;
        return rc;
    case SCOPE_OPTION_CONSISTENCY:
        rc = parse_word(p, option, &value);
        s->consistency = (enum scope_consistency)value;
        return rc;
    default:
        rc = parse_word(p, option, &value);
        s->missing = (enum scope_missing)value;
        return rc;
    }
}

/* entry = option | binding ;  binding = [ key ":" ] loc */
static int parse_entry(struct scope_parser *p)
{
    enum scope_token_kind k = p->token.kind;
    if (!scope_begins_location(k))
        return scope_unexpected(p, "a key or a location", NULL);
    if (k == TOKEN_LPAREN || !scope_lex_follows(&p->lexer, ':'))
        return parse_bare(p);
    enum scope_option option = SCOPE_OPTION_COUNT;
    if (k == TOKEN_WORD)
        option = scope_option_find(p->token.text);
    return option < SCOPE_OPTION_COUNT ? parse_option(p, option) : parse_keyed(p);
}

/* What may follow an entry: ',' and the next one, or `close`. */
static int after_entry(struct scope_parser *p, enum scope_token_kind close)
{
    const char *wanted =
        close == TOKEN_END ? "an operator, ',' or the end" : "an operator, ',' or '}'";
    const char *hint = NULL;
    if (p->token.kind == TOKEN_COMMA || p->token.kind == close)
        return 0;
    if (scope_begins_location(p->token.kind))
        hint = scope_join_hint;
    else if (p->token.kind == TOKEN_RPAREN)
        hint = "no '(' is open";
    else if (p->token.kind == TOKEN_END)
        hint = "add the closing '}'";
    return scope_unexpected(p, wanted, hint);
}

/* entries = entry { "," entry } [ "," ] */
static int parse_entries(struct scope_parser *p, enum scope_token_kind close)
{
    int rc;
    for (;;) {
        if ((rc = parse_entry(p)) < 0 || (rc = after_entry(p, close)) < 0)
            return rc;
        if (p->token.kind == close)
            return 0;
        scope_take(p);
        if (p->token.kind == close)
            return 0;
    }
}

/* scope = "{" [ entries ] "}" | entries */
static int parse_scope(struct scope_parser *p)
{
    int rc = 0;
    if (p->token.kind == TOKEN_END) {
        rc = scope_fail(p, ERR_SCOPE_SYNTAX, (struct scope_span){0, p->text_bytes},
                        "the scope is empty");
        diag_hint(p->diag, "{} means: everything where the request is");
        return rc;
    }
    if (p->token.kind != TOKEN_LBRACE)
        return parse_entries(p, TOKEN_END);
    p->is_braced = true;
    scope_take(p);
    if (p->token.kind != TOKEN_RBRACE && (rc = parse_entries(p, TOKEN_RBRACE)) < 0)
        return rc;
    scope_take(p);
    if (p->token.kind != TOKEN_END)
        return scope_unexpected(p, "the end", "the scope ends with its '}'");
    return 0;
}

/* Every location is a leaf or joins at least two, and every binding has one; only the last may be
 * the 65th that is refused. Sixteen bytes are lost to alignment at most. */
_Static_assert(SCOPE_MAX_BYTES + 1 + sizeof(struct scope) +
                       2 * SCOPE_MAX_LOCATIONS * (sizeof(struct scope_loc) + 16) +
                       (SCOPE_MAX_LOCATIONS + 1) * (sizeof(struct scope_binding) + 16) + 32 <=
                   SCOPE_MEMORY,
               "SCOPE_MEMORY is enough for every scope");

int scope_parse_counted(struct str text, struct arena *arena, struct scope **out, struct diag *d,
                        size_t *visited)
{
    struct scope_parser p = {.arena = arena, .diag = d, .text_bytes = text.n};
    /* Nothing borrows the caller's text. One byte more than is read tells the lexer that there is
     * more. */
    size_t n = text.n <= SCOPE_MAX_BYTES ? text.n : SCOPE_MAX_BYTES + 1;
    p.copy = arena_alloc(arena, n);
    p.scope = arena_new(arena, struct scope);
    if (arena_overflowed(arena))
        return scope_no_memory(&p);
    if (n)
        memcpy(p.copy, text.p, n);
    p.tail = &p.scope->bindings;
    scope_lex_init(&p.lexer, (struct str){p.copy, n});
    scope_lex_next(&p.lexer, &p.token);
    int rc = parse_scope(&p);
    *visited = p.lexer.visited;
    if (rc < 0)
        return rc;
    if (text.n * MAX_GROWTH + 2 > SCOPE_MAX_BYTES && !scope_fits(p.scope)) {
        struct scope_span all = {0, text.n};
        return scope_fail(&p, ERR_SCOPE_LIMIT, all, "the canonical form has more than %d bytes",
                          SCOPE_MAX_BYTES);
    }
    if ((rc = scope_check(p.scope, d)) < 0)
        return rc;
    *out = p.scope;
    return 0;
}

int scope_parse(struct str text, struct arena *arena, struct scope **out, struct diag *d)
{
    size_t visited;
    return scope_parse_counted(text, arena, out, d, &visited);
}
