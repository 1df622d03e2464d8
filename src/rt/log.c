/* The log's writer. Every thread that logs has a ring of bytes that it alone fills; the writer
 * alone empties them all. A line is in a ring whole or not at all, so what lies between tail and
 * head are whole lines.
 *
 * The writer says in `state` what it does, which is also the futex that it waits on:
 *
 *   BUSY ──(nothing there)──> ASLEEP    until a line comes
 *     │ ──(has written)─────> NAPPING   for RT_LOG_DELAY_MS; lines gather, and only a ring that
 * gets │                                 half full wakes it └<────────────────────── either
 *
 * so that a thread that logs makes a system call when the writer was asleep, and none under load.
 * A line is put before `state` is looked at, and `state` set before the rings are, all in one order
 * (seq_cst): one of the two sees the other. */
#include "rt/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { BUSY, NAPPING, ASLEEP };

struct ring {
    struct ring *next;
    struct rt_log *log;
    bool is_taken; /* by a thread; guarded by log->lock */
    _Alignas(64) atomic_size_t head;
    atomic_ullong n_dropped;
    _Alignas(64) atomic_size_t tail;
    char bytes[RT_LOG_RING_BYTES];
};

struct rt_log {
    _Atomic(struct ring *) rings; /* only ever grows */
    unsigned n_rings;
    pthread_mutex_t lock; /* of taking a ring */
    pthread_key_t key;    /* each thread's ring */
    atomic_ullong n_dropped;

    atomic_uint state;
    atomic_bool is_stopping;
    atomic_int new_fd; /* to go on with; -1: none */
    pthread_t thread;

    int fd;       /* the writer's */
    bool is_torn; /* a write failed in the middle of a line */
    char *path;   /* NULL: standard error */
};

static void wake(struct rt_log *l)
{
    if (atomic_exchange(&l->state, BUSY) != BUSY)
        syscall(SYS_futex, &l->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* ---- the threads that log */

static void ring_release(void *value)
{
    struct ring *r = value;
    CHECK(pthread_mutex_lock(&r->log->lock) == 0);
    r->is_taken = false;
    CHECK(pthread_mutex_unlock(&r->log->lock) == 0);
}

/* A ring that a thread has left, or a new one; NULL: there are too many, or there is no memory. */
static struct ring *ring_take(struct rt_log *l)
{
    CHECK(pthread_mutex_lock(&l->lock) == 0);
    struct ring *r = atomic_load(&l->rings);
    while (r && r->is_taken)
        r = r->next;
    if (!r && l->n_rings < RT_LOG_RINGS && (r = aligned_alloc(64, sizeof *r))) {
        r->log = l;
        atomic_init(&r->head, 0);
        atomic_init(&r->tail, 0);
        atomic_init(&r->n_dropped, 0);
        r->next = atomic_load(&l->rings);
        l->n_rings++;
        atomic_store(&l->rings, r);
    }
    if (r && pthread_setspecific(l->key, r) != 0)
        r = NULL;
    if (r)
        r->is_taken = true;
    CHECK(pthread_mutex_unlock(&l->lock) == 0);
    return r;
}

static void ring_copy(struct ring *r, size_t at, struct str s)
{
    size_t from = at % RT_LOG_RING_BYTES;
    size_t first = RT_LOG_RING_BYTES - from < s.n ? RT_LOG_RING_BYTES - from : s.n;
    memcpy(r->bytes + from, s.p, first);
    memcpy(r->bytes, s.p + first, s.n - first);
}

void rt_log_line(struct rt_log *l, struct str line)
{
    struct ring *r = pthread_getspecific(l->key);
    if (!r && !(r = ring_take(l))) {
        atomic_fetch_add_explicit(&l->n_dropped, 1, memory_order_relaxed);
        return;
    }
    size_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    size_t used = head - atomic_load_explicit(&r->tail, memory_order_acquire);
    if (line.n > RT_LOG_LINE_BYTES || line.n + 1 > RT_LOG_RING_BYTES - used) {
        atomic_fetch_add_explicit(&r->n_dropped, 1, memory_order_relaxed);
        return;
    }
    if (line.n)
        ring_copy(r, head, line);
    ring_copy(r, head + line.n, STR("\n"));
    atomic_store(&r->head, head + line.n + 1);
    unsigned state = atomic_load(&l->state);
    if (state == ASLEEP || (state == NAPPING && used > RT_LOG_RING_BYTES / 2))
        wake(l);
}

uint64_t rt_log_dropped(struct rt_log *l)
{
    uint64_t n = atomic_load_explicit(&l->n_dropped, memory_order_relaxed);
    for (struct ring *r = atomic_load(&l->rings); r; r = r->next)
        n += atomic_load_explicit(&r->n_dropped, memory_order_relaxed);
    return n;
}

/* ---- the writer */

static void take_new_fd(struct rt_log *l)
{
    int fd = atomic_exchange(&l->new_fd, -1);
    if (fd < 0)
        return;
    close(l->fd);
    l->fd = fd;
    l->is_torn = false;
}

/* Takes n bytes off the front of the iovecs. */
static void advance(struct iovec **iov, int *count, size_t n)
{
    while (*count > 0 && n >= (*iov)->iov_len) {
        n -= (*iov)->iov_len;
        ++*iov;
        --*count;
    }
    if (*count > 0) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + n;
        (*iov)->iov_len -= n;
    }
}

static char feed[] = "\n"; /* after a torn line */

static void count_lost(struct rt_log *l, const struct iovec *iov, int count)
{
    uint64_t lost = 0;
    for (int i = 0; i < count; i++) {
        if (iov[i].iov_base == feed)
            continue;
        const char *at = iov[i].iov_base, *end = at + iov[i].iov_len;
        while ((at = memchr(at, '\n', (size_t)(end - at)))) {
            lost++;
            at++;
        }
    }
    atomic_fetch_add_explicit(&l->n_dropped, lost, memory_order_relaxed);
}

/* Writes all, or counts what could not be written. iov[0] is left free by the caller, for the
 * feed. */
static void write_lines(struct rt_log *l, struct iovec *iov, int count)
{
    iov[0] = (struct iovec){feed, l->is_torn ? 1 : 0};
    bool is_within = l->is_torn;
    while (count > 0) {
        ssize_t n = writev(l->fd, iov, count < IOV_MAX ? count : IOV_MAX);
        if (n >= 0) {
            is_within |= n > 0;
            advance(&iov, &count, (size_t)n);
        } else if (errno == EAGAIN) {
            struct pollfd p = {.fd = l->fd, .events = POLLOUT};
            (void)poll(&p, 1, 1000);
        } else if (errno != EINTR) {
            count_lost(l, iov, count);
            l->is_torn = is_within;
            return;
        }
    }
    l->is_torn = false;
}

/* Writes what is in the rings now. Returns the number of bytes. */
static size_t drain(struct rt_log *l)
{
    struct iovec iov[1 + 2 * RT_LOG_RINGS];
    struct ring *rings[RT_LOG_RINGS];
    size_t heads[RT_LOG_RINGS], total = 0;
    int count = 1, n = 0;
    for (struct ring *r = atomic_load(&l->rings); r; r = r->next) {
        size_t head = atomic_load(&r->head);
        size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
        if (head == tail)
            continue;
        size_t from = tail % RT_LOG_RING_BYTES, bytes = head - tail;
        size_t first = RT_LOG_RING_BYTES - from < bytes ? RT_LOG_RING_BYTES - from : bytes;
        iov[count++] = (struct iovec){r->bytes + from, first};
        if (first < bytes)
            iov[count++] = (struct iovec){r->bytes, bytes - first};
        rings[n] = r;
        heads[n++] = head;
        total += bytes;
    }
    if (n)
        write_lines(l, iov, count);
    for (int i = 0; i < n; i++)
        atomic_store_explicit(&rings[i]->tail, heads[i], memory_order_release);
    return total;
}

/* Something that `state` does not wait for. */
static bool has_work(struct rt_log *l, unsigned state)
{
    if (atomic_load(&l->is_stopping) || atomic_load(&l->new_fd) >= 0)
        return true;
    size_t enough = state == ASLEEP ? 0 : RT_LOG_RING_BYTES / 2;
    for (struct ring *r = atomic_load(&l->rings); r; r = r->next) {
        size_t used = atomic_load(&r->head) - atomic_load_explicit(&r->tail, memory_order_relaxed);
        if (used > enough)
            return true;
    }
    return false;
}

static void rest(struct rt_log *l, unsigned state)
{
    const struct timespec nap = {0, RT_LOG_DELAY_MS * 1000000L};
    atomic_store(&l->state, state);
    if (!has_work(l, state))
        syscall(SYS_futex, &l->state, FUTEX_WAIT_PRIVATE, state, state == ASLEEP ? NULL : &nap,
                NULL, 0);
    atomic_store(&l->state, BUSY);
}

static void *writer_main(void *context)
{
    struct rt_log *l = context;
    for (;;) {
        bool is_stopping = atomic_load(&l->is_stopping);
        take_new_fd(l);
        bool has_written = drain(l) > 0;
        if (is_stopping && !has_written)
            return NULL;
        rest(l, has_written ? NAPPING : ASLEEP);
    }
}

/* ---- opening and closing */

static int open_file(const struct rt_log *l, struct diag *d)
{
    int fd = l->path ? open(l->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640)
                     : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return diag_set(d, ERR_SYSTEM, "cannot open the log '%s': %s", l->path ? l->path : "-",
                        strerrordesc_np(errno));
    return fd;
}

int rt_log_open(struct rt_log **out, const char *path, struct diag *d)
{
    struct rt_log *l = calloc(1, sizeof *l);
    bool has_path = strcmp(path, "-") != 0;
    if (!l || (has_path && !(l->path = strdup(path))) ||
        pthread_key_create(&l->key, ring_release) != 0) {
        free(l ? l->path : NULL);
        free(l);
        return diag_set(d, ERR_NO_MEMORY, "no memory for the log '%s'", path);
    }
    atomic_init(&l->new_fd, -1);
    CHECK(pthread_mutex_init(&l->lock, NULL) == 0);
    l->fd = open_file(l, d);
    int rc = l->fd < 0 ? l->fd : rt_thread_start(&l->thread, "log", writer_main, l, d);
    if (rc < 0) {
        if (l->fd >= 0)
            close(l->fd);
        (void)pthread_key_delete(l->key);
        free(l->path);
        free(l);
        return rc;
    }
    *out = l;
    return 0;
}

void rt_log_close(struct rt_log **out)
{
    struct rt_log *l = *out;
    *out = NULL;
    if (!l)
        return;
    atomic_store(&l->is_stopping, true);
    wake(l);
    CHECK(pthread_join(l->thread, NULL) == 0);
    (void)pthread_key_delete(l->key);
    while (l->rings) {
        struct ring *r = l->rings;
        l->rings = r->next;
        free(r);
    }
    if (atomic_load(&l->new_fd) >= 0)
        close(atomic_load(&l->new_fd));
    close(l->fd);
    pthread_mutex_destroy(&l->lock);
    free(l->path);
    free(l);
}

int rt_log_reopen(struct rt_log *l, struct diag *d)
{
    if (!l->path)
        return 0;
    int fd = open_file(l, d);
    if (fd < 0)
        return fd;
    int unused = atomic_exchange(&l->new_fd, fd);
    if (unused >= 0)
        close(unused);
    wake(l);
    return 0;
}
