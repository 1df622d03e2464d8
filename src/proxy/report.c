/* The live transactions of a worker, in a crash report. Runs in a signal handler, maybe in the
 * middle of a change: nothing is called that locks, allocates or fails, and what is pointed to is
 * looked at before it is believed. A pointer into nowhere is the caller's to catch. */
#include "proxy/outlive.h"

#define LINE_BYTES    512
#define SHOWN_MOST    80 /* characters of a path or a name */
#define LISTED_MOST   256
#define BELIEVED_MOST 4096 /* bytes of a text; a longer one is no text */

static const char *const names[TXN_STATE_COUNT] = {
#define X(name, text) text,
    TXN_STATES(X)
#undef X
};

static void put(struct out *o, const char *before, struct str text)
{
    out_str(o, str_of(before));
    if (text.p && text.n && text.n <= BELIEVED_MOST)
        out_visible(o, text, SHOWN_MOST);
    else
        out_char(o, '-');
}

static void put_line(const struct txn *t, struct out *o)
{
    struct str path = t->target.n <= BELIEVED_MOST ? t->target : STR_NULL;
    ptrdiff_t query = str_find(path, '?');
    if (query >= 0)
        path = str_sub(path, 0, (size_t)query);
    OUT(o, "  ");
    out_hex64(o, t->id);
    put(o, " ", str_of(names[t->state]));
    put(o, " service ", txn_service_name(t));
    put(o, " ", t->x->error ? STR_NULL : t->x->head.method_text);
    put(o, " ", path);
    put(o, " site ", txn_leg_name(t, txn_leg_at(t)));
    /* As it is known: asking the kernel is for those who live. */
    put(o, " client ", str_of(t->x->conn->peer_host));
    out_char(o, '\n');
}

static bool is_sound(struct list *it)
{
    const struct txn *t = LIST_ITEM(it, struct txn, link);
    return it && it->next && it->next->prev == it && t->magic == TXN_MAGIC &&
           (unsigned)t->state < TXN_STATE_COUNT;
}

void proxy_worker_report(const struct proxy_worker *w, void (*write)(struct str text))
{
    char memory[LINE_BYTES];
    size_t n = 0;
    struct out o;
    for (struct list *it = w->txns.next; it != &w->txns; it = it->next) {
        if (!is_sound(it)) {
            write(STR("  the list is broken here\n"));
            return;
        }
        if (n++ == LISTED_MOST) {
            write(STR("  and more\n"));
            return;
        }
        out_init(&o, memory, sizeof memory);
        put_line(LIST_ITEM(it, struct txn, link), &o);
        write(out_get(&o));
    }
    if (!n)
        write(STR("  none\n"));
}
