/* op/matrix.h: what operations of two types do to each other (docs/design.md section 5, Order).
 *
 * A resolution matrix belongs to one resource type. It is made once, from the application's
 * description, and only read afterwards. Pure; all memory is the caller's arena.
 *
 *     struct op_type types[] = {{.name = STR("create"), .creates = true, .replaces = true}, …};
 *     struct op_pair pairs[] = {{STR("create"), STR("create"), OP_TAKE_ONE}, …};
 *     struct op_matrix m;
 *     if (op_matrix_make(&(struct op_rules){types, 2, pairs, 1}, &arena, &m, &d) < 0)
 *         …
 */
#ifndef OP_MATRIX_H
#define OP_MATRIX_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/str.h"

#define OP_MAX_TYPES 63 /* of one resource type; with the built-in one each has a bit of 64 */

enum op_relation {
    OP_UNLISTED,
    OP_TAKE_ONE,
    OP_KEEP_ORDER,
    OP_REVERSE_ORDER,
    OP_ANY_ORDER,
    OP_AFTER_WINS,
    OP_RELATIONS
};

/* A type of operation. */
struct op_type {
    struct str name;
    bool creates;
    bool deletes;     /* ends the life of the resource */
    bool replaces;    /* writes the whole state, whatever it was; true of what creates or deletes */
    bool overwrites;  /* writes what it carries, whatever was there: may be run again */
    bool makes;       /* a type that replaces also makes what is missing; true of what creates */
    bool is_snapshot; /* the built-in type, which op_matrix_make adds as the last one */
    int rank; /* set by op_matrix_make: of operations that are concurrent, the lower goes first */
};

/* One line of a matrix. */
struct op_pair {
    struct str before, after;
    enum op_relation relation;
};

struct op_rules {
    const struct op_type *types;
    size_t n_types;
    const struct op_pair *pairs;
    size_t n_pairs;
    bool can_remake;     /* a create may be run again where it ran already */
    bool can_transfer;   /* a state can be read at one site and written at another */
    bool transfer_makes; /* and is written also where the resource is missing */
};

struct op_matrix {
    struct op_type *types; /* those of the rules, then "snapshot" */
    size_t n;
    uint8_t *relations;  /* n * n of enum op_relation: [earlier * n + later] */
    uint64_t *commuting; /* by type: the bits 1 << other type that it commutes with */
    bool can_remake, can_transfer, can_delete;
};

/* Checks the rules and makes a matrix of copies. ERR_CONFIG with a message that names the types:
 * too many types, a name twice or the built-in one, a pair of unknown types or twice, ranks that go
 * in a circle, a type that stands after take-one, reverse-order or after-wins without replacing the
 * whole state, after-wins with what does not delete. ERR_NO_MEMORY when the arena is too small. */
int op_matrix_make(const struct op_rules *rules, struct arena *arena, struct op_matrix *out,
                   struct diag *d) MUST_USE;

/* The type with that name, or -1. */
int op_type_find(const struct op_matrix *m, struct str name);

/* The relation of an earlier operation's type to a later one's, where earlier and later are by
 * (clock, site). What is not listed is OP_UNLISTED, but (create, anything else) OP_KEEP_ORDER. */
enum op_relation op_relation(const struct op_matrix *m, unsigned earlier, unsigned later);

/* Whether an operation of type `later` supersedes one of type `earlier` within a life. `saw`: it
 * saw it; else they are concurrent. A snapshot among concurrent ones is not asked about here: it
 * yields (op/log.h). */
bool op_supersedes(const struct op_matrix *m, unsigned later, unsigned earlier, bool saw);

/* Whether the order in which operations of two types run is free: the matrix says any-order,
 * whichever is earlier. */
static inline bool op_commutes(const struct op_matrix *m, unsigned a, unsigned b)
{
    return m->commuting[a] >> b & 1;
}

/* "take-one", "keep-order", … */
struct str op_relation_name(enum op_relation relation);
/* OP_UNLISTED when there is none of that name. */
enum op_relation op_relation_find(struct str name);

#endif
