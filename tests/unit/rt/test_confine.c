/* What is given up is given up for good, so each test gives it up in a child of its own. */
#include "rt/confine.h"
#include "test_rt.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- children */

/* In a child: ends it and says where. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        errno = 0;                                                                                 \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so (%s): %s\n", __FILE__, __LINE__,                        \
                    strerrorname_np(errno), #condition);                                           \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)
#define REFUSED(call) MUST((long)(call) == -1 && errno == ENOSYS)
#define DENIED(call)  MUST((long)(call) == -1 && errno == EACCES)

/* How a child ends that runs the body: as wait(2) says. */
static int run(void (*body)(void *), void *context)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        /* cmocka's handler would have the child go on with the tests. */
        MUST(sigaction(SIGSYS, &(struct sigaction){.sa_handler = SIG_DFL}, NULL) == 0);
        body(context);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void succeed(void (*body)(void *))
{
    assert_int_equal(run(body, NULL), 0);
}

static void confine_calls(void)
{
    struct diag d = {0};
    MUST(rt_confine_calls(&d) == 0);
}

/* ---- system calls */

static void *pass(void *p)
{
    return p;
}

static void use_what_is_allowed(void *context)
{
    static const int families[] = {AF_INET, AF_INET6, AF_UNIX};
    struct addrinfo *list;
    struct rlimit fds;
    pthread_t thread;
    char name[16];
    int ends[2];
    MUST(pipe(ends) == 0);
    confine_calls();
    for (size_t i = 0; i < COUNT_OF(families); i++) {
        MUST(socket(families[i], SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) >= 0);
        MUST(socket(families[i], SOCK_DGRAM | SOCK_CLOEXEC, 0) >= 0);
    }
    MUST(write(ends[1], "x", 1) == 1 && read(ends[0], name, 1) == 1);
    MUST(open("/dev/null", O_WRONLY | O_CLOEXEC) >= 0);
    MUST(mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
         MAP_FAILED);
    MUST(prctl(PR_GET_NAME, name) == 0);
    MUST(getrlimit(RLIMIT_NOFILE, &fds) == 0);
    MUST(getaddrinfo("localhost", "80", NULL, &list) == 0);
    freeaddrinfo(list);
    MUST(pthread_create(&thread, NULL, pass, NULL) == 0 && pthread_join(thread, NULL) == 0);
}

static void test_calls_that_are_made_work(void **state)
{
    succeed(use_what_is_allowed);
}

static void try_others(void *context)
{
    struct rlimit fds;
    MUST(getrlimit(RLIMIT_NOFILE, &fds) == 0);
    void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(page != MAP_FAILED);
    confine_calls();
    REFUSED(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));
    REFUSED(socket(AF_PACKET, SOCK_DGRAM, 0));
    REFUSED(socket(AF_VSOCK, SOCK_STREAM, 0));
    REFUSED(socket(AF_ALG, SOCK_SEQPACKET, 0));
    REFUSED(socket(AF_INET, SOCK_RAW, IPPROTO_TCP));
    REFUSED(socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP));
    REFUSED(socket(AF_INET6, SOCK_STREAM, IPPROTO_MPTCP));
    REFUSED(socket(AF_UNIX, SOCK_SEQPACKET, 0));
    REFUSED(mprotect(page, 4096, PROT_READ | PROT_EXEC));
    REFUSED(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    REFUSED(syscall(SCMP_SYS(clone), SIGCHLD, 0, 0, 0, 0));
    REFUSED(syscall(SCMP_SYS(clone), CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
    REFUSED(syscall(SCMP_SYS(clone3), NULL, 0));
    REFUSED(kill(getppid(), 0));
    REFUSED(syscall(SCMP_SYS(tgkill), getppid(), getppid(), 0));
    REFUSED(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
    REFUSED(setrlimit(RLIMIT_NOFILE, &fds));
    REFUSED(chown("/", (uid_t)-1, (gid_t)-1));
    REFUSED(link("/nowhere", "/nobody"));
    REFUSED(symlink("/nowhere", "/nobody"));
    REFUSED(syscall(SCMP_SYS(seccomp), 0, 0, NULL));
}

static void test_other_calls_fail(void **state)
{
    succeed(try_others);
}

static const struct {
    int number;
    const char *name;
} never[] = {
#define CALL(name)
#define NEVER(name) {SCMP_SYS(name), #name},
#include "rt/calls.def"
};

static void make(void *number)
{
    confine_calls();
    syscall(*(const int *)number, -1L, -1L, -1L, -1L, -1L, -1L);
}

static void test_calls_that_are_never_made_end_the_process(void **state)
{
    for (size_t i = 0; i < COUNT_OF(never); i++) {
        int number = never[i].number, status = number < 0 ? 0 : run(make, &number);
        if (number >= 0 && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS))
            fail_msg("%s: %d", never[i].name, status);
    }
}

static pthread_barrier_t confined;

static void *try_in_thread(void *p)
{
    pthread_barrier_wait(&confined);
    REFUSED(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));
    MUST(socket(AF_INET, SOCK_STREAM, 0) >= 0);
    MUST(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == -1 && errno == ENOSYS);
    return p;
}

static void confine_beside_threads(void *context)
{
    pthread_t threads[4];
    MUST(pthread_barrier_init(&confined, NULL, COUNT_OF(threads) + 1) == 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        MUST(pthread_create(&threads[i], NULL, try_in_thread, NULL) == 0);
    confine_calls();
    pthread_barrier_wait(&confined);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        MUST(pthread_join(threads[i], NULL) == 0);
}

static void test_threads_that_exist_are_confined(void **state)
{
    succeed(confine_beside_threads);
}

/* ---- a kernel that lacks them */

static void take_away(int call)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    MUST(f && seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), call, 0) == 0 && seccomp_load(f) == 0);
    seccomp_release(f);
}

static void confine_without(void *context)
{
    struct rt_confine c;
    struct diag files = {0}, calls = {0};
    take_away(SCMP_SYS(landlock_create_ruleset));
    MUST(rt_confine_begin(&c, &files) == ERR_UNSUPPORTED);
    MUST(strcmp(files.message, "the kernel gives no Landlock: Function not implemented") == 0);
    take_away(SCMP_SYS(seccomp));
    MUST(rt_confine_calls(&calls) == ERR_UNSUPPORTED);
    MUST(strstr(calls.message, "the kernel takes no filter of system calls: "));
    MUST(kill(getpid(), 0) == 0); /* nothing is in force */
}

static void test_what_the_kernel_lacks_is_told(void **state)
{
    succeed(confine_without);
}

/* ---- files */

static char folder[40];

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    MUST(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
}

static int reads(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), e = errno;
    if (fd >= 0)
        close(fd);
    errno = e;
    return fd < 0 ? -1 : 0;
}

/* in/file, in/deep/file, out/file; link/file is a link to far/file. */
static int make_files(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/cheops-confine-XXXXXX");
    assert_true(mkdtemp(folder) && chdir(folder) == 0);
    static const char *const folders[] = {"in", "in/deep", "out", "link", "far"};
    for (size_t i = 0; i < COUNT_OF(folders); i++)
        assert_int_equal(mkdir(folders[i], 0700), 0);
    static const char *const files[] = {"in/file", "in/deep/file", "out/file", "far/file"};
    for (size_t i = 0; i < COUNT_OF(files); i++)
        put(files[i], "x");
    return symlink("../far/file", "link/file");
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    return remove(path);
}

static int remove_files(void **state)
{
    assert_int_equal(chdir("/"), 0);
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static bool has_landlock(void)
{
    struct rt_confine c;
    struct diag d = {0};
    if (rt_confine_begin(&c, &d) == 0) {
        close(c.fd);
        return true;
    }
    print_message("skipped: %s\n", d.message);
    return false;
}

#define NEEDS_LANDLOCK()                                                                           \
    do {                                                                                           \
        if (!has_landlock())                                                                       \
            skip();                                                                                \
    } while (0)

static void confine_to(const char *path, unsigned rights)
{
    struct rt_confine c;
    struct diag d = {0};
    MUST(rt_confine_begin(&c, &d) == 0);
    rt_confine_allow(&c, "nowhere", RT_MAY_READ);
    rt_confine_allow(&c, path, rights);
    MUST(rt_confine_commit(&c, &d) == 0 && c.fd == -1);
}

static void read_beneath(void *context)
{
    struct diag d = {0};
    confine_to("in", RT_MAY_READ);
    MUST(reads("in/file") == 0 && reads("in/deep/file") == 0 && reads("in") == 0);
    DENIED(reads("out/file"));
    DENIED(reads("out"));
    DENIED(open("in/file", O_WRONLY | O_CLOEXEC));
    DENIED(open("in/new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    DENIED(unlink("in/file"));
    DENIED(rename("in/file", "in/other"));
    DENIED(mkdir("in/folder", 0700));
    diag_set(&d, ERR_CONFIG, "out/file cannot be opened");
    rt_confine_hint_read("out/file", &d);
    MUST(strstr(d.hint, "restart it"));
    d = (struct diag){0};
    diag_set(&d, ERR_CONFIG, "in/nothing cannot be opened");
    rt_confine_hint_read("in/nothing", &d);
    rt_confine_hint_read("in/file", &d);
    MUST(!d.hint[0]);
}

static void test_reading(void **state)
{
    NEEDS_LANDLOCK();
    succeed(read_beneath);
}

/* As a log is: opened, moved away by others, opened anew. */
static void create_files(void *context)
{
    int old = open("out/file", O_WRONLY | O_APPEND | O_CLOEXEC);
    confine_to("in", RT_MAY_CREATE);
    MUST(open("in/log", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640) >= 0);
    MUST(open("in/log", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640) >= 0);
    MUST(write(old, "x", 1) == 1);
    DENIED(open("out/file", O_WRONLY | O_APPEND | O_CLOEXEC));
    DENIED(open("in/log", O_RDONLY | O_CLOEXEC));
    DENIED(unlink("in/log"));
    DENIED(mkdir("in/folder", 0700));
}

static void test_creating(void **state)
{
    NEEDS_LANDLOCK();
    succeed(create_files);
}

/* As what is kept is: beside, renamed over, from folder to folder. */
static void change_files(void *context)
{
    confine_to("in", RT_MAY_CHANGE);
    put("in/file.new", "y");
    MUST(rename("in/file.new", "in/file") == 0);
    MUST(mkdir("in/parts", 0700) == 0);
    put("in/parts/1", "z");
    MUST(rename("in/parts/1", "in/deep/1") == 0);
    MUST(unlink("in/deep/1") == 0 && rmdir("in/parts") == 0);
    MUST(truncate("in/file", 0) == 0);
    MUST(reads("in") == 0);
    DENIED(symlink("file", "in/link"));
    MUST(rename("in/file", "out/new") == -1 && (errno == EACCES || errno == EXDEV));
}

static void test_changing(void **state)
{
    NEEDS_LANDLOCK();
    succeed(change_files);
}

static int bind_at(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return bind(fd, (const struct sockaddr *)&at, sizeof at);
}

static void bind_sockets(void *context)
{
    struct diag d = {0};
    confine_to("in", RT_MAY_BIND);
    MUST(bind_at("in/socket") == 0);
    MUST(unlink("in/socket") == 0);
    MUST(bind_at("in/socket") == 0);
    DENIED(bind_at("out/socket"));
    DENIED(open("in/new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    DENIED(reads("in/file"));
    diag_set(&d, ERR_SYSTEM, "cannot listen");
    rt_confine_hint_bind("out/socket", &d);
    MUST(strstr(d.hint, "restart it"));
}

static void test_binding(void **state)
{
    NEEDS_LANDLOCK();
    succeed(bind_sockets);
}

static void read_beside(void *context)
{
    struct rt_confine c;
    struct diag d = {0};
    put("far/next", "y");
    MUST(rt_confine_begin(&c, &d) == 0);
    rt_confine_allow_beside(&c, "link/file", RT_MAY_READ);
    rt_confine_allow_beside(&c, "/dev/null", RT_MAY_CREATE);
    MUST(rt_confine_commit(&c, &d) == 0);
    MUST(reads("link/file") == 0 && reads("far/next") == 0);
    MUST(open("/dev/null", O_WRONLY | O_CLOEXEC) >= 0);
    DENIED(open("/dev/zero", O_WRONLY | O_CLOEXEC)); /* a device stands for itself alone */
    DENIED(reads("out/file"));
}

static void test_what_replaces_a_file_is_read(void **state)
{
    NEEDS_LANDLOCK();
    succeed(read_beside);
}

static void *read_outside(void *p)
{
    DENIED(reads("out/file"));
    return p;
}

static void start_thread_confined(void *context)
{
    pthread_t thread;
    confine_to("in", RT_MAY_READ);
    MUST(pthread_create(&thread, NULL, read_outside, NULL) == 0);
    MUST(pthread_join(thread, NULL) == 0);
}

static void test_threads_made_later_are_confined(void **state)
{
    NEEDS_LANDLOCK();
    succeed(start_thread_confined);
}

static void hint_freely(void *context)
{
    struct diag d = {0};
    diag_set(&d, ERR_CONFIG, "nowhere cannot be opened");
    rt_confine_hint_read("nowhere", &d);
    rt_confine_hint_bind("in/socket", &d);
    MUST(!d.hint[0]);
}

static void test_without_rules_nothing_is_hinted(void **state)
{
    succeed(hint_freely);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_that_are_made_work),
        cmocka_unit_test(test_other_calls_fail),
        cmocka_unit_test(test_calls_that_are_never_made_end_the_process),
        cmocka_unit_test(test_threads_that_exist_are_confined),
        cmocka_unit_test(test_what_the_kernel_lacks_is_told),
        cmocka_unit_test_setup_teardown(test_reading, make_files, remove_files),
        cmocka_unit_test_setup_teardown(test_creating, make_files, remove_files),
        cmocka_unit_test_setup_teardown(test_changing, make_files, remove_files),
        cmocka_unit_test_setup_teardown(test_binding, make_files, remove_files),
        cmocka_unit_test_setup_teardown(test_what_replaces_a_file_is_read, make_files,
                                        remove_files),
        cmocka_unit_test_setup_teardown(test_threads_made_later_are_confined, make_files,
                                        remove_files),
        cmocka_unit_test_setup_teardown(test_without_rules_nothing_is_hinted, make_files,
                                        remove_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
