/* Where operations stand in the list. */
#include "op/internal.h"

static bool is_before(const struct op_log *log, const struct op_operation *a,
                      const struct op_operation *b)
{
    int rank_a = log->matrix->types[a->type].rank, rank_b = log->matrix->types[b->type].rank;
    return rank_a != rank_b ? rank_a < rank_b : op_compare(log, a, b) < 0;
}

struct heads {
    struct op_actor *actors[OP_MAX_ACTORS]; /* those with a queue that is not empty */
    size_t n;
};

static struct op_operation *head_of(const struct op_actor *a)
{
    return OP_AT(a->queue.next);
}

static bool saw_another_head(const struct heads *heads, const struct op_operation *x)
{
    for (size_t i = 0; i < heads->n; i++) {
        const struct op_operation *h = head_of(heads->actors[i]);
        if (h != x && op_saw(x, h))
            return true;
    }
    return false;
}

/* There is always one: the earliest head saw no other. */
static size_t next_head(const struct op_log *log, const struct heads *heads)
{
    struct op_operation *best = NULL;
    size_t at = 0;
    for (size_t i = 0; i < heads->n; i++) {
        struct op_operation *h = head_of(heads->actors[i]);
        if ((!best || is_before(log, h, best)) && !saw_another_head(heads, h)) {
            best = h;
            at = i;
        }
    }
    CHECK(best);
    return at;
}

void op_merge(struct op_log *log, struct list *from)
{
    struct heads heads;
    heads.n = 0;
    list_for_each_safe (at, from) {
        struct op_actor *a = log->actors[OP_AT(at)->actor];
        if (list_is_empty(&a->queue))
            heads.actors[heads.n++] = a;
        list_remove(at);
        list_push(&a->queue, at);
    }
    while (heads.n > 0) {
        size_t i = next_head(log, &heads);
        struct list *at = heads.actors[i]->queue.next;
        list_remove(at);
        list_push(&log->list, at);
        if (list_is_empty(&heads.actors[i]->queue))
            heads.actors[i] = heads.actors[--heads.n];
    }
}

/* Nothing saw x, so it holds nobody up: the others stand as they did, and x goes before the first
 * that it comes before, of those after the last that it saw. */
void op_insert(struct op_log *log, struct op_operation *x)
{
    struct list *at = log->list.prev;
    while (at != &log->list && OP_AT(at) != log->front && !op_saw(x, OP_AT(at)))
        at = at->prev;
    at = at->next;
    while (at != &log->list && !is_before(log, x, OP_AT(at)))
        at = at->next;
    if (at != &log->list || log->matrix->types[x->type].replaces)
        op_touch(log, at);
    list_push(at, &x->place);
    log->n_listed++;
}
