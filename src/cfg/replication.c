/* What replication needs to know, in an application description: how what a create made is found,
 * how a state is carried over, where identifiers stand; and the digest of it all. */
#include "cfg/description.h"
#include "cfg/file.h"

#define TEXT_BYTES (256u << 10) /* of one type, for its digest */

/* ---- transfer, marker, visible */

static const struct yaml_key transfer_keys[] = {
    {"read", YAML_TEXT, offsetof(struct description_replication, transfer_read), .noun = "name",
     .check = description_is_name, .value = "read",
     .text = "the operation whose answer is the state"},
    {"write", YAML_TEXT, offsetof(struct description_replication, transfer_write), .required = true,
     .noun = "name", .check = description_is_name,
     .text = "the operation whose request is the state, without what is `volatile`"},
};
const struct yaml_table description_transfer_table = {"transfer", transfer_keys,
                                                      COUNT_OF(transfer_keys)};

/* The type's operation with that name and, in its path, no variable that the item has not. */
static const struct app_rule *rule_on_item(const struct description *x, struct str name)
{
    for (size_t i = 0; i < x->service->n_rules; i++) {
        const struct app_rule *rule = &x->service->rules[i];
        size_t n = 0;
        if (rule->type != x->type || !str_eq(rule->operation, name) ||
            !str_starts(rule->template_.text, x->item->text))
            continue;
        for (size_t k = x->item->n; k < rule->template_.n; k++)
            n += rule->template_.segments[k].is_variable;
        if (n == 0)
            return rule;
    }
    return NULL;
}

static int find_transfer(struct yaml_reader *r, const struct yaml *key, struct app_type *type)
{
    struct description *x = description_of(r);
    const struct description_replication *read = x->replication;
    if (!read->transfer_write.p)
        return 0;
    const struct yaml *place = yaml_get(key->value, STR("transfer"));
    const struct app_rule *from = rule_on_item(x, read->transfer_read);
    const struct app_rule *to = rule_on_item(x, read->transfer_write);
    if (!from || from->kind != APP_READ)
        return yaml_error(place, r->file, r->d, "'%.*s' is no read of the item",
                          STR_ARG(read->transfer_read));
    const struct description_operation *op =
        to ? description_find_operation(x, to->operation) : NULL;
    if (!op || op->rule != to || !op->effects.is_replicated || to->kind == APP_DELETE ||
        (!op->effects.overwrites && !op->effects.replaces))
        return yaml_error(place, r->file, r->d,
                          "'%.*s' is no operation on the item that overwrites or replaces it",
                          STR_ARG(read->transfer_write));
    type->replication.transfer_read = from;
    type->replication.transfer_write = to;
    return 0;
}

static const struct yaml_key marker_keys[] = {
    {"member", YAML_TEXT, offsetof(struct app_marker, member), .required = true,
     .noun = "JSON Pointer", .check = description_is_pointer,
     .text = "a member of the create's request"},
    {"query", YAML_TEXT, offsetof(struct app_marker, query), .required = true,
     .noun = "query parameter", .text = "selects in a list what has that member's value"},
};
const struct yaml_table description_marker_table = {"marker", marker_keys, COUNT_OF(marker_keys)};

static int by_member(const struct app_marker *a, const struct app_marker *b)
{
    int order = str_cmp(a->member, b->member);
    return order ? order : str_cmp(a->query, b->query);
}

int description_read_markers(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct app_replication *out = &((struct app_type *)o)->replication;
    int rc = yaml_array(r, n->length, sizeof *out->markers, &out->markers);
    for (const struct yaml *i = n->first; i && rc == 0; i = i->next) {
        struct app_marker m;
        size_t at = out->n_markers++;
        rc = yaml_read(r, i, &description_marker_table, &m);
        for (; rc == 0 && at && by_member(&out->markers[at - 1], &m) > 0; at--)
            out->markers[at] = out->markers[at - 1];
        out->markers[at] = m;
    }
    return rc;
}

/* {site} and {id}, and no other placeholder: one without the other is not unique. */
bool description_is_visible(struct str s)
{
    size_t braces = 0;
    for (size_t i = 0; i < s.n; i++)
        braces += s.p[i] == '{' || s.p[i] == '}';
    return braces == 4 && memmem(s.p, s.n, "{site}", 6) && memmem(s.p, s.n, "{id}", 4);
}

static int check_visible(struct yaml_reader *r, const struct yaml *key, struct app_type *type)
{
    bool is_needed = !type->ids_unique && !type->client_id_pointer.p;
    if (type->replication.visible.p && !is_needed)
        return yaml_error(yaml_get(key->value, STR("visible")), r->file, r->d,
                          "identifiers of this type are the same or unique at all sites, and seen "
                          "as they are");
    if (is_needed && !type->replication.visible.p)
        type->replication.visible = STR("{site}-{id}");
    return 0;
}

/* ---- references */

struct reference_reading {
    const struct yaml *type;
    struct str pointer, item, variable, query;
};

static const struct yaml_key reference_keys[] = {
    {"type", YAML_KEEP, offsetof(struct reference_reading, type), .required = true,
     .noun = "name of a type, or service.type",
     .text = "whose identifier it is; without a service one of its own service"},
    {"pointer", YAML_TEXT, offsetof(struct reference_reading, pointer), .noun = "JSON Pointer",
     .check = description_is_pointer,
     .text = "where it stands in the bodies of requests and answers"},
    {"item", YAML_TEXT, offsetof(struct reference_reading, item), .noun = "JSON Pointer",
     .check = description_is_pointer, .text = "where it stands in an item of a list answer"},
    {"variable", YAML_TEXT, offsetof(struct reference_reading, variable), .noun = "variable",
     .check = description_is_name, .text = "the variable of paths, and of links, that it is"},
    {"query", YAML_TEXT, offsetof(struct reference_reading, query), .noun = "query parameter",
     .text = "the parameter that it is"},
};
const struct yaml_table description_reference_table = {"reference", reference_keys,
                                                       COUNT_OF(reference_keys)};

static int read_reference(struct yaml_reader *r, const struct yaml *n, struct app_reference *out)
{
    struct description *x = description_of(r);
    struct reference_reading read = {.type = NULL};
    int rc = yaml_read(r, n, &description_reference_table, &read);
    if (rc < 0)
        return rc;
    const struct app_reference places[] = {{NULL, APP_IN_PATH, read.variable},
                                           {NULL, APP_IN_QUERY, read.query},
                                           {NULL, APP_IN_BODY, read.pointer},
                                           {NULL, APP_IN_ITEM, read.item}};
    size_t given = 0;
    for (size_t i = 0; i < COUNT_OF(places); i++)
        if (places[i].name.p) {
            *out = places[i];
            given++;
        }
    if (given != 1)
        return yaml_error(n, r->file, r->d,
                          "a reference is at one of pointer, item, variable and query");
    struct description_reference *later = arena_new(r->arena, struct description_reference);
    *later = (struct description_reference){out, &x->app->services[x->service->index], read.type,
                                            x->references};
    x->references = later;
    return 0;
}

int description_read_references(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct app_reference *references;
    size_t i = 0;
    int rc = yaml_array(r, n->length, sizeof *references, &references);
    for (const struct yaml *k = n->first; k && rc == 0; k = k->next)
        rc = read_reference(r, k, &references[i++]);
    if (description_of(r)->type) {
        ((struct app_type *)o)->replication.references = references;
        ((struct app_type *)o)->replication.n_references = i;
    } else {
        ((struct app_service *)o)->references = references;
        ((struct app_service *)o)->n_references = i;
    }
    return rc;
}

/* "type" of the service, or "service.type". */
static int resolve(struct yaml_reader *r, const struct description_reference *reference)
{
    const struct app *app = description_of(r)->app;
    struct str name = reference->name->text;
    const struct app_service *s = reference->service;
    ptrdiff_t dot = str_find(name, '.');
    if (dot >= 0)
        s = app_service_find(app, str_sub(name, 0, (size_t)dot));
    if (s)
        reference->to->type = app_type_find(s, str_from(name, (size_t)(dot + 1)));
    if (reference->to->type)
        return 0;
    struct str near = str_nearest(name, app->keys, app->n_keys);
    int rc = yaml_error(reference->name, r->file, r->d, "there is no type '%.*s'%s",
                        STR_ARG(str_sub(name, 0, 130)), dot < 0 ? " in this service" : "");
    if (near.p)
        diag_hint(r->d, "did you mean '%.*s'?", STR_ARG(near));
    return rc;
}

static int by_place(const struct app_reference *a, const struct app_reference *b)
{
    int order = str_cmp(a->type->service->name, b->type->service->name);
    if (order == 0)
        order = str_cmp(a->type->name, b->type->name);
    if (order == 0)
        order = (int)a->place - (int)b->place;
    return order ? order : str_cmp(a->name, b->name);
}

/* The type's own and its service's, sorted. */
static int join_references(struct yaml_reader *r, struct app_type *type)
{
    struct app_replication *x = &type->replication;
    const struct app_service *s = type->service;
    struct app_reference *all;
    size_t n = 0;
    int rc = yaml_array(r, x->n_references + s->n_references, sizeof *all, &all);
    for (size_t i = 0; rc == 0 && i < x->n_references + s->n_references; i++) {
        const struct app_reference *one =
            i < x->n_references ? &x->references[i] : &s->references[i - x->n_references];
        size_t at = n++;
        for (; at && by_place(&all[at - 1], one) > 0; at--)
            all[at] = all[at - 1];
        all[at] = *one;
    }
    x->references = all;
    x->n_references = n;
    return rc;
}

/* ---- the whole */

static void sort_texts(struct str *texts, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct str one = texts[i];
        size_t at = i;
        for (; at && str_cmp(texts[at - 1], one) > 0; at--)
            texts[at] = texts[at - 1];
        texts[at] = one;
    }
}

int description_finish_type(struct yaml_reader *r, const struct yaml *key, struct app_type *type)
{
    struct app_replication *out = &type->replication;
    sort_texts(out->ignored, out->n_ignored);
    sort_texts(out->links, out->n_links);
    int rc = check_visible(r, key, type);
    if (rc == 0)
        rc = find_transfer(r, key, type);
    return rc < 0 ? rc : description_make_operations(r, key, type);
}

static int make_digest(struct yaml_reader *r, const struct app *app, struct app_type *type)
{
    struct arena scratch;
    struct out o;
    arena_init(&scratch, NULL, 0, 2 * TEXT_BYTES);
    void *memory = arena_alloc(&scratch, TEXT_BYTES);
    bool is_whole = memory != NULL;
    if (is_whole) {
        out_init(&o, memory, TEXT_BYTES);
        app_replication_put(app, type, &o);
        is_whole = !o.overflowed;
        type->replication.digest = cfg_digest(out_get(&o));
    }
    arena_fini(&scratch);
    return is_whole ? 0 : diag_set(r->d, ERR_NO_MEMORY, "%s is too large", r->file);
}

int description_finish_replication(struct yaml_reader *r, struct app *app)
{
    const struct description_reference *at = description_of(r)->references;
    int rc = 0;
    sort_texts(app->secret_fields, app->n_secret_fields);
    for (; at && rc == 0; at = at->next)
        rc = resolve(r, at);
    for (size_t i = 0; i < app->n_services; i++)
        for (size_t k = 0; k < app->services[i].n_types && rc == 0; k++)
            rc = join_references(r, &app->services[i].types[k]);
    for (size_t i = 0; i < app->n_services; i++)
        for (size_t k = 0; k < app->services[i].n_types && rc == 0; k++)
            rc = make_digest(r, app, &app->services[i].types[k]);
    return rc;
}
