/* proxy/meter.h: what is counted of the requests, for /metrics (docs/metrics.md).
 *
 * Each worker has a meter. Its own thread counts, the control loop reads at any time
 * (base/counter.h). What is counted by service and site is counted by their numbers in a table of
 * names, which all workers share and which only grows, so that counts survive a change of the
 * configuration.
 *
 *     proxy_meter_create(&m);
 *     unsigned paris = proxy_name_number(&names.sites, STR("Paris"));
 *     proxy_meter_request(m, &(struct proxy_request_key){service, paris, PLAN_ONE, 2});
 *     … in the control loop: proxy_meter_next over m, counter_get
 */
#ifndef PROXY_METER_H
#define PROXY_METER_H

#include <pthread.h>
#include "base/counter.h"
#include "base/err.h"
#include "base/str.h"
#include "http/client.h"

#define PROXY_NAMES_MAX 256 /* services, and sites, in the life of a daemon */
#define PROXY_NAME_OTHER                                                                           \
    0 /* the number of what has no name of its own, and of all over the bound */
#define PROXY_METER_CELLS 4096 /* combinations that are counted apart; a power of two */

/* Names by number; number 0 is "". */
struct proxy_names {
    pthread_mutex_t lock;
    struct str name[PROXY_NAMES_MAX]; /* [0] stays absent; owned */
    _Atomic unsigned n;               /* the numbers 1 to n - 1 are taken */
};

struct proxy_name_tables {
    struct proxy_names services, sites;
};

void proxy_names_init(struct proxy_name_tables *t);
void proxy_names_fini(struct proxy_name_tables *t);
/* The number of a name, which gets one when it is new. Any thread; may lock. */
unsigned proxy_name_number(struct proxy_names *names, struct str name);
/* The name of a number; "" for none. Any thread. */
struct str proxy_name_of(struct proxy_names *names, unsigned number);

/* Upper bounds of the buckets of durations, in microseconds; the last bucket has none. */
#define PROXY_BUCKETS 16
extern const uint32_t proxy_bucket_us[PROXY_BUCKETS - 1];

struct proxy_histogram {
    struct counter buckets[PROXY_BUCKETS]; /* each for itself */
    struct counter sum_us;
};

/* What a request is counted under. */
struct proxy_request_key {
    uint16_t service, site; /* numbers of names */
    uint8_t plan;           /* enum plan_form; PROXY_PLAN_LEG for another site's */
    uint8_t class_;         /* of the status: 1 to 5; 0: it was never answered whole */
};

#define PROXY_PLAN_LEG 100

struct proxy_meter_cell {
    _Atomic uint64_t key; /* 0: unused */
    struct counter n;
};

struct proxy_meter {
    struct proxy_meter_cell cells[PROXY_METER_CELLS];
    struct proxy_histogram *_Atomic legs[PROXY_NAMES_MAX]; /* by site; NULL: none yet */
    struct http_gauge *_Atomic services[PROXY_NAMES_MAX];  /* by service */
    struct http_gauge *_Atomic sites[PROXY_NAMES_MAX];     /* by site */
    struct counter refused[ERR_INDEX_COUNT];   /* by code of err.def, as its place in that file */
    struct counter uncounted;                  /* requests for which there was no cell left */
    struct counter received_bytes, sent_bytes; /* payload of clients' requests and answers */
    struct counter transactions, connections;  /* as of now */
    struct counter accept_pauses, refused_connections;
};

int proxy_meter_create(struct proxy_meter **out);
void proxy_meter_destroy(struct proxy_meter **m);

/* Counts one request. */
void proxy_meter_request(struct proxy_meter *m, const struct proxy_request_key *key);
/* Counts the time of a leg at a site. */
void proxy_meter_leg(struct proxy_meter *m, unsigned site, uint64_t us);
/* Where the connections to a service or a site are counted; made on the first call. On the worker's
 * thread. NULL: there is no memory, and they are not counted. */
struct http_gauge *proxy_meter_service(struct proxy_meter *m, unsigned number);
struct http_gauge *proxy_meter_site(struct proxy_meter *m, unsigned number);

/* Walks what requests were counted under: *at begins as 0. False at the end. Any thread. */
bool proxy_meter_next(const struct proxy_meter *m, size_t *at, struct proxy_request_key *key,
                      uint64_t *n);

#endif
