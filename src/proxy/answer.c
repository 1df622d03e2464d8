/* ANSWER, TUNNEL and REFUSE: what goes back to the client. */
#include "proxy/outlive.h"

#define PROBE_S 60 /* of silence, before TCP asks whether the other end of a stream is there */

/* A stream may be silent for long: TCP finds out when an end has vanished, and what keeps track of
 * connections on the way does not forget this one. */
static void keep_alive(struct txn *t)
{
    rt_stream_keepalive(&txn_client(t)->stream, PROBE_S);
    rt_stream_keepalive(&t->up->io.stream, PROBE_S);
}

int txn_keep_answer(struct txn *t, const struct h1_head *head)
{
    struct arena *a = &t->x->arena;
    struct h1_head *copy = arena_zalloc(a, sizeof *copy);
    struct h1_field *fields = arena_alloc(a, head->n_fields * sizeof *fields + 1);
    struct str base = arena_str(a, (struct str){head->base, head->size});
    if (!copy || !fields || !base.p || arena_overflowed(a))
        return ERR_NO_MEMORY;
    *copy = *head;
    copy->base = base.p;
    copy->reason.p = base.p + (head->reason.p - head->base);
    copy->fields = memcpy(fields, head->fields, head->n_fields * sizeof *fields);
    t->answer = copy;
    http_client_head_end(t->up, head, (uint32_t)txn_cfg(t)->limits.trailers);
    return 0;
}

enum txn_verdict txn_answer_begin(struct txn *t, const struct h1_head *head)
{
    int rc = txn_write_answer_head(t, head);
    if (rc == ERR_HEAD_TOO_LARGE)
        return txn_refuse(t, ERR_SERVICE_BROKEN, "the head of the service's answer is too large");
    if (rc < 0)
        return txn_drop(t, ERR_CLIENT_GONE);
    t->status = head->status;
    if (head != t->answer)
        http_client_head_end(t->up, head, (uint32_t)txn_cfg(t)->limits.trailers);
    t->answer_begun = true;
    if (t->class_.kind == APP_STREAM)
        keep_alive(t);
    return txn_go(t, TXN_ANSWER);
}

/* The rest of the request, while the answer already flows. Its failures end the sending only. */
static void send_rest_of_request(struct txn *t)
{
    bool client_side;
    if (t->request_done || t->up_broken)
        return;
    int rc = txn_pump_request(t, &client_side);
    if (rc == 0)
        t->request_done = true;
    else if (rc != ERR_AGAIN)
        t->up_broken = true;
}

static enum txn_verdict wait_for_body(struct txn *t)
{
    txn_outlive(t);
    const struct cfg_timeouts *c = txn_timeouts(t);
    bool client_is_full = http_is_full(txn_client(t));
    bool is_stream = t->class_.kind == APP_STREAM;
    if (txn_timed_out(t))
        return txn_drop(t, is_stream        ? ERR_STREAM_IDLE
                           : client_is_full ? ERR_CLIENT_TIMEOUT
                                            : ERR_SERVICE_TIMEOUT);
    if (is_stream)
        return txn_wait(t, c->stream_idle_ms);
    return txn_wait(t, client_is_full ? c->client_write_ms : c->service_body_ms);
}

/* The service's answer ended too early. What came of it is the client's, who sees that it is cut.
 */
static enum txn_verdict broke_off(struct txn *t)
{
    int rc = http_flush(txn_client(t));
    return txn_drop(t, rc < 0 && rc != ERR_AGAIN ? ERR_CLIENT_GONE : ERR_SERVICE_BROKEN);
}

enum txn_verdict step_answer(struct txn *t)
{
    struct http_conn *client = txn_client(t);
    bool service_failed = false;
    send_rest_of_request(t);
    int rc = txn_send_kept(t, client, t->inspected, &t->inspected_sent);
    if (rc == 0)
        rc = txn_pump(t, &t->up->io, client, &t->answer_bytes, &service_failed);
    if (rc == 0)
        return txn_go(t, TXN_DONE);
    if (rc != ERR_AGAIN && service_failed)
        return broke_off(t);
    if (rc != ERR_AGAIN)
        return txn_drop(t, ERR_CLIENT_GONE);
    if (txn_client_is_gone(t) && t->request_done)
        return txn_drop(t, ERR_CLIENT_GONE);
    return wait_for_body(t);
}

/* One direction of a tunnel: raw bytes, then the end of sending is passed on. 0, or what broke at
 * whose end. */
static int tunnel(struct txn *t, struct http_conn *from, struct http_conn *to, uint64_t *bytes,
                  bool *done, bool *from_failed)
{
    if (*done)
        return 0;
    int rc = txn_pump(t, from, to, bytes, from_failed);
    if (rc == 0) {
        *done = true;
        rc = rt_stream_shutdown(&to->stream);
        t->progressed = true;
    }
    return rc == ERR_AGAIN ? 0 : rc;
}

enum txn_verdict step_tunnel(struct txn *t)
{
    struct http_conn *client = txn_client(t), *service = &t->up->io;
    if (client->out_framing != H1_UNTIL_CLOSE || client->in_framing != H1_UNTIL_CLOSE) {
        http_read_begin(client, H1_UNTIL_CLOSE, 0, 0);
        http_read_begin(service, H1_UNTIL_CLOSE, 0, 0);
        client->out_framing = service->out_framing = H1_UNTIL_CLOSE;
        client->out_done = service->out_done = false;
        keep_alive(t);
    }
    bool client_failed, service_failed = false;
    t->up_broken = true; /* never a connection for another request */
    t->status = 101;
    t->keep = false;
    int rc = tunnel(t, client, service, &t->body_bytes, &t->tunnel_to_service_done, &client_failed);
    if (rc == 0) {
        rc = tunnel(t, service, client, &t->answer_bytes, &t->tunnel_to_client_done,
                    &service_failed);
        client_failed = !service_failed;
    }
    if (rc < 0)
        return txn_drop(t, client_failed ? ERR_CLIENT_GONE : ERR_SERVICE_BROKEN);
    if (t->tunnel_to_client_done && t->tunnel_to_service_done)
        return txn_go(t, TXN_DONE);
    if (txn_timed_out(t))
        return txn_drop(t, ERR_STREAM_IDLE);
    txn_outlive(t);
    return txn_wait(t, txn_timeouts(t)->stream_idle_ms);
}

enum txn_verdict step_refuse(struct txn *t)
{
    if (!t->answer_begun) {
        if (txn_write_error(t) < 0)
            return txn_drop(t, ERR_CLIENT_GONE);
        t->answer_begun = true;
        t->up_broken = true;
    }
    int rc = http_flush(txn_client(t));
    if (rc == ERR_AGAIN && !txn_timed_out(t))
        return txn_wait(t, txn_cfg(t)->timeouts.client_write_ms);
    if (rc < 0)
        return txn_drop(t, ERR_CLIENT_GONE);
    return txn_go(t, TXN_DONE);
}

/* A TRACE is not reflected: it would show what the sites between add, to whoever asks. */
enum txn_verdict txn_end_here(struct txn *t)
{
    if (t->x->head.method == H1_TRACE)
        return txn_refuse(t, ERR_METHOD_UNSUPPORTED,
                          "Max-Forwards ends the TRACE here, and Cheops reflects none");
    if (txn_write_options(t) < 0)
        return txn_drop(t, ERR_CLIENT_GONE);
    t->answer_begun = true;
    return txn_go(t, TXN_REFUSE);
}
