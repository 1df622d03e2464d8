/* base/check.h: programming errors end the process, in production too, after a report.
 *
 * CHECK is for what no peer, client, operator or disk can cause. The report names the place; a
 * program can add what was under way (the live transactions) with check_set_reporter.
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (__builtin_expect(!(cond), 0))                                                          \
            check_failed(#cond, __FILE__, __LINE__);                                               \
    } while (0)

/* Writes the report to standard error, calls the reporter once, aborts. */
void check_failed(const char *cond, const char *file, int line) __attribute__((noreturn, cold));

/* Sets what a failing CHECK calls before it aborts; NULL: nothing. It must be safe in a signal
 * handler: no allocation, no locks. */
void check_set_reporter(void (*report)(void));

/* Entry check of objects that carry a magic number as their first member. */
#define CHECK_MAGIC(ptr, value) CHECK((ptr) && (ptr)->magic == (value))

#define COUNT_OF(a)                     (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr) - __builtin_offsetof(type, member)))

#endif
