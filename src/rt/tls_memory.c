/* The memory of OpenSSL's records. Idle connections hold none (SSL_MODE_RELEASE_BUFFERS), so each
 * record that is read or written has a buffer of its own for a moment. malloc keeps no quick list
 * of that size: these are kept here, last in, first out, by each thread. Everything else is
 * malloc's. */
#include "rt/stream.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>

/* OpenSSL's are a little longer than the longest record, 16 KiB, with head, tag and padding. */
#define LEAST_BYTES  16384
#define RECORD_BYTES 18432
#if defined(__SANITIZE_ADDRESS__)
#define KEPT_MAX 0 /* so that use after put is seen */
#else
#define KEPT_MAX 32
#endif

struct kept {
    struct kept *next;
};

static _Thread_local struct {
    struct kept *first;
    unsigned n;
} kept;

static void *get(size_t n, const char *file, int line)
{
    if (n <= LEAST_BYTES || n > RECORD_BYTES)
        return n ? malloc(n) : NULL;
    struct kept *k = kept.first;
    if (!k)
        return malloc(RECORD_BYTES);
    kept.first = k->next;
    kept.n--;
    return k;
}

static void *resize(void *p, size_t n, const char *file, int line)
{
    return realloc(p, n);
}

/* Whatever has that size will do, whoever asked for it. */
static void put(void *p, const char *file, int line)
{
    size_t size = p ? malloc_usable_size(p) : 0;
    if (size < RECORD_BYTES || size >= RECORD_BYTES + 64 || kept.n == KEPT_MAX) {
        free(p);
        return;
    }
    struct kept *k = p;
    k->next = kept.first;
    kept.first = k;
    kept.n++;
}

void rt_tls_keep_buffers(void)
{
    (void)CRYPTO_set_mem_functions(get, resize, put);
}

void rt_tls_drop_buffers(void)
{
    while (kept.first) {
        struct kept *k = kept.first;
        kept.first = k->next;
        free(k);
    }
    kept.n = 0;
}
