#include "app/replication.h"
#include "app/classify.h"
#include "codec/json.h"
#include "codec/uri.h"

/* ---- the matrix */

/* What an operation type does, as the standard matrix sees it. */
enum doing { CREATES, REPLACES, CHANGES, DELETES, DOINGS };

/* [before][after], docs/design.md section 5. What creates goes first, then what replaces, then what
 * changes, whatever the clocks. */
static const enum op_relation standard[DOINGS][DOINGS] = {
    [CREATES] = {[CREATES] = OP_TAKE_ONE,
                 [REPLACES] = OP_KEEP_ORDER,
                 [CHANGES] = OP_KEEP_ORDER,
                 [DELETES] = OP_AFTER_WINS},
    [REPLACES] = {[CREATES] = OP_REVERSE_ORDER,
                  [REPLACES] = OP_TAKE_ONE,
                  [CHANGES] = OP_KEEP_ORDER,
                  [DELETES] = OP_AFTER_WINS},
    [CHANGES] =
        {[CREATES] = OP_REVERSE_ORDER, [REPLACES] = OP_REVERSE_ORDER, [DELETES] = OP_AFTER_WINS},
    [DELETES] = {[DELETES] = OP_TAKE_ONE},
};

static enum doing doing_of(const struct op_type *t)
{
    if (t->creates)
        return CREATES;
    if (t->deletes)
        return DELETES;
    return t->replaces ? REPLACES : CHANGES;
}

static bool is_described(const struct op_rules *rules, struct str a, struct str b)
{
    for (size_t i = 0; i < rules->n_pairs; i++) {
        const struct op_pair *p = &rules->pairs[i];
        if ((str_eq(p->before, a) && str_eq(p->after, b)) ||
            (str_eq(p->before, b) && str_eq(p->after, a)))
            return true;
    }
    return false;
}

/* Too many types are left to op_matrix_make to refuse. */
int app_matrix_make(const struct op_rules *described, struct arena *arena, struct op_matrix *out,
                    struct diag *d)
{
    size_t n = described->n_types <= OP_MAX_TYPES ? described->n_types : 0;
    struct op_rules all = *described;
    struct op_pair *pairs = arena_alloc(arena, (n * n + described->n_pairs + 1) * sizeof *pairs);
    if (!pairs || arena_overflowed(arena))
        return diag_set(d, ERR_NO_MEMORY, "the matrix needs more memory than it may have");
    all.pairs = pairs;
    if (described->n_pairs)
        memcpy(pairs, described->pairs, described->n_pairs * sizeof *pairs);
    for (size_t a = 0; a < n; a++)
        for (size_t b = 0; b < n; b++) {
            const struct op_type *x = &described->types[a], *y = &described->types[b];
            enum op_relation relation = standard[doing_of(x)][doing_of(y)];
            if (relation != OP_UNLISTED && !is_described(described, x->name, y->name))
                pairs[all.n_pairs++] = (struct op_pair){x->name, y->name, relation};
        }
    return op_matrix_make(&all, arena, out, d);
}

/* ---- requests and answers */

int app_operation_of(const struct app_class *c)
{
    return c->rule ? c->rule->operation_number : -1;
}

int app_operation_find(const struct app_type *type, struct str name)
{
    return op_type_find(&type->replication.matrix, name);
}

bool app_is_done(const struct app_type *type, unsigned operation, unsigned status)
{
    const struct app_replication *r = &type->replication;
    if (status >= 200 && status < 300)
        return true;
    if (operation + 1 >= r->matrix.n) /* the built-in one has no rule */
        return false;
    const struct app_operation *op = &r->operations[operation];
    for (size_t i = 0; i < op->n_done; i++)
        if (op->done[i] == status)
            return true;
    return status == 404 && r->matrix.types[operation].deletes;
}

/* A string's content, or a number as it stands. */
static int put_identifier(struct str body, struct str pointer, struct out *id)
{
    struct json_finder f;
    json_finder_init(&f, pointer);
    enum json_found found = json_finder_push(&f, body, true);
    struct str value = json_finder_value(&f, body);
    if (found == JSON_ABSENT)
        return ERR_NOT_FOUND;
    if (found != JSON_FOUND)
        return ERR_INVALID;
    if (f.kind == JSON_STRING && value.n > 2)
        return json_unescape(value, id);
    if (f.kind != JSON_NUMBER)
        return ERR_INVALID;
    out_str(id, value);
    return 0;
}

int app_created_id(const struct app_class *c, struct str answer, struct out *id)
{
    if (c->id.p)
        return uri_decode(c->id, id);
    if (!c->type || !c->type->id_pointer.p)
        return ERR_NOT_FOUND;
    return put_identifier(answer, c->type->id_pointer, id);
}

int app_client_id(const struct app_class *c, struct str request, struct out *id)
{
    if (c->id.p)
        return uri_decode(c->id, id);
    if (!c->type || !c->type->client_id_pointer.p)
        return ERR_NOT_FOUND;
    return put_identifier(request, c->type->client_id_pointer, id);
}

/* ---- what the digest is made of: lines of a word and JSON strings */

static void put_word(struct out *o, const char *word, struct str value)
{
    out_fmt(o, "%s ", word);
    if (value.p)
        out_json(o, value);
    out_char(o, '\n');
}

static void put_words(struct out *o, const char *word, const struct str *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put_word(o, word, values[i]);
}

static void put_rule(struct out *o, const struct app_rule *rule)
{
    OUT(o, "rule ");
    out_json(o, rule->operation);
    out_char(o, ' ');
    out_json(o, rule->method);
    out_char(o, ' ');
    out_json(o, rule->template_.text);
    for (size_t i = 0; i < rule->n_conditions; i++) {
        const struct app_condition *c = &rule->conditions[i];
        out_fmt(o, " %d", (int)c->kind);
        out_json(o, c->name);
        out_char(o, c->value.p ? '=' : ' ');
        out_json(o, c->value);
    }
    out_char(o, '\n');
}

/* In the order written: of rules that fit the same request the first counts. */
static void put_rules(struct out *o, const struct app_type *type)
{
    const struct app_service *s = type->service;
    for (size_t i = 0; i < s->n_rules; i++)
        if (s->rules[i].type == type && s->rules[i].operation_number >= 0)
            put_rule(o, &s->rules[i]);
}

static void put_operations(struct out *o, const struct app_replication *r)
{
    const struct op_matrix *m = &r->matrix;
    for (size_t i = 0; i + 1 < m->n; i++) {
        const struct op_type *t = &m->types[i];
        out_fmt(o, "operation %.*s %d%d%d%d%d", STR_ARG(t->name), t->creates, t->deletes,
                t->replaces, t->overwrites, t->makes);
        for (size_t k = 0; k < r->operations[i].n_done; k++)
            out_fmt(o, " %u", r->operations[i].done[k]);
        out_char(o, '\n');
    }
    for (unsigned a = 0; a + 1 < m->n; a++)
        for (unsigned b = 0; b + 1 < m->n; b++)
            out_fmt(o, "pair %.*s %.*s %.*s\n", STR_ARG(m->types[a].name),
                    STR_ARG(m->types[b].name), STR_ARG(op_relation_name(op_relation(m, a, b))));
    out_fmt(o, "remake %d\n", m->can_remake);
}

static void put_references(struct out *o, const struct app_replication *r)
{
    for (size_t i = 0; i < r->n_references; i++) {
        const struct app_reference *x = &r->references[i];
        out_fmt(o, "reference %.*s.%.*s %d ", STR_ARG(x->type->service->name),
                STR_ARG(x->type->name), (int)x->place);
        out_json(o, x->name);
        out_char(o, '\n');
    }
}

void app_replication_put(const struct app *app, const struct app_type *type, struct out *o)
{
    const struct app_replication *r = &type->replication;
    out_fmt(o, "type %.*s.%.*s.%.*s %d\n", STR_ARG(app->name), STR_ARG(type->service->name),
            STR_ARG(type->name), type->can_replicate);
    put_word(o, "collection", type->collection.text);
    put_word(o, "item", type->item.text);
    put_word(o, "id", type->id_pointer);
    put_word(o, "client_id", type->client_id_pointer);
    out_fmt(o, "unique %d\n", type->ids_unique);
    put_word(o, "array", type->list.array);
    put_word(o, "item_id", type->list.id);
    put_word(o, "visible", r->visible);
    put_rules(o, type);
    put_operations(o, r);
    for (size_t i = 0; i < r->n_markers; i++) {
        put_word(o, "marker", r->markers[i].member);
        put_word(o, "by", r->markers[i].query);
    }
    if (r->transfer_read) {
        put_word(o, "read", r->transfer_read->template_.text);
        put_word(o, "write", r->transfer_write->operation);
    }
    put_words(o, "volatile", r->ignored, r->n_ignored);
    put_words(o, "link", r->links, r->n_links);
    put_words(o, "secret", app->secret_fields, app->n_secret_fields);
    put_references(o, r);
}
