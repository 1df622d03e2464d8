/* rt/sys.h: randomness, wall clock, names, the log's writer. */
#ifndef RT_SYS_H
#define RT_SYS_H

#include "rt/stream.h"

/* Cryptographic randomness; ends the process when there is none. */
void rt_random(void *to, size_t n);
/* Microseconds since 1970, for logs and dates. */
uint64_t rt_wall_us(void);
/* Monotonic microseconds, for measuring. */
uint64_t rt_mono_us(void);
/* Writes an IMF-fixdate (RFC 9110 section 5.6.7), 29 bytes, cached for the second per thread. */
struct str rt_http_date(void);
/* "2026-11-24T04:10:08.123456Z" */
void rt_print_time(uint64_t wall_us, struct out *o);

/* ---- names, resolved in the background (one thread): a request never waits for DNS ------------
 */

struct rt_name; /* a host and port whose address is refreshed; reference-counted */

/* A literal address needs no resolving and is known at once; a name is handed to the resolver's
 * thread. host is without brackets. */
int rt_name_create(struct rt_name **out, struct str host, unsigned port, struct diag *d) MUST_USE;
/* "unix:/path" or "host:port". */
int rt_name_parse(struct rt_name **out, struct str text, struct diag *d) MUST_USE;
struct rt_name *rt_name_ref(struct rt_name *n);
void rt_name_unref(struct rt_name **n);
/* The last good address. ERR_AGAIN when none was found so far. Any thread. */
int rt_name_get(struct rt_name *n, struct rt_address *out) MUST_USE;
struct str rt_name_text(const struct rt_name *n); /* as configured, for messages */
/* Starts and stops the resolver's thread; names are refreshed every `refresh_s`. */
int rt_resolver_start(unsigned refresh_s, struct diag *d) MUST_USE;
void rt_resolver_stop(void);

/* ---- log: lines from many threads, written by one; never blocks a loop ------------------------
 */

struct rt_log;
/* path "-" is standard error. ERR_SYSTEM. */
int rt_log_open(struct rt_log **out, const char *path, struct diag *d) MUST_USE;
/* Flushes and ends the thread. */
void rt_log_close(struct rt_log **l);
/* One whole line without its line feed, at most 8 KiB. A full ring drops the line and counts it.
 * Any thread; each thread has a ring of its own. */
void rt_log_line(struct rt_log *l, struct str line);
/* Opens the file anew (after it was moved away). */
void rt_log_reopen(struct rt_log *l);
uint64_t rt_log_dropped(const struct rt_log *l);

#endif
