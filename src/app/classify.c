/* A matcher is a tree over path segments. A node's literal children are tried before its variable
 * child; rules hang at the node where their template ends. What matches is collected in the order
 * written, so the first rule of the description wins. */
#include "app/classify.h"
#include "codec/json.h"
#include "codec/uri.h"

#define MAX_SEGMENTS 16 /* of a path that is matched; a longer one is opaque */

struct edge {
    struct str literal;
    struct node *to;
    struct edge *next;
};

struct ending {
    const struct app_rule *rule;
    uint32_t order; /* in the description */
    struct ending *next;
};

struct node {
    struct edge *literals;
    struct node *variable;
    struct ending *here; /* templates that end at this node, in order */
    struct ending *rest; /* prefix templates: one or more further segments */
};

struct app_matcher {
    struct node root;
    struct app_rule *rules;
};

static struct node *child(struct node *n, const struct app_segment *s, struct arena *a)
{
    if (s->is_variable) {
        if (!n->variable)
            n->variable = arena_new(a, struct node);
        return n->variable;
    }
    for (struct edge *e = n->literals; e; e = e->next)
        if (str_eq(e->literal, s->text))
            return e->to;
    struct edge *e = arena_new(a, struct edge);
    e->literal = s->text;
    e->to = arena_new(a, struct node);
    e->next = n->literals;
    n->literals = e;
    return e->to;
}

static bool covers(const struct app_rule *earlier, const struct app_rule *later)
{
    if (earlier->method.p && !str_eq(earlier->method, later->method))
        return false;
    if (earlier->n_conditions == 0)
        return true;
    if (earlier->n_conditions != later->n_conditions)
        return false;
    for (size_t i = 0; i < earlier->n_conditions; i++) {
        const struct app_condition *x = &earlier->conditions[i], *y = &later->conditions[i];
        if (x->kind != y->kind || !str_eq(x->name, y->name) || !str_eq(x->value, y->value))
            return false;
    }
    return true;
}

/* Adds a rule at the end of a list. ERR_CONFIG when an earlier one takes all of its requests. */
static int add_ending(struct ending **list, const struct app_rule *rule, uint32_t order,
                      struct arena *a, struct diag *d)
{
    for (; *list; list = &(*list)->next) {
        if (!covers((*list)->rule, rule))
            continue;
        int rc = diag_set(d, ERR_CONFIG,
                          "the operation '%.*s' is never reached: '%.*s' at line %u "
                          "takes its requests first",
                          STR_ARG(rule->operation), STR_ARG((*list)->rule->operation),
                          (*list)->rule->template_.line);
        if (d && rc == ERR_CONFIG) {
            d->line = rule->template_.line;
            d->column = rule->template_.column;
        }
        return rc;
    }
    *list = arena_new(a, struct ending);
    (*list)->rule = rule;
    (*list)->order = order;
    return 0;
}

int app_matcher_compile(struct app_service *service, struct arena *arena, struct diag *d)
{
    struct app_matcher *m = arena_new(arena, struct app_matcher);
    m->rules = service->rules;
    for (size_t i = 0; i < service->n_rules && !arena_overflowed(arena); i++) {
        struct app_rule *r = &service->rules[i];
        const struct app_template *t = &r->template_;
        struct node *n = &m->root;
        size_t plain = t->is_prefix ? t->n - 1 : t->n;
        for (size_t k = 0; k < plain; k++)
            n = child(n, &t->segments[k], arena);
        int rc = add_ending(t->is_prefix ? &n->rest : &n->here, r, (uint32_t)i, arena, d);
        if (rc < 0)
            return rc;
    }
    if (arena_overflowed(arena))
        return diag_set(d, ERR_NO_MEMORY, "no memory for the rules of %.*s",
                        STR_ARG(service->name));
    service->matcher = m;
    return 0;
}

/* ---- matching */

struct match {
    const struct app_request *request;
    struct str segments[MAX_SEGMENTS];
    size_t n;
    const struct ending *best;
    bool needs_body; /* of a rule before the best one */
};

enum answer { NO, YES, OPEN };

static enum answer condition_holds(const struct app_condition *c, const struct app_request *r)
{
    struct str value;
    if (c->kind == APP_IF_QUERY) {
        if (!uri_query_find(r->target, c->name, &value))
            return NO;
        return !c->value.p || (value.p && uri_segment_is(value, c->value)) ? YES : NO;
    }
    if (c->kind == APP_IF_MEDIA_TYPE) {
        ptrdiff_t end = str_find(r->media_type, ';');
        value = end < 0 ? r->media_type : str_sub(r->media_type, 0, (size_t)end);
        return str_eq_nocase(str_trim(value), c->value) ? YES : NO;
    }
    switch (json_find(r->body, c->name, &value)) {
    case JSON_FOUND:
        return YES;
    case JSON_MORE:
        return r->body_is_whole ? NO : OPEN;
    case JSON_ABSENT:
    case JSON_INVALID:
        break;
    }
    return NO;
}

static bool method_is(const struct app_rule *rule, struct str method)
{
    if (!rule->method.p || str_eq(rule->method, method))
        return true;
    return str_eq(method, STR("HEAD")) && str_eq(rule->method, STR("GET"));
}

static void consider(struct match *m, const struct ending *list)
{
    for (; list; list = list->next) {
        enum answer all = YES;
        if (!method_is(list->rule, m->request->method))
            continue;
        if (m->best && m->best->order < list->order)
            return;
        for (size_t i = 0; i < list->rule->n_conditions && all != NO; i++) {
            enum answer one = condition_holds(&list->rule->conditions[i], m->request);
            all = one == NO ? NO : one == OPEN ? OPEN : all;
        }
        if (all == OPEN)
            m->needs_body = true;
        if (all == YES)
            m->best = list;
    }
}

/* Follows every way through the tree: at each node a literal child and the variable child, so at
 * most two, and templates share their nodes; depth is bounded by MAX_SEGMENTS. */
static void walk(struct match *m, const struct node *n, size_t at)
{
    if (at == m->n) {
        consider(m, n->here);
        return;
    }
    if (n->rest)
        consider(m, n->rest);
    for (const struct edge *e = n->literals; e; e = e->next)
        if (uri_segment_is(m->segments[at], e->literal))
            walk(m, e->to, at + 1);
    if (n->variable && uri_segment_is_plain(m->segments[at]))
        walk(m, n->variable, at + 1);
}

static void take_variables(const struct match *m, struct app_class *out)
{
    const struct app_template *t = &out->rule->template_;
    for (size_t i = 0; i < t->n && out->n_variables < APP_MAX_VARIABLES; i++) {
        if (!t->segments[i].is_variable)
            continue;
        struct str value = m->segments[i];
        if (t->is_prefix && i + 1 == t->n) { /* the rest of the path */
            struct str last = m->segments[m->n - 1];
            value.n = (size_t)(last.p + last.n - value.p);
        }
        out->names[out->n_variables] = t->segments[i].text;
        out->values[out->n_variables++] = value;
    }
}

/* The identifier is the last variable of the type's item template, where the rule's template goes
 * through it. */
static void take_id(const struct match *m, struct app_class *out)
{
    const struct app_template *item = out->type ? &out->type->item : NULL;
    if (!item || item->n == 0 || out->rule->template_.n < item->n || item->n > m->n)
        return;
    for (size_t i = 0; i < item->n; i++) {
        const struct app_segment *a = &item->segments[i], *b = &out->rule->template_.segments[i];
        if (a->is_variable != b->is_variable || (!a->is_variable && !str_eq(a->text, b->text)))
            return;
        if (a->is_variable)
            out->id = m->segments[i];
    }
}

void app_classify(const struct app_service *service, const struct app_request *r,
                  struct app_class *out)
{
    struct match m = {.request = r};
    struct str path = uri_path(r->target), segment;
    *out = (struct app_class){.kind = APP_OPAQUE};
    if (str_eq(r->method, STR("OPTIONS"))) {
        out->kind = APP_META;
        return;
    }
    while (uri_segment(&path, &segment)) {
        if (m.n == MAX_SEGMENTS)
            return;
        m.segments[m.n++] = segment;
    }
    if (!service->matcher || m.n == 0)
        return;
    walk(&m, &service->matcher->root, 0);
    out->needs_body = m.needs_body;
    if (!m.best)
        return;
    out->rule = m.best->rule;
    out->kind = out->rule->kind;
    out->type = out->rule->type;
    take_variables(&m, out);
    take_id(&m, out);
}

/* ---- which service */

/* "images.example.org" against "images.example.org" or "*.example.org"; ports do not count. */
static bool host_matches(struct str pattern, struct str host)
{
    ptrdiff_t colon = host.n && host.p[0] != '[' ? str_find(host, ':') : -1;
    if (colon >= 0)
        host = str_sub(host, 0, (size_t)colon);
    if (!str_starts(pattern, STR("*.")))
        return str_eq_nocase(pattern, host);
    struct str tail = str_from(pattern, 1);
    return host.n > tail.n && str_eq_nocase(str_from(host, host.n - tail.n), tail);
}

/* On a '/' border: "/image" takes "/image" and "/image/v2", not "/images". */
static bool prefix_matches(struct str prefix, struct str path)
{
    return str_starts(path, prefix) && (path.n == prefix.n || path.p[prefix.n] == '/');
}

const struct app_service *app_recognise(const struct app *app, struct str host, struct str path)
{
    const struct app_service *best = NULL;
    size_t best_score = 0;
    for (size_t i = 0; i < app->n_services; i++) {
        const struct app_service *s = &app->services[i];
        size_t score = 0;
        if ((!s->host.p && !s->prefix.p) || (s->host.p && !host_matches(s->host, host)) ||
            (s->prefix.p && !prefix_matches(s->prefix, path)))
            continue;
        if (s->host.p) /* a whole host beats a pattern, a longer pattern a shorter one */
            score = (s->host.p[0] == '*' ? 0x10000 : 0x20000) + s->host.n * 0x100;
        score += s->prefix.n + 1;
        if (score > best_score) {
            best = s;
            best_score = score;
        }
    }
    return best;
}
