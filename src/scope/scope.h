/* scope/scope.h: the scope language (docs/scope-lang.md): text to tree and back.
 *
 * Pure: no clock, no I/O; all memory is the caller's arena. A tree is immutable and borrows
 * nothing of the text it was parsed from (names are copied into the arena).
 *
 *     struct scope *s;
 *     struct diag d = {0};
 *     if (scope_parse(STR("{image: Nantes ; Paris}"), &arena, &s, &d) < 0)
 *         …                            d.code, d.offset, d.length, d.message, d.hint
 *     scope_print(s, &out);            {image: Nantes ; Paris}
 */
#ifndef SCOPE_SCOPE_H
#define SCOPE_SCOPE_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/out.h"

#define SCOPE_MAX_BYTES       4096
#define SCOPE_MAX_LOCATIONS   64
#define SCOPE_MAX_NESTING     16
#define SCOPE_MAX_NAME        63
#define SCOPE_MEMORY          (28 * 1024)   /* cap of an arena that is enough for any parse */
#define SCOPE_MAX_DURATION_US 3600000000ull /* one hour */

enum scope_loc_kind {
    SCOPE_SITE,      /* a named site: name */
    SCOPE_HERE,      /* the origin */
    SCOPE_ALL,       /* "*": every site that is known */
    SCOPE_AROUND,    /* around(name, duration); name is absent for "here" */
    SCOPE_OTHERWISE, /* operands in order, first that succeeds */
    SCOPE_CROSS,     /* operands are parts */
    SCOPE_REPLICA,   /* operands are replicas */
};

/* A duration as it was written: `text` keeps digits and unit for the canonical form. */
struct scope_duration {
    struct str text;
    uint64_t us; /* microseconds, at most SCOPE_MAX_DURATION_US */
};

struct scope_loc {
    enum scope_loc_kind kind;
    struct str name;                /* SITE, AROUND */
    struct scope_duration duration; /* AROUND */
    struct scope_loc *first; /* operands of the three operators, at least two; chains are flat */
    struct scope_loc *next;  /* the next operand of the same operator */
    /* Where it stands in the text: the name of SITE and AROUND (also where that is "here"), the
     * word of HERE and ALL, the first operand of operators; inside a string, the whole string. */
    uint32_t offset, length;
};

struct scope_binding {
    struct str key; /* absent: a bare location, for the service that the request is for */
    bool is_any;    /* the key "*": every service not otherwise bound */
    struct scope_loc *loc;
    struct scope_binding *next; /* in the order written */
    uint32_t offset, length;    /* of the key, or of the bare location */
    uint32_t loc_offset, loc_length;
};

enum scope_wait { SCOPE_WAIT_UNSET, SCOPE_WAIT_ONE, SCOPE_WAIT_MAJORITY, SCOPE_WAIT_ALL };
enum scope_consistency { SCOPE_CONSISTENCY_UNSET, SCOPE_EVENTUAL, SCOPE_STRONG };
enum scope_missing { SCOPE_MISSING_UNSET, SCOPE_MISSING_PARTIAL, SCOPE_MISSING_FAIL };

struct scope {
    struct scope_binding *bindings; /* NULL: the empty scope */
    struct str prime;               /* absent: not given */
    uint32_t prime_offset;
    enum scope_wait wait;
    enum scope_consistency consistency;
    struct scope_duration timeout; /* timeout.text absent: not given */
    enum scope_missing missing;
};

/* Names that a site knows, for the checks of section 2 that need them. Arrays borrowed. */
struct scope_names {
    const struct str
        *services; /* service names, resource types, and "service.type"; NULL: unchecked */
    size_t n_services;
    const struct str *sites; /* NULL: unchecked */
    size_t n_sites;
};

/* Parses, and checks everything that can be found without knowing the application (section 2, in
 * its order). Returns 0 and gives *out, which lives in the arena; or an ERR_SCOPE_… code with *d
 * set (offset, length, message, and hint where there is something to say); or ERR_NO_MEMORY when
 * the arena is too small, which one of SCOPE_MEMORY never is. *out is left alone on errors. d may
 * be NULL. The time is linear in the text's length: a byte is looked at once, and twice more for
 * each string that it is in. */
int scope_parse(struct str text, struct arena *arena, struct scope **out, struct diag *d) MUST_USE;

/* The checks that need names: scope-unknown-service, scope-unknown-site, with "did you mean" as the
 * hint. Reading order. */
int scope_check_names(const struct scope *s, const struct scope_names *names,
                      struct diag *d) MUST_USE;

/* Writes the canonical form. print(parse(x)) is a fixed point. */
void scope_print(const struct scope *s, struct out *o);
/* One location in canonical form. */
void scope_print_loc(const struct scope_loc *loc, struct out *o);

/* Freezes s at its origin (section 3): `here` becomes the origin's name, a bare location becomes a
 * binding of `service` (absent: stays bare). What only shows now is refused now, at the second in
 * the text that s was parsed from: ERR_SCOPE_DUPLICATE_KEY for a bare location beside a binding of
 * that service, ERR_SCOPE_DUPLICATE_SITE for `here` beside the origin's name under one operator.
 * ERR_SCOPE_LIMIT when the frozen form is too long to be read again, ERR_NO_MEMORY as above.
 * The result shares what did not change with s, so s's arena must live as long. */
int scope_freeze(const struct scope *s, struct str origin, struct str service, struct arena *arena,
                 struct scope **out, struct diag *d) MUST_USE;

/* Whether a site can have that name: what the grammar calls a name, and none of the language's own
 * words. */
bool scope_is_site_name(struct str name);

/* The binding that a request for (service, type) falls under: "service.type", then type, then
 * service (a bare location counts as that: before freezing it is the request's own service), then
 * "*". A name that is both a service and a type means the service (`type_is_service`). type may be
 * absent. NULL: none. */
const struct scope_binding *scope_find(const struct scope *s, struct str service, struct str type,
                                       bool type_is_service);

/* Whether any location of s is an operator of the given kind. */
bool scope_has(const struct scope *s, enum scope_loc_kind kind);

#endif
