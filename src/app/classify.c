#include "app/classify.h"
#include "app/matcher.h"
#include "codec/json.h"
#include "codec/uri.h"

#define NO_ORDER UINT32_MAX

struct match {
    const struct app_request *request;
    const struct app_rule *best; /* the first in the description of those that match */
    uint32_t order;              /* of it; NO_ORDER: none */
    uint32_t open;               /* of the first that may match once more of the body is there */
    const struct app_rule *any;  /* the first whose template matches, whatever the method */
    uint32_t any_order;
};

enum answer { NO, YES, OPEN };

static enum answer member_is_there(struct str pointer, const struct app_request *r)
{
    struct json_finder f;
    json_finder_init(&f, pointer);
    json_finder_push(&f, r->body, false);
    if (json_finder_has_begun(&f))
        return YES;
    return f.found == JSON_MORE && !r->body_is_whole ? OPEN : NO;
}

static enum answer condition_holds(const struct app_condition *c, const struct app_request *r)
{
    struct str value;
    switch (c->kind) {
    case APP_IF_QUERY:
        if (!uri_query_find(r->target, c->name, &value))
            return NO;
        return !c->value.p || (value.p && uri_parameter_is(value, c->value)) ? YES : NO;
    case APP_IF_MEDIA_TYPE: {
        ptrdiff_t end = str_find(r->media_type, ';');
        value = end < 0 ? r->media_type : str_sub(r->media_type, 0, (size_t)end);
        return str_eq_nocase(str_trim(value), c->value) ? YES : NO;
    }
    case APP_IF_MEMBER:
        return member_is_there(c->name, r);
    }
    return NO;
}

static enum answer conditions_hold(const struct app_rule *rule, const struct app_request *r)
{
    enum answer all = YES;
    for (size_t i = 0; i < rule->n_conditions && all != NO; i++) {
        enum answer one = condition_holds(&rule->conditions[i], r);
        all = one == YES ? all : one;
    }
    return all;
}

static bool method_is(const struct app_rule *rule, struct str method)
{
    if (!rule->method.p || str_eq(rule->method, method))
        return true;
    return str_eq(method, STR("HEAD")) && str_eq(rule->method, STR("GET"));
}

static void consider(struct match *m, const struct matcher_rule *list)
{
    if (list && list->order < m->any_order) {
        m->any = list->rule;
        m->any_order = list->order;
    }
    for (; list && list->order < m->order; list = list->next) {
        if (!method_is(list->rule, m->request->method))
            continue;
        enum answer all = conditions_hold(list->rule, m->request);
        if (all == OPEN && list->order < m->open)
            m->open = list->order;
        if (all == YES) {
            m->best = list->rule;
            m->order = list->order;
        }
    }
}

/* Whether each further segment could stand for a variable. */
static bool all_are_plain(struct str path)
{
    struct str segment;
    while (uri_segment(&path, &segment))
        if (!uri_segment_is_plain(segment))
            return false;
    return true;
}

/* Goes down the tree along the path. */
static void walk(struct match *m, const struct matcher_node *n, struct str path)
{
    struct str segment;
    while (n && path.n) {
        if (n->rest && all_are_plain(path))
            consider(m, n->rest);
        if (!uri_segment(&path, &segment))
            return;
        const struct matcher_node *literal = matcher_literal(n, segment);
        n = literal ? literal : uri_segment_is_plain(segment) ? n->variable : NULL;
    }
    if (n)
        consider(m, n->here);
}

/* Whether the template goes through the type's item: the same literals and variables at its
 * beginning, whatever the variables' names. */
static bool is_of_item(const struct app_template *t, const struct app_template *item)
{
    if (item->n == 0 || t->n < item->n)
        return false;
    for (size_t i = 0; i < item->n; i++) {
        const struct app_segment *a = &item->segments[i], *b = &t->segments[i];
        if (a->is_variable != b->is_variable ||
            (!a->is_variable && !uri_segment_is(a->text, b->text)))
            return false;
    }
    return true;
}

ptrdiff_t app_id_segment(const struct app_rule *rule)
{
    const struct app_template *item = rule->type ? &rule->type->item : NULL;
    const struct app_template *own = &rule->template_;
    if (!item || item->n == 0)
        return -1;
    ptrdiff_t at = (ptrdiff_t)item->n - 1;
    while (at >= 0 && !item->segments[at].is_variable)
        at--;
    if (at < 0 || is_of_item(own, item))
        return at;
    for (size_t i = 0; i < own->n; i++)
        if (own->segments[i].is_variable && str_eq(own->segments[i].text, item->segments[at].text))
            return (ptrdiff_t)i;
    return -1;
}

static void take_variables(const struct app_rule *rule, struct str path, struct app_class *out)
{
    const struct app_template *t = &rule->template_;
    struct str segment;
    for (size_t i = 0; i < t->n && uri_segment(&path, &segment); i++) {
        if (!t->segments[i].is_variable || out->n_variables == APP_MAX_VARIABLES)
            continue;
        if (t->is_prefix && i + 1 == t->n) /* and the rest of the path */
            segment.n += path.n;
        if ((int)i == rule->id_segment)
            out->id = segment;
        out->names[out->n_variables] = t->segments[i].text;
        out->values[out->n_variables++] = segment;
    }
}

void app_classify(const struct app_service *service, const struct app_request *r,
                  struct app_class *out)
{
    struct match m = {.request = r, .order = NO_ORDER, .open = NO_ORDER, .any_order = NO_ORDER};
    struct str path = uri_path(r->target);
    bool is_options = str_eq(r->method, STR("OPTIONS"));
    *out = (struct app_class){.kind = is_options ? APP_META : APP_OPAQUE};
    if (service->matcher)
        walk(&m, &service->matcher->root, path);
    const struct app_rule *rule = is_options ? m.any : m.best;
    out->needs_body = !is_options && m.open < m.order;
    if (!rule)
        return;
    out->type = rule->type;
    take_variables(rule, path, out);
    if (is_options)
        return;
    out->rule = rule;
    out->kind = rule->kind;
}

/* ---- which service */

/* Without its port. */
static struct str host_of(struct str authority)
{
    if (authority.n && authority.p[0] == '[') { /* an IPv6 address */
        ptrdiff_t end = str_find(authority, ']');
        return end < 0 ? authority : str_sub(authority, 0, (size_t)end + 1);
    }
    ptrdiff_t colon = str_find(authority, ':');
    return colon < 0 ? authority : str_sub(authority, 0, (size_t)colon);
}

/* How exactly a pattern names the host: 0 not at all, a pattern by its length, a name above all. */
static size_t host_rank(struct str pattern, struct str host)
{
    if (!str_starts(pattern, STR("*.")))
        return str_eq_nocase(pattern, host) ? SIZE_MAX : 0;
    struct str tail = str_from(pattern, 1);
    bool fits = host.n > tail.n && str_eq_nocase(str_from(host, host.n - tail.n), tail);
    return fits ? tail.n : 0;
}

/* On a '/' border: "/image" takes "/image" and "/image/v2", not "/images". The number of segments,
 * 0: it does not fit. */
static size_t prefix_rank(struct str prefix, struct str path)
{
    struct str want, segment;
    size_t n = 0;
    /* Most are told apart by their first bytes: nothing before the first '%' needs decoding. */
    while (n < prefix.n && n < path.n && prefix.p[n] == path.p[n] && prefix.p[n] != '%')
        n++;
    if (n < prefix.n && prefix.p[n] != '%' && (n == path.n || path.p[n] != '%'))
        return 0;
    n = 0;
    for (; uri_segment(&prefix, &want); n++)
        if (!uri_segment(&path, &segment) || !uri_segment_is(segment, want))
            return 0;
    return n;
}

const struct app_service *app_recognise(const struct app *app, struct str host, struct str path)
{
    const struct app_service *best = NULL;
    size_t best_host = 0, best_prefix = 0;
    host = host_of(host);
    for (size_t i = 0; i < app->n_services; i++) {
        const struct app_service *s = &app->services[i];
        size_t by_host = s->host.p ? host_rank(s->host, host) : 0;
        size_t by_prefix = s->prefix.p ? prefix_rank(s->prefix, path) : 0;
        if ((s->host.p && !by_host) || (s->prefix.p && !by_prefix))
            continue;
        if (by_host > best_host || (by_host == best_host && by_prefix > best_prefix)) {
            best = s;
            best_host = by_host;
            best_prefix = by_prefix;
        }
    }
    return best;
}
