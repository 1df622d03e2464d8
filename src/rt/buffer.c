#include "rt/loop_internal.h"

#include <stdlib.h>

/* Under AddressSanitizer none is kept, so that use after put is seen. */
#if defined(__SANITIZE_ADDRESS__)
static const size_t max_warm = 0;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
static const size_t max_warm = 0;
#else
static const size_t max_warm = RT_BUFFERS_WARM;
#endif
#else
static const size_t max_warm = RT_BUFFERS_WARM;
#endif

struct rt_buffer *rt_buffer_get(struct rt_loop *l)
{
    if (l->n_buffers >= l->max_buffers)
        return NULL;
    struct rt_buffer *b = l->free_buffers;
    if (b) {
        l->free_buffers = b->next;
        l->n_free_buffers--;
    } else if (!(b = malloc(sizeof *b))) {
        return NULL;
    }
    b->next = NULL;
    b->start = b->end = 0;
    l->n_buffers++;
    return b;
}

void rt_buffer_put(struct rt_loop *l, struct rt_buffer **out)
{
    struct rt_buffer *b = *out;
    *out = NULL;
    if (!b)
        return;
    l->n_buffers--;
    if (l->n_free_buffers >= max_warm) {
        free(b);
        return;
    }
    b->next = l->free_buffers;
    l->free_buffers = b;
    l->n_free_buffers++;
}

void rt_buffer_limit(struct rt_loop *l, size_t max)
{
    l->max_buffers = max;
}

size_t rt_buffers_in_use(const struct rt_loop *l)
{
    return l->n_buffers;
}

void rt_buffers_fini(struct rt_loop *l)
{
    while (l->free_buffers) {
        struct rt_buffer *b = l->free_buffers;
        l->free_buffers = b->next;
        free(b);
    }
    l->n_free_buffers = 0;
}
