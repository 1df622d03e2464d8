/* ctl/check.h: `cheops check`: what a site is made of, looked at once. Internal to ctl.
 *
 * First everything is asked for (cmd_check.c): the configuration is read, the daemon asked,
 * services and sites probed. Then each check of the table looks at what was found and adds rows.
 */
#ifndef CTL_CHECK_H
#define CTL_CHECK_H

#include "ctl/probe.h"
#include "ctl/scrape.h"

#include <jansson.h>

#define CHECK_WARN_DAYS 30
/* For each answer of the daemon; after one that is late it is not asked. */
#define CHECK_DAEMON_MS 3000

enum check_state { CHECK_OK, CHECK_WARNING, CHECK_FAULT, CHECK_UNKNOWN, CHECK_STATES };

struct check_row {
    struct check_row *next;
    const char *check; /* name of the check */
    enum check_state state;
    struct str subject, found, todo; /* absent todo: nothing is to be done */
};

struct check {
    struct arena *arena; /* of all texts */
    const char *name;    /* of the check that runs */
    struct check_row *first, *last;
    size_t counts[CHECK_STATES];
    uint64_t now_s; /* wall clock */

    const char *file;
    struct cfg *cfg;    /* NULL: it does not load */
    struct diag config; /* why */
    /* What the daemon answers; NULL: it was not asked, or has not answered. */
    json_t *configuration, *sites;
    struct scrape metrics; /* n 0: the same */
    struct diag daemon;    /* why it has not answered; code 0: it was not asked */
    struct probe_results probes;
    struct diag probing; /* why nothing was probed; code 0: it was */
};

/* Adds a row; `todo` may be absent. Texts are copied. */
void check_add(struct check *c, enum check_state state, struct str subject, struct str todo,
               const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The checks. All but the first run only when the configuration loads. */
void check_configuration(struct check *c);
void check_keys(struct check *c);
void check_certificates(struct check *c);
void check_carriers(struct check *c);
void check_daemon(struct check *c);
void check_limits(struct check *c);
void check_services(struct check *c);
void check_sites(struct check *c);
void check_descriptions(struct check *c);
void check_clocks(struct check *c);

/* What the daemon says of another site; NULL: nothing. */
const json_t *check_site_of(const struct check *c, size_t site);

/* ---- judgements, pure */

/* Of a time of validity, both ends in seconds since 1970. */
enum check_state check_validity(int64_t begin, int64_t end, int64_t now);
/* Of a clock that is ahead by so much, known that exactly: what is not sure is no fault. */
enum check_state check_clock(int64_t ahead_ms, uint64_t slack_ms);
/* Of descriptors: allowed, in use, and what the configuration may need. */
enum check_state check_descriptors(uint64_t allowed, uint64_t used, uint64_t needed);

#endif
