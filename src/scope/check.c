/* What the grammar allows and section 2 of docs/scope-lang.md refuses. Trees come from the parser,
 * so they are at most a few times SCOPE_MAX_NESTING deep, and recursion is bounded. */
#include "scope/internal.h"

struct scope_shown scope_show(struct str s)
{
    struct scope_shown shown;
    struct out o;
    out_init(&o, shown.text, sizeof shown.text - 1);
    out_char(&o, '\'');
    out_visible(&o, s, 40);
    out_char(&o, '\'');
    shown.text[o.n] = 0;
    return shown;
}

/* ---- scope-mixed ---- */

static bool has_kind(const struct scope_loc *l, enum scope_loc_kind kind)
{
    bool has = l->kind == kind;
    for (const struct scope_loc *o = l->first; o && !has; o = o->next)
        has = has_kind(o, kind);
    return has;
}

static bool is_single(const struct scope_loc *l)
{
    return l->kind == SCOPE_SITE || l->kind == SCOPE_HERE || l->kind == SCOPE_AROUND;
}

static bool is_choice_of_singles(const struct scope_loc *l)
{
    if (l->kind != SCOPE_OTHERWISE)
        return false;
    for (const struct scope_loc *o = l->first; o; o = o->next)
        if (!is_single(o))
            return false;
    return true;
}

enum mixture { MIX_NONE, MIX_ALL, MIX_REPLICA, MIX_CROSS, MIX_OTHERWISE };

static const struct {
    const char *message, *hint;
} mixtures[] = {
    [MIX_ALL] = {"'*' is every site and stands alone", "leave the other locations out"},
    [MIX_REPLICA] = {"an operand of '&' is one site or a parenthesised ';' of single sites",
                     "'&' binds tighter than '%', '%' tighter than ';'; parentheses group"},
    [MIX_CROSS] = {"an operand of '%' cannot hold another '%'",
                   "the parts of a cross are sites or replicas, as in A & B % C"},
    [MIX_OTHERWISE] = {"the alternatives of ';' are all crosses ('%') or none is",
                       "'&' binds tighter than '%', '%' tighter than ';'; parentheses group"},
};

/* What is wrong with an operator's operands; they themselves are not looked into. */
static enum mixture find_mixture_here(const struct scope_loc *l)
{
    size_t operands = 0, crosses = 0;
    for (const struct scope_loc *o = l->first; o; o = o->next) {
        operands++;
        crosses += o->kind == SCOPE_CROSS;
        if (o->kind == SCOPE_ALL)
            return MIX_ALL;
        if (l->kind == SCOPE_REPLICA && !is_single(o) && !is_choice_of_singles(o))
            return MIX_REPLICA;
        if (l->kind == SCOPE_CROSS && has_kind(o, SCOPE_CROSS))
            return MIX_CROSS;
    }
    if (l->kind == SCOPE_OTHERWISE && crosses && crosses < operands)
        return MIX_OTHERWISE;
    return MIX_NONE;
}

static enum mixture find_mixture(const struct scope_loc *l)
{
    enum mixture m = find_mixture_here(l);
    for (const struct scope_loc *o = l->first; o && !m; o = o->next)
        m = find_mixture(o);
    return m;
}

static int check_mixed(const struct scope_binding *b, struct diag *d)
{
    enum mixture m = find_mixture(b->loc);
    if (m == MIX_NONE)
        return 0;
    int rc = diag_at(d, ERR_SCOPE_MIXED, b->loc_offset, b->loc_length, "%s", mixtures[m].message);
    diag_hint(d, "%s", mixtures[m].hint);
    return rc;
}

/* ---- scope-duplicate-site ---- */

static bool is_same_site(const struct scope_loc *a, const struct scope_loc *b)
{
    return a->kind == b->kind &&
           (a->kind == SCOPE_HERE || (a->kind == SCOPE_SITE && str_eq(a->name, b->name)));
}

static int check_operand(const struct scope_loc *chain, const struct scope_loc *o, struct diag *d)
{
    const struct scope_loc *earlier = chain->first;
    while (earlier != o && !is_same_site(earlier, o))
        earlier = earlier->next;
    if (earlier == o)
        return 0;
    struct str name = o->kind == SCOPE_HERE ? STR("here") : o->name;
    int rc = diag_at(d, ERR_SCOPE_DUPLICATE_SITE, o->offset, o->length,
                     "the site %s stands twice under one '%c'", scope_show(name).text,
                     chain->kind == SCOPE_CROSS ? '%' : '&');
    diag_hint(d, "remove one of them");
    return rc;
}

int scope_check_duplicates(const struct scope_loc *loc, struct diag *d)
{
    bool is_set = loc->kind == SCOPE_REPLICA || loc->kind == SCOPE_CROSS;
    int rc = 0;
    for (const struct scope_loc *o = loc->first; o && rc == 0; o = o->next) {
        rc = scope_check_duplicates(o, d);
        if (rc == 0 && is_set)
            rc = check_operand(loc, o, d);
    }
    return rc;
}

/* ---- scope-prime ---- */

/* The names of the sites under a '%', into names (room for SCOPE_MAX_LOCATIONS). */
static size_t list_crossed(const struct scope_loc *l, bool is_under, struct str *names)
{
    size_t n = 0;
    if (is_under && l->kind == SCOPE_SITE)
        names[n++] = l->name;
    for (const struct scope_loc *o = l->first; o; o = o->next)
        n += list_crossed(o, is_under || l->kind == SCOPE_CROSS, names + n);
    return n;
}

static int check_prime(const struct scope *s, struct diag *d)
{
    struct str names[SCOPE_MAX_LOCATIONS];
    size_t n = 0;
    if (!s->prime.p)
        return 0;
    for (const struct scope_binding *b = s->bindings; b; b = b->next)
        n += list_crossed(b->loc, false, names + n);
    for (size_t i = 0; i < n; i++)
        if (str_eq(names[i], s->prime))
            return 0;
    int rc = diag_at(d, ERR_SCOPE_PRIME, s->prime_offset, s->prime.n,
                     n ? "prime names %s, which is no site under a '%%' of this scope"
                       : "prime names %s, but no named site stands under a '%%' in this scope",
                     scope_show(s->prime).text);
    struct str near = str_nearest(s->prime, names, n);
    if (str_eq(s->prime, STR("here")))
        diag_hint(d, "prime takes a name; write the name of the site instead of 'here'");
    else if (near.p)
        diag_hint(d, "did you mean '%.*s'?", STR_ARG(near));
    else
        diag_hint(
            d, "prime is one of the sites of a cross: {namespace: Nantes %% Paris, prime: Nantes}");
    return rc;
}

int scope_check(const struct scope *s, struct diag *d)
{
    int rc = 0;
    for (const struct scope_binding *b = s->bindings; b && rc == 0; b = b->next) {
        rc = check_mixed(b, d);
        if (rc == 0)
            rc = scope_check_duplicates(b->loc, d);
    }
    return rc < 0 ? rc : check_prime(s, d);
}

/* ---- names ---- */

static bool is_known(struct str name, const struct str *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(names[i], name))
            return true;
    return false;
}

static int check_key(const struct scope_binding *b, const struct scope_names *names, struct diag *d)
{
    if (!b->key.p || is_known(b->key, names->services, names->n_services))
        return 0;
    int rc = diag_at(d, ERR_SCOPE_UNKNOWN_SERVICE, b->offset, b->length,
                     "no service or resource type is named %s", scope_show(b->key).text);
    struct str options[SCOPE_OPTION_COUNT];
    for (int i = 0; i < SCOPE_OPTION_COUNT; i++)
        options[i] = str_of(scope_options[i].name);
    struct str service = str_nearest(b->key, names->services, names->n_services);
    struct str option = str_nearest(b->key, options, SCOPE_OPTION_COUNT);
    if (service.p)
        diag_hint(d, "did you mean %s?", scope_show(service).text);
    else if (option.p)
        diag_hint(d, "did you mean the option '%.*s'?", STR_ARG(option));
    return rc;
}

static int check_sites(const struct scope_loc *l, const struct scope_names *names, struct diag *d)
{
    int rc = 0;
    if (l->name.p && !is_known(l->name, names->sites, names->n_sites)) {
        rc = diag_at(d, ERR_SCOPE_UNKNOWN_SITE, l->offset, l->length, "no site is named %s",
                     scope_show(l->name).text);
        struct str near = str_nearest(l->name, names->sites, names->n_sites);
        if (str_eq(l->name, STR("around")))
            diag_hint(d, "around is written around(Nantes, 10ms)");
        else if (near.p)
            diag_hint(d, "did you mean %s?", scope_show(near).text);
        return rc;
    }
    for (const struct scope_loc *o = l->first; o && rc == 0; o = o->next)
        rc = check_sites(o, names, d);
    return rc;
}

int scope_check_names(const struct scope *s, const struct scope_names *names, struct diag *d)
{
    int rc = 0;
    for (const struct scope_binding *b = s->bindings; b && rc == 0; b = b->next) {
        if (names->services)
            rc = check_key(b, names, d);
        if (rc == 0 && names->sites)
            rc = check_sites(b->loc, names, d);
    }
    return rc;
}
