/* Reads an application description (docs/app-description.md) into struct app. */
#include "cfg/description.h"
#include "app/classify.h"
#include "app/error.h"
#include "cfg/cfg.h"
#include "cfg/file.h"
#include "codec/h1.h"
#include "codec/json.h"

#include <limits.h>

#define MAX_NAME    63
#define MAX_ALIASES 16

bool description_is_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool word =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        if (!word && (i == 0 || (c != '-' && c != '.')))
            return false;
    }
    return s.n > 0 && s.n <= MAX_NAME;
}

bool description_is_pointer(struct str s)
{
    return json_pointer_is_valid(s);
}

bool description_is_field(struct str s)
{
    return h1_is_token(s);
}

/* Of a service or type: a scope has it as a key, and a dot stands between the two there. */
static int check_name(struct yaml_reader *r, const struct yaml *key, const char *what)
{
    if (description_is_name(key->text) && str_find(key->text, '.') < 0)
        return 0;
    int rc = yaml_error(key, r->file, r->d, "'%.*s' is not a name for a %s",
                        STR_ARG(str_sub(key->text, 0, 80)), what);
    diag_hint(r->d, "letters, digits and '_', and after the first '-'; at most %d", MAX_NAME);
    return rc;
}

/* ---- types */

struct type_reading {
    struct app_type type; /* first: `read` functions take it */
    unsigned ids;
    bool only_operations;
    unsigned standard; /* bits of the standard operations */
    struct description_replication replication;
};

static int read_collection(struct yaml_reader *r, const struct yaml *n, void *o)
{
    return description_read_template(r, n, &((struct app_type *)o)->collection);
}

static int read_item(struct yaml_reader *r, const struct yaml *n, void *o)
{
    return description_read_template(r, n, &((struct app_type *)o)->item);
}

static int read_path_carrier(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct app_type *t = o;
    int rc = yaml_text(r, n, &t->path_carrier);
    if (rc < 0)
        return rc;
    if (!description_of(r)->app->carriers.path_separator)
        return yaml_error(n, r->file, r->d, "there is no path under carriers");
    for (size_t i = 0; i < t->item.n; i++)
        if (t->item.segments[i].is_variable && str_eq(t->item.segments[i].text, n->text))
            return 0;
    return yaml_error(n, r->file, r->d, "the item's path has no variable {%.*s}",
                      STR_ARG(str_sub(n->text, 0, MAX_NAME)));
}

static const struct yaml_key list_keys[] = {
    {"array", YAML_TEXT, offsetof(struct app_list, array), .required = true, .noun = "JSON Pointer",
     .check = description_is_pointer, .text = "the array in a list answer"},
    {"id", YAML_TEXT, offsetof(struct app_list, id), .noun = "JSON Pointer",
     .check = description_is_pointer,
     .text = "the identifier in an item; left out: where the type's `id` is"},
    {"sort", YAML_TEXT, offsetof(struct app_list, sort_key), .noun = "member",
     .text = "the member that lists are sorted by"},
    {"order", YAML_CHOICE, offsetof(struct app_list, order), .choices = "ascending|descending",
     .value = "ascending", .text = "by that member"},
    {"sort_by", YAML_TEXTS, offsetof(struct app_list, sort_by),
     offsetof(struct app_list, n_sort_by), .noun = "query parameter",
     .text = "name another member, which may be followed by :asc or :desc"},
    {"order_by", YAML_TEXT, offsetof(struct app_list, order_parameter), .noun = "query parameter",
     .text = "says asc or desc"},
    {"limit", YAML_TEXT, offsetof(struct app_list, limit_parameter), .noun = "query parameter",
     .text = "says how many"},
    {"marker", YAML_TEXT, offsetof(struct app_list, marker_parameter), .noun = "query parameter",
     .text = "says after which item, by its identifier"},
    {"next", YAML_TEXT, offsetof(struct app_list, next), .noun = "member",
     .text = "links to the next page: a URL with the marker in it"},
    {"selects", YAML_TEXTS, offsetof(struct app_list, selects),
     offsetof(struct app_list, n_selects), .noun = "query parameter",
     .text = "select by what an item is called: with one of them an empty array counts as 404 in "
             "an otherwise"},
};
static const struct yaml_table list_table = {"list", list_keys, COUNT_OF(list_keys)};

/* Paths in front: operations may begin with them. */
static const struct yaml_key type_keys[] = {
    {"collection", YAML_READ_TEXT, .read = read_collection, .noun = "path template",
     .text = "the path of all resources of the type"},
    {"item", YAML_READ_TEXT, .read = read_item, .noun = "path template",
     .text = "the path of one; its last variable is the identifier"},
    {"id", YAML_TEXT, offsetof(struct type_reading, type.id_pointer), .noun = "JSON Pointer",
     .check = description_is_pointer, .text = "the identifier in a create's answer"},
    {"client_id", YAML_TEXT, offsetof(struct type_reading, type.client_id_pointer),
     .noun = "JSON Pointer", .check = description_is_pointer,
     .text = "where a create's request may carry the identifier; left out: it may not"},
    {"ids", YAML_CHOICE, offsetof(struct type_reading, ids), .choices = "local|unique",
     .value = "local", .text = "unique: identifiers never repeat between sites (UUIDs)"},
    {"list", YAML_PART, offsetof(struct type_reading, type.list), .table = &list_table,
     .text = "what a list answer looks like"},
    {"replicate", YAML_TRUTH, offsetof(struct type_reading, type.can_replicate), .value = "false",
     .text = "scopes with & are allowed"},
    {"cross", YAML_TRUTH, offsetof(struct type_reading, type.can_cross), .value = "false",
     .text = "scopes with % are allowed"},
    {"body_carrier", YAML_TRUTH, offsetof(struct type_reading, type.has_body_carrier),
     .value = "false", .text = "its bodies may carry a scope, at `body` under `carriers`"},
    {"path_carrier", YAML_READ_TEXT, .read = read_path_carrier, .noun = "variable",
     .text = "variable of the item's path that may carry a scope"},
    {"only_operations", YAML_TRUTH, offsetof(struct type_reading, only_operations),
     .value = "false", .text = "the standard operations are left out"},
    {"standard", YAML_CHOICES, offsetof(struct type_reading, standard),
     .choices = DESCRIPTION_STANDARD,
     .text = "those of the standard operations that it has; left out: all of them"},
    {"operations", YAML_READ_LIST, .read = description_read_rules, .table = &description_rule_table,
     .text = "operations, tried before the standard ones"},
    {"resolution", YAML_READ_LIST, .read = description_read_resolution,
     .table = &description_resolution_table,
     .text = "what becomes of two operations; a pair that it has nothing of is in the standard "
             "matrix"},
    {"remake", YAML_TRUTH, offsetof(struct type_reading, replication.can_remake), .value = "false",
     .text = "a create may be run again where it ran already, after a delete"},
    {"marker", YAML_READ_LIST, .read = description_read_markers, .table = &description_marker_table,
     .text = "by what a create that got no answer finds again what it made; left out: by "
             "`client_id`"},
    {"transfer", YAML_PART, offsetof(struct type_reading, replication),
     .table = &description_transfer_table,
     .text = "how the state is read at one site and written at another"},
    {"visible", YAML_TEXT, offsetof(struct type_reading, type.replication.visible),
     .noun = "text with {site} and {id} in it", .check = description_is_visible,
     .text = "the identifier that clients see where sites give their own; left out: {site}-{id}"},
    {"volatile", YAML_TEXTS, offsetof(struct type_reading, type.replication.ignored),
     offsetof(struct type_reading, type.replication.n_ignored), .noun = "JSON Pointer",
     .check = description_is_pointer,
     .text = "what legitimately differs between replicas; ignored where states are compared"},
    {"links", YAML_TEXTS, offsetof(struct type_reading, type.replication.links),
     offsetof(struct type_reading, type.replication.n_links), .noun = "JSON Pointer",
     .check = description_is_pointer,
     .text = "URLs in answers, whose paths hold identifiers as a request's path does"},
    {"references", YAML_READ_LIST, .read = description_read_references,
     .table = &description_reference_table,
     .text = "where identifiers of other resources stand in its requests and answers"},
};
static const struct yaml_table type_table = {"resource type", type_keys, COUNT_OF(type_keys)};

/* The next page of a list over sites is asked for behind an item of each, by its identifier. */
static int check_list(struct yaml_reader *r, const struct yaml *type, const struct app_type *t)
{
    const struct app_list *l = &t->list;
    if (!l->next.p || (l->marker_parameter.p && (l->id.p || t->id_pointer.p)))
        return 0;
    const struct yaml *list = yaml_get(type, STR("list"))->value;
    return yaml_error(yaml_get(list, STR("next")), r->file, r->d,
                      "next needs a marker, and the id of an item");
}

static int add_standard(struct yaml_reader *r, const struct yaml *key, const struct type_reading *t)
{
    const struct yaml *listed = yaml_get(key->value, STR("standard"));
    if (t->only_operations && listed)
        return yaml_error(listed, r->file, r->d,
                          "only_operations leaves out what 'standard' lists");
    if (t->only_operations)
        return 0;
    return description_add_standard_rules(r, key, listed ? t->standard : UINT_MAX);
}

static int read_type(struct yaml_reader *r, const struct yaml *key, struct app_type *type)
{
    struct description *x = description_of(r);
    struct type_reading t = {.type = {.name = key->text}};
    size_t rules = x->service->n_rules;
    int rc = check_name(r, key, "type");
    x->n_operations = 0;
    x->replication = &t.replication;
    if (rc < 0)
        return rc;
    type->name = key->text;
    x->type = type;
    x->collection = &t.type.collection;
    x->item = &t.type.item;
    rc = yaml_read(r, key->value, &type_table, &t);
    if (rc == 0)
        rc = add_standard(r, key, &t);
    if (rc == 0)
        rc = check_list(r, key->value, &t.type);
    if (rc == 0 && t.type.has_body_carrier && !x->app->carriers.body_pointer.p)
        rc = yaml_error(yaml_get(key->value, STR("body_carrier")), r->file, r->d,
                        "there is no body under carriers");
    if (rc == 0 && x->service->n_rules == rules)
        rc = yaml_error(key, r->file, r->d, "the type '%.*s' has no collection, item or operation",
                        STR_ARG(key->text));
    t.type.ids_unique = t.ids == 1;
    if (rc == 0)
        rc = description_finish_type(r, key, &t.type);
    x->type = NULL;
    t.type.index = x->app->n_types++;
    *type = t.type;
    return rc;
}

/* ---- services */

static int read_types(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct app_service *s = o;
    if (n->length > DESCRIPTION_MAX_TYPES)
        return yaml_error(n, r->file, r->d, "a service has more than %d types",
                          DESCRIPTION_MAX_TYPES);
    int rc = yaml_array(r, n->length, sizeof *s->types, &s->types);
    for (const struct yaml *k = n->first; k && rc == 0; k = k->next)
        rc = read_type(r, k, &s->types[s->n_types++]);
    return rc;
}

static const struct yaml_key error_keys[] = {
    {"content_type", YAML_TEXT, offsetof(struct app_errors, content_type), .required = true,
     .noun = "media type", .text = "the answer's Content-Type"},
    {"body", YAML_TEXT, offsetof(struct app_errors, body), .required = true,
     .noun = "template of a JSON text",
     .text = "JSON with {status}, {reason}, {code}, {message} and {hint} in it"},
};
static const struct yaml_table error_table = {"shape of errors", error_keys, COUNT_OF(error_keys)};

static int read_errors(struct yaml_reader *r, const struct yaml *n, struct app_errors *out)
{
    struct diag d = {0};
    int rc = yaml_read(r, n, &error_table, out);
    if (rc < 0)
        return rc;
    const struct app_errors only_type = {.content_type = out->content_type, .body = STR("{}")};
    struct str wrong = STR("content_type");
    if (app_errors_check(&only_type, &d) == 0) {
        wrong = STR("body");
        if (app_errors_check(out, &d) == 0)
            return 0;
    }
    rc = yaml_error(yaml_get(n, wrong)->value, r->file, r->d, "%s", d.message);
    if (d.hint[0])
        diag_hint(r->d, "%s", d.hint);
    return rc;
}

static int read_service_errors(struct yaml_reader *r, const struct yaml *n, void *o)
{
    return read_errors(r, n, &((struct app_service *)o)->errors);
}

static int read_app_errors(struct yaml_reader *r, const struct yaml *n, void *o)
{
    return read_errors(r, n, &((struct app *)o)->errors);
}

static bool is_prefix(struct str s)
{
    return s.n > 1 && s.p[0] == '/' && s.p[s.n - 1] != '/';
}

static bool is_host(struct str s)
{
    struct str rest = str_starts(s, STR("*.")) ? str_from(s, 2) : s;
    for (size_t i = 0; i < rest.n; i++)
        if (strchr("/:*@ \t", rest.p[i]) && rest.p[0] != '[')
            return false;
    return rest.n > 0 && rest.n <= 255;
}

struct service_reading {
    struct app_service service; /* first: `read` functions take it */
    uint64_t port;
};

static const struct yaml_key service_keys[] = {
    {"port", YAML_COUNT, offsetof(struct service_reading, port), .least = 1, .most = 65535,
     .text = "its usual port; what `cheops explain` takes a URL's port for"},
    {"prefix", YAML_TEXT, offsetof(struct service_reading, service.prefix), .check = is_prefix,
     .noun = "path such as /image, without a '/' at its end",
     .text = "begins the paths that are recognised as its own"},
    {"host", YAML_TEXT, offsetof(struct service_reading, service.host), .check = is_host,
     .noun = "host name, or pattern such as *.image.example",
     .text = "the host that is recognised as its own"},
    {"aliases", YAML_TEXTS, offsetof(struct service_reading, service.aliases),
     offsetof(struct service_reading, service.n_aliases), .most = MAX_ALIASES, .noun = "name",
     .check = description_is_name, .text = "other names that a scope may use"},
    {"checks_credentials", YAML_TRUTH, offsetof(struct service_reading, service.checks_credentials),
     .value = "false", .text = "others have credentials checked by it: suffixes are cut before it"},
    {"errors", YAML_READ_PART, .read = read_service_errors, .table = &error_table,
     .text = "shape of Cheops' own errors to its clients; left out: the application's"},
    {"operations", YAML_READ_LIST, .read = description_read_rules, .table = &description_rule_table,
     .text = "operations of the service itself (versions, discovery), tried before its types'"},
    {"references", YAML_READ_LIST, .read = description_read_references,
     .table = &description_reference_table,
     .text = "where identifiers of resources stand in requests and answers of all its types, and "
             "of its own operations"},
    {"types", YAML_READ_MAP, .read = read_types, .table = &type_table,
     .text = "its resource types"},
};
static const struct yaml_table service_table = {"service", service_keys, COUNT_OF(service_keys)};

/* The node of the rule that a diagnostic of the compiler is about; else the service's key. */
static const struct yaml *place_of_rule(const struct description *x, const struct yaml *key,
                                        const struct diag *d)
{
    for (size_t i = 0; i < x->service->n_rules; i++)
        if (x->places[i]->line == d->line && x->places[i]->column == d->column)
            return x->places[i];
    return key;
}

static int compile(struct yaml_reader *r, const struct yaml *key, struct app_service *s)
{
    struct diag d = {0};
    int rc = app_matcher_compile(s, r->arena, &d);
    if (rc == 0 || rc == ERR_NO_MEMORY)
        return rc < 0 ? diag_set(r->d, rc, "%s is too large", r->file) : 0;
    rc = yaml_error(place_of_rule(description_of(r), key, &d), r->file, r->d, "%s", d.message);
    if (d.hint[0])
        diag_hint(r->d, "%s", d.hint);
    return rc;
}

static int read_service(struct yaml_reader *r, const struct yaml *key, unsigned index)
{
    struct description *x = description_of(r);
    struct app_service *out = &x->app->services[index];
    struct service_reading s = {.service = {.name = key->text, .index = index}};
    x->services[index] = key;
    x->service = &s.service;
    int rc = check_name(r, key, "service");
    if (rc == 0)
        rc = yaml_array(r, DESCRIPTION_MAX_RULES, sizeof *s.service.rules, &s.service.rules);
    if (rc == 0)
        rc = yaml_read(r, key->value, &service_table, &s);
    if (rc < 0)
        return rc;
    s.service.usual_port = (unsigned)s.port;
    *out = s.service;
    for (size_t i = 0; i < out->n_types; i++)
        out->types[i].service = out;
    return compile(r, key, out);
}

static int read_services(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct app *app = o;
    unsigned i = 0;
    if (n->length == 0 || n->length > APP_MAX_SERVICES)
        return yaml_error(n, r->file, r->d, "an application has 1 to %d services",
                          APP_MAX_SERVICES);
    int rc = yaml_array(r, n->length, sizeof *app->services, &app->services);
    for (const struct yaml *k = n->first; k && rc == 0; k = k->next) {
        rc = read_service(r, k, i++);
        app->n_services = i;
    }
    return rc;
}

/* ---- the whole */

static const struct yaml_key app_keys[] = {
    {"application", YAML_TEXT, offsetof(struct app, name), .required = true, .noun = "name",
     .check = description_is_name, .text = "its name, the same at every site"},
    {"errors", YAML_READ_PART, .read = read_app_errors, .table = &error_table,
     .text = "shape of Cheops' own errors; left out: application/problem+json (RFC 9457)"},
    {"carriers", YAML_PART, offsetof(struct app, carriers), .table = &description_carriers_table,
     .text = "how a scope arrives, beside the fields, path prefix and baggage that always work"},
    {"propagate", YAML_READ_PART, .read = description_read_propagate,
     .table = &description_propagate_table, .text = "carriers that are set towards services"},
    {"secret", YAML_TEXTS, offsetof(struct app, secret_fields),
     offsetof(struct app, n_secret_fields), .noun = "field name", .check = description_is_field,
     .text = "fields that are never stored, beside Authorization, Cookie and `credentials`"},
    {"services", YAML_READ_MAP, .read = read_services, .table = &service_table, .required = true,
     .text = "the services"},
};
const struct yaml_table description_table = {"description", app_keys, COUNT_OF(app_keys)};

static bool has_name(const struct app_service *s, struct str name)
{
    bool has = str_eq(s->name, name);
    for (size_t i = 0; i < s->n_aliases && !has; i++)
        has = str_eq(s->aliases[i], name);
    return has;
}

/* Two services that a scope's key, or the same request, would fit equally. */
static int check_pair(struct yaml_reader *r, const struct app_service *a,
                      const struct app_service *b, const struct yaml *place)
{
    bool is_same = has_name(a, b->name);
    struct str name = b->name;
    for (size_t i = 0; i < b->n_aliases && !is_same; i++) {
        name = b->aliases[i];
        is_same = has_name(a, name);
    }
    if (is_same)
        return yaml_error(place, r->file, r->d,
                          "the services '%.*s' and '%.*s' have both the name '%.*s'",
                          STR_ARG(a->name), STR_ARG(b->name), STR_ARG(name));
    if ((a->prefix.n || a->host.n) && str_eq(a->prefix, b->prefix) &&
        str_eq_nocase(a->host, b->host))
        return yaml_error(place, r->file, r->d,
                          "the services '%.*s' and '%.*s' are recognised by the same host and "
                          "prefix",
                          STR_ARG(a->name), STR_ARG(b->name));
    return 0;
}

static int check_services(struct yaml_reader *r, const struct app *app)
{
    const struct description *x = description_of(r);
    int rc = 0;
    for (size_t i = 0; i < app->n_services; i++)
        for (size_t k = 0; k < i && rc == 0; k++)
            rc = check_pair(r, &app->services[k], &app->services[i], x->services[i]);
    return rc;
}

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
static int collect_keys(struct yaml_reader *r, struct app *app)
{
    size_t n = 0;
    for (size_t i = 0; i < app->n_services; i++)
        n += (1 + app->services[i].n_aliases) * (1 + 2 * app->services[i].n_types);
    int rc = yaml_array(r, n, sizeof *app->keys, &app->keys);
    for (size_t i = 0; i < app->n_services && rc == 0; i++) {
        const struct app_service *s = &app->services[i];
        add_keys_of(app, s, s->name, r->arena);
        for (size_t k = 0; k < s->n_aliases; k++)
            add_keys_of(app, s, s->aliases[k], r->arena);
    }
    return rc;
}

int cfg_read_app(const char *path, struct arena *arena, struct app **out, struct diag *d)
{
    struct str text;
    struct yaml *top;
    struct app *app = arena_zalloc(arena, sizeof *app);
    struct description *x = arena_zalloc(arena, sizeof *x);
    *out = NULL;
    if (!app || !x)
        return diag_set(d, ERR_NO_MEMORY, "no memory to read %s", path);
    x->app = app;
    struct yaml_reader r = {.file = path, .arena = arena, .d = d, .context = x};
    int rc = cfg_file_read(path, arena, &text, d);
    if (rc == 0)
        rc = yaml_parse(text, path, arena, &top, d);
    if (rc == 0)
        rc = yaml_read(&r, top, &description_table, app);
    if (rc == 0)
        rc = check_services(&r, app);
    if (rc == 0)
        rc = collect_keys(&r, app);
    if (rc == 0)
        rc = description_finish_replication(&r, app);
    if (rc < 0)
        return rc;
    app->file = arena_str(arena, str_of(path));
    app->digest = cfg_digest(text);
    for (size_t i = 0; i < app->n_services; i++)
        if (!app->services[i].errors.content_type.p)
            app->services[i].errors = app->errors;
    if (arena_overflowed(arena))
        return diag_set(d, ERR_NO_MEMORY, "%s is too large", path);
    *out = app;
    return 0;
}
