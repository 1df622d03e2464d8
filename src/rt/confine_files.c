/* Landlock, by its three system calls: Debian 12 has no library for it. */
#include "rt/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Renaming from folder to folder, which what is kept needs, came with the second (Linux 5.19). */
#define LEAST_ABI 2

/* Of later kernels than the headers know. */
#define FS_TRUNCATE  (1UL << 14) /* with ABI 3 */
#define FS_IOCTL_DEV (1UL << 15) /* with ABI 5 */

#define FS_READ   (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_CREATE (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG)
#define FS_CHANGE                                                                                  \
    (FS_READ | FS_CREATE | FS_TRUNCATE | LANDLOCK_ACCESS_FS_REFER |                                \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR)
#define FS_BIND (LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE)
/* What a file that is no folder can be given. */
#define FS_FILE (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE)

static bool is_confined;

/* Every right on files that the kernel knows: what is handled and not allowed is denied. */
static unsigned long rights_of(long abi)
{
    unsigned long all = (LANDLOCK_ACCESS_FS_REFER << 1) - 1;
    if (abi >= 3)
        all |= FS_TRUNCATE;
    if (abi >= 5)
        all |= FS_IOCTL_DEV;
    return all;
}

int rt_confine_begin(struct rt_confine *c, struct diag *d)
{
    *c = (struct rt_confine){.fd = -1};
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 0)
        return diag_set(d, ERR_UNSUPPORTED, "the kernel gives no Landlock: %s",
                        strerrordesc_np(errno));
    if (abi < LEAST_ABI)
        return diag_set(d, ERR_UNSUPPORTED,
                        "the kernel's Landlock is of version %ld, and %d is needed (Linux 5.19)",
                        abi, LEAST_ABI);
    c->handled = rights_of(abi);
    struct landlock_ruleset_attr all = {.handled_access_fs = c->handled};
    c->fd = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);
    if (c->fd < 0)
        return diag_set(d, ERR_SYSTEM, "no Landlock rules can be made: %s", strerrordesc_np(errno));
    return 0;
}

static unsigned long rights_for(unsigned rights)
{
    unsigned long fs = 0;
    fs |= rights & RT_MAY_READ ? FS_READ : 0;
    fs |= rights & RT_MAY_CREATE ? FS_CREATE : 0;
    fs |= rights & RT_MAY_CHANGE ? FS_CHANGE : 0;
    fs |= rights & RT_MAY_BIND ? FS_BIND : 0;
    return fs;
}

/* EBADFD: a pipe or the like, which Landlock leaves alone. */
static void add_rule(struct rt_confine *c, const char *path, int fd, unsigned rights)
{
    struct stat st;
    struct landlock_path_beneath_attr rule = {.parent_fd = fd,
                                              .allowed_access = rights_for(rights) & c->handled};
    if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
        rule.allowed_access &= FS_FILE;
    if (rule.allowed_access &&
        syscall(SYS_landlock_add_rule, c->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0 &&
        errno != EBADFD)
        diag_set(&c->diag, ERR_SYSTEM, "no Landlock rule can be made for %s: %s", path,
                 strerrordesc_np(errno));
}

/* Whoever opens what is not there or cannot be reached says so better. */
void rt_confine_allow(struct rt_confine *c, const char *path, unsigned rights)
{
    struct statfs fs;
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return;
    add_rule(c, path, fd, rights);
    /* A folder of /proc that nobody holds is forgotten, and made anew without its rule. */
    if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
        close(fd);
}

/* "" when it is too long. */
static void folder_of(const char *path, char *to)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash == path ? 1 : slash ? (size_t)(slash - path) : 1;
    to[0] = '\0';
    if (n < PATH_MAX) {
        memcpy(to, slash ? path : ".", n);
        to[n] = '\0';
    }
}

void rt_confine_allow_beside(struct rt_confine *c, const char *path, unsigned rights)
{
    char folder[PATH_MAX], real[PATH_MAX];
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISSOCK(st.st_mode)) {
        rt_confine_allow(c, path, rights); /* a device, say: its folder is not meant */
        return;
    }
    folder_of(path, folder);
    rt_confine_allow(c, folder, rights);
    if (realpath(path, real)) {
        folder_of(real, folder);
        rt_confine_allow(c, folder, rights);
    }
}

int rt_confine_commit(struct rt_confine *c, struct diag *d)
{
    int rc = c->diag.code;
    if (rc < 0)
        diag_set(d, rc, "%s", c->diag.message);
    else if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
             syscall(SYS_landlock_restrict_self, c->fd, 0) < 0)
        rc = diag_set(d, ERR_SYSTEM, "Landlock rules cannot be put in force: %s",
                      strerrordesc_np(errno));
    else
        is_confined = true;
    close(c->fd);
    *c = (struct rt_confine){.fd = -1};
    return rc;
}

/* ---- what was denied */

static void hint(struct diag *d)
{
    diag_hint(d, "this process may not go there since it confined itself when it started: restart "
                 "it, or use a folder that it has (confine in cheops.yaml(5))");
}

/* access(2) knows nothing of Landlock: it and open(2) disagree where Landlock alone denies. */
void rt_confine_hint_read(const char *path, struct diag *d)
{
    if (!is_confined || access(path, R_OK) < 0)
        return;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == EACCES)
        hint(d);
    if (fd >= 0)
        close(fd);
}

void rt_confine_hint_bind(const char *path, struct diag *d)
{
    char folder[PATH_MAX];
    folder_of(path, folder);
    if (is_confined && access(folder, W_OK | X_OK) == 0)
        hint(d);
}
