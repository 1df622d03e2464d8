#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void (*reporter)(void);

void check_set_reporter(void (*report)(void))
{
    reporter = report;
}

void check_failed(const char *cond, const char *file, int line)
{
    char text[512];
    int n = snprintf(text, sizeof text, "cheops: a check failed: %s at %s:%d\n", cond, file, line);
    size_t bytes = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    ssize_t written = write(STDERR_FILENO, text, bytes);
    (void)written; /* else there is nowhere to say it; the core dump still will */
    void (*report)(void) = reporter;
    reporter = NULL;
    if (report)
        report();
    abort();
}
