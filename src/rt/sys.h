/* rt/sys.h: randomness, wall clock, threads, names, files, the log's writer. */
#ifndef RT_SYS_H
#define RT_SYS_H

#include "rt/stream.h"
#include <pthread.h>

/* Cryptographic randomness, kept in small stock per thread; ends the process when there is none. */
void rt_random(void *to, size_t n);
/* Microseconds since 1970, for logs and dates. */
uint64_t rt_wall_us(void);
/* Monotonic microseconds, for measuring. */
uint64_t rt_mono_us(void);
/* The time as an IMF-fixdate (RFC 9110 section 5.6.7), 29 bytes, made once a second per thread;
 * good until the thread's next call. */
struct str rt_http_date(void);
/* "2026-11-24T04:10:08.123456Z" */
void rt_print_time(uint64_t wall_us, struct out *o);

/* A thread in which all signals are blocked, so that they come to the one that waits for them; but
 * not those of faults, which are the thread's own.
 * `name` is at most 15 bytes. ERR_SYSTEM. */
int rt_thread_start(pthread_t *out, const char *name, void *(*main)(void *), void *context,
                    struct diag *d) MUST_USE;

/* ---- names, resolved in the background (one thread): a request never waits for DNS */

#define RT_NAME_ADDRESSES 8

/* A host and port whose addresses are refreshed; reference-counted. Any thread. */
struct rt_name;

/* A literal address needs no resolving and is known at once; a name is handed to the resolver's
 * thread. host is without brackets. ERR_INVALID, ERR_NO_MEMORY. */
int rt_name_create(struct rt_name **out, struct str host, unsigned port, struct diag *d) MUST_USE;
/* "unix:/path" or "host:port", IPv6 addresses in brackets. */
int rt_name_parse(struct rt_name **out, struct str text, struct diag *d) MUST_USE;
struct rt_name *rt_name_ref(struct rt_name *n);
void rt_name_unref(struct rt_name **n);
/* The last good address. ERR_AGAIN when none was found so far. */
int rt_name_get(struct rt_name *n, struct rt_address *out) MUST_USE;
/* Nobody takes connections at this address, which rt_name_get gave: the next of the name's
 * addresses is given from now on (localhost is often two, and a service listens on one). True:
 * there is another one, so that it makes sense to try again. */
bool rt_name_failed(struct rt_name *n, const struct rt_address *at);
struct str rt_name_text(const struct rt_name *n); /* as configured, for messages */
/* Starts and stops the resolver's thread. Names are looked up anew every `refresh_ms`, and after
 * a second when they were never found; a look-up that fails leaves the addresses as they were. Stop
 * does not wait for a look-up that hangs. */
int rt_resolver_start(unsigned refresh_ms, struct diag *d) MUST_USE;
void rt_resolver_stop(void);
/* Loads what /etc/nsswitch.conf has the C library look up hosts and groups with, so that a process
 * that confines itself (rt/confine.h), and can load no code from then on, can go on using it. */
void rt_nss_load(void);
/* Waits until the name (NULL: every one) has been looked up once; false when that takes longer than
 * wait_ms. For the start of a program. Names are looked up in the order in which they were made. */
bool rt_name_settle(const struct rt_name *n, unsigned wait_ms);

/* ---- files */

/* Writes all of data to a file, and syncs it. -1: errno says why not. */
int rt_file_write(int fd, struct str data) MUST_USE;
/* Replaces a file: written beside it, synced, renamed. It waits for the disk. ERR_SYSTEM: the file
 * is as it was, or (when only the folder cannot be synced) new and maybe gone after a power cut. */
int rt_file_replace(const char *path, unsigned mode, struct str data, struct diag *d) MUST_USE;

/* ---- what the process uses */

struct rt_usage {
    uint64_t resident_bytes, cpu_us;
    uint64_t open_fds, max_fds; /* file descriptors, and the limit that counts */
};
/* What cannot be read is 0. */
void rt_usage(struct rt_usage *u);
/* Lets this process have as many descriptors as its hard limit allows; how many that is. */
uint64_t rt_fds_raise(void);

/* ---- log: lines from many threads, written by one; never blocks a loop */

#define RT_LOG_RING_BYTES (256 * 1024) /* of each thread that logs */
#define RT_LOG_RINGS      64
#define RT_LOG_LINE_BYTES 8192

struct rt_log;
/* path "-" is standard error. ERR_SYSTEM, ERR_NO_MEMORY. */
int rt_log_open(struct rt_log **out, const char *path, struct diag *d) MUST_USE;
/* Writes what is there and ends the thread. Other threads that have logged have ended before. */
void rt_log_close(struct rt_log **l);
/* One whole line without its line feed. It is written within RT_LOG_DELAY_MS; lines of one thread
 * keep their order. A line that is too long, or finds its ring full, is dropped and counted. Any
 * thread; each has a ring of its own. */
#define RT_LOG_DELAY_MS 20
void rt_log_line(struct rt_log *l, struct str line);
/* Opens the file anew (after it was moved away); lines go there from now on. ERR_SYSTEM: it cannot
 * be opened, and the old one stays in use. */
int rt_log_reopen(struct rt_log *l, struct diag *d) MUST_USE;
/* Lines that were dropped, or that could not be written. */
uint64_t rt_log_dropped(struct rt_log *l);

#endif
