/* Path templates and operations of an application description. */
#include "app/classify.h"
#include "cfg/description.h"

/* ---- path templates */

/* One segment: a literal, {name}, or as the last one {name...}. */
static int read_segment(struct yaml_reader *r, const struct yaml *at, struct str s,
                        struct app_template *t)
{
    struct app_segment *out = &t->segments[t->n++];
    bool has_brace = str_find(s, '{') >= 0 || str_find(s, '}') >= 0;
    if (s.n == 0)
        return yaml_error(at, r->file, r->d, "a path has no empty segments, as this between '//'");
    if (!has_brace) {
        out->text = s;
        return 0;
    }
    struct str name = str_sub(s, 1, s.n > 2 ? s.n - 2 : 0);
    bool is_prefix = name.n > 3 && str_eq(str_from(name, name.n - 3), STR("..."));
    if (is_prefix)
        name.n -= 3;
    if (s.p[0] != '{' || s.p[s.n - 1] != '}' || !description_is_name(name))
        return yaml_error(at, r->file, r->d,
                          "the segment '%.*s' is neither a word nor a variable such as {id}",
                          STR_ARG(str_sub(s, 0, 80)));
    for (size_t i = 0; i + 1 < t->n; i++)
        if (t->segments[i].is_variable && str_eq(t->segments[i].text, name))
            return yaml_error(at, r->file, r->d, "the variable {%.*s} stands twice in a path",
                              STR_ARG(name));
    t->is_prefix = is_prefix;
    out->is_variable = true;
    out->text = name;
    return 0;
}

static int read_segments(struct yaml_reader *r, const struct yaml *at, struct str rest,
                         struct app_template *t)
{
    struct str segment;
    int rc = 0;
    while (rc == 0 && str_split(&rest, '/', &segment)) {
        if (segment.n == 0 && !rest.p) { /* a slash at the end is a segment of its own */
            t->segments[t->n++].text = STR("");
        } else if (t->is_prefix) {
            return yaml_error(at, r->file, r->d, "nothing may follow {name...}");
        } else {
            rc = read_segment(r, at, segment, t);
        }
    }
    return rc;
}

static int read_template_text(struct yaml_reader *r, const struct yaml *at, struct str text,
                              struct app_template *t)
{
    size_t count = 0;
    *t = (struct app_template){.text = text, .line = at->line, .column = at->column};
    for (size_t i = 0; i < text.n; i++)
        count += text.p[i] == '/';
    if (text.n == 0 || text.p[0] != '/')
        return yaml_error(at, r->file, r->d, "a path begins with '/', not with '%.*s'",
                          STR_ARG(str_sub(text, 0, 20)));
    int rc = yaml_array(r, count, sizeof *t->segments, &t->segments);
    return rc < 0 ? rc : read_segments(r, at, str_from(text, 1), t);
}

int description_read_template(struct yaml_reader *r, const struct yaml *n, struct app_template *t)
{
    return read_template_text(r, n, n->text, t);
}

/* With the type's own templates in front, where it begins with their name. */
static int read_path(struct yaml_reader *r, const struct yaml *n, void *object)
{
    const struct description *x = description_of(r);
    struct {
        struct str name;
        const struct app_template *t;
    } own[] = {{STR("{item}"), x->item}, {STR("{collection}"), x->collection}};
    struct str text = n->text;
    for (size_t i = 0; i < COUNT_OF(own); i++) {
        if (!x->type || !str_starts(text, own[i].name))
            continue;
        if (own[i].t->n == 0)
            return yaml_error(n, r->file, r->d, "the type '%.*s' has no %.*s for this path",
                              STR_ARG(x->type->name),
                              STR_ARG(str_sub(own[i].name, 1, own[i].name.n - 2)));
        text = arena_printf(r->arena, "%.*s%.*s", STR_ARG(own[i].t->text),
                            STR_ARG(str_from(text, own[i].name.n)));
    }
    return read_template_text(r, n, text, &((struct app_rule *)object)->template_);
}

/* ---- conditions */

struct condition {
    struct str query, value, media_type, member;
};

static const struct yaml_key condition_keys[] = {
    {"query", YAML_TEXT, offsetof(struct condition, query), .noun = "query parameter",
     .text = "the query has this parameter"},
    {"value", YAML_TEXT, offsetof(struct condition, value), .text = "and it has this value"},
    {"media_type", YAML_TEXT, offsetof(struct condition, media_type), .noun = "media type",
     .text = "the Content-Type, its parameters left out, is this one"},
    {"member", YAML_TEXT, offsetof(struct condition, member), .noun = "JSON Pointer",
     .check = description_is_pointer,
     .text = "the body has this member; it is read up to the limit `peek` to find out"},
};
static const struct yaml_table condition_table = {"condition", condition_keys,
                                                  COUNT_OF(condition_keys)};

static int read_condition(struct yaml_reader *r, const struct yaml *n, struct app_condition *out)
{
    struct condition c = {0};
    int rc = yaml_read(r, n, &condition_table, &c);
    if (rc < 0)
        return rc;
    int given = (c.query.p != NULL) + (c.media_type.p != NULL) + (c.member.p != NULL);
    if (given != 1 || (c.value.p && !c.query.p))
        return yaml_error(n, r->file, r->d,
                          "a condition is one of query (with value), media_type and member");
    if (c.query.p)
        *out = (struct app_condition){APP_IF_QUERY, c.query, c.value};
    else if (c.media_type.p)
        *out = (struct app_condition){APP_IF_MEDIA_TYPE, STR_NULL, c.media_type};
    else
        *out = (struct app_condition){APP_IF_MEMBER, c.member, STR_NULL};
    return 0;
}

static int read_when(struct yaml_reader *r, const struct yaml *n, void *object)
{
    struct app_rule *rule = object;
    int rc = yaml_array(r, n->length, sizeof *rule->conditions, &rule->conditions);
    for (const struct yaml *i = n->first; i && rc == 0; i = i->next)
        rc = read_condition(r, i, &rule->conditions[rule->n_conditions++]);
    return rc;
}

/* ---- operations */

struct rule_reading {
    struct app_rule rule; /* first: `read` functions take it */
    unsigned kind;
    struct description_effects effects;
};

static const struct yaml_key rule_keys[] = {
    {"name", YAML_TEXT, offsetof(struct rule_reading, rule.operation), .required = true,
     .noun = "name", .check = description_is_name, .text = "name of the operation type"},
    {"kind", YAML_CHOICE, offsetof(struct rule_reading, kind), .required = true,
     .choices = "create|read|list|update|delete|action|meta|stream|opaque",
     .text = "its kind (scope-lang(7))"},
    {"method", YAML_TEXT, offsetof(struct rule_reading, rule.method), .noun = "method",
     .check = description_is_field,
     .text = "the method, in the case that it is sent in; left out: any. GET takes HEAD, too"},
    {"path", YAML_READ_TEXT, .read = read_path, .required = true, .noun = "path template",
     .text = "its path; of a type it may begin with {item} or {collection}"},
    {"when", YAML_READ_LIST, .read = read_when, .table = &condition_table,
     .text = "conditions that must all hold"},
    {"replaces", YAML_TRUTH, offsetof(struct rule_reading, effects.replaces),
     .text = "it writes the whole state, whatever it was; left out: true of PUT item"},
    {"overwrites", YAML_TRUTH, offsetof(struct rule_reading, effects.overwrites),
     .text = "it writes what it carries, whatever was there, and may be run again; left out: true "
             "of PUT, DELETE, and PATCH (a merge patch)"},
    {"makes", YAML_TRUTH, offsetof(struct rule_reading, effects.makes), .value = "false",
     .text = "what replaces the whole state also makes a resource that is missing"},
    {"commutes", YAML_TEXTS, offsetof(struct rule_reading, effects.commutes),
     offsetof(struct rule_reading, effects.n_commutes), .noun = "name",
     .check = description_is_name,
     .text = "operations of the type, itself among them if so, that may run before or after it "
             "with the same result"},
    {"done", YAML_TEXTS, offsetof(struct rule_reading, effects.done),
     offsetof(struct rule_reading, effects.n_done), .most = APP_MAX_DONE, .noun = "status code",
     .check = description_is_status,
     .text = "answers that count as done, beside 2xx, and 404 to what deletes"},
    {"replicated", YAML_TRUTH, offsetof(struct rule_reading, effects.is_replicated),
     .value = "true", .text = "false: it concerns one site, and is not logged"},
};
const struct yaml_table description_rule_table = {"operation", rule_keys, COUNT_OF(rule_keys)};

/* `node` is the mapping of the operation; NULL: it is a standard one, which the type has. */
static int add_rule(struct yaml_reader *r, const struct yaml *place, const struct yaml *node,
                    const struct rule_reading *read)
{
    struct description *x = description_of(r);
    struct app_service *s = x->service;
    if (s->n_rules == DESCRIPTION_MAX_RULES)
        return yaml_error(place, r->file, r->d, "a service has more than %d operations",
                          DESCRIPTION_MAX_RULES);
    struct app_rule *added = &s->rules[s->n_rules];
    *added = read->rule;
    added->type = x->type;
    added->operation_number = -1;
    added->template_.line = place->line;
    added->template_.column = place->column;
    x->places[s->n_rules++] = place;
    return description_add_effects(r, node, added, &read->effects);
}

int description_read_rules(struct yaml_reader *r, const struct yaml *n, void *o)
{
    int rc = 0;
    (void)o;
    for (const struct yaml *i = n->first; i && rc == 0; i = i->next) {
        struct rule_reading x = {0};
        rc = yaml_read(r, i, &description_rule_table, &x);
        x.rule.kind = (enum app_kind)x.kind;
        if (rc == 0)
            rc = add_rule(r, i, i, &x);
    }
    return rc;
}

/* Whether an operation that was read has the place of a standard one. */
static bool is_replaced(const struct description *x, const struct app_rule *standard)
{
    for (size_t i = 0; i < x->service->n_rules; i++) {
        const struct app_rule *rule = &x->service->rules[i];
        if (rule->type == x->type && rule->n_conditions == 0 &&
            (!rule->method.p || str_eq(rule->method, standard->method)) &&
            str_eq(rule->template_.text, standard->template_.text))
            return true;
    }
    return false;
}

int description_add_standard_rules(struct yaml_reader *r, const struct yaml *at, unsigned which)
{
    static const struct {
        struct str name, method;
        enum app_kind kind;
        bool on_item;
    } standard[] = {
        /* in the order of DESCRIPTION_STANDARD */
        {{"create", 6}, {"POST", 4}, APP_CREATE, false},
        {{"list", 4}, {"GET", 3}, APP_LIST, false},
        {{"read", 4}, {"GET", 3}, APP_READ, true},
        {{"replace", 7}, {"PUT", 3}, APP_UPDATE, true},
        {{"update", 6}, {"PATCH", 5}, APP_UPDATE, true},
        {{"delete", 6}, {"DELETE", 6}, APP_DELETE, true},
    };
    const struct description *x = description_of(r);
    int rc = 0;
    for (size_t i = 0; i < COUNT_OF(standard) && rc == 0; i++) {
        const struct app_template *t = standard[i].on_item ? x->item : x->collection;
        struct rule_reading read = {.rule = {.operation = standard[i].name,
                                             .method = standard[i].method,
                                             .kind = standard[i].kind,
                                             .template_ = *t},
                                    .effects = {.is_replicated = true}};
        if (t->n && which >> i & 1 && !is_replaced(x, &read.rule))
            rc = add_rule(r, at, NULL, &read);
    }
    return rc;
}
