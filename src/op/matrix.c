/* The resolution matrix: checked, and looked up by the numbers of two types. */
#include "op/matrix.h"
#include "base/check.h"

static const struct str relation_names[] = {
    [OP_UNLISTED] = {NULL, 0},
    [OP_TAKE_ONE] = {"take-one", 8},
    [OP_KEEP_ORDER] = {"keep-order", 10},
    [OP_REVERSE_ORDER] = {"reverse-order", 13},
    [OP_ANY_ORDER] = {"any-order", 9},
    [OP_AFTER_WINS] = {"after-wins", 10},
};

struct str op_relation_name(enum op_relation relation)
{
    return relation_names[relation];
}

enum op_relation op_relation_find(struct str name)
{
    for (int r = OP_UNLISTED + 1; r < OP_RELATIONS; r++)
        if (str_eq(relation_names[r], name))
            return (enum op_relation)r;
    return OP_UNLISTED;
}

int op_type_find(const struct op_matrix *m, struct str name)
{
    for (size_t i = 0; i < m->n; i++)
        if (str_eq(m->types[i].name, name))
            return (int)i;
    return -1;
}

enum op_relation op_relation(const struct op_matrix *m, unsigned earlier, unsigned later)
{
    enum op_relation r = m->relations[earlier * m->n + later];
    if (r == OP_UNLISTED && m->types[earlier].creates && earlier != later)
        return OP_KEEP_ORDER;
    return r;
}

bool op_supersedes(const struct op_matrix *m, unsigned later, unsigned earlier, bool saw)
{
    const struct op_type *x = &m->types[later], *y = &m->types[earlier];
    if (x->is_snapshot)
        return saw && !y->creates;
    if (y->is_snapshot)
        return saw && x->replaces;
    switch (op_relation(m, earlier, later)) {
    case OP_TAKE_ONE:
    case OP_AFTER_WINS:
        return true;
    case OP_REVERSE_ORDER:
        return saw;
    case OP_UNLISTED:
        return saw && x->replaces;
    default:
        return false;
    }
}

/* ---- making one ---- */

static int check_types(const struct op_rules *rules, struct diag *d)
{
    if (rules->n_types > OP_MAX_TYPES)
        return diag_set(d, ERR_CONFIG, "%zu types of operation, at most %d are allowed",
                        rules->n_types, OP_MAX_TYPES);
    for (size_t i = 0; i < rules->n_types; i++) {
        struct str name = rules->types[i].name;
        if (str_eq(name, STR("snapshot")))
            return diag_set(d, ERR_CONFIG, "the type of operation 'snapshot' is built in");
        for (size_t j = 0; j < i; j++)
            if (str_eq(rules->types[j].name, name))
                return diag_set(d, ERR_CONFIG, "the type of operation '%.*s' is listed twice",
                                STR_ARG(name));
    }
    return 0;
}

static int find_or_say(const struct op_matrix *m, struct str name, struct diag *d)
{
    int at = op_type_find(m, name);
    if (at >= 0 && !m->types[at].is_snapshot)
        return at;
    struct str names[OP_MAX_TYPES + 1];
    for (size_t i = 0; i + 1 < m->n; i++)
        names[i] = m->types[i].name;
    diag_set(d, ERR_CONFIG, "the matrix names '%.*s', which is no type of operation",
             STR_ARG(name));
    struct str near = str_nearest(name, names, m->n - 1);
    if (near.p)
        diag_hint(d, "did you mean '%.*s'?", STR_ARG(near));
    return ERR_CONFIG;
}

/* Whether a type may stand after a relation. */
static int check_after(const struct op_type *after, const struct op_pair *pair, struct diag *d)
{
    struct str relation = op_relation_name(pair->relation);
    if (pair->relation == OP_AFTER_WINS && !after->deletes)
        return diag_set(d, ERR_CONFIG, "'%.*s' stands after %.*s but does not delete",
                        STR_ARG(after->name), STR_ARG(relation));
    bool needs = pair->relation == OP_TAKE_ONE || pair->relation == OP_REVERSE_ORDER;
    if (needs && !after->replaces) {
        diag_set(d, ERR_CONFIG, "'%.*s' stands after %.*s but does not replace the whole state",
                 STR_ARG(after->name), STR_ARG(relation));
        diag_hint(d, "list it as replacing, or use keep-order or any-order");
        return ERR_CONFIG;
    }
    return 0;
}

static int add_pair(struct op_matrix *m, const struct op_pair *pair, struct diag *d)
{
    int before = find_or_say(m, pair->before, d);
    int after = before < 0 ? before : find_or_say(m, pair->after, d);
    if (after < 0)
        return ERR_CONFIG;
    uint8_t *relation = &m->relations[(size_t)before * m->n + (size_t)after];
    if (*relation != OP_UNLISTED)
        return diag_set(d, ERR_CONFIG, "the matrix lists '%.*s' before '%.*s' twice",
                        STR_ARG(pair->before), STR_ARG(pair->after));
    int rc = check_after(&m->types[after], pair, d);
    if (rc == 0)
        *relation = (uint8_t)pair->relation;
    return rc;
}

/* Whether concurrent operations of type a go before those of type b, whatever the clocks. */
static bool goes_before(const struct op_matrix *m, unsigned a, unsigned b)
{
    if (a == b || m->types[a].deletes || m->types[b].deletes)
        return false;
    return op_relation(m, a, b) == OP_KEEP_ORDER || op_relation(m, b, a) == OP_REVERSE_ORDER;
}

/* A type's rank is the length of the longest chain of types that go before it. In a matrix without
 * circles no chain is longer than there are types, so as many rounds settle all ranks. */
static int set_ranks(struct op_matrix *m, struct diag *d)
{
    bool is_changed = true;
    for (size_t round = 0; is_changed; round++) {
        is_changed = false;
        for (unsigned a = 0; a < m->n; a++)
            for (unsigned b = 0; b + 1 < m->n; b++) {
                if (a + 1 == m->n || !goes_before(m, a, b) || m->types[b].rank > m->types[a].rank)
                    continue;
                if (round >= m->n)
                    return diag_set(d, ERR_CONFIG,
                                    "keep-order and reverse-order go in a circle: '%.*s' before "
                                    "'%.*s', and the other way round over others",
                                    STR_ARG(m->types[a].name), STR_ARG(m->types[b].name));
                m->types[b].rank = m->types[a].rank + 1;
                is_changed = true;
            }
    }
    return 0;
}

static void set_commuting(struct op_matrix *m)
{
    for (unsigned a = 0; a + 1 < m->n; a++)
        for (unsigned b = 0; b + 1 < m->n; b++)
            if (op_relation(m, a, b) == OP_ANY_ORDER && op_relation(m, b, a) == OP_ANY_ORDER)
                m->commuting[a] |= UINT64_C(1) << b;
}

int op_matrix_make(const struct op_rules *rules, struct arena *arena, struct op_matrix *out,
                   struct diag *d)
{
    int rc = check_types(rules, d);
    if (rc < 0)
        return rc;
    struct op_matrix m = {.n = rules->n_types + 1,
                          .can_remake = rules->can_remake,
                          .can_transfer = rules->can_transfer};
    m.types = arena_zalloc(arena, m.n * sizeof *m.types);
    m.relations = arena_zalloc(arena, m.n * m.n);
    m.commuting = arena_zalloc(arena, m.n * sizeof *m.commuting);
    if (arena_overflowed(arena))
        return diag_set(d, ERR_NO_MEMORY, "the matrix needs more memory than it may have");
    for (size_t i = 0; i < rules->n_types; i++) {
        m.types[i] = rules->types[i];
        m.types[i].name = arena_str(arena, rules->types[i].name);
        m.types[i].replaces |= m.types[i].creates || m.types[i].deletes;
        m.types[i].makes |= m.types[i].creates;
        m.types[i].is_snapshot = false;
        m.types[i].rank = 0;
        m.can_delete |= m.types[i].deletes;
    }
    m.types[m.n - 1] = (struct op_type){.name = STR("snapshot"),
                                        .replaces = true,
                                        .overwrites = true,
                                        .makes = rules->transfer_makes,
                                        .is_snapshot = true,
                                        .rank = -1};
    for (size_t i = 0; i < rules->n_pairs && rc == 0; i++)
        rc = add_pair(&m, &rules->pairs[i], d);
    if (rc == 0)
        rc = set_ranks(&m, d);
    if (rc == 0)
        set_commuting(&m);
    if (rc == 0 && arena_overflowed(arena))
        rc = diag_set(d, ERR_NO_MEMORY, "the matrix needs more memory than it may have");
    if (rc == 0)
        *out = m;
    return rc;
}
