/* admin/request.h: one request to the admin API, from its head to its answer. Internal to admin.
 *
 * A route writes the body and is done, or leaves questions to the workers behind. The answer goes
 * out when the last of them has come home, or ADMIN_GATHER_MS have passed. Control loop.
 */
#ifndef ADMIN_REQUEST_H
#define ADMIN_REQUEST_H

#include "admin/admin.h"
#include "base/list.h"

#define ADMIN_GATHER_MS 5000 /* for the workers to say what they have */
#define ADMIN_JSON      "application/json"
#define ADMIN_TEXT      "text/plain; charset=utf-8"
#define ADMIN_WRITE_MS  5000 /* for the client to take the answer */

struct admin {
    struct admin_in in;
    struct rt_listener socket;
    struct http_server server;
    struct list requests;            /* under way */
    struct admin_request *reloading; /* waits for a reload; or NULL */
    bool is_stopping;
};

struct admin_request {
    struct admin *admin;
    struct http_exchange *x;
    struct list link;
    struct rt_task task;
    struct rt_timer timer;
    struct out body;
    unsigned status;
    const char *allow; /* of a 405 */
    const char *type;  /* of the body */
    bool is_written;   /* the head is, the body is being written */
    bool is_gathering; /* of transactions */
    bool is_reloading;
    /* Questions that workers have not answered so far, and what came of the others. */
    struct list questions;
    size_t n_live, n_silent;
};

/* Gives the body room; without it the answer is a 503. For routes, before they write. */
bool admin_body(struct admin_request *r, size_t bytes);
/* Makes the answer an error, whatever was written. */
void admin_refuse(struct admin_request *r, unsigned status, const char *why);

/* POST /v1/reload. */
void admin_reload(struct admin_request *r);
/* The reload goes on, and is waited for no longer. */
void admin_end_reload(struct admin_request *r);
void admin_get_configuration(struct admin_request *r);
void admin_get_sites(struct admin_request *r);
void admin_get_explain(struct admin_request *r);
void admin_get_transactions(struct admin_request *r);
/* Those that have not answered are waited for no longer; ends the body. */
void admin_end_transactions(struct admin_request *r);

#endif
