/* Reads an application description (docs/app-description.md) into struct app. */
#include "app/classify.h"
#include "app/error.h"
#include "cfg/file.h"
#include "cfg/table.h"
#include "codec/h1.h"
#include "codec/json.h"

#define MAX_SERVICES 64
#define MAX_RULES    1024 /* of a service */
#define APP_ARENA    (16u << 20)

struct description {
    struct app *app;
    struct app_service *service; /* being read */
    struct app_type *type;       /* being read; NULL: rules of the service */
    size_t max_rules;
};

/* ---- small pieces */

static int read_pointer(struct yaml_reader *r, const struct yaml *n, struct str *out)
{
    int rc = yaml_text(r, n, out);
    if (rc == 0 && !json_pointer_is_valid(*out))
        rc = yaml_error(n, r->file, r->d, "'%.*s' is not a JSON Pointer (RFC 6901)", STR_ARG(*out));
    return rc;
}

static int read_field_name(struct yaml_reader *r, const struct yaml *n, struct str *out)
{
    int rc = yaml_text(r, n, out);
    if (rc == 0 && !h1_is_token(*out))
        rc = yaml_error(n, r->file, r->d, "'%.*s' is not a field name", STR_ARG(*out));
    return rc;
}

static int read_field_names(struct yaml_reader *r, const struct yaml *n, struct str **out,
                            size_t *count)
{
    int rc = yaml_texts(r, n, out, count);
    const struct yaml *item = n->first;
    for (size_t i = 0; rc == 0 && i < *count; i++, item = item->next)
        rc = read_field_name(r, item, &(*out)[i]);
    return rc;
}

static bool is_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool word =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        if (!word && (i == 0 || (c != '-' && c != '.')))
            return false;
    }
    return s.n > 0 && s.n <= 63;
}

/* ---- path templates */

/* One segment: a literal, {name}, or as the last one {name...}. */
static int read_segment(struct yaml_reader *r, const struct yaml *at, struct str s,
                        struct app_template *t)
{
    struct app_segment *out = &t->segments[t->n++];
    if (s.n == 0 || (s.p[0] != '{' && (memchr(s.p, '{', s.n) || memchr(s.p, '}', s.n))))
        return yaml_error(at, r->file, r->d, "a path template has a segment '%.*s'", STR_ARG(s));
    if (s.p[0] != '{') {
        out->text = s;
        return 0;
    }
    struct str name = str_sub(s, 1, s.n > 2 ? s.n - 2 : 0);
    if (name.n > 3 && str_eq(str_from(name, name.n - 3), STR("..."))) {
        t->is_prefix = true;
        name.n -= 3;
    }
    if (s.p[s.n - 1] != '}' || !is_name(name))
        return yaml_error(at, r->file, r->d, "'%.*s' is not a variable such as {id}", STR_ARG(s));
    out->is_variable = true;
    out->text = name;
    return 0;
}

static int read_template_text(struct yaml_reader *r, const struct yaml *at, struct str text,
                              struct app_template *t)
{
    struct str rest = text, segment;
    size_t count = 0;
    *t = (struct app_template){.text = text, .line = at->line, .column = at->column};
    for (size_t i = 0; i < text.n; i++)
        count += text.p[i] == '/';
    if (text.n == 0 || text.p[0] != '/')
        return yaml_error(at, r->file, r->d, "a path begins with '/', not with '%.*s'",
                          STR_ARG(str_sub(text, 0, 20)));
    t->segments = arena_zalloc(r->arena, (count + 1) * sizeof *t->segments);
    if (!t->segments)
        return diag_set(r->d, ERR_NO_MEMORY, "%s is too large", r->file);
    rest = str_from(rest, 1);
    if (rest.n == 0) { /* "/" alone: one empty segment */
        t->n = 1;
        t->segments[0].text = STR("");
        return 0;
    }
    while (str_split(&rest, '/', &segment)) {
        if (segment.n == 0 && !rest.p) { /* a trailing slash is a segment of its own */
            t->segments[t->n++].text = STR("");
            break;
        }
        if (t->is_prefix)
            return yaml_error(at, r->file, r->d, "nothing may follow {name...}");
        int rc = read_segment(r, at, segment, t);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int read_template(struct yaml_reader *r, const struct yaml *n, struct app_template *t)
{
    const struct description *x = r->context;
    struct str text;
    int rc = yaml_text(r, n, &text);
    if (rc < 0)
        return rc;
    if (x->type && str_starts(text, STR("{item}")))
        text = arena_printf(r->arena, "%.*s%.*s", STR_ARG(x->type->item.text),
                            STR_ARG(str_from(text, 6)));
    else if (x->type && str_starts(text, STR("{collection}")))
        text = arena_printf(r->arena, "%.*s%.*s", STR_ARG(x->type->collection.text),
                            STR_ARG(str_from(text, 12)));
    return read_template_text(r, n, text, t);
}

/* ---- rules */

static struct app_rule *add_rule(struct yaml_reader *r)
{
    struct description *x = r->context;
    struct app_service *s = x->service;
    if (s->n_rules == x->max_rules)
        return NULL;
    struct app_rule *rule = &s->rules[s->n_rules++];
    *rule = (struct app_rule){.type = x->type};
    return rule;
}

static int too_many_rules(struct yaml_reader *r, const struct yaml *at)
{
    return yaml_error(at, r->file, r->d, "a service has more than %d operations", MAX_RULES);
}

struct condition {
    struct str query, value, media_type, member;
};

static int read_member(struct yaml_reader *r, const struct yaml *n, void *object)
{
    return read_pointer(r, n, &((struct condition *)object)->member);
}

static const struct yaml_key condition_keys[] = {
    {"query", YAML_TEXT, offsetof(struct condition, query), .text = "a query parameter is there"},
    {"value", YAML_TEXT, offsetof(struct condition, value), .text = "and has this value"},
    {"media_type", YAML_TEXT, offsetof(struct condition, media_type),
     .text = "the Content-Type, without parameters"},
    {"member", YAML_CUSTOM, .read = read_member,
     .text = "JSON Pointer: the body has this member (it is read up to `limits: peek`)"},
};

static int read_condition(struct yaml_reader *r, const struct yaml *n, struct app_condition *out)
{
    struct condition c = {0};
    int rc = yaml_read(r, n, condition_keys, COUNT_OF(condition_keys), &c);
    if (rc < 0)
        return rc;
    int given = (c.query.p != NULL) + (c.media_type.p != NULL) + (c.member.p != NULL);
    if (given != 1 || (c.value.p && !c.query.p))
        return yaml_error(n, r->file, r->d,
                          "a condition is one of query (with value), media_type, member");
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
    int rc = yaml_expect(r, n, YAML_LIST);
    rule->conditions = arena_zalloc(r->arena, (n->length + 1) * sizeof *rule->conditions);
    if (!rule->conditions)
        return diag_set(r->d, ERR_NO_MEMORY, "%s is too large", r->file);
    for (const struct yaml *i = n->first; i && rc == 0; i = i->next)
        rc = read_condition(r, i, &rule->conditions[rule->n_conditions++]);
    return rc;
}

static int read_path(struct yaml_reader *r, const struct yaml *n, void *object)
{
    return read_template(r, n, &((struct app_rule *)object)->template_);
}

static int read_kind(struct yaml_reader *r, const struct yaml *n, void *object)
{
    struct str text;
    int rc = yaml_text(r, n, &text);
    for (int k = 0; rc == 0 && k < APP_KINDS; k++)
        if (str_eq(text, app_kind_name((enum app_kind)k))) {
            ((struct app_rule *)object)->kind = (enum app_kind)k;
            return 0;
        }
    return rc < 0 ? rc
                  : yaml_error(n, r->file, r->d,
                               "'%.*s' is no kind: create, read, list, update, delete, action, "
                               "meta, stream or opaque",
                               STR_ARG(text));
}

static const struct yaml_key rule_keys[] = {
    {"name", YAML_TEXT, offsetof(struct app_rule, operation), .required = true,
     .text = "name of the operation type"},
    {"kind", YAML_CUSTOM, .read = read_kind, .required = true,
     .text = "create, read, list, update, delete, action, meta, stream or opaque"},
    {"method", YAML_TEXT, offsetof(struct app_rule, method),
     .text = "the method; left out: any; HEAD is as GET"},
    {"path", YAML_CUSTOM, .read = read_path, .required = true,
     .text = "path template; of a type it may begin with {item} or {collection}"},
    {"when", YAML_CUSTOM, .read = read_when, .text = "list of conditions that must all hold"},
};

static int read_rules(struct yaml_reader *r, const struct yaml *n)
{
    int rc = yaml_expect(r, n, YAML_LIST);
    for (const struct yaml *i = n->first; i && rc == 0; i = i->next) {
        struct app_rule *rule = add_rule(r);
        rc = rule ? yaml_read(r, i, rule_keys, COUNT_OF(rule_keys), rule) : too_many_rules(r, i);
        if (rc == 0)
            rule->template_.line = i->line, rule->template_.column = i->column;
    }
    return rc;
}

/* What a plain REST collection does, unless an operation before says otherwise. */
static int add_standard_rules(struct yaml_reader *r, const struct yaml *at)
{
    static const struct {
        struct str name, method;
        enum app_kind kind;
        bool on_item;
    } standard[] = {
        {{"create", 6}, {"POST", 4}, APP_CREATE, false},
        {{"list", 4}, {"GET", 3}, APP_LIST, false},
        {{"read", 4}, {"GET", 3}, APP_READ, true},
        {{"replace", 7}, {"PUT", 3}, APP_UPDATE, true},
        {{"update", 6}, {"PATCH", 5}, APP_UPDATE, true},
        {{"delete", 6}, {"DELETE", 6}, APP_DELETE, true},
    };
    struct description *x = r->context;
    for (size_t i = 0; i < COUNT_OF(standard); i++) {
        const struct app_template *t = standard[i].on_item ? &x->type->item : &x->type->collection;
        if (t->n == 0)
            continue;
        struct app_rule *rule = add_rule(r);
        if (!rule)
            return too_many_rules(r, at);
        rule->operation = standard[i].name;
        rule->method = standard[i].method;
        rule->kind = standard[i].kind;
        rule->template_ = *t;
    }
    return 0;
}

/* ---- types */

struct type_reading {
    struct app_type *type;
    unsigned ids;
    bool replicate, cross, no_standard;
    const struct yaml *operations;
};

static struct app_type *type_of(void *object)
{
    return ((struct type_reading *)object)->type;
}

static int read_collection(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct str text;
    int rc = yaml_text(r, n, &text);
    return rc < 0 ? rc : read_template_text(r, n, text, &type_of(o)->collection);
}

static int read_item(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct str text;
    int rc = yaml_text(r, n, &text);
    return rc < 0 ? rc : read_template_text(r, n, text, &type_of(o)->item);
}

static int read_id(struct yaml_reader *r, const struct yaml *n, void *o)
{
    return read_pointer(r, n, &type_of(o)->id_pointer);
}

static int read_client_id(struct yaml_reader *r, const struct yaml *n, void *o)
{
    return read_pointer(r, n, &type_of(o)->client_id_pointer);
}

static int read_array(struct yaml_reader *r, const struct yaml *n, void *o)
{
    return read_pointer(r, n, &((struct app_list *)o)->array);
}

static int read_selects(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct app_list *l = o;
    return yaml_texts(r, n, &l->selects, &l->n_selects);
}

static const struct yaml_key list_keys[] = {
    {"array", YAML_CUSTOM, .read = read_array, .required = true,
     .text = "JSON Pointer to the array in a list answer"},
    {"sort", YAML_TEXT, offsetof(struct app_list, sort_key),
     .text = "the member that lists are sorted by"},
    {"limit", YAML_TEXT, offsetof(struct app_list, limit_parameter),
     .text = "query parameter: how many"},
    {"marker", YAML_TEXT, offsetof(struct app_list, marker_parameter),
     .text = "query parameter: after which item"},
    {"selects", YAML_CUSTOM, .read = read_selects,
     .text =
         "query parameters that select: with them an empty array counts as 404 in an otherwise"},
};

static int read_list(struct yaml_reader *r, const struct yaml *n, void *o)
{
    return yaml_read(r, n, list_keys, COUNT_OF(list_keys), &type_of(o)->list);
}

static int read_body_carrier(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct type_reading *t = o;
    t->type->has_body_carrier = str_eq(n->text, STR("true"));
    if (n->kind == YAML_SCALAR && (t->type->has_body_carrier || str_eq(n->text, STR("false"))))
        return 0;
    return yaml_error(n, r->file, r->d, "'body_carrier' must be true or false");
}

static int read_path_carrier(struct yaml_reader *r, const struct yaml *n, void *o)
{
    return yaml_text(r, n, &type_of(o)->path_carrier);
}

static int keep_operations(struct yaml_reader *r, const struct yaml *n, void *o)
{
    (void)r;
    ((struct type_reading *)o)->operations = n;
    return 0;
}

static const struct yaml_key type_keys[] = {
    {"collection", YAML_CUSTOM, .read = read_collection, .text = "path template of the collection"},
    {"item", YAML_CUSTOM, .read = read_item,
     .text = "path template of one resource; its last variable is the identifier"},
    {"id", YAML_CUSTOM, .read = read_id,
     .text = "JSON Pointer to the identifier in a create answer"},
    {"client_id", YAML_CUSTOM, .read = read_client_id,
     .text = "JSON Pointer where a create request may carry the identifier"},
    {"ids", YAML_CHOICE, offsetof(struct type_reading, ids), .choices = "local|unique",
     .text = "unique: identifiers never repeat between sites"},
    {"list", YAML_CUSTOM, .read = read_list, .text = "what a list answer looks like"},
    {"replicate", YAML_TRUTH, offsetof(struct type_reading, replicate), .text = "`&` is allowed"},
    {"cross", YAML_TRUTH, offsetof(struct type_reading, cross), .text = "`%` is allowed"},
    {"body_carrier", YAML_CUSTOM, .read = read_body_carrier,
     .text = "a body of this type may carry a scope at `carriers: body`"},
    {"path_carrier", YAML_CUSTOM, .read = read_path_carrier,
     .text = "variable of the item template that may carry `name@scope`"},
    {"only_operations", YAML_TRUTH, offsetof(struct type_reading, no_standard),
     .text = "the standard operations of a collection are left out"},
    {"operations", YAML_CUSTOM, .read = keep_operations,
     .text = "further operation types, before the standard ones"},
};

static int read_type(struct yaml_reader *r, const struct yaml *key, struct app_type *type)
{
    struct description *x = r->context;
    struct type_reading t = {.type = type};
    type->name = key->text;
    type->service = x->service;
    if (!is_name(key->text))
        return yaml_error(key, r->file, r->d, "'%.*s' is not a name", STR_ARG(key->text));
    int rc = yaml_read(r, key->value, type_keys, COUNT_OF(type_keys), &t);
    if (rc == 0 && type->collection.n == 0 && type->item.n == 0 && !t.operations)
        rc = yaml_error(key, r->file, r->d, "the type '%.*s' has no collection, item or operation",
                        STR_ARG(key->text));
    if (rc < 0)
        return rc;
    type->ids_unique = t.ids == 1;
    type->can_replicate = t.replicate;
    type->can_cross = t.cross;
    type->index = x->app->n_types++;
    x->type = type;
    rc = t.operations ? read_rules(r, t.operations) : 0;
    if (rc == 0 && !t.no_standard)
        rc = add_standard_rules(r, key);
    x->type = NULL;
    return rc;
}

/* ---- services */

static int read_types(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct app_service *s = o;
    int rc = yaml_expect(r, n, YAML_MAP);
    if (rc < 0)
        return rc;
    s->types = arena_zalloc(r->arena, (n->length + 1) * sizeof *s->types);
    if (!s->types)
        return diag_set(r->d, ERR_NO_MEMORY, "%s is too large", r->file);
    for (const struct yaml *k = n->first; k && rc == 0; k = k->next)
        rc = read_type(r, k, &s->types[s->n_types++]);
    return rc;
}

static int read_service_rules(struct yaml_reader *r, const struct yaml *n, void *o)
{
    (void)o;
    return read_rules(r, n);
}

static int read_errors(struct yaml_reader *r, const struct yaml *n, void *o)
{
    static const struct yaml_key keys[] = {
        {"content_type", YAML_TEXT, offsetof(struct app_errors, content_type), .required = true,
         .text = "Content-Type of the answer"},
        {"body", YAML_TEXT, offsetof(struct app_errors, body), .required = true,
         .text = "template with {status}, {reason}, {code}, {message}, {hint}"},
    };
    struct diag d = {0};
    int rc = yaml_read(r, n, keys, COUNT_OF(keys), o);
    if (rc == 0 && app_errors_check(o, &d) < 0)
        rc = yaml_error(n, r->file, r->d, "%s%s%s", d.message, d.hint[0] ? ": " : "", d.hint);
    return rc;
}

static int read_service_errors(struct yaml_reader *r, const struct yaml *n, void *o)
{
    return read_errors(r, n, &((struct app_service *)o)->errors);
}

static int read_aliases(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct app_service *s = o;
    return yaml_texts(r, n, &s->aliases, &s->n_aliases);
}

struct service_reading {
    struct app_service service; /* first: the custom readers take it */
    uint64_t port;
};

static const struct yaml_key service_keys[] = {
    {"port", YAML_COUNT, offsetof(struct service_reading, port), 1, 65535,
     .text = "its usual port"},
    {"prefix", YAML_TEXT, offsetof(struct service_reading, service.prefix),
     .text = "path prefix that recognises it, on a '/' border"},
    {"host", YAML_TEXT, offsetof(struct service_reading, service.host),
     .text = "host name, or *.suffix, that recognises it"},
    {"aliases", YAML_CUSTOM, .read = read_aliases, .text = "other names that a scope may use"},
    {"checks_credentials", YAML_TRUTH, offsetof(struct service_reading, service.checks_credentials),
     .text = "it is who checks credentials: suffixes are cut before it"},
    {"errors", YAML_CUSTOM, .read = read_service_errors,
     .text = "shape of Cheops' own errors to its clients"},
    {"operations", YAML_CUSTOM, .read = read_service_rules,
     .text = "operations of the service itself (versions, discovery)"},
    {"types", YAML_CUSTOM, .read = read_types, .text = "its resource types"},
};

static int read_service(struct yaml_reader *r, const struct yaml *key, unsigned index)
{
    struct description *x = r->context;
    struct service_reading s = {.service = {.name = key->text, .index = index}};
    if (!is_name(key->text))
        return yaml_error(key, r->file, r->d, "'%.*s' is not a name", STR_ARG(key->text));
    s.service.rules = arena_zalloc(r->arena, MAX_RULES * sizeof *s.service.rules);
    if (!s.service.rules)
        return diag_set(r->d, ERR_NO_MEMORY, "%s is too large", r->file);
    x->service = &s.service;
    x->max_rules = MAX_RULES;
    int rc = yaml_read(r, key->value, service_keys, COUNT_OF(service_keys), &s);
    if (rc < 0)
        return rc;
    if (s.service.prefix.p &&
        (s.service.prefix.p[0] != '/' || s.service.prefix.p[s.service.prefix.n - 1] == '/'))
        return yaml_error(key, r->file, r->d, "a prefix begins with '/' and does not end in it");
    s.service.usual_port = (unsigned)s.port;
    struct app_service *out = &x->app->services[index];
    *out = s.service;
    for (size_t i = 0; i < out->n_types; i++)
        out->types[i].service = out;
    for (size_t i = 0; i < out->n_rules; i++) /* the copy moved nothing else: types are an array */
        out->rules[i].template_.line =
            out->rules[i].template_.line ? out->rules[i].template_.line : key->line;
    struct diag d = {0};
    rc = app_matcher_compile(out, r->arena, &d);
    if (rc < 0) {
        struct yaml at = {.line = d.line ? d.line : key->line, .column = d.column ? d.column : 1};
        return yaml_error(&at, r->file, r->d, "%s", d.message);
    }
    return 0;
}

static int read_services(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct app *app = o;
    unsigned i = 0;
    int rc = yaml_expect(r, n, YAML_MAP);
    size_t count = rc < 0 ? 0 : n->length;
    if (rc == 0 && (count == 0 || count > MAX_SERVICES))
        rc = yaml_error(n, r->file, r->d, "an application has 1 to %d services", MAX_SERVICES);
    app->services = arena_zalloc(r->arena, (count + 1) * sizeof *app->services);
    for (const struct yaml *k = n->first; k && rc == 0; k = k->next) {
        rc = read_service(r, k, i++);
        app->n_services = i;
    }
    return rc;
}

/* ---- carriers and propagation */

static int read_credentials(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct app_carriers *c = o;
    return read_field_names(r, n, &c->credential_fields, &c->n_credential_fields);
}

static int read_scope_fields(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct app_carriers *c = o;
    return read_field_names(r, n, &c->scope_fields, &c->n_scope_fields);
}

static int read_carrier_body(struct yaml_reader *r, const struct yaml *n, void *o)
{
    return read_pointer(r, n, &((struct app_carriers *)o)->body_pointer);
}

static int read_separator(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct str text;
    int rc = yaml_text(r, n, &text);
    if (rc == 0 && text.n != 1)
        rc = yaml_error(n, r->file, r->d, "a separator is one character");
    ((struct app_carriers *)o)->path_separator = rc == 0 ? text.p[0] : 0;
    return rc;
}

static int read_path_body(struct yaml_reader *r, const struct yaml *n, void *o)
{
    return read_pointer(r, n, &((struct app_carriers *)o)->path_body_pointer);
}

static int read_path_carriers(struct yaml_reader *r, const struct yaml *n, void *o)
{
    static const struct yaml_key keys[] = {
        {"separator", YAML_CUSTOM, .read = read_separator, .required = true,
         .text = "the character before the scope"},
        {"body", YAML_CUSTOM, .read = read_path_body,
         .text = "JSON Pointer of the body that repeats the variable"},
    };
    return yaml_read(r, n, keys, COUNT_OF(keys), o);
}

struct correlation {
    struct str form;
    uint32_t keep_ms;
    struct app_carriers *carriers;
};

static int read_correlation_field(struct yaml_reader *r, const struct yaml *n, void *o)
{
    return read_field_name(r, n, &((struct correlation *)o)->carriers->correlation_field);
}

static int read_correlation(struct yaml_reader *r, const struct yaml *n, void *o)
{
    static const struct yaml_key keys[] = {
        {"field", YAML_CUSTOM, .read = read_correlation_field, .required = true,
         .text = "the field that services pass on"},
        {"form", YAML_TEXT, offsetof(struct correlation, form), .required = true,
         .text = "what its values look like, with {uuid4}"},
        {"keep", YAML_DURATION, offsetof(struct correlation, keep_ms), 1000, 86400000,
         .text = "how long an identifier is remembered"},
    };
    struct correlation c = {.keep_ms = 600000, .carriers = o};
    int rc = yaml_read(r, n, keys, COUNT_OF(keys), &c);
    if (rc == 0 && !memmem(c.form.p, c.form.n, "{uuid4}", 7))
        rc = yaml_error(n, r->file, r->d, "a correlation form holds {uuid4}");
    c.carriers->correlation_form = c.form;
    c.carriers->correlation_keep_s = c.keep_ms / 1000;
    return rc;
}

static int read_carriers(struct yaml_reader *r, const struct yaml *n, void *o)
{
    static const struct yaml_key keys[] = {
        {"credentials", YAML_CUSTOM, .read = read_credentials,
         .text = "fields that hold a credential and may have a scope's suffix"},
        {"fields", YAML_CUSTOM, .read = read_scope_fields,
         .text = "fields whose whole value is a scope; removed"},
        {"path", YAML_CUSTOM, .read = read_path_carriers,
         .text = "a path variable with a separator"},
        {"body", YAML_CUSTOM, .read = read_carrier_body,
         .text = "JSON Pointer of a scope in a body, on types with body_carrier"},
        {"correlation", YAML_CUSTOM, .read = read_correlation,
         .text = "the identifier that services pass on to each other"},
    };
    struct app *app = o;
    app->carriers.correlation_keep_s = 600;
    return yaml_read(r, n, keys, COUNT_OF(keys), &app->carriers);
}

static int read_propagate_credentials(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct app_propagate *p = o;
    return read_field_names(r, n, &p->credential_fields, &p->n_credential_fields);
}

static int read_propagate(struct yaml_reader *r, const struct yaml *n, void *o)
{
    static const struct yaml_key keys[] = {
        {"scope", YAML_TRUTH, offsetof(struct app_propagate, scope_field),
         .text = "the field Scope"},
        {"baggage", YAML_TRUTH, offsetof(struct app_propagate, baggage), .text = "W3C baggage"},
        {"correlation", YAML_TRUTH, offsetof(struct app_propagate, correlation),
         .text = "the correlation field"},
        {"credentials", YAML_CUSTOM, .read = read_propagate_credentials,
         .text = "credential fields that get the suffix"},
    };
    return yaml_read(r, n, keys, COUNT_OF(keys), &((struct app *)o)->propagate);
}

static int read_app_errors(struct yaml_reader *r, const struct yaml *n, void *o)
{
    return read_errors(r, n, &((struct app *)o)->errors);
}

static const struct yaml_key app_keys[] = {
    {"application", YAML_TEXT, offsetof(struct app, name), .required = true, .text = "its name"},
    {"errors", YAML_CUSTOM, .read = read_app_errors,
     .text = "shape of Cheops' own errors; left out: application/problem+json"},
    {"carriers", YAML_CUSTOM, .read = read_carriers, .text = "how a scope arrives"},
    {"propagate", YAML_CUSTOM, .read = read_propagate,
     .text = "carriers that are set towards services"},
    {"services", YAML_CUSTOM, .read = read_services, .required = true, .text = "the services"},
};

/* ---- the whole */

static void add_key(struct app *app, struct str key)
{
    for (size_t i = 0; i < app->n_keys; i++)
        if (str_eq(app->keys[i], key))
            return;
    app->keys[app->n_keys++] = key;
}

/* The keys of one service under one of its names: the name itself and "name.type". */
static void add_keys_of(struct app *app, const struct app_service *s, struct str name,
                        struct arena *a)
{
    add_key(app, name);
    for (size_t k = 0; k < s->n_types; k++) {
        add_key(app, s->types[k].name);
        add_key(app, arena_printf(a, "%.*s.%.*s", STR_ARG(name), STR_ARG(s->types[k].name)));
    }
}

/* The names that a scope may use: services and their aliases, types, and a type of a service under
 * each of its names. */
static int collect_keys(struct app *app, struct arena *a)
{
    size_t n = 0;
    for (size_t i = 0; i < app->n_services; i++)
        n += (1 + app->services[i].n_aliases) * (1 + 2 * app->services[i].n_types);
    app->keys = arena_zalloc(a, (n + 1) * sizeof *app->keys);
    if (!app->keys)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < app->n_services; i++) {
        const struct app_service *s = &app->services[i];
        add_keys_of(app, s, s->name, a);
        for (size_t k = 0; k < s->n_aliases; k++)
            add_keys_of(app, s, s->aliases[k], a);
    }
    return 0;
}

/* Two services that the same request would fit equally. */
static int check_recognisers(struct yaml_reader *r, const struct yaml *top, const struct app *app)
{
    for (size_t i = 0; i < app->n_services; i++)
        for (size_t k = 0; k < i; k++) {
            const struct app_service *x = &app->services[i], *y = &app->services[k];
            if ((x->prefix.n || x->host.n) && str_eq(x->prefix, y->prefix) &&
                str_eq_nocase(x->host, y->host))
                return yaml_error(top, r->file, r->d,
                                  "the services '%.*s' and '%.*s' are recognised by the same host "
                                  "and prefix",
                                  STR_ARG(y->name), STR_ARG(x->name));
        }
    return 0;
}

int cfg_read_app(const char *path, struct arena *arena, struct app **out, struct diag *d)
{
    struct str text;
    struct yaml *top;
    int rc = cfg_file_read(path, arena, &text, d);
    if (rc == 0)
        rc = yaml_parse(text, path, arena, &top, d);
    if (rc != 0)
        return rc;
    struct app *app = arena_zalloc(arena, sizeof *app);
    if (!app)
        return diag_set(d, ERR_NO_MEMORY, "%s is too large", path);
    struct description x = {.app = app};
    struct yaml_reader r = {path, arena, d, &x};
    app->file = arena_str(arena, str_of(path));
    rc = yaml_read(&r, top, app_keys, COUNT_OF(app_keys), app);
    if (rc == 0)
        rc = check_recognisers(&r, top, app);
    if (rc == 0)
        rc = collect_keys(app, arena);
    for (size_t i = 0; rc == 0 && i < app->n_services; i++)
        if (!app->services[i].errors.content_type.p)
            app->services[i].errors = app->errors;
    app->digest = cfg_digest(text);
    if (rc == 0 && arena_overflowed(arena))
        rc = diag_set(d, ERR_NO_MEMORY, "%s is too large", path);
    *out = app;
    return rc;
}
