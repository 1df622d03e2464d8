/* Heads: what goes to a service or another site, and what goes back. Fields that are not touched
 * are copied in runs, as they came. */
#include "proxy/gather.h"

#include "app/error.h"

static void put_field(struct out *o, struct str name, struct str value)
{
    out_str(o, name);
    OUT(o, ": ");
    out_str(o, value);
    OUT(o, "\r\n");
}

/* The same for a name that is a literal, as most are: it is written in one piece with its colon. */
#define PUT_FIELD(o, name, value) put_line(o, STR(name ": "), value)
static inline void put_line(struct out *o, struct str begin, struct str value)
{
    out_str(o, begin);
    out_str(o, value);
    OUT(o, "\r\n");
}

/* The framing of a message as fields (RFC 9112 section 6). */
static void put_framing(struct out *o, enum h1_framing framing, uint64_t length)
{
    if (framing == H1_LENGTH) {
        OUT(o, "Content-Length: ");
        out_u64(o, length);
        OUT(o, "\r\n");
    } else if (framing == H1_CHUNKED) {
        OUT(o, "Transfer-Encoding: chunked\r\n");
    }
}

/* As Forwarded has it: an IPv6 address in brackets and quotes (RFC 7239 section 6). */
static void put_node(const struct rt_ip *ip, struct str text, struct out *o)
{
    OUT(o, "for=");
    if (ip->n_bits == 128)
        OUT(o, "\"[");
    out_str(o, ip->n_bits ? text : STR("unknown"));
    if (ip->n_bits == 128)
        OUT(o, "]\"");
}

/* Who asks, and by which door. What came is begun anew, so that a service need not tell what is
 * true of it; where a trusted proxy stands in front, with what that one says. */
static void put_forwarded(struct txn *t, struct out *o)
{
    const struct proxy_forwarded *f = t->forwarded;
    const struct rt_ip *chain = f ? f->chain : http_peer(t->x->conn);
    size_t n = f ? f->n : 1;
    struct str host = f && f->host.p ? f->host : t->x->head.authority;
    struct str proto = f && f->proto.p ? f->proto : t->x->conn->is_tls ? STR("https") : STR("http");
    proxy_forwarded_drop(&t->x->head, f != NULL);
    OUT(o, "X-Forwarded-For: ");
    out_str(o, t->client);
    for (size_t i = 1; i < n; i++) {
        OUT(o, ", ");
        rt_ip_print(&chain[i], o);
    }
    OUT(o, "\r\n");
    PUT_FIELD(o, "X-Forwarded-Proto", proto);
    if (host.p)
        PUT_FIELD(o, "X-Forwarded-Host", host);
    if (t->carried.prefix.p || (f && f->prefix.p)) {
        OUT(o, "X-Forwarded-Prefix: ");
        if (f && f->prefix.p)
            out_str(o, f->prefix);
        if (t->carried.prefix.p)
            out_str(o, t->carried.prefix);
        OUT(o, "\r\n");
    }
    OUT(o, "Forwarded: ");
    put_node(&chain[0], t->client, o);
    OUT(o, ";proto=");
    out_str(o, proto);
    if (host.p) {
        OUT(o, ";host=\"");
        out_str(o, host);
        OUT(o, "\"");
    }
    for (size_t i = 1; i < n; i++) {
        char memory[HTTP_PEER_HOST_MAX];
        struct out text;
        out_init(&text, memory, sizeof memory);
        rt_ip_print(&chain[i], &text);
        OUT(o, ", ");
        put_node(&chain[i], out_get(&text), o);
    }
    OUT(o, "\r\n");
}

static void put_host(struct txn *t, const struct cfg_instance *instance, struct out *o)
{
    struct h1_head *h = &t->x->head;
    if (instance && (instance->host_upstream || !h->authority.p)) {
        h1_drop(h, H1_HOST);
        PUT_FIELD(o, "Host", instance->host);
    } else if (h->is_absolute || h1_find(h, H1_HOST, 0) == h->n_fields) {
        h1_drop(h, H1_HOST);
        PUT_FIELD(o, "Host", h->authority.p ? h->authority : STR("localhost"));
    }
}

static void put_connection(struct txn *t, bool close, struct out *o)
{
    const struct h1_head *h = &t->x->head;
    if (h->has_upgrade) {
        OUT(o, "Connection: upgrade\r\n");
        for (size_t i = h1_find(h, H1_UPGRADE, 0); i < h->n_fields;
             i = h1_find(h, H1_UPGRADE, i + 1))
            PUT_FIELD(o, "Upgrade", h1_value(h, i));
    } else if (close) {
        OUT(o, "Connection: close\r\n");
    }
}

/* This site, and the version that the message came in (RFC 9110 section 7.6.3). */
static void put_via(const struct txn *t, unsigned minor, struct out *o)
{
    if (minor == 0)
        OUT(o, "Via: 1.0");
    out_str(o, str_from(t->conf->via, minor == 0 ? STR("Via: 1.1").n : 0));
}

/* How many more hops a request may take: the value of Max-Forwards where it counts. False: it does
 * not say. */
static bool max_forwards(const struct h1_head *h, uint64_t *n)
{
    size_t i = h1_find(h, H1_MAX_FORWARDS, 0);
    return (h->method == H1_OPTIONS || h->method == H1_TRACE) && i < h->n_fields &&
           str_digits(h1_value(h, i), INT64_MAX, n) == 0;
}

bool txn_ends_here(const struct txn *t)
{
    uint64_t n;
    return max_forwards(&t->x->head, &n) && n == 0;
}

static void put_max_forwards(struct h1_head *h, struct out *o)
{
    uint64_t n;
    if (!max_forwards(h, &n))
        return;
    h1_drop(h, H1_MAX_FORWARDS);
    OUT(o, "Max-Forwards: ");
    out_u64(o, n - 1); /* 0 has ended here */
    OUT(o, "\r\n");
}

/* A long body of a chain is offered: it is sent when this leg wants it. */
static void put_expect(struct txn *t, struct out *o)
{
    struct h1_head *h = &t->x->head;
    t->offering =
        txn_is_chain(t) && h->framing != H1_NO_BODY && !t->kept_whole && !txn_leg_is_last(t);
    if (t->continued || t->offering || h->minor == 0) /* RFC 9110 section 10.1.1 */
        h1_drop(h, H1_EXPECT);
    if (t->offering)
        OUT(o, "Expect: 100-continue\r\n");
}

static void put_leg(struct txn *t, struct out *o)
{
    uint64_t now = rt_now_ms(t->worker->loop);
    uint64_t left = t->total_due_ms > now ? t->total_due_ms - now : 1;
    struct peer_leg leg = {
        .service = t->service->name,
        .transaction = t->id,
        .scope = t->scope,
        .deadline_ms = left < PEER_LEG_DEADLINE_MAX_MS ? left : PEER_LEG_DEADLINE_MAX_MS,
    };
    OUT(o, "Cheops-Leg: ");
    peer_leg_write(&leg, o);
    OUT(o, "\r\n");
}

/* What goes to another site: the request as it was, and what it is a leg of. */
static void put_to_site(struct txn *t, struct out *o)
{
    put_host(t, NULL, o);
    put_leg(t, o);
}

/* What goes to a service of this site. */
static void put_to_service(struct txn *t, struct out *o)
{
    const struct cfg_instance *instance = cfg_instance_of(txn_cfg(t), t->service);
    put_host(t, instance, o);
    if (!txn_is_scoped(t))
        return;
    txn_remember(t);
    struct app_carriers_in in = {
        .app = txn_cfg(t)->app,
        .service = t->service,
        .with_suffix = instance->credential_checks_pass,
        .ids = t->ids,
    };
    if (t->scope_read)
        in.scope = t->scope_read->encoded;
    else if (app_scope_encode(&in.scope, t->scope, &t->x->arena) < 0)
        o->overflowed = true; /* the arena says so, too */
    app_carriers_set(&in, &t->x->head, o);
}

/* The fields of the request, as this leg gets them. */
static void put_request_fields(struct txn *t, struct out *o)
{
    struct h1_head *h = &t->x->head;
    if (txn_leg_is_local(t))
        put_to_service(t, o);
    else
        put_to_site(t, o);
    if (!t->is_leg)
        put_forwarded(t, o);
    put_max_forwards(h, o);
    put_expect(t, o);
    h1_copy_fields(h, o);
    for (size_t i = 0; i < t->carried.n_lines; i++)
        out_str(o, t->carried.lines[i]);
    if (t->gather)
        out_str(o, t->gather->lines);
    put_via(t, h->minor, o);
    if (t->traceparent.p == t->traceparent_made)
        PUT_FIELD(o, "traceparent", t->traceparent);
    put_connection(t, t->up->pool->keep_alive == HTTP_KEEP_NEVER, o);
    put_framing(o, h->framing, h->length);
    if (h->framing == H1_NO_BODY && h->has_length)
        OUT(o, "Content-Length: 0\r\n");
}

int txn_write_request_head(struct txn *t)
{
    struct h1_head *h = &t->x->head;
    struct http_conn *io = &t->up->io;
    struct h1_field marks[H1_MAX_FIELDS];
    struct out o;
    int rc = http_head_begin(io, &o);
    if (rc < 0)
        return rc;
    t->up_begin = io->bytes_out;
    out_str(&o, h->method_text);
    OUT(&o, " ");
    out_str(&o, t->target);
    OUT(&o, " HTTP/1.1\r\n");
    /* What is marked for this leg must not be missing from the next one. */
    size_t n = txn_is_chain(t) ? h->n_fields * sizeof *marks : 0;
    memcpy(marks, h->fields, n);
    put_request_fields(t, &o);
    memcpy(h->fields, marks, n);
    OUT(&o, "\r\n");
    return http_head_commit(io, &o, h->framing, h->length);
}

/* ---- answers */

/* A status has three digits. */
static void put_status_line(struct out *o, unsigned status, struct str reason)
{
    char digits[] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10),
                     (char)('0' + status % 10), ' '};
    OUT(o, "HTTP/1.1 ");
    out_str(o, (struct str){digits, sizeof digits});
    out_str(o, reason);
    OUT(o, "\r\n");
}

static bool was_tried(const struct txn *t, size_t leg)
{
    return leg < t->n_legs && (t->legs[leg].status || t->legs[leg].code);
}

void txn_put_leg_end(const struct txn_leg *leg, struct out *o)
{
    if (leg->status)
        out_u64(o, leg->status);
    else if (leg->code == ERR_SITE_DOWN)
        OUT(o, "down");
    else if (leg->code == ERR_SITE_TIMEOUT || leg->code == ERR_SERVICE_TIMEOUT)
        OUT(o, "timeout");
    else if (leg->code == ERR_SERVICE_BROKEN)
        OUT(o, "broken");
    else
        OUT(o, "refused");
}

/* "Nantes=refused, Paris=200": also those after the one whose answer is used. */
static void put_tried(struct txn *t, struct out *o)
{
    if (!was_tried(t, 0))
        return;
    OUT(o, "Cheops-Tried: ");
    for (size_t i = 0; was_tried(t, i); i++) {
        const struct txn_leg *leg = &t->legs[i];
        if (i)
            OUT(o, ", ");
        out_str(o, txn_cfg(t)->sites[leg->site].name);
        OUT(o, "=");
        txn_put_leg_end(leg, o);
    }
    OUT(o, "\r\n");
}

/* Of a list over sites: whose parts are in it, and whose are not. */
static void put_parts(struct txn *t, bool with_site, struct out *o)
{
    char memory[8192];
    struct out sites, missing;
    out_init(&sites, memory, sizeof memory);
    gather_put_sites(t, false, &sites);
    if (with_site)
        put_field(o, STR("Cheops-Site"),
                  sites.n && !sites.overflowed ? out_get(&sites)
                                               : txn_cfg(t)->sites[txn_leg_site(t)].name);
    out_init(&missing, memory, sizeof memory);
    gather_put_sites(t, true, &missing);
    if (missing.n)
        PUT_FIELD(o, "Cheops-Partial", out_get(&missing));
}

/* What the client is told about the scope (scope-lang.md section 6). */
static void put_scoped(struct txn *t, bool with_site, struct out *o)
{
    if (!txn_is_scoped(t) || t->is_leg)
        return;
    if (t->gather)
        put_parts(t, with_site, o);
    else if (with_site)
        put_field(o, STR("Cheops-Site"), txn_cfg(t)->sites[txn_leg_site(t)].name);
    if (txn_is_chain(t) && !t->gather)
        put_tried(t, o);
}

/* The client's own correlation identifier goes back in the place of the one made here. */
static void put_correlation(struct txn *t, struct h1_head *head, struct out *o)
{
    struct str name = txn_cfg(t)->app->carriers.correlation_field;
    if (!t->ids.correlation.p || !t->carried.correlation.p)
        return;
    for (size_t i = h1_find_name(head, name, 0); i < head->n_fields;
         i = h1_find_name(head, name, i + 1)) {
        if (!str_eq(h1_value(head, i), t->ids.correlation))
            continue;
        head->fields[i].drop = true;
        put_field(o, name, t->carried.correlation);
    }
}

/* A link to the client's own door gets the prefix back that was cut from the request. */
static void put_prefixed(struct txn *t, struct h1_head *head, enum h1_field_id id, struct out *o)
{
    for (size_t i = h1_find(head, id, 0); i < head->n_fields; i = h1_find(head, id, i + 1)) {
        head->fields[i].drop = true;
        out_str(o, h1_name(head, i));
        OUT(o, ": ");
        app_prefix_put_back(t->carried.prefix, t->x->head.authority, h1_value(head, i),
                            id == H1_LINK, o);
        OUT(o, "\r\n");
    }
}

/* Fields of the protocol between sites and client that a service has no business to set. */
static void drop_internal(struct txn *t, struct h1_head *head)
{
    h1_drop(head, H1_CHEOPS_LEG);
    h1_drop(head, H1_CHEOPS_SITE);
    h1_drop(head, H1_OTHER_CHEOPS);
    if (txn_leg_is_local(t))
        h1_drop(head, H1_CHEOPS_ERROR);
}

/* How the answer's body is framed towards the client, which may be an older one. */
static enum h1_framing answer_framing(struct txn *t, const struct h1_head *head)
{
    if (head->framing != H1_CHUNKED && head->framing != H1_UNTIL_CLOSE)
        return head->framing;
    if (t->x->head.minor >= 1)
        return H1_CHUNKED;
    t->x->head.keep_alive = false;
    return H1_UNTIL_CLOSE;
}

static void put_keep(struct txn *t, struct out *o)
{
    if (!http_exchange_keeps(t->x))
        OUT(o, "Connection: close\r\n");
    else if (t->x->head.minor == 0)
        OUT(o, "Connection: keep-alive\r\n");
}

int txn_write_answer_head(struct txn *t, const struct h1_head *from)
{
    struct h1_head copy = *from, *head = &copy; /* the marks on its fields are the scratch's */
    struct http_conn *io = txn_client(t);
    struct out o;
    enum h1_framing framing = answer_framing(t, head);
    int rc = http_head_begin(io, &o);
    if (rc < 0)
        return rc;
    put_status_line(&o, head->status, head->reason);
    drop_internal(t, head);
    if (t->carried.prefix.p) {
        put_prefixed(t, head, H1_LOCATION, &o);
        put_prefixed(t, head, H1_CONTENT_LOCATION, &o);
        put_prefixed(t, head, H1_LINK, &o);
    }
    put_correlation(t, head, &o);
    h1_copy_fields(head, &o);
    put_via(t, head->minor, &o);
    if (head->status != 101 && h1_find(head, H1_DATE, 0) == head->n_fields)
        PUT_FIELD(&o, "Date", rt_http_date());
    put_scoped(t, true, &o);
    if (head->status == 101) {
        OUT(&o, "Connection: upgrade\r\n");
        for (size_t i = h1_find(head, H1_UPGRADE, 0); i < head->n_fields;
             i = h1_find(head, H1_UPGRADE, i + 1))
            PUT_FIELD(&o, "Upgrade", h1_value(head, i));
    } else {
        put_keep(t, &o);
        put_framing(&o, framing, head->length);
        /* HEAD and 304 repeat the length that a GET would have (RFC 9110 section 8.6). */
        if (framing == H1_NO_BODY && head->has_length && head->status != 204)
            put_framing(&o, H1_LENGTH, head->length);
        t->keep = true;
    }
    OUT(&o, "\r\n");
    return http_head_commit(io, &o, framing, head->length);
}

int txn_write_interim(struct txn *t, const struct h1_head *from)
{
    struct http_conn *io = txn_client(t);
    struct out o;
    int rc = http_head_begin(io, &o);
    if (rc < 0)
        return rc;
    put_status_line(&o, from->status, from->reason);
    h1_copy_fields(from, &o);
    OUT(&o, "\r\n");
    rc = http_head_commit(io, &o, H1_NO_BODY, 0);
    return rc < 0 ? rc : http_flush(io);
}

static int error_status(const struct txn *t)
{
    return err_status(t->diag.code);
}

int txn_write_error(struct txn *t)
{
    struct http_conn *io = txn_client(t);
    const struct cfg *cfg = txn_cfg(t);
    struct str type;
    struct out body, o;
    char memory[APP_ERROR_BODY];
    bool is_head = t->x->head.method == H1_HEAD; /* known, too, when the rest of it is bad */
    const struct app_errors *shape = t->service ? &t->service->errors : &cfg->app->errors;
    int rc = http_head_begin(io, &o);
    if (rc < 0)
        return rc;
    out_init(&body, memory, sizeof memory);
    app_error_write(shape, &t->diag, t->diag.length || t->diag.offset ? t->scope_source : STR_NULL,
                    &body, &type);
    t->status = (unsigned)error_status(t);
    if (t->x->error)
        t->x->head.minor = 1;
    put_status_line(&o, t->status, h1_reason(t->status));
    PUT_FIELD(&o, "Date", rt_http_date());
    put_via(t, 1, &o);
    PUT_FIELD(&o, "Cheops-Error", str_of(err_name(t->diag.code)));
    put_scoped(t, false, &o);
    if (err_is_retryable(t->diag.code) && (t->status == 503 || t->status == 429))
        OUT(&o, "Retry-After: 1\r\n");
    PUT_FIELD(&o, "Content-Type", type);
    http_body_discard(io, RT_BUFFER_BYTES); /* what is here of it costs the client no connection */
    put_keep(t, &o);
    put_framing(&o, H1_LENGTH, body.n);
    OUT(&o, "\r\n");
    if (!is_head)
        out_str(&o, out_get(&body));
    t->keep = true;
    return http_head_commit(io, &o, H1_NO_BODY, 0);
}

int txn_write_options(struct txn *t)
{
    struct http_conn *io = txn_client(t);
    struct out o;
    int rc = http_head_begin(io, &o);
    if (rc < 0)
        return rc;
    t->status = 200;
    put_status_line(&o, t->status, h1_reason(t->status));
    PUT_FIELD(&o, "Date", rt_http_date());
    put_via(t, 1, &o);
    http_body_discard(io, RT_BUFFER_BYTES);
    put_keep(t, &o);
    put_framing(&o, H1_LENGTH, 0);
    OUT(&o, "\r\n");
    t->keep = true;
    return http_head_commit(io, &o, H1_NO_BODY, 0);
}
