/* GET /v1/transactions: each worker is asked, on its own loop, for its live requests. */
#include "admin/request.h"

#include <stdlib.h>

#define TEXT_BYTES 65536 /* of a worker; what does not fit is counted only */

struct question {
    struct rt_message message;
    struct admin_request *request; /* NULL: it waits no longer */
    struct list link;              /* in its questions */
    const struct admin_in *in;
    size_t worker, n_live;
    struct out out;
    char text[TEXT_BYTES];
};

static void come_home(struct rt_loop *l, struct rt_message *m)
{
    struct question *q = CONTAINER_OF(m, struct question, message);
    struct admin_request *r = q->request;
    if (r) {
        list_remove(&q->link);
        if (q->out.n && r->body.n && r->body.p[r->body.n - 1] == '}')
            out_char(&r->body, ',');
        out_str(&r->body, out_get(&q->out));
        r->n_live += q->n_live;
        rt_wake(l, &r->task);
    }
    free(q);
}

/* On the worker's loop; or, when that has ended, on the thread that ended it: it has no worker. */
static void visit(struct rt_loop *l, struct rt_message *m)
{
    struct question *q = CONTAINER_OF(m, struct question, message);
    const struct proxy_worker *w = q->in->workers[q->worker];
    (void)l;
    out_init(&q->out, q->text, sizeof q->text);
    if (w) {
        proxy_worker_print(w, &q->out);
        q->n_live = counter_get(&w->meter->transactions);
    }
    q->message.deliver = come_home;
    rt_post(q->in->env->loop, &q->message);
}

void admin_get_transactions(struct admin_request *r)
{
    const struct admin_in *in = &r->admin->in;
    if (!admin_body(r, 256 + in->n_workers * (TEXT_BYTES + 1)))
        return;
    r->is_gathering = true;
    OUT(&r->body, "{\"transactions\":[");
    for (size_t i = 0; i < in->n_workers; i++) {
        struct question *q = in->workers[i] ? malloc(sizeof *q) : NULL;
        if (!q) {
            r->n_silent++;
            continue;
        }
        *q = (struct question){.request = r, .in = in, .worker = i};
        q->message.deliver = visit;
        list_push(&r->questions, &q->link);
        rt_post(in->workers[i]->loop, &q->message);
    }
}

void admin_end_transactions(struct admin_request *r)
{
    list_for_each_safe (it, &r->questions) {
        struct question *q = LIST_ITEM(it, struct question, link);
        list_remove(&q->link);
        q->request = NULL;
        r->n_silent++;
    }
    out_fmt(&r->body, "],\"live\":%zu,\"silent_workers\":%zu}\n", r->n_live, r->n_silent);
}
