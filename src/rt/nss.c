#include "rt/sys.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define SWITCH_FILE  "/etc/nsswitch.conf"
#define SWITCH_BYTES 16384

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* files and dns are within the C library. */
static void load(struct str service)
{
    char name[80];
    if (str_eq(service, STR("files")) || str_eq(service, STR("dns")) || service.n > 40)
        return;
    snprintf(name, sizeof name, "libnss_%.*s.so.2", STR_ARG(service));
    (void)dlopen(name, RTLD_NOW); /* one that is not there is passed over later, too */
}

/* "files mymachines [NOTFOUND=return] dns # comment" */
static void load_all(struct str services)
{
    bool is_action = false; /* within brackets */
    while (services.n && services.p[0] != '#') {
        size_t n = 0;
        while (n < services.n && is_letter(services.p[n]))
            n++;
        if (n && !is_action)
            load(str_sub(services, 0, n));
        else if (!n)
            is_action = services.p[0] == '[' || (is_action && services.p[0] != ']');
        services = str_from(services, n ? n : 1);
    }
}

void rt_nss_load(void)
{
    char memory[SWITCH_BYTES];
    int fd = open(SWITCH_FILE, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, memory, sizeof memory);
    struct str rest = {memory, n > 0 ? (size_t)n : 0}, line;
    if (fd >= 0)
        close(fd);
    while (str_split(&rest, '\n', &line)) {
        line = str_trim(line);
        if (str_starts(line, STR("hosts:")) || str_starts(line, STR("group:")))
            load_all(str_from(line, strlen("hosts:")));
    }
}
