/* Tokens to a tree: recursive descent, the rule of docs/scope-lang.md above each function, at most
 * SCOPE_MAX_NESTING deep. Errors are found in reading order, so everything is tested where it is
 * read, and the first error ends the parse. */
#include "scope/internal.h"

#include <stdarg.h>
#include <stdio.h>

/* No byte of a text becomes more than six in the canonical form (DEL in a quoted key); braces come
 * to it. */
#define MAX_GROWTH 6

struct parser {
    struct scope_lexer lexer;
    struct scope_token token;    /* the next one, not yet taken */
    struct scope_token previous; /* the last one that was taken */
    bool is_braced;              /* the scope began with '{' */
    bool in_string;              /* a quoted location is being read … */
    struct scope_span quote;     /* … and this is its place, which every error in it has */
    size_t text_bytes;           /* of the whole text, also where it is too long */
    unsigned locations, nesting;
    unsigned options_seen; /* a bit for each enum scope_option */
    struct scope *scope;
    struct scope_binding **tail;
    struct arena *arena;
    struct diag *diag;
};

/* ---- errors ---- */

__attribute__((format(printf, 4, 5))) static int fail(struct parser *p, int code,
                                                      struct scope_span at, const char *format, ...)
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

static int no_memory(struct parser *p)
{
    return diag_set(p->diag, ERR_NO_MEMORY, "the scope needs more memory than it may have");
}

/* Where a token stands in the text that the caller gave. */
static struct scope_span place(const struct parser *p, const struct scope_token *t)
{
    return p->in_string ? p->quote : t->at;
}

static int too_long(struct parser *p)
{
    struct scope_span rest = {SCOPE_MAX_BYTES, p->text_bytes - SCOPE_MAX_BYTES};
    return fail(p, ERR_SCOPE_LIMIT, rest, "the scope has %zu bytes, %d are allowed", p->text_bytes,
                SCOPE_MAX_BYTES);
}

static int bad_char(struct parser *p)
{
    static const struct {
        const char *chars, *hint;
    } hints[] = {
        {"+", "replication is written '&'"},
        {"/\\", "otherwise is written ';'"},
        {"=", "a key is followed by ':'"},
        {"'`", "a string stands in double quotes"},
        {"[]<>", "locations are grouped with '(' and ')'"},
        {"-.", "a name begins with a letter, a digit or '_'"},
    };
    struct str c = p->token.text;
    const char *hint = "names are made of letters, digits, '_', '.' and '-'";
    for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++)
        if (c.p[0] && strchr(hints[i].chars, c.p[0]))
            hint = hints[i].hint;
    int rc = fail(p, ERR_SCOPE_SYNTAX, place(p, &p->token), "unexpected character %s",
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
static const char join_hint[] = "locations are joined by '&', '%' or ';', entries by ','";

static void hint_expected(struct parser *p)
{
    const char *hint = NULL;
    for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++) {
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

/* The next token is not what the grammar wants: "expected <wanted> after '&', found 'x'". hint may
 * be NULL: what the table has. */
static int unexpected(struct parser *p, const char *wanted, const char *hint)
{
    const struct scope_token *t = &p->token;
    char found[220] = "the end", after[220] = "";
    if (p->in_string)
        snprintf(found, sizeof found, "the end of the string");
    if (t->kind == TOKEN_TOO_LONG)
        return too_long(p);
    if (t->kind == TOKEN_BAD_CHAR)
        return bad_char(p);
    if (t->kind == TOKEN_BAD_STRING) {
        int rc = fail(p, ERR_SCOPE_SYNTAX, place(p, t), "%s", t->problem);
        diag_hint(p->diag, "%s", t->hint);
        return rc;
    }
    if (t->kind != TOKEN_END)
        snprintf(found, sizeof found, "%s", scope_show(t->text).text);
    if (p->previous.kind != TOKEN_NONE)
        snprintf(after, sizeof after, " after %s", scope_show(p->previous.text).text);
    int rc =
        fail(p, ERR_SCOPE_SYNTAX, place(p, t), "expected %s%s, found %s", wanted, after, found);
    if (hint)
        diag_hint(p->diag, "%s", hint);
    else
        hint_expected(p);
    return rc;
}

/* ---- tokens ---- */

static void take(struct parser *p)
{
    p->previous = p->token;
    scope_lex_next(&p->lexer, &p->token);
}

static int expect(struct parser *p, enum scope_token_kind kind, const char *wanted,
                  const char *hint)
{
    if (p->token.kind != kind)
        return unexpected(p, wanted, hint);
    take(p);
    return 0;
}

/* End of the last token taken, in the text that the caller gave. */
static size_t last_end(const struct parser *p)
{
    struct scope_span at = place(p, &p->previous);
    return at.offset + at.length;
}

static bool begins_location(enum scope_token_kind k)
{
    return k == TOKEN_WORD || k == TOKEN_STRING || k == TOKEN_STAR || k == TOKEN_LPAREN;
}

/* name = [A-Za-z0-9_] [A-Za-z0-9_.-]{0,62} */
static int parse_name(struct parser *p, const char *wanted, struct str *out)
{
    if (p->token.kind == TOKEN_STRING)
        return unexpected(p, wanted, "write the name without quotes");
    if (p->token.kind != TOKEN_WORD)
        return unexpected(p, wanted, NULL);
    if (p->token.text.n > SCOPE_MAX_NAME) {
        int rc = fail(p, ERR_SCOPE_SYNTAX, place(p, &p->token),
                      "a name of %zu bytes, %d are allowed", p->token.text.n, SCOPE_MAX_NAME);
        return rc;
    }
    *out = p->token.text;
    take(p);
    return 0;
}

/* duration = digits ( "us" | "ms" | "s" ) */
static int parse_duration(struct parser *p, struct scope_duration *out)
{
    static const struct {
        const char *name;
        uint64_t us;
    } units[] = {{"us", 1}, {"ms", 1000}, {"s", 1000000}};
    if (p->token.kind != TOKEN_WORD)
        return unexpected(p, "a duration", "a duration is written 500us, 10ms or 5s");
    struct str word = p->token.text, unit = word;
    struct scope_span at = place(p, &p->token);
    while (unit.n && unit.p[0] >= '0' && unit.p[0] <= '9')
        unit = str_from(unit, 1);
    struct str digits = str_sub(word, 0, word.n - unit.n);
    if (digits.n == 0)
        return unexpected(p, "a duration", "a duration is written 500us, 10ms or 5s");
    size_t i = 0, n_units = sizeof units / sizeof units[0];
    while (i < n_units && !str_eq(unit, str_of(units[i].name)))
        i++;
    if (i == n_units) {
        int rc = unit.n ? fail(p, ERR_SCOPE_SYNTAX, at, "%s is not a unit of time",
                               scope_show(unit).text)
                        : fail(p, ERR_SCOPE_SYNTAX, at, "the duration %s has no unit",
                               scope_show(word).text);
        diag_hint(p->diag, "the units are us, ms and s");
        return rc;
    }
    uint64_t value;
    if (str_digits(digits, SCOPE_MAX_DURATION_US / units[i].us, &value) < 0) {
        int rc =
            fail(p, ERR_SCOPE_SYNTAX, at, "the duration %s is over an hour", scope_show(word).text);
        diag_hint(p->diag, "at most 3600s");
        return rc;
    }
    *out = (struct scope_duration){word, value * units[i].us};
    take(p);
    return 0;
}

/* ---- locations ---- */

static int parse_loc(struct parser *p, struct scope_loc **out);

static struct scope_loc *new_loc(struct parser *p, enum scope_loc_kind kind, struct scope_span at)
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
static int new_leaf(struct parser *p, enum scope_loc_kind kind, struct scope_loc **out)
{
    struct scope_span at = place(p, &p->token);
    if (p->locations == SCOPE_MAX_LOCATIONS)
        return fail(p, ERR_SCOPE_LIMIT, at, "more than %d locations", SCOPE_MAX_LOCATIONS);
    p->locations++;
    *out = new_loc(p, kind, at);
    return *out ? 0 : no_memory(p);
}

/* name | "here", for the site in the middle of an around */
static int parse_centre(struct parser *p, struct scope_loc *around)
{
    struct scope_span at = place(p, &p->token);
    struct str name = STR_NULL;
    int rc = parse_name(p, "a site's name or 'here'", &name);
    if (rc < 0)
        return rc;
    around->name = str_eq(name, STR("here")) ? STR_NULL : name;
    around->offset = (uint32_t)at.offset;
    around->length = (uint32_t)at.length;
    return 0;
}

/* "around" "(" ( name | "here" ) "," duration ")" */
static int parse_around(struct parser *p, struct scope_loc **out)
{
    int rc = new_leaf(p, SCOPE_AROUND, out);
    if (rc < 0)
        return rc;
    take(p);
    take(p);
    if ((rc = parse_centre(p, *out)) < 0 || (rc = expect(p, TOKEN_COMMA, "','", NULL)) < 0 ||
        (rc = parse_duration(p, &(*out)->duration)) < 0)
        return rc;
    return expect(p, TOKEN_RPAREN, "')'", NULL);
}

/* "(" loc ")" */
static int parse_group(struct parser *p, struct scope_loc **out)
{
    take(p);
    int rc = parse_loc(p, out);
    if (rc < 0)
        return rc;
    const char *hint = "add the closing ')'";
    if (begins_location(p->token.kind))
        hint = join_hint;
    return expect(p, TOKEN_RPAREN, "an operator or ')'", hint);
}

/* string: what it stands for is read as a loc */
static int parse_quoted(struct parser *p, struct scope_loc **out)
{
    struct scope_token string = p->token;
    char *content = arena_alloc(p->arena, string.text.n);
    if (arena_overflowed(p->arena))
        return no_memory(p);
    struct parser outer = *p;
    p->quote = place(p, &string);
    p->in_string = true;
    p->previous.kind = TOKEN_NONE;
    scope_lex_init(&p->lexer, (struct str){content, scope_lex_decode(&string, content)});
    scope_lex_next(&p->lexer, &p->token);
    int rc = parse_loc(p, out);
    if (rc == 0 && p->token.kind != TOKEN_END)
        rc = unexpected(p, "an operator or the end of the string", NULL);
    outer.lexer.visited += string.text.n + p->lexer.visited;
    p->lexer = outer.lexer;
    p->token = outer.token;
    p->quote = outer.quote;
    p->in_string = outer.in_string;
    take(p);
    return rc;
}

/* term = name | string | "here" | "*" | "around" "(" … ")" | "(" loc ")" */
static int parse_term(struct parser *p, struct scope_loc **out)
{
    if (p->token.kind == TOKEN_LPAREN)
        return parse_group(p, out);
    if (p->token.kind == TOKEN_STRING)
        return parse_quoted(p, out);
    bool is_word = p->token.kind == TOKEN_WORD;
    if (is_word && str_eq(p->token.text, STR("around")) && scope_lex_follows(&p->lexer, '('))
        return parse_around(p, out);
    if (!is_word && p->token.kind != TOKEN_STAR)
        return unexpected(p, "a location", NULL);
    bool is_here = is_word && str_eq(p->token.text, STR("here"));
    int rc = new_leaf(p, is_here ? SCOPE_HERE : is_word ? SCOPE_SITE : SCOPE_ALL, out);
    if (rc < 0)
        return rc;
    if ((*out)->kind == SCOPE_SITE)
        return parse_name(p, "a location", &(*out)->name);
    take(p);
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
static int parse_chain(struct parser *p, enum scope_token_kind operator, enum scope_loc_kind kind,
                       int (*parse_operand)(struct parser *, struct scope_loc **),
                       struct scope_loc **out)
{
    struct scope_loc *operand = NULL, *last = NULL;
    int rc = parse_operand(p, &operand);
    if (rc < 0 || p->token.kind != operator) {
        *out = operand;
        return rc;
    }
    *out = new_loc(p, kind, (struct scope_span){operand->offset, operand->length});
    if (!*out)
        return no_memory(p);
    last = append(*out, NULL, operand);
    while (p->token.kind == operator) {
        take(p);
        if ((rc = parse_operand(p, &operand)) < 0)
            return rc;
        last = append(*out, last, operand);
    }
    return 0;
}

/* replica = term { "&" term } */
static int parse_replica(struct parser *p, struct scope_loc **out)
{
    return parse_chain(p, TOKEN_AND, SCOPE_REPLICA, parse_term, out);
}

/* cross = replica { "%" replica } */
static int parse_cross(struct parser *p, struct scope_loc **out)
{
    return parse_chain(p, TOKEN_CROSS, SCOPE_CROSS, parse_replica, out);
}

/* loc = cross { ( ";" | "|" | "||" ) cross } */
static int parse_loc(struct parser *p, struct scope_loc **out)
{
    if (p->nesting == SCOPE_MAX_NESTING)
        return fail(p, ERR_SCOPE_LIMIT, place(p, &p->token), "nested more than %d deep",
                    SCOPE_MAX_NESTING);
    p->nesting++;
    int rc = parse_chain(p, TOKEN_OTHERWISE, SCOPE_OTHERWISE, parse_cross, out);
    p->nesting--;
    return rc;
}

/* ---- entries ---- */

static const struct scope_binding *find_key(const struct scope *s, struct str key, bool is_any)
{
    const struct scope_binding *b = s->bindings;
    while (b && !(b->is_any == is_any && !b->key.p == !key.p && str_eq(b->key, key)))
        b = b->next;
    return b;
}

/* Adds a binding without its location. key absent and not is_any: a bare location. */
static int add_binding(struct parser *p, struct str key, bool is_any, struct scope_binding **out)
{
    struct scope_span at = place(p, &p->token);
    if (find_key(p->scope, key, is_any)) {
        int rc;
        if (key.p || is_any) {
            rc = fail(p, ERR_SCOPE_DUPLICATE_KEY, at, "the key %s stands twice",
                      scope_show(is_any ? STR("*") : key).text);
            diag_hint(p->diag, "bind it once; alternatives are written 'A ; B'");
        } else {
            rc = fail(p, ERR_SCOPE_DUPLICATE_KEY, at, "a second location without a key");
            diag_hint(p->diag, "write the service in front of it, as in {image: Paris}");
        }
        return rc;
    }
    struct scope_binding *b = arena_new(p->arena, struct scope_binding);
    if (arena_overflowed(p->arena))
        return no_memory(p);
    b->key = key;
    b->is_any = is_any;
    b->offset = (uint32_t)at.offset;
    b->length = (uint32_t)at.length;
    *p->tail = b;
    p->tail = &b->next;
    *out = b;
    return 0;
}

static int parse_bound_loc(struct parser *p, struct scope_binding *b)
{
    size_t from = place(p, &p->token).offset;
    int rc = parse_loc(p, &b->loc);
    b->loc_offset = (uint32_t)from;
    b->loc_length = (uint32_t)(last_end(p) - from);
    return rc;
}

/* key ":" loc, with key = name | string | "*" */
static int parse_keyed(struct parser *p)
{
    const struct scope_token *t = &p->token;
    struct str key = t->text;
    bool is_any = t->kind == TOKEN_STAR;
    struct scope_binding *b = NULL;
    if (t->kind == TOKEN_STRING) {
        char *content = arena_alloc(p->arena, t->text.n);
        if (arena_overflowed(p->arena))
            return no_memory(p);
        key = (struct str){content, scope_lex_decode(t, content)};
        p->lexer.visited += t->text.n;
        is_any = str_eq(key, STR("*"));
    } else if (t->kind == TOKEN_WORD && key.n > SCOPE_MAX_NAME) {
        return parse_name(p, "a key", &key);
    }
    int rc = add_binding(p, is_any ? STR_NULL : key, is_any, &b);
    if (rc < 0)
        return rc;
    take(p);
    take(p);
    return parse_bound_loc(p, b);
}

/* loc */
static int parse_bare(struct parser *p)
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
static int parse_around_option(struct parser *p)
{
    struct scope_binding *b = NULL;
    size_t from = p->token.at.offset;
    int rc = add_binding(p, STR_NULL, false, &b);
    if (rc < 0 || (rc = new_leaf(p, SCOPE_AROUND, &b->loc)) < 0)
        return rc;
    take(p);
    take(p);
    if ((rc = parse_centre(p, b->loc)) < 0 || (rc = expect(p, TOKEN_COMMA, "','", NULL)) < 0 ||
        (rc = parse_duration(p, &b->loc->duration)) < 0)
        return rc;
    b->loc_offset = (uint32_t)from;
    b->loc_length = b->length = (uint32_t)(last_end(p) - from);
    return 0;
}

/* One of the words that an option takes; gives its enumerator. */
static int parse_word(struct parser *p, enum scope_option option, int *out)
{
    const struct scope_option_row *row = &scope_options[option];
    const struct scope_token *t = &p->token;
    struct str values[4];
    char list[60] = "";
    size_t n = 0;
    for (; row->values[n]; n++) {
        values[n] = str_of(row->values[n]);
        if (t->kind == TOKEN_WORD && str_eq(t->text, values[n])) {
            *out = (int)n + 1;
            take(p);
            return 0;
        }
        size_t used = strlen(list);
        const char *joint = n == 0 ? "" : row->values[n + 1] ? ", " : " or ";
        snprintf(list + used, sizeof list - used, "%s%s", joint, row->values[n]);
    }
    if (t->kind == TOKEN_STRING)
        return unexpected(p, list, "write the word without quotes");
    int rc = unexpected(p, list, "");
    struct str near = t->kind == TOKEN_WORD ? str_nearest(t->text, values, n) : STR_NULL;
    if (near.p)
        diag_hint(p->diag, "did you mean '%.*s'?", STR_ARG(near));
    return rc;
}

/* option = "prime" ":" name | "wait" ":" ( "one" | … ) | … */
static int parse_option(struct parser *p, enum scope_option option)
{
    struct scope *s = p->scope;
    int value = 0, rc;
    if (option == SCOPE_OPTION_AROUND)
        return parse_around_option(p);
    if (p->options_seen & 1u << option) {
        rc = fail(p, ERR_SCOPE_DUPLICATE_KEY, place(p, &p->token), "the option '%s' stands twice",
                  scope_options[option].name);
        diag_hint(p->diag, "remove one of them");
        return rc;
    }
    p->options_seen |= 1u << option;
    take(p);
    take(p);
    switch (option) {
    case SCOPE_OPTION_PRIME:
        s->prime_offset = (uint32_t)p->token.at.offset;
        return parse_name(p, "a site's name", &s->prime);
    case SCOPE_OPTION_TIMEOUT:
        return parse_duration(p, &s->timeout);
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
static int parse_entry(struct parser *p)
{
    enum scope_token_kind k = p->token.kind;
    if (!begins_location(k))
        return unexpected(p, "a key or a location", NULL);
    if (k == TOKEN_LPAREN || !scope_lex_follows(&p->lexer, ':'))
        return parse_bare(p);
    enum scope_option option = SCOPE_OPTION_COUNT;
    if (k == TOKEN_WORD)
        option = scope_option_find(p->token.text);
    return option < SCOPE_OPTION_COUNT ? parse_option(p, option) : parse_keyed(p);
}

/* What may follow an entry: ',' and the next one, or `close`. */
static int after_entry(struct parser *p, enum scope_token_kind close)
{
    const char *wanted =
        close == TOKEN_END ? "an operator, ',' or the end" : "an operator, ',' or '}'";
    const char *hint = NULL;
    if (p->token.kind == TOKEN_COMMA || p->token.kind == close)
        return 0;
    if (begins_location(p->token.kind))
        hint = join_hint;
    else if (p->token.kind == TOKEN_RPAREN)
        hint = "no '(' is open";
    else if (p->token.kind == TOKEN_END)
        hint = "add the closing '}'";
    return unexpected(p, wanted, hint);
}

/* entries = entry { "," entry } [ "," ] */
static int parse_entries(struct parser *p, enum scope_token_kind close)
{
    int rc;
    for (;;) {
        if ((rc = parse_entry(p)) < 0 || (rc = after_entry(p, close)) < 0)
            return rc;
        if (p->token.kind == close)
            return 0;
        take(p);
        if (p->token.kind == close)
            return 0;
    }
}

/* scope = "{" [ entries ] "}" | entries */
static int parse_scope(struct parser *p)
{
    int rc = 0;
    if (p->token.kind == TOKEN_END) {
        rc = fail(p, ERR_SCOPE_SYNTAX, (struct scope_span){0, p->text_bytes}, "the scope is empty");
        diag_hint(p->diag, "{} means: everything where the request is");
        return rc;
    }
    if (p->token.kind != TOKEN_LBRACE)
        return parse_entries(p, TOKEN_END);
    p->is_braced = true;
    take(p);
    if (p->token.kind != TOKEN_RBRACE && (rc = parse_entries(p, TOKEN_RBRACE)) < 0)
        return rc;
    take(p);
    if (p->token.kind != TOKEN_END)
        return unexpected(p, "the end", "the scope ends with its '}'");
    return 0;
}

int scope_parse_counted(struct str text, struct arena *arena, struct scope **out, struct diag *d,
                        size_t *visited)
{
    struct parser p = {.arena = arena, .diag = d, .text_bytes = text.n};
    /* The copy is what names point into, so that nothing borrows the caller's text. One byte more
     * than is read tells the lexer that there is more. */
    struct str copy = arena_str(arena, str_sub(text, 0, SCOPE_MAX_BYTES + 1));
    p.scope = arena_new(arena, struct scope);
    if (arena_overflowed(arena))
        return no_memory(&p);
    p.tail = &p.scope->bindings;
    scope_lex_init(&p.lexer, copy);
    scope_lex_next(&p.lexer, &p.token);
    int rc = parse_scope(&p);
    *visited = p.lexer.visited;
    if (rc < 0)
        return rc;
    if (text.n * MAX_GROWTH + 2 > SCOPE_MAX_BYTES && !scope_fits(p.scope)) {
        struct scope_span all = {0, text.n};
        return fail(&p, ERR_SCOPE_LIMIT, all, "the canonical form has more than %d bytes",
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
