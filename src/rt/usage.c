/* What the process uses, as the kernel says. */
#include "rt/sys.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

/* The second number of /proc/self/statm: pages. */
static uint64_t resident_pages(void)
{
    char text[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text);
    struct str rest = {text, n > 0 ? (size_t)n : 0}, size, resident;
    uint64_t pages = 0;
    if (fd >= 0)
        close(fd);
    if (!str_split(&rest, ' ', &size) || !str_split(&rest, ' ', &resident) ||
        str_digits(resident, UINT64_MAX >> 20, &pages) < 0)
        return 0;
    return pages;
}

static uint64_t count_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    uint64_t n = 0;
    if (!d)
        return 0;
    for (const struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n - 1; /* that of the folder itself */
}

static uint64_t us_of(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_usec;
}

void rt_usage(struct rt_usage *u)
{
    struct rusage used;
    struct rlimit fds;
    *u = (struct rt_usage){.open_fds = count_fds()};
    u->resident_bytes = resident_pages() * (uint64_t)sysconf(_SC_PAGESIZE);
    if (getrusage(RUSAGE_SELF, &used) == 0)
        u->cpu_us = us_of(used.ru_utime) + us_of(used.ru_stime);
    if (getrlimit(RLIMIT_NOFILE, &fds) == 0)
        u->max_fds = (uint64_t)fds.rlim_cur;
}

uint64_t rt_fds_raise(void)
{
    struct rlimit fds;
    if (getrlimit(RLIMIT_NOFILE, &fds) < 0)
        return 0;
    struct rlimit raised = {fds.rlim_max, fds.rlim_max};
    return (uint64_t)(setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : fds.rlim_cur);
}
