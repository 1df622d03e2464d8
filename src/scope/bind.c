/* A scope meets a site and a request: freezing, and the binding that counts. */
#include "scope/internal.h"

static int no_memory(struct diag *d)
{
    diag_set(d, ERR_NO_MEMORY, "the frozen scope needs more memory than it may have");
    return ERR_NO_MEMORY;
}

static bool has_loc(const struct scope_loc *l, enum scope_loc_kind kind)
{
    bool has = l->kind == kind;
    for (const struct scope_loc *o = l->first; o && !has; o = o->next)
        has = has_loc(o, kind);
    return has;
}

bool scope_has(const struct scope *s, enum scope_loc_kind kind)
{
    for (const struct scope_binding *b = s->bindings; b; b = b->next)
        if (has_loc(b->loc, kind))
            return true;
    return false;
}

/* ---- freeze ---- */

/* Whether a location depends on where it is read. */
static bool has_here(const struct scope_loc *l)
{
    bool has = l->kind == SCOPE_HERE || (l->kind == SCOPE_AROUND && !l->name.p);
    for (const struct scope_loc *o = l->first; o && !has; o = o->next)
        has = has_here(o);
    return has;
}

/* A copy in which `here` is the origin. NULL when the arena is full. */
static struct scope_loc *copy_loc(const struct scope_loc *l, struct str origin, struct arena *arena)
{
    struct scope_loc *copy = arena_new(arena, struct scope_loc);
    if (arena_overflowed(arena))
        return NULL;
    *copy = *l;
    copy->first = copy->next = NULL;
    if (l->kind == SCOPE_HERE)
        copy->kind = SCOPE_SITE;
    if (l->kind == SCOPE_HERE || (l->kind == SCOPE_AROUND && !l->name.p))
        copy->name = origin;
    struct scope_loc **tail = &copy->first;
    for (const struct scope_loc *o = l->first; o; o = o->next) {
        *tail = copy_loc(o, origin, arena);
        if (!*tail)
            return NULL;
        tail = &(*tail)->next;
    }
    return copy;
}

struct freezing {
    struct str origin, service; /* in the arena */
    struct arena *arena;
    struct diag *diag;
};

static int freeze_binding(const struct freezing *f, const struct scope_binding *b,
                          struct scope_binding **out)
{
    struct scope_binding *copy = arena_new(f->arena, struct scope_binding);
    if (arena_overflowed(f->arena))
        return no_memory(f->diag);
    *copy = *b;
    copy->next = NULL;
    if (!b->key.p && !b->is_any)
        copy->key = f->service;
    *out = copy;
    if (!has_here(b->loc))
        return 0;
    copy->loc = copy_loc(b->loc, f->origin, f->arena);
    return copy->loc ? scope_check_duplicates(copy->loc, f->diag) : no_memory(f->diag);
}

/* Only a bare location can have become a second binding of a key. */
static int check_key(const struct scope *s, const struct scope_binding *b, struct diag *d)
{
    const struct scope_binding *earlier = s->bindings;
    while (earlier != b && !(b->key.p && earlier->key.p && str_eq(earlier->key, b->key)))
        earlier = earlier->next;
    if (earlier == b)
        return 0;
    int rc = diag_at(d, ERR_SCOPE_DUPLICATE_KEY, b->offset, b->length,
                     "the request is for %s, which is bound twice: by its name and by a location "
                     "without a key",
                     scope_show(b->key).text);
    diag_hint(d, "remove one of them");
    return rc;
}

int scope_freeze(const struct scope *s, struct str origin, struct str service, struct arena *arena,
                 struct scope **out, struct diag *d)
{
    struct freezing f = {arena_str(arena, origin), arena_str(arena, service), arena, d};
    struct scope *frozen = arena_new(arena, struct scope);
    if (arena_overflowed(arena))
        return no_memory(d);
    *frozen = *s;
    frozen->bindings = NULL;
    struct scope_binding **tail = &frozen->bindings;
    for (const struct scope_binding *b = s->bindings; b; b = b->next) {
        int rc = freeze_binding(&f, b, tail);
        if (rc != 0 || (rc = check_key(frozen, *tail, d)) != 0)
            return rc;
        tail = &(*tail)->next;
    }
    if (!scope_fits(frozen))
        return diag_set(d, ERR_SCOPE_LIMIT, "the scope frozen at %s has more than %d bytes",
                        scope_show(origin).text, SCOPE_MAX_BYTES);
    *out = frozen;
    return 0;
}

/* ---- find ---- */

/* How exactly a binding fits: 0 not at all, the higher the better. */
static int fit(const struct scope_binding *b, struct str service, struct str type,
               bool type_is_service)
{
    if (b->is_any)
        return 1;
    if (!b->key.p || str_eq(b->key, service))
        return 2;
    if (!type.p)
        return 0;
    if (!type_is_service && str_eq(b->key, type))
        return 3;
    bool is_dotted = b->key.n == service.n + 1 + type.n && str_starts(b->key, service) &&
                     b->key.p[service.n] == '.' && str_eq(str_from(b->key, service.n + 1), type);
    return is_dotted ? 4 : 0;
}

const struct scope_binding *scope_find(const struct scope *s, struct str service, struct str type,
                                       bool type_is_service)
{
    const struct scope_binding *best = NULL;
    int best_fit = 0;
    for (const struct scope_binding *b = s->bindings; b; b = b->next) {
        int f = fit(b, service, type, type_is_service);
        if (f > best_fit) {
            best = b;
            best_fit = f;
        }
    }
    return best;
}
