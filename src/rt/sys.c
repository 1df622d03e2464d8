#include "rt/sys.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <time.h>

/* ---- randomness */

static void random_bytes(void *to, size_t n)
{
    char *at = to;
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);
        CHECK(got > 0 || errno == EINTR);
        if (got > 0) {
            at += got;
            n -= (size_t)got;
        }
    }
}

void rt_random(void *to, size_t n)
{
    static _Thread_local struct {
        char bytes[512];
        size_t left; /* at the front */
    } stock;
    if (n > sizeof stock.bytes / 2) {
        random_bytes(to, n);
        return;
    }
    if (n > stock.left) {
        random_bytes(stock.bytes, sizeof stock.bytes);
        stock.left = sizeof stock.bytes;
    }
    stock.left -= n;
    memcpy(to, stock.bytes + stock.left, n);
    explicit_bzero(stock.bytes + stock.left, n); /* what was given is nobody else's */
}

/* ---- time */

static uint64_t clock_us(clockid_t clock)
{
    struct timespec t;
    CHECK(clock_gettime(clock, &t) == 0);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t rt_wall_us(void)
{
    return clock_us(CLOCK_REALTIME);
}

uint64_t rt_mono_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

struct date {
    unsigned year, month, day; /* month and day from 1 */
    unsigned weekday;          /* 0: Sunday */
    unsigned hour, minute, second;
};

/* gmtime_r without its lock. Years are counted from March, so that the leap day is the last of one;
 * 400 years have 146097 days. */
static struct date date_of(uint64_t seconds)
{
    uint64_t days = seconds / 86400, rest = seconds % 86400;
    uint64_t from_0000_03_01 = days + 719468;
    uint64_t era = from_0000_03_01 / 146097;
    unsigned day_of_era = (unsigned)(from_0000_03_01 % 146097);
    unsigned year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned month = (5 * day_of_year + 2) / 153; /* 0: March */
    return (struct date){
        .year = (unsigned)era * 400 + year_of_era + (month >= 10),
        .month = month < 10 ? month + 3 : month - 9,
        .day = day_of_year - (153 * month + 2) / 5 + 1,
        .weekday = (unsigned)((days + 4) % 7),
        .hour = (unsigned)(rest / 3600),
        .minute = (unsigned)(rest / 60 % 60),
        .second = (unsigned)(rest % 60),
    };
}

struct str rt_http_date(void)
{
    static const char weekdays[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    static _Thread_local struct {
        uint64_t second;
        struct out text;
        char bytes[32];
    } made;
    uint64_t second = clock_us(CLOCK_REALTIME_COARSE) / 1000000;
    if (second != made.second) {
        struct date t = date_of(second);
        made.second = second;
        out_init(&made.text, made.bytes, sizeof made.bytes);
        out_fmt(&made.text, "%s, %02u %s %04u %02u:%02u:%02u GMT", weekdays[t.weekday], t.day,
                months[t.month - 1], t.year, t.hour, t.minute, t.second);
    }
    return out_get(&made.text);
}

void rt_print_time(uint64_t wall_us, struct out *o)
{
    static _Thread_local struct {
        uint64_t second;
        struct out text;
        char bytes[32];
    } made;
    uint64_t second = wall_us / 1000000;
    if (second != made.second || !made.text.n) {
        struct date t = date_of(second);
        made.second = second;
        out_init(&made.text, made.bytes, sizeof made.bytes);
        out_fmt(&made.text, "%04u-%02u-%02uT%02u:%02u:%02u.", t.year, t.month, t.day, t.hour,
                t.minute, t.second);
    }
    char fraction[7];
    unsigned us = (unsigned)(wall_us % 1000000);
    for (int i = 5; i >= 0; i--, us /= 10)
        fraction[i] = (char)('0' + us % 10);
    fraction[6] = 'Z';
    out_str(o, out_get(&made.text));
    out_str(o, (struct str){fraction, sizeof fraction});
}

/* ---- threads */

/* Faults, and abort(): a thread that blocks one of these ends without its handler. */
static const int faults[] = {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS};

int rt_thread_start(pthread_t *out, const char *name, void *(*thread_main)(void *), void *context,
                    struct diag *d)
{
    sigset_t all, old;
    char own[16];
    sigfillset(&all);
    for (size_t i = 0; i < COUNT_OF(faults); i++)
        sigdelset(&all, faults[i]);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &old) == 0);
    /* It begins with the name of its maker. To name another thread takes a file of /proc, which
     * rt/confine.h keeps out of reach. */
    prctl(PR_GET_NAME, own);
    prctl(PR_SET_NAME, name);
    int e = pthread_create(out, NULL, thread_main, context);
    prctl(PR_SET_NAME, own);
    CHECK(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
    if (e)
        return diag_set(d, ERR_SYSTEM, "cannot start the thread '%s': %s", name,
                        strerrordesc_np(e));
    return 0;
}
