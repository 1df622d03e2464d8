#include "manager.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int manager = -1, kept = -1, usual = -1;

const char *manager_open(void)
{
    static char name[64];
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int n = snprintf(name, sizeof name, "@cheops-unit-%d", (int)getpid());
    memcpy(at.sun_path + 1, name + 1, (size_t)n - 1);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(manager >= 0);
    assert_int_equal(bind(manager, (const struct sockaddr *)&at,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n)),
                     0);
    return name;
}

void manager_close(void)
{
    close(manager);
    manager = -1;
}

const char *manager_heard(void)
{
    static char text[4096];
    ssize_t n = recv(manager, text, sizeof text - 1, MSG_DONTWAIT);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

void stderr_begin(void)
{
    fflush(stderr);
    usual = dup(STDERR_FILENO);
    kept = memfd_create("stderr", MFD_CLOEXEC);
    assert_true(usual >= 0 && kept >= 0);
    assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
}

const char *stderr_end(void)
{
    static char text[4096];
    fflush(stderr);
    assert_int_equal(dup2(usual, STDERR_FILENO), STDERR_FILENO);
    ssize_t n = pread(kept, text, sizeof text - 1, 0);
    assert_true(n >= 0);
    text[n] = '\0';
    close(usual);
    close(kept);
    return text;
}
