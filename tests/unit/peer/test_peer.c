/* Who is let in, and what is answered; both ends of a hello; `allow`. Certificates are shown by
 * tests/system/test_peers.py. */
#include "support.h"

#define HELLO     "POST /cheops/hello HTTP/1.1\r\nHost: cheops"
#define HEARTBEAT "POST /cheops/v1/heartbeat HTTP/1.1\r\nHost: cheops"
#define LEG                                                                                        \
    "GET /v2/images HTTP/1.1\r\nHost: h\r\nCheops-Leg: service=\"image\", "                        \
    "txn=\"00c0ffee00c0ffee\", scope=:e30=:, deadline=1"

static void refused(struct world *w, struct caller *c, const char *head, struct str body, int code,
                    const char *named)
{
    assert_int_equal(call(w, c, head, body), PEER_REQUEST_ANSWERED);
    assert_int_equal(c->answer.diag.code, code);
    assert_int_equal(c->answer.status, err_status(code));
    assert_true(c->answer.close);
    if (!strstr(c->answer.diag.message, named))
        fail_msg("'%s' does not name %s", c->answer.diag.message, named);
    assert_non_null(
        memmem(c->answer.body.p, c->answer.body.n, err_name(code), strlen(err_name(code))));
}

static struct str hello_of(struct caller *c, const char *site, unsigned least, unsigned most,
                           const char *application, const char *digest)
{
    return arena_printf(
        &c->x.arena,
        "{\"site\":\"%s\",\"incarnation\":\"00000000000000aa\",\"protocol\":[%u,%u],"
        "\"application\":\"%s\",\"digest\":\"%s\"}",
        site, least, most, application, digest);
}

static void test_a_hello(void **state)
{
    struct caller c;
    struct peer_hello own;
    struct world *w = *state;
    caller_init(&c);
    greet(w, &c, "Paris");
    assert_string_equal(c.conn.peer_site, "Paris");
    assert_int_equal(peer_hello_read(c.answer.body, &own, &w->d), 0);
    assert_string_equal(own.site, "Nantes");
    assert_string_equal(own.application, "openstack");
    assert_true(own.digest == 0xd16e57);
    assert_int_equal(own.least, PEER_PROTOCOL_MIN);
    assert_int_equal(own.most, PEER_PROTOCOL_MAX);
    assert_false(c.answer.close);
    caller_fini(&c);
}

static void test_hellos_that_are_refused(void **state)
{
    static const struct {
        const char *site;
        unsigned least, most;
        const char *application;
        int code;
        const char *named;
    } rows[] = {
        {"Rouen", 1, 1, "openstack", ERR_PEER_UNKNOWN, "Rouen"},
        {"paris", 1, 1, "openstack", ERR_PEER_UNKNOWN, "paris"},
        {"Nantes", 1, 1, "openstack", ERR_PEER_UNKNOWN, "Nantes"}, /* itself */
        {"Rouen", 2, 3, "openstack", ERR_PEER_UNKNOWN, "Rouen"},   /* who comes first */
        {"Paris", 2, 3, "openstack", ERR_PEER_VERSION, "Paris speaks versions 2 to 3"},
        {"Paris", 1, 1, "kubernetes", ERR_PEER_APPLICATION, "kubernetes, this site openstack"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world *w = *state;
        struct caller c;
        caller_init(&c);
        refused(w, &c, HELLO,
                hello_of(&c, rows[i].site, rows[i].least, rows[i].most, rows[i].application,
                         "0000000000d16e57"),
                rows[i].code, rows[i].named);
        assert_string_equal(c.conn.peer_site, "");
        refused(w, &c, HEARTBEAT, STR("{}"), ERR_PEER_UNKNOWN, "begins with a hello");
        caller_fini(&c);
    }
}

static void test_a_hello_that_is_malformed(void **state)
{
    struct world *w = *state;
    struct caller c;
    caller_init(&c);
    refused(w, &c, HELLO, STR(""), ERR_BAD_REQUEST, "JSON");
    refused(w, &c, HELLO, STR("{\"site\":\"Paris\"}"), ERR_BAD_REQUEST, "protocol");
    caller_fini(&c);
}

/* What a name is made of does not get into the answer as it came. */
static void test_a_name_with_control_characters(void **state)
{
    struct world *w = *state;
    struct caller c;
    caller_init(&c);
    refused(w, &c, HELLO, hello_of(&c, "Pa\\r\\nris\\\"", 1, 1, "openstack", "0000000000000000"),
            ERR_PEER_UNKNOWN, "Pa");
    for (size_t i = 0; i < c.answer.body.n; i++)
        assert_true((unsigned char)c.answer.body.p[i] >= ' ');
    caller_fini(&c);
}

/* A second hello that is refused leaves nothing of the first. */
static void test_a_second_hello(void **state)
{
    struct world *w = *state;
    struct caller c;
    caller_init(&c);
    greet(w, &c, "Paris");
    greet(w, &c, "Lyon"); /* a plain link believes it */
    assert_int_equal(call(w, &c, LEG, STR_NULL), PEER_REQUEST_LEG);
    assert_int_equal(c.site, LYON);
    refused(w, &c, HELLO, STR("{}"), ERR_BAD_REQUEST, "site");
    refused(w, &c, LEG, STR_NULL, ERR_PEER_UNKNOWN, "hello");
    caller_fini(&c);
}

static void test_nothing_before_the_hello(void **state)
{
    static const char *const heads[] = {
        HEARTBEAT,
        LEG,
        "GET /v2/images HTTP/1.1\r\nHost: h",
        "GET /cheops/hello HTTP/1.1\r\nHost: h",
        "POST /cheops/hello?x HTTP/1.1\r\nHost: h",
        "POST /cheops/hello/ HTTP/1.1\r\nHost: h",
        "POST /cheops/v1/other HTTP/1.1\r\nHost: h",
        "POST /cheops/hello HTTP/1.1\r\nHost: h\r\nCheops-Leg: x",
    };
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        struct world *w = *state;
        struct caller c;
        caller_init(&c);
        refused(w, &c, heads[i], STR("{}"), ERR_PEER_UNKNOWN, "begins with a hello");
        assert_int_equal(c.site, SITES);
        caller_fini(&c);
    }
}

static void test_after_the_hello(void **state)
{
    struct world *w = *state;
    struct caller c;
    caller_init(&c);
    greet(w, &c, "Paris");
    assert_int_equal(call(w, &c, LEG, STR_NULL), PEER_REQUEST_LEG);
    assert_int_equal(c.site, PARIS);
    assert_int_equal(call(w, &c, HEARTBEAT, STR("{\"row\":{\"Lyon\":77}}")), PEER_REQUEST_ANSWERED);
    assert_int_equal(c.answer.status, 200);
    assert_int_equal(peer_sites_rtt_us(peer_sites_of(w->peer), PARIS, LYON), 77);
    assert_non_null(memmem(c.answer.body.p, c.answer.body.n, "\"row\":{\"Lyon\"", 13));
    refused(w, &c, "GET /cheops/v1/heartbeat HTTP/1.1\r\nHost: h", STR_NULL, ERR_NOT_FOUND, "such");
    refused(w, &c, "GET /cheops/v1/crl HTTP/1.1\r\nHost: h", STR_NULL, ERR_NOT_FOUND,
            "no revocation list");
    refused(w, &c, "POST /cheops/v1/crl HTTP/1.1\r\nHost: h", STR_NULL, ERR_NOT_FOUND, "such");
    refused(w, &c, "POST /cheops/v2/heartbeat HTTP/1.1\r\nHost: h", STR("{}"), ERR_NOT_FOUND,
            "such");
    refused(w, &c, "GET /v2/images HTTP/1.1\r\nHost: h", STR_NULL, ERR_NOT_FOUND, "such");
    caller_fini(&c);
}

/* A site that went out of the configuration is not known any more, whatever its connection said. */
static void test_a_site_that_is_gone(void **state)
{
    struct world *w = *state;
    struct caller c;
    caller_init(&c);
    greet(w, &c, "Paris");
    w->sites[PARIS].name = STR("Rennes");
    refused(w, &c, LEG, STR_NULL, ERR_PEER_UNKNOWN, "Paris is no longer a site");
    caller_fini(&c);
}

static void test_a_reload_begins_with_what_is_known(void **state)
{
    struct world *w = *state;
    struct peer *old = w->peer;
    peer_sites_heard(peer_sites_of(old), PARIS, 1000);
    peer_sites_sample(peer_sites_of(old), PARIS, 700);
    struct counter *place;
    assert_int_equal(peer_leg_begin(old, PARIS, &place, NULL), 0);
    assert_int_equal(peer_create(&w->peer, &w->cfg, old, &w->d), 0);
    struct peer_sites *sites = peer_sites_of(w->peer);
    assert_int_equal(peer_sites_state(sites, PARIS), PEER_SITE_UP);
    assert_int_equal(peer_sites_heard_ms(sites, PARIS), 1000);
    assert_int_equal(peer_sites_rtt_us(sites, NANTES, PARIS), 700);
    assert_int_equal(peer_sites_rtt_us(sites, NANTES, LYON), PEER_RTT_UNKNOWN);
    assert_int_equal(peer_sites_state(sites, LYON), PEER_SITE_UNKNOWN);
    assert_int_equal(peer_legs_of(w->peer, PARIS), 1);               /* it is under way still */
    assert_true(str_eq(peer_greeting(w->peer), peer_greeting(old))); /* the same incarnation */
    peer_unref(&old);
    counter_give(place);
    assert_int_equal(peer_legs_of(w->peer, PARIS), 0);
}

static void test_which_bodies_are_read(void **state)
{
    static const struct {
        const char *head;
        bool wants;
    } rows[] = {
        {HELLO, true},
        {HEARTBEAT, true},
        {"POST /cheops/v9/x HTTP/1.1\r\nHost: h", true},
        {LEG, false},
        {"POST /cheops/hello HTTP/1.1\r\nHost: h\r\nCheops-Leg: x", false},
        {"POST /cheopsy HTTP/1.1\r\nHost: h", false},
        {"PUT /v2/images HTTP/1.1\r\nHost: h", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct caller c;
        caller_init(&c);
        call(*state, &c, rows[i].head, STR_NULL);
        assert_int_equal(peer_wants_body(&c.x), rows[i].wants);
        caller_fini(&c);
    }
}

/* ---- places */

static void end_of(struct caller *c)
{
    if (c->conn.counted)
        counter_give(c->conn.counted); /* as http does when a connection ends */
    caller_fini(c);
}

static void test_connections_of_one_site(void **state)
{
    struct world *w = *state;
    struct caller c[4], other;
    for (size_t i = 0; i < COUNT_OF(c); i++)
        caller_init(&c[i]);
    caller_init(&other);
    for (size_t i = 0; i < 3; i++)
        greet(w, &c[i], "Paris");
    greet(w, &c[0], "Paris"); /* the same one again */
    assert_int_equal(peer_connections_of(w->peer, PARIS), 3);
    struct str text = hello_of(&c[3], "Paris", 1, 1, "openstack", "0000000000d16e57");
    refused(w, &c[3], HELLO, text, ERR_OVERLOADED, "Paris has 3 connections to Nantes");
    assert_string_equal(c[3].conn.peer_site, "");
    greet(w, &other, "Lyon"); /* each site has places of its own */
    end_of(&c[0]);
    greet(w, &c[3], "Paris");
    assert_int_equal(peer_connections_of(w->peer, PARIS), 3);
    greet(w, &c[3], "Lyon"); /* goes over */
    assert_int_equal(peer_connections_of(w->peer, PARIS), 2);
    assert_int_equal(peer_connections_of(w->peer, LYON), 2);
    for (size_t i = 1; i < COUNT_OF(c); i++)
        end_of(&c[i]);
    end_of(&other);
    assert_int_equal(peer_connections_of(w->peer, PARIS), 0);
    assert_int_equal(peer_connections_of(w->peer, LYON), 0);
}

static void test_legs_of_one_site(void **state)
{
    struct world *w = *state;
    struct counter *first, *place;
    assert_int_equal(peer_leg_begin(w->peer, PARIS, &first, &w->d), 0);
    assert_int_equal(peer_leg_begin(w->peer, PARIS, &place, &w->d), 0);
    assert_int_equal(peer_leg_begin(w->peer, PARIS, &place, &w->d), ERR_OVERLOADED);
    assert_non_null(strstr(w->d.message, "Paris has 2 legs under way at Nantes"));
    assert_non_null(strstr(w->d.hint, "site_legs"));
    assert_int_equal(peer_leg_begin(w->peer, LYON, &place, &w->d), 0);
    counter_give(first);
    assert_int_equal(peer_legs_of(w->peer, PARIS), 1);
    assert_int_equal(peer_leg_begin(w->peer, PARIS, &place, &w->d), 0);
}

/* ---- descriptions */

static void test_descriptions_are_compared(void **state)
{
    struct world *w = *state;
    struct caller c;
    caller_init(&c);
    assert_int_equal(peer_description_of(w->peer, PARIS), PEER_DESCRIPTION_UNKNOWN);
    greet(w, &c, "Paris");
    assert_int_equal(peer_description_of(w->peer, PARIS), PEER_DESCRIPTION_SAME);
    assert_int_equal(
        call(w, &c, HELLO, hello_of(&c, "Paris", 1, 1, "openstack", "0000000000d16e58")),
        PEER_REQUEST_ANSWERED);
    assert_int_equal(c.answer.status, 200); /* it is shown, and refuses nothing */
    assert_int_equal(peer_description_of(w->peer, PARIS), PEER_DESCRIPTION_DIFFERS);
    assert_int_equal(peer_description_of(w->peer, LYON), PEER_DESCRIPTION_UNKNOWN);
    caller_fini(&c);
}

/* ---- the calling side */

static int greeted(struct world *w, const char *head, struct str body)
{
    struct peer_target target = {w->peer, PARIS};
    struct http_pool pool = {.context = &target};
    struct http_client_conn conn = {.pool = &pool};
    struct h1_head answer;
    struct h1_field fields[8];
    const char *why;
    struct str text = arena_printf(&w->arena, "%s\r\n\r\n", head);
    if (h1_response_parse(&answer, text, fields, 8, H1_POST, &why) < 0)
        fail_msg("%s", why);
    w->d = (struct diag){0};
    return peer_on_greeted(&conn, &answer, body, &w->d);
}

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 1"

static void test_the_answer_to_a_hello(void **state)
{
    struct caller c;
    struct world *w = *state;
    caller_init(&c);
    assert_int_equal(greeted(w, OK, hello_of(&c, "Paris", 1, 3, "openstack", "0000000000000001")),
                     0);
    assert_int_equal(peer_description_of(w->peer, PARIS), PEER_DESCRIPTION_DIFFERS);
    assert_int_equal(greeted(w, OK, hello_of(&c, "Lyon", 1, 1, "openstack", "0000000000000001")),
                     ERR_PEER_UNKNOWN);
    assert_non_null(strstr(w->d.message, "Paris: at its address Lyon answers"));
    assert_int_equal(greeted(w, OK, hello_of(&c, "Paris", 2, 2, "openstack", "0000000000000001")),
                     ERR_PEER_VERSION);
    assert_int_equal(greeted(w, OK, hello_of(&c, "Paris", 1, 1, "kubernetes", "0000000000000001")),
                     ERR_PEER_APPLICATION);
    assert_int_equal(greeted(w, OK, STR("It works!")), ERR_BAD_REQUEST);
    caller_fini(&c);
}

static void test_an_answer_that_refuses(void **state)
{
    struct world *w = *state;
    assert_int_equal(greeted(w, "HTTP/1.1 403 Forbidden\r\nCheops-Error: peer-unknown",
                             STR("{\"detail\":\"no\r\nX: y\"}")),
                     ERR_PEER_UNKNOWN);
    assert_non_null(strstr(w->d.message, "Paris: it refuses this site: 403 peer-unknown"));
    assert_null(strchr(w->d.message, '\n'));
    assert_int_equal(greeted(w, "HTTP/1.1 505 Version\r\nCheops-Error: peer-version", STR("{}")),
                     ERR_PEER_VERSION);
    assert_int_equal(greeted(w, "HTTP/1.1 503 Busy\r\nCheops-Error: overloaded", STR("{}")),
                     ERR_OVERLOADED);
    assert_int_equal(greeted(w, "HTTP/1.1 404 Not Found", STR("<html>")), ERR_PEER_UNKNOWN);
}

static void test_the_greeting(void **state)
{
    struct world *w = *state;
    struct caller c;
    struct str text = peer_greeting(w->peer);
    const char *end = memmem(text.p, text.n, "\r\n\r\n", 4);
    struct peer_hello own;
    assert_non_null(end);
    caller_init(&c);
    struct str body = str_from(text, (size_t)(end - text.p) + 4);
    assert_int_equal(peer_hello_read(body, &own, &w->d), 0);
    assert_string_equal(own.site, "Nantes");
    call(w, &c, arena_printf(&w->arena, "%.*s", (int)(end - text.p), text.p).p, body);
    assert_true(c.x.head.framing == H1_LENGTH && c.x.head.length == body.n);
    caller_fini(&c);
}

/* ---- allow */

static void test_what_is_allowed(void **state)
{
    struct world *w = *state;
    const struct app_service *image = &w->services[0], *identity = &w->services[1];
    struct cfg_site *s = &w->sites[PARIS];
    for (unsigned kind = 0; kind < APP_KINDS; kind++) { /* left out: what the description knows */
        assert_int_equal(peer_is_allowed(&w->cfg, PARIS, image, kind), kind != APP_OPAQUE);
        assert_int_equal(peer_is_allowed(&w->cfg, PARIS, identity, kind), kind != APP_OPAQUE);
    }
    s->services = &image;
    s->n_services = 1;
    s->lists_services = true;
    for (unsigned kind = 0; kind < APP_KINDS; kind++) { /* services: [image] */
        assert_int_equal(peer_is_allowed(&w->cfg, PARIS, image, kind), kind != APP_OPAQUE);
        assert_false(peer_is_allowed(&w->cfg, PARIS, identity, kind));
        assert_int_equal(peer_is_allowed(&w->cfg, LYON, identity, kind), kind != APP_OPAQUE);
    }
    s->allow_kinds = 1u << APP_READ | 1u << APP_OPAQUE;
    for (unsigned kind = 0; kind < APP_KINDS; kind++) /* kinds: [read, opaque] */
        assert_int_equal(peer_is_allowed(&w->cfg, PARIS, image, kind),
                         kind == APP_READ || kind == APP_OPAQUE);
    s->n_services = 0;
    for (unsigned kind = 0; kind < APP_KINDS; kind++) /* services: [] */
        assert_false(peer_is_allowed(&w->cfg, PARIS, image, kind));
}

static int begin(void **state)
{
    static struct world w;
    world_init(&w);
    *state = &w;
    return 0;
}

static int end(void **state)
{
    world_fini(*state);
    return 0;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_a_hello),
        TEST(test_hellos_that_are_refused),
        TEST(test_a_hello_that_is_malformed),
        TEST(test_a_name_with_control_characters),
        TEST(test_a_second_hello),
        TEST(test_nothing_before_the_hello),
        TEST(test_after_the_hello),
        TEST(test_a_site_that_is_gone),
        TEST(test_a_reload_begins_with_what_is_known),
        TEST(test_which_bodies_are_read),
        TEST(test_connections_of_one_site),
        TEST(test_legs_of_one_site),
        TEST(test_descriptions_are_compared),
        TEST(test_the_answer_to_a_hello),
        TEST(test_an_answer_that_refuses),
        TEST(test_the_greeting),
        TEST(test_what_is_allowed),
    };
    return cmocka_run_group_tests_name("peer", tests, NULL, NULL);
}
