#include "app/matcher.h"
#include "base/check.h"
#include "codec/uri.h"

struct compiler {
    struct app_matcher *m;
    struct arena *arena;
};

/* ---- the tree */

static struct matcher_node *new_node(struct compiler *c)
{
    if (c->m->n_nodes == MATCHER_MAX_NODES)
        return NULL;
    c->m->n_nodes++;
    struct matcher_node *n = arena_new(c->arena, struct matcher_node);
    return arena_overflowed(c->arena) ? NULL : n;
}

/* Index of the first literal that is not before the segment. */
static size_t lower_bound(const struct matcher_node *n, struct str segment)
{
    size_t low = 0, high = n->n_literals;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (uri_segment_cmp(n->literals[middle].literal, segment) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct matcher_node *matcher_literal(const struct matcher_node *n, struct str segment)
{
    size_t i = lower_bound(n, segment);
    return i < n->n_literals && uri_segment_is(segment, n->literals[i].literal) ? n->literals[i].to
                                                                                : NULL;
}

static bool grow_literals(struct compiler *c, struct matcher_node *n)
{
    size_t cap = n->cap_literals ? 2 * n->cap_literals : 4;
    struct matcher_edge *wider = arena_zalloc(c->arena, cap * sizeof *wider);
    if (!wider || arena_overflowed(c->arena))
        return false;
    if (n->n_literals)
        memcpy(wider, n->literals, n->n_literals * sizeof *wider);
    n->literals = wider;
    n->cap_literals = cap;
    return true;
}

/* The child for a segment of a template, made if need be. NULL: no memory, or too many nodes. */
static struct matcher_node *child(struct compiler *c, struct matcher_node *n, bool is_variable,
                                  struct str literal)
{
    if (is_variable) {
        if (!n->variable)
            n->variable = new_node(c);
        return n->variable;
    }
    size_t i = lower_bound(n, literal);
    if (i < n->n_literals && uri_segment_is(literal, n->literals[i].literal))
        return n->literals[i].to;
    if (n->n_literals == n->cap_literals && !grow_literals(c, n))
        return NULL;
    struct matcher_node *to = new_node(c);
    if (!to)
        return NULL;
    memmove(&n->literals[i + 1], &n->literals[i], (n->n_literals - i) * sizeof n->literals[0]);
    n->literals[i] = (struct matcher_edge){literal, to};
    n->n_literals++;
    return to;
}

/* Puts a rule into a list in its order, once. */
static bool add_rule(struct compiler *c, struct matcher_rule **list, const struct app_rule *rule,
                     uint32_t order)
{
    while (*list && (*list)->order < order)
        list = &(*list)->next;
    if (*list && (*list)->order == order)
        return true;
    struct matcher_rule *added = arena_new(c->arena, struct matcher_rule);
    if (arena_overflowed(c->arena))
        return false;
    *added = (struct matcher_rule){rule, order, *list};
    *list = added;
    return true;
}

static bool add_rules(struct compiler *c, struct matcher_rule **to, const struct matcher_rule *from)
{
    for (; from; from = from->next)
        if (!add_rule(c, to, from->rule, from->order))
            return false;
    return true;
}

/* Copies what lies under `from` under `to`. Recursion is as deep as the longest template. */
static bool merge(struct compiler *c, struct matcher_node *to, const struct matcher_node *from)
{
    if (!add_rules(c, &to->here, from->here) || !add_rules(c, &to->rest, from->rest))
        return false;
    for (size_t i = 0; i < from->n_literals; i++) {
        struct matcher_node *n = child(c, to, false, from->literals[i].literal);
        if (!n || !merge(c, n, from->literals[i].to))
            return false;
    }
    if (!from->variable)
        return true;
    struct matcher_node *n = child(c, to, true, STR_NULL);
    return n && merge(c, n, from->variable);
}

/* Makes one way of two, from the top: under each literal that the variable would match, too. */
static bool join_ways(struct compiler *c, struct matcher_node *n)
{
    for (size_t i = 0; i < n->n_literals; i++) {
        struct matcher_edge *e = &n->literals[i];
        if (n->variable && uri_segment_is_plain(e->literal) && !merge(c, e->to, n->variable))
            return false;
        if (!join_ways(c, e->to))
            return false;
    }
    return !n->variable || join_ways(c, n->variable);
}

static bool add_template(struct compiler *c, const struct app_rule *rule, uint32_t order)
{
    const struct app_template *t = &rule->template_;
    struct matcher_node *n = &c->m->root;
    size_t plain = t->n - t->is_prefix;
    for (size_t i = 0; i < plain && n; i++)
        n = child(c, n, t->segments[i].is_variable, t->segments[i].text);
    return n && add_rule(c, t->is_prefix ? &n->rest : &n->here, rule, order);
}

/* ---- rules that are never reached */

static bool segment_covers(const struct app_segment *a, const struct app_segment *b)
{
    if (a->is_variable)
        return b->is_variable || uri_segment_is_plain(b->text);
    return !b->is_variable && uri_segment_is(a->text, b->text);
}

/* Whether every path that b matches is matched by a. */
static bool template_covers(const struct app_template *a, const struct app_template *b)
{
    size_t i = 0;
    if (a->is_prefix ? b->n < a->n : b->n != a->n || b->is_prefix)
        return false;
    for (; i < a->n; i++)
        if (!segment_covers(&a->segments[i], &b->segments[i]))
            return false;
    for (; i < b->n; i++)
        if (!b->segments[i].is_variable && !uri_segment_is_plain(b->segments[i].text))
            return false;
    return true;
}

/* Whether a holds wherever b does. */
static bool condition_follows(const struct app_condition *a, const struct app_condition *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case APP_IF_QUERY:
        return str_eq(a->name, b->name) &&
               (!a->value.p || (b->value.p && str_eq(a->value, b->value)));
    case APP_IF_MEDIA_TYPE:
        return str_eq_nocase(a->value, b->value);
    case APP_IF_MEMBER:
        return str_starts(b->name, a->name) &&
               (b->name.n == a->name.n || b->name.p[a->name.n] == '/');
    }
    return false;
}

static bool conditions_follow(const struct app_rule *a, const struct app_rule *b)
{
    for (size_t i = 0; i < a->n_conditions; i++) {
        bool follows = false;
        for (size_t k = 0; k < b->n_conditions && !follows; k++)
            follows = condition_follows(&a->conditions[i], &b->conditions[k]);
        if (!follows)
            return false;
    }
    return true;
}

static bool method_covers(const struct app_rule *a, const struct app_rule *b)
{
    return !a->method.p || str_eq(a->method, b->method);
}

/* Whether a, the earlier one, takes every request that b describes. */
static bool rule_covers(const struct app_rule *a, const struct app_rule *b)
{
    return method_covers(a, b) && template_covers(&a->template_, &b->template_) &&
           conditions_follow(a, b);
}

static int refuse(const struct app_rule *rule, struct diag *d)
{
    if (d) {
        d->line = rule->template_.line;
        d->column = rule->template_.column;
    }
    return ERR_CONFIG;
}

static int check_rule(const struct app_service *service, size_t at, struct diag *d)
{
    const struct app_rule *rule = &service->rules[at];
    size_t variables = 0;
    for (size_t i = 0; i < rule->template_.n; i++)
        variables += rule->template_.segments[i].is_variable;
    if (variables > APP_MAX_VARIABLES) {
        diag_set(d, ERR_CONFIG, "the path of the operation '%.*s' has more than %d variables",
                 STR_ARG(rule->operation), APP_MAX_VARIABLES);
        return refuse(rule, d);
    }
    if (str_eq(rule->method, STR("HEAD")) || str_eq(rule->method, STR("OPTIONS"))) {
        bool is_head = rule->method.p[0] == 'H';
        diag_set(d, ERR_CONFIG, "the operation '%.*s' is never reached: %s",
                 STR_ARG(rule->operation),
                 is_head ? "HEAD is matched as GET" : "OPTIONS is always of the kind meta");
        return refuse(rule, d);
    }
    for (size_t i = 0; i < at; i++) {
        const struct app_rule *earlier = &service->rules[i];
        if (!rule_covers(earlier, rule))
            continue;
        diag_set(
            d, ERR_CONFIG,
            "the operation '%.*s' is never reached: '%.*s' at line %u takes its requests first",
            STR_ARG(rule->operation), STR_ARG(earlier->operation), earlier->template_.line);
        diag_hint(d, "put it before '%.*s', or take it out", STR_ARG(earlier->operation));
        return refuse(rule, d);
    }
    return 0;
}

int app_matcher_compile(struct app_service *service, struct arena *arena, struct diag *d)
{
    struct compiler c = {arena_new(arena, struct app_matcher), arena};
    bool ok = !arena_overflowed(arena);
    for (size_t i = 0; i < service->n_rules && ok; i++) {
        int rc = check_rule(service, i, d);
        if (rc < 0)
            return rc;
        service->rules[i].id_segment = (int)app_id_segment(&service->rules[i]);
        ok = add_template(&c, &service->rules[i], (uint32_t)i);
    }
    if (ok && join_ways(&c, &c.m->root)) {
        service->matcher = c.m;
        return 0;
    }
    if (arena_overflowed(arena))
        return diag_set(d, ERR_NO_MEMORY, "no memory for the rules of %.*s",
                        STR_ARG(service->name));
    return diag_set(d, ERR_CONFIG,
                    "the paths of the service '%.*s' have too many variables beside literals",
                    STR_ARG(service->name));
}
