#include "reference.h"

#include "base/check.h"

static bool saw(const struct history *h, size_t x, size_t y)
{
    const struct op_draft *a = &h->drafts[x], *b = &h->drafts[y];
    return a->actor == b->actor ? a->n > b->n : h->saw[x][b->actor] >= b->n;
}

static const struct op_type *type_of(const struct history *h, size_t i)
{
    return &h->matrix->types[h->drafts[i].type];
}

static int compare(const struct history *h, size_t x, size_t y)
{
    const struct op_draft *a = &h->drafts[x], *b = &h->drafts[y];
    if (a->clock != b->clock)
        return a->clock < b->clock ? -1 : 1;
    return str_cmp(h->names[a->actor], h->names[b->actor]);
}

void reference_lives(struct history *h)
{
    for (size_t x = 0; x < h->n; x++) {
        h->life[x] = 0;
        for (size_t y = 0; y < x; y++)
            if (saw(h, x, y) && type_of(h, y)->deletes && h->life[y] >= h->life[x])
                h->life[x] = h->life[y] + 1;
    }
}

static size_t last_delete(const struct history *h, const bool *has, uint32_t life)
{
    size_t last = SIZE_MAX;
    for (size_t i = 0; i < h->n; i++)
        if (has[i] && h->life[i] == life && type_of(h, i)->deletes &&
            (last == SIZE_MAX || compare(h, i, last) > 0))
            last = i;
    return last;
}

/* Whether snapshot s yields to z. */
static bool yields(const struct history *h, size_t s, size_t z)
{
    if (saw(h, s, z) || saw(h, z, s) || s == z || h->life[s] != h->life[z])
        return false;
    return type_of(h, z)->is_snapshot ? compare(h, s, z) < 0 : type_of(h, z)->replaces;
}

static bool has_yielded(const struct history *h, const bool *has, size_t s)
{
    for (size_t z = 0; z < h->n; z++)
        if (type_of(h, s)->is_snapshot && has[z] && yields(h, s, z))
            return true;
    return false;
}

/* Whether x, which is later, supersedes y: the table of the design, row by row. */
static bool supersedes(const struct history *h, const bool *has, size_t x, size_t y)
{
    bool x_saw = saw(h, x, y);
    if (type_of(h, x)->is_snapshot)
        return x_saw && !type_of(h, y)->creates && !has_yielded(h, has, x);
    if (type_of(h, y)->is_snapshot)
        return x_saw && type_of(h, x)->replaces;
    enum op_relation r = h->matrix->relations[h->drafts[y].type * h->matrix->n + h->drafts[x].type];
    if (r == OP_TAKE_ONE)
        return true;
    if (r == OP_REVERSE_ORDER)
        return x_saw;
    if (r == OP_UNLISTED && !type_of(h, y)->creates)
        return x_saw && type_of(h, x)->replaces;
    if (r == OP_UNLISTED && h->drafts[y].type == h->drafts[x].type)
        return x_saw;
    return false;
}

static bool is_left(const struct history *h, const bool *has, size_t y, uint32_t life)
{
    if (!has[y] || h->life[y] != life || has_yielded(h, has, y))
        return false;
    for (size_t x = 0; x < h->n; x++)
        if (has[x] && x != y && h->life[x] == life && compare(h, x, y) > 0 &&
            supersedes(h, has, x, y))
            return false;
    return true;
}

/* Whether x may go next: it is the first of its actor that is left, and saw nothing that is left.
 */
static bool may_go(const struct history *h, const bool *left, size_t x)
{
    for (size_t y = 0; y < h->n; y++)
        if (left[y] && y != x && saw(h, x, y))
            return false;
    return true;
}

static bool goes_before(const struct history *h, size_t x, size_t y)
{
    int a = type_of(h, x)->rank, b = type_of(h, y)->rank;
    return a != b ? a < b : compare(h, x, y) < 0;
}

size_t reference_order(const struct history *h, const bool *has, size_t *list)
{
    uint32_t life = 0;
    size_t n = 0;
    bool left[MOST_OPERATIONS] = {false};
    for (size_t i = 0; i < h->n; i++)
        if (has[i] && h->life[i] > life)
            life = h->life[i];
    size_t end = last_delete(h, has, life);
    size_t front = life > 0 ? last_delete(h, has, life - 1) : SIZE_MAX;
    if (end != SIZE_MAX) {
        list[0] = end;
        return 1;
    }
    if (front != SIZE_MAX)
        list[n++] = front;
    for (size_t i = 0; i < h->n; i++)
        left[i] = is_left(h, has, i, life);
    for (;;) {
        size_t next = SIZE_MAX;
        for (size_t i = 0; i < h->n; i++)
            if (left[i] && may_go(h, left, i) && (next == SIZE_MAX || goes_before(h, i, next)))
                next = i;
        if (next == SIZE_MAX)
            return n;
        left[next] = false;
        list[n++] = next;
    }
}
