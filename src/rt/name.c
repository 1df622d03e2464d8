/* Names and their resolver. One lock guards every name and the list of those that are looked up; it
 * is held for a few instructions, never during a look-up. A name that the thread works on has a
 * reference of the thread's. */
#include "rt/sys.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RETRY_MS     1000
#define STOP_WAIT_MS 500

struct rt_name {
    struct list link; /* in resolver.names; in no list: a literal */
    unsigned refs;
    unsigned n, preferred; /* addresses */
    struct rt_address addresses[RT_NAME_ADDRESSES];
    uint64_t due_ms; /* of the next look-up */
    bool was_tried;
    char port[8];
    struct str text;
    char *host;    /* in memory; NULL: a literal */
    char memory[]; /* text and host, each with a NUL */
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* there is work, a look-up is over, the thread has ended */
    struct list names;
    unsigned refresh_ms;
    unsigned generation; /* of the thread; another one that still hangs in a look-up ends itself */
    bool is_running, has_ended;
    pthread_t thread;
} resolver = {.lock = PTHREAD_MUTEX_INITIALIZER,
              .changed = PTHREAD_COND_INITIALIZER,
              .names = {&resolver.names, &resolver.names}};

static uint64_t now_ms(void)
{
    return rt_mono_us() / 1000;
}

static void enter(void)
{
    CHECK(pthread_mutex_lock(&resolver.lock) == 0);
}

static void leave(void)
{
    CHECK(pthread_mutex_unlock(&resolver.lock) == 0);
}

/* Waits for `changed` until then at the latest (UINT64_MAX: without end). */
static void wait_until(uint64_t at_ms)
{
    if (at_ms == UINT64_MAX) {
        (void)pthread_cond_wait(&resolver.changed, &resolver.lock);
        return;
    }
    struct timespec at = {(time_t)(at_ms / 1000), (long)(at_ms % 1000) * 1000000};
    (void)pthread_cond_clockwait(&resolver.changed, &resolver.lock, CLOCK_MONOTONIC, &at);
}

/* ---- looking up */

static bool is_same(const struct rt_address *a, const struct rt_address *b)
{
    return a->len == b->len && memcmp(&a->sa, &b->sa, a->len) == 0;
}

/* Takes what was found (nothing: the old ones stay). The preferred one stays if it is among them.
 */
static void take_addresses(struct rt_name *n, const struct rt_address *found, unsigned n_found)
{
    if (!n_found)
        return;
    struct rt_address old = n->addresses[n->preferred];
    bool had = n->n > 0;
    memcpy(n->addresses, found, n_found * sizeof *found);
    n->n = n_found;
    n->preferred = 0;
    for (unsigned i = 0; had && i < n_found; i++)
        if (is_same(&n->addresses[i], &old))
            n->preferred = i;
}

static unsigned look_up(const struct rt_name *n, struct rt_address *found)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list;
    if (getaddrinfo(n->host, n->port, &hints, &list) != 0)
        return 0;
    unsigned count = 0;
    for (struct addrinfo *i = list; i && count < RT_NAME_ADDRESSES; i = i->ai_next) {
        if (i->ai_family != AF_INET && i->ai_family != AF_INET6)
            continue;
        found[count] = (struct rt_address){.len = i->ai_addrlen};
        memcpy(&found[count].sa, i->ai_addr, i->ai_addrlen);
        count++;
    }
    freeaddrinfo(list);
    return count;
}

static struct rt_name *next_due(void)
{
    struct rt_name *first = NULL;
    list_for_each (it, &resolver.names) {
        struct rt_name *n = LIST_ITEM(it, struct rt_name, link);
        if (!first || n->due_ms < first->due_ms)
            first = n;
    }
    return first;
}

/* With the lock held. */
static void unref(struct rt_name *n)
{
    if (--n->refs > 0)
        return;
    list_remove(&n->link);
    free(n);
}

/* Leaves the lock for the look-up. */
static void refresh(struct rt_name *n)
{
    struct rt_address found[RT_NAME_ADDRESSES];
    n->refs++;
    leave();
    unsigned n_found = look_up(n, found);
    enter();
    take_addresses(n, found, n_found);
    n->was_tried = true;
    bool is_late = !n->n && resolver.refresh_ms > RETRY_MS;
    n->due_ms = now_ms() + (is_late ? RETRY_MS : resolver.refresh_ms);
    unref(n);
    (void)pthread_cond_broadcast(&resolver.changed);
}

static void *resolver_main(void *context)
{
    enter();
    unsigned generation = resolver.generation;
    while (resolver.is_running && resolver.generation == generation) {
        struct rt_name *n = next_due();
        if (n && n->due_ms <= now_ms())
            refresh(n);
        else
            wait_until(n ? n->due_ms : UINT64_MAX);
    }
    if (resolver.generation == generation) {
        resolver.has_ended = true;
        (void)pthread_cond_broadcast(&resolver.changed);
    }
    leave();
    return NULL;
}

int rt_resolver_start(unsigned refresh_ms, struct diag *d)
{
    enter();
    CHECK(!resolver.is_running);
    resolver.refresh_ms = refresh_ms;
    resolver.generation++;
    resolver.is_running = true;
    resolver.has_ended = false;
    int rc = rt_thread_start(&resolver.thread, "names", resolver_main, NULL, d);
    resolver.is_running = rc == 0;
    leave();
    return rc;
}

void rt_resolver_stop(void)
{
    enter();
    if (!resolver.is_running) {
        leave();
        return;
    }
    resolver.is_running = false;
    (void)pthread_cond_broadcast(&resolver.changed);
    uint64_t until_ms = now_ms() + STOP_WAIT_MS;
    while (!resolver.has_ended && now_ms() < until_ms)
        wait_until(until_ms);
    bool has_ended = resolver.has_ended;
    leave();
    /* A look-up cannot be broken off. Its thread owns nothing but a reference, which it gives back
     * whenever it returns. */
    if (has_ended)
        (void)pthread_join(resolver.thread, NULL);
    else
        (void)pthread_detach(resolver.thread);
}

static bool is_settled(const struct rt_name *n)
{
    if (n)
        return n->was_tried;
    list_for_each (it, &resolver.names)
        if (!LIST_ITEM(it, struct rt_name, link)->was_tried)
            return false;
    return true;
}

bool rt_name_settle(const struct rt_name *n, unsigned wait_ms)
{
    uint64_t until_ms = now_ms() + wait_ms;
    enter();
    while (!is_settled(n) && now_ms() < until_ms)
        wait_until(until_ms);
    bool settled = is_settled(n);
    leave();
    return settled;
}

/* ---- names */

static struct rt_name *name_alloc(struct str text, struct str host)
{
    struct rt_name *n = calloc(1, sizeof *n + text.n + host.n + 2);
    if (!n)
        return NULL;
    list_init(&n->link);
    n->refs = 1;
    memcpy(n->memory, text.p, text.n);
    n->text = (struct str){n->memory, text.n};
    if (host.n) {
        n->host = n->memory + text.n + 1;
        memcpy(n->host, host.p, host.n);
    }
    return n;
}

static int create_literal(struct rt_name **out, struct str text, const struct rt_address *a,
                          struct diag *d)
{
    struct rt_name *n = name_alloc(text, STR_NULL);
    if (!n)
        return diag_set(d, ERR_NO_MEMORY, "no memory for a name");
    n->addresses[0] = *a;
    n->n = 1;
    n->was_tried = true;
    *out = n;
    return 0;
}

/* Letters, digits, hyphens, dots, and the underscores that some networks have. */
static bool is_host(struct str host)
{
    if (!host.n || host.n > 253 || host.p[0] == '.' || host.p[0] == '-')
        return false;
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '.' || c == '_'))
            return false;
    }
    return true;
}

int rt_name_create(struct rt_name **out, struct str host, unsigned port, struct diag *d)
{
    char mem[300];
    struct out o;
    struct rt_address literal;
    bool is_v6 = str_find(host, ':') >= 0;
    out_init(&o, mem, sizeof mem);
    out_str(&o, is_v6 ? STR("[") : STR(""));
    out_str(&o, host);
    out_str(&o, is_v6 ? STR("]:") : STR(":"));
    out_u64(&o, port);
    if (!o.overflowed && rt_address_parse(out_get(&o), &literal) == 0)
        return create_literal(out, out_get(&o), &literal, d);
    if (o.overflowed || !is_host(host) || port > 65535)
        return diag_set(d, ERR_INVALID, "'%.*s' port %u is no host name or address with a port",
                        STR_ARG(str_sub(host, 0, 100)), port);
    struct rt_name *n = name_alloc(out_get(&o), host);
    if (!n)
        return diag_set(d, ERR_NO_MEMORY, "no memory for a name");
    snprintf(n->port, sizeof n->port, "%u", port);
    enter();
    list_push(&resolver.names, &n->link);
    (void)pthread_cond_broadcast(&resolver.changed);
    leave();
    *out = n;
    return 0;
}

int rt_name_parse(struct rt_name **out, struct str text, struct diag *d)
{
    struct rt_address literal;
    if (rt_address_parse(text, &literal) == 0)
        return create_literal(out, text, &literal, d);
    ptrdiff_t colon = str_find(text, ':');
    uint64_t port;
    if (str_starts(text, STR("unix:")) || colon < 0 ||
        str_digits(str_from(text, (size_t)colon + 1), 65535, &port) < 0)
        return diag_set(d, ERR_INVALID, "'%.*s' is neither host:port nor unix:/path",
                        STR_ARG(str_sub(text, 0, 100)));
    return rt_name_create(out, str_sub(text, 0, (size_t)colon), (unsigned)port, d);
}

struct rt_name *rt_name_ref(struct rt_name *n)
{
    enter();
    n->refs++;
    leave();
    return n;
}

void rt_name_unref(struct rt_name **out)
{
    struct rt_name *n = *out;
    *out = NULL;
    if (!n)
        return;
    enter();
    unref(n);
    leave();
}

int rt_name_get(struct rt_name *n, struct rt_address *out)
{
    if (!n->host) {
        *out = n->addresses[0];
        return 0;
    }
    enter();
    int rc = n->n ? 0 : ERR_AGAIN;
    if (rc == 0)
        *out = n->addresses[n->preferred];
    leave();
    return rc;
}

bool rt_name_failed(struct rt_name *n, const struct rt_address *at)
{
    if (!n->host)
        return false;
    enter();
    /* Another connection may have found out before. */
    if (n->n && is_same(&n->addresses[n->preferred], at))
        n->preferred = (n->preferred + 1) % n->n;
    bool has_other = n->n && !is_same(&n->addresses[n->preferred], at);
    leave();
    return has_other;
}

struct str rt_name_text(const struct rt_name *n)
{
    return n->text;
}
