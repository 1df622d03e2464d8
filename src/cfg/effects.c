/* What the operations of a type do, in an application description, and the resolution matrix. */
#include "app/classify.h"
#include "cfg/description.h"

/* ---- effects of operations */

static const char *const effect_keys[] = {"replaces", "overwrites", "makes",
                                          "commutes", "done",       "replicated"};

/* The first key of an operation that says what it does; NULL: none does. */
static const struct yaml *effect_of(const struct yaml *node)
{
    for (size_t i = 0; node && i < COUNT_OF(effect_keys); i++) {
        const struct yaml *key = yaml_get(node, str_of(effect_keys[i]));
        if (key)
            return key;
    }
    return NULL;
}

static bool is_given(const struct yaml *node, struct str key)
{
    return node && yaml_get(node, key);
}

/* Whether operations of a rule change one resource that the request, or its answer, names. */
static bool can_be_logged(const struct description *x, const struct app_rule *rule)
{
    if (!x->type || x->item->n == 0)
        return false;
    const struct app_type type = {.item = *x->item};
    struct app_rule own = *rule;
    own.type = &type;
    switch (rule->kind) {
    case APP_CREATE:
        return true;
    case APP_UPDATE:
    case APP_DELETE:
    case APP_ACTION:
        return app_id_segment(&own) >= 0;
    default:
        return false;
    }
}

static bool overwrites_by_default(const struct app_rule *rule)
{
    struct str method = rule->method;
    if (str_eq(method, STR("PUT")) || str_eq(method, STR("DELETE")))
        return true;
    if (!str_eq(method, STR("PATCH")))
        return false;
    for (size_t i = 0; i < rule->n_conditions; i++)
        if (rule->conditions[i].kind == APP_IF_MEDIA_TYPE &&
            !str_eq_nocase(rule->conditions[i].value, STR("application/merge-patch+json")))
            return false;
    return true;
}

static bool replaces_by_default(const struct description *x, const struct app_rule *rule)
{
    return rule->kind == APP_UPDATE && str_eq(rule->method, STR("PUT")) &&
           str_eq(rule->template_.text, x->item->text);
}

static int check_effects(struct yaml_reader *r, const struct yaml *node,
                         const struct app_rule *rule, const struct description_effects *e)
{
    bool is_whole = rule->kind == APP_CREATE || rule->kind == APP_DELETE;
    struct str wrong = is_given(node, STR("replaces")) ? STR("replaces") : STR("makes");
    if (is_whole && is_given(node, wrong))
        return yaml_error(yaml_get(node, wrong), r->file, r->d,
                          "'%.*s' is for updates and actions: what creates or deletes replaces the "
                          "whole state anyway",
                          STR_ARG(wrong));
    if (e->makes && !e->replaces)
        return yaml_error(yaml_get(node, STR("makes")), r->file, r->d,
                          "'makes' is for what replaces the whole state");
    return 0;
}

struct description_operation *description_find_operation(struct description *x, struct str name)
{
    for (size_t i = 0; i < x->n_operations; i++)
        if (str_eq(x->operations[i].rule->operation, name))
            return &x->operations[i];
    return NULL;
}

/* A further rule of a type of operation: the first says what it does. */
static int join_effects(struct yaml_reader *r, const struct yaml *node, const struct app_rule *rule,
                        struct description_operation *first)
{
    const struct description *x = description_of(r);
    const struct yaml *given = effect_of(node);
    struct description_effects *e = &first->effects;
    if (given)
        return yaml_error(given, r->file, r->d,
                          "'%.*s' of the operation '%.*s' stands where the name is first, at line "
                          "%u",
                          STR_ARG(given->text), STR_ARG(rule->operation),
                          first->rule->template_.line);
    if (rule->kind != first->rule->kind) {
        int rc =
            yaml_error(node, r->file, r->d, "the operation '%.*s' at line %u is of the kind %s",
                       STR_ARG(rule->operation), first->rule->template_.line,
                       app_kind_name(first->rule->kind).p);
        diag_hint(r->d, "operations of one name do the same: give it another one");
        return rc;
    }
    if (!is_given(first->node, STR("overwrites")))
        e->overwrites = e->overwrites && overwrites_by_default(rule);
    if (!is_given(first->node, STR("replaces")))
        e->replaces = e->replaces && replaces_by_default(x, rule);
    if (e->makes && !e->replaces)
        return yaml_error(
            node, r->file, r->d,
            "the operation '%.*s' at line %u makes what is missing, and this one does "
            "not replace the whole state",
            STR_ARG(rule->operation), first->rule->template_.line);
    return 0;
}

int description_add_effects(struct yaml_reader *r, const struct yaml *node,
                            const struct app_rule *rule, const struct description_effects *effects)
{
    struct description *x = description_of(r);
    const struct yaml *given = effect_of(node);
    if (!can_be_logged(x, rule)) {
        if (!given)
            return 0;
        return yaml_error(given, r->file, r->d,
                          "'%.*s' is for what changes one resource: create, update, delete or "
                          "action of a type, with the item's identifier in the path",
                          STR_ARG(given->text));
    }
    struct description_operation *first = description_find_operation(x, rule->operation);
    if (first)
        return join_effects(r, node ? node : x->places[x->service->n_rules - 1], rule, first);
    if (x->n_operations == DESCRIPTION_MAX_OPERATIONS)
        return yaml_error(x->places[x->service->n_rules - 1], r->file, r->d,
                          "a type has more than %d operations that change it",
                          DESCRIPTION_MAX_OPERATIONS);
    first = &x->operations[x->n_operations++];
    *first = (struct description_operation){rule, node, *effects};
    if (!is_given(node, STR("overwrites")))
        first->effects.overwrites = overwrites_by_default(rule);
    if (!is_given(node, STR("replaces")))
        first->effects.replaces = replaces_by_default(x, rule);
    return check_effects(r, node, rule, &first->effects);
}

bool description_is_status(struct str s)
{
    uint64_t status;
    return s.n == 3 && str_digits(s, 599, &status) == 0 && status >= 200;
}

/* ---- the matrix */

struct pair_reading {
    struct str before, after;
    unsigned result;
};

static const struct yaml_key resolution_keys[] = {
    {"before", YAML_TEXT, offsetof(struct pair_reading, before), .required = true, .noun = "name",
     .check = description_is_name, .text = "the earlier operation's type"},
    {"after", YAML_TEXT, offsetof(struct pair_reading, after), .required = true, .noun = "name",
     .check = description_is_name, .text = "the later one's"},
    {"result", YAML_CHOICE, offsetof(struct pair_reading, result), .required = true,
     .choices = "take-one|keep-order|reverse-order|any-order|after-wins",
     .text = "what becomes of them"},
};
const struct yaml_table description_resolution_table = {"resolution", resolution_keys,
                                                        COUNT_OF(resolution_keys)};

/* Kept until all operations are known. */
int description_read_resolution(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct description_replication *read = description_of(r)->replication;
    (void)o;
    read->resolution = n;
    int rc = yaml_array(r, n->length, sizeof *read->pairs, &read->pairs);
    for (const struct yaml *i = n->first; i && rc == 0; i = i->next) {
        struct pair_reading p = {.result = 0};
        rc = yaml_read(r, i, &description_resolution_table, &p);
        read->pairs[read->n_pairs++] =
            (struct op_pair){p.before, p.after, (enum op_relation)(OP_TAKE_ONE + p.result)};
    }
    return rc;
}

/* By name: whatever their order in the file, the same ones have the same numbers. Those that are
 * not logged go. */
static void sort_operations(struct description *x)
{
    size_t n = 0;
    for (size_t i = 0; i < x->n_operations; i++) {
        struct description_operation op = x->operations[i];
        size_t at = n;
        if (!op.effects.is_replicated)
            continue;
        for (; at && str_cmp(x->operations[at - 1].rule->operation, op.rule->operation) > 0; at--)
            x->operations[at] = x->operations[at - 1];
        x->operations[at] = op;
        n++;
    }
    x->n_operations = n;
}

static struct op_type type_of(const struct description_operation *op)
{
    return (struct op_type){.name = op->rule->operation,
                            .creates = op->rule->kind == APP_CREATE,
                            .deletes = op->rule->kind == APP_DELETE,
                            .replaces = op->effects.replaces,
                            .overwrites = op->effects.overwrites,
                            .makes = op->effects.makes};
}

/* The node of an operation's entry in `commutes`, for errors. */
static const struct yaml *commutes_entry(const struct description_operation *op, size_t at)
{
    const struct yaml *entry = yaml_get(op->node, STR("commutes"))->value->first;
    while (at--)
        entry = entry->next;
    return entry;
}

static bool replaces_whole(const struct description_operation *op)
{
    return op->effects.replaces || op->rule->kind == APP_CREATE || op->rule->kind == APP_DELETE;
}

static int find_commuting(struct yaml_reader *r, const struct description_operation *op, size_t at,
                          struct description_operation **other)
{
    struct description *x = description_of(r);
    struct str name = op->effects.commutes[at], names[DESCRIPTION_MAX_OPERATIONS];
    const struct yaml *entry = commutes_entry(op, at);
    *other = description_find_operation(x, name);
    if (*other && !replaces_whole(op) && !replaces_whole(*other))
        return 0;
    if (*other)
        return yaml_error(entry, r->file, r->d,
                          "'%.*s' and '%.*s' do not commute: one replaces the whole state",
                          STR_ARG(op->rule->operation), STR_ARG(name));
    for (size_t i = 0; i < x->n_operations; i++)
        names[i] = x->operations[i].rule->operation;
    struct str near = str_nearest(name, names, x->n_operations);
    int rc = yaml_error(entry, r->file, r->d, "the type has no operation '%.*s' that is logged",
                        STR_ARG(name));
    if (near.p)
        diag_hint(r->d, "did you mean '%.*s'?", STR_ARG(near));
    return rc;
}

static void add_pair(struct op_rules *rules, struct op_pair *pairs, struct str a, struct str b)
{
    for (size_t i = 0; i < rules->n_pairs; i++)
        if (str_eq(pairs[i].before, a) && str_eq(pairs[i].after, b))
            return;
    pairs[rules->n_pairs++] = (struct op_pair){a, b, OP_ANY_ORDER};
}

/* `commutes` is any-order, whichever is earlier; both may say so. */
static int add_commuting(struct yaml_reader *r, struct op_rules *rules, struct op_pair *pairs)
{
    struct description *x = description_of(r);
    for (size_t i = 0; i < x->n_operations; i++)
        for (size_t k = 0; k < x->operations[i].effects.n_commutes; k++) {
            struct description_operation *other;
            struct str name = x->operations[i].rule->operation;
            int rc = find_commuting(r, &x->operations[i], k, &other);
            if (rc < 0)
                return rc;
            add_pair(rules, pairs, name, other->rule->operation);
            add_pair(rules, pairs, other->rule->operation, name);
        }
    return 0;
}

/* The first entry of `resolution` with which the matrix is refused, and why; else the type. */
static int refuse_matrix(struct yaml_reader *r, const struct yaml *key, const struct op_rules *all,
                         size_t n_commuting)
{
    const struct description_replication *read = description_of(r)->replication;
    const struct yaml *at = read->resolution ? read->resolution->first : NULL;
    struct op_rules some = *all;
    struct op_matrix m;
    struct diag d = {0};
    some.n_pairs = n_commuting;
    int rc = app_matrix_make(&some, r->arena, &m, &d);
    for (; rc == 0 && at; at = at->next) {
        key = at;
        some.n_pairs++;
        rc = app_matrix_make(&some, r->arena, &m, &d);
    }
    if (rc == ERR_NO_MEMORY)
        return diag_set(r->d, rc, "%s is too large", r->file);
    rc = yaml_error(key, r->file, r->d, "%s", d.message);
    if (d.hint[0])
        diag_hint(r->d, "%s", d.hint);
    return rc;
}

static int make_matrix(struct yaml_reader *r, const struct yaml *key, struct app_type *type)
{
    struct description *x = description_of(r);
    const struct description_replication *read = x->replication;
    struct app_replication *out = &type->replication;
    struct op_type types[DESCRIPTION_MAX_OPERATIONS];
    struct op_pair *pairs;
    struct op_rules rules = {.types = types,
                             .n_types = x->n_operations,
                             .can_remake = read->can_remake,
                             .can_transfer = out->transfer_write != NULL};
    struct diag d = {0};
    for (size_t i = 0; i < x->n_operations; i++) {
        types[i] = type_of(&x->operations[i]);
        if (x->operations[i].rule == out->transfer_write)
            rules.transfer_makes = types[i].makes || types[i].creates;
    }
    int rc =
        yaml_array(r, x->n_operations * x->n_operations + read->n_pairs, sizeof *pairs, &pairs);
    if (rc == 0)
        rc = add_commuting(r, &rules, pairs);
    if (rc < 0)
        return rc;
    size_t n_commuting = rules.n_pairs;
    if (read->n_pairs)
        memcpy(pairs + n_commuting, read->pairs, read->n_pairs * sizeof *pairs);
    rules.pairs = pairs;
    rules.n_pairs += read->n_pairs;
    rc = app_matrix_make(&rules, r->arena, &out->matrix, &d);
    return rc < 0 ? refuse_matrix(r, key, &rules, n_commuting) : 0;
}

static int make_operations(struct yaml_reader *r, struct app_type *type)
{
    struct description *x = description_of(r);
    struct app_service *s = x->service;
    struct app_replication *out = &type->replication;
    int rc = yaml_array(r, x->n_operations, sizeof *out->operations, &out->operations);
    for (size_t i = 0; i < x->n_operations && rc == 0; i++) {
        const struct description_operation *op = &x->operations[i];
        out->operations[i] = (struct app_operation){.rule = op->rule, .n_done = op->effects.n_done};
        for (size_t k = 0; k < op->effects.n_done; k++) {
            uint64_t status = 0;
            CHECK(str_digits(op->effects.done[k], 599, &status) == 0); /* description_is_status */
            out->operations[i].done[k] = (unsigned)status;
        }
    }
    for (size_t i = 0; i < s->n_rules && rc == 0; i++)
        if (s->rules[i].type == x->type && can_be_logged(x, &s->rules[i]))
            for (size_t k = 0; k < x->n_operations; k++)
                if (str_eq(x->operations[k].rule->operation, s->rules[i].operation))
                    s->rules[i].operation_number = (int)k;
    return rc;
}

int description_make_operations(struct yaml_reader *r, const struct yaml *key,
                                struct app_type *type)
{
    sort_operations(description_of(r));
    int rc = make_operations(r, type);
    return rc < 0 ? rc : make_matrix(r, key, type);
}
