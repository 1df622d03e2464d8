#include "support.h"

#include <stdio.h>

void world_init(struct world *w)
{
    static const char *const names[] = {[LYON] = "Lyon", [NANTES] = "Nantes", [PARIS] = "Paris"};
    memset(w, 0, sizeof *w);
    arena_init(&w->arena, NULL, 0, 1 << 20);
    w->services[0] = (struct app_service){.name = STR("image"), .index = 0};
    w->services[1] = (struct app_service){.name = STR("identity"), .index = 1};
    w->app = (struct app){
        .name = STR("openstack"), .services = w->services, .n_services = 2, .digest = 0xd16e57};
    for (size_t i = 0; i < SITES; i++) {
        w->sites[i].name = str_of(names[i]);
        w->sites[i].allow_kinds = ~(1u << APP_OPAQUE);
    }
    w->cfg = (struct cfg){.site = STR("Nantes"),
                          .app = &w->app,
                          .sites = w->sites,
                          .n_sites = SITES,
                          .self = NANTES,
                          .limits = {.site_connections = 3, .site_legs = 2},
                          .peers = {.is_on = true, .plain = true, .suspect_ms = 3, .down_ms = 6}};
    w->cfg.refs = 1; /* is never given back: it is not on the heap */
    assert_int_equal(peer_create(&w->peer, &w->cfg, NULL, &w->d), 0);
}

void world_fini(struct world *w)
{
    peer_unref(&w->peer);
    assert_null(w->peer);
    assert_int_equal(w->cfg.refs, 1);
    arena_fini(&w->arena);
}

void caller_init(struct caller *c)
{
    memset(c, 0, sizeof *c);
    arena_init(&c->x.arena, NULL, 0, 1 << 20);
    c->x.conn = &c->conn;
    c->site = SITES;
}

void caller_fini(struct caller *c)
{
    arena_fini(&c->x.arena);
}

enum peer_request call(struct world *w, struct caller *c, const char *head, struct str body)
{
    const char *why = "";
    struct str text = arena_printf(&c->x.arena, "%s\r\n\r\n", head);
    if (h1_request_parse(&c->x.head, text, c->fields, COUNT_OF(c->fields), &why) < 0)
        fail_msg("%s: %s", head, why);
    return peer_serve(w->peer, &c->x, body, &c->site, &c->answer);
}

void greet(struct world *w, struct caller *c, const char *site)
{
    char text[512];
    int n = snprintf(text, sizeof text,
                     "{\"site\":\"%s\",\"incarnation\":\"00000000000000aa\",\"protocol\":[1,1],"
                     "\"application\":\"openstack\",\"digest\":\"0000000000d16e57\"}",
                     site);
    assert_int_equal(
        call(w, c, "POST /cheops/hello HTTP/1.1\r\nHost: cheops", (struct str){text, (size_t)n}),
        PEER_REQUEST_ANSWERED);
    assert_int_equal(c->answer.status, 200);
}
