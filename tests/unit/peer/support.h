/* What the tests of peer share: the configuration of Nantes, which knows Lyon and Paris. */
#ifndef TESTS_PEER_SUPPORT_H
#define TESTS_PEER_SUPPORT_H

#include "../base/unit.h"

#include "peer/message.h"

enum { LYON, NANTES, PARIS, SITES };

struct world {
    struct cfg cfg;
    struct app app;
    struct app_service services[2];
    struct cfg_site sites[SITES];
    struct peer *peer;
    struct arena arena;
    struct diag d;
};

/* Plain links, no TLS. */
void world_init(struct world *w);
void world_fini(struct world *w);

/* A connection that came in on the peers' listener, and the request on it. */
struct caller {
    struct http_server_conn conn;
    struct http_exchange x;
    struct h1_field fields[16];
    struct peer_answer answer;
    size_t site;
};
void caller_init(struct caller *c);
void caller_fini(struct caller *c);
/* Lets `w` serve a request; `head` without the empty line. */
enum peer_request call(struct world *w, struct caller *c, const char *head, struct str body);
/* Says hello as `site` does, which must succeed. */
void greet(struct world *w, struct caller *c, const char *site);

#endif
