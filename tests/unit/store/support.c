#include "support.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct store *store;
struct rt_loop *loop;
struct store_config config;
struct arena arena;
static char folder[64];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    return remove(path);
}

void open_store(void)
{
    struct diag d = {0};
    if (store_open(&store, &config, &d) < 0)
        fail_msg("store_open: %s", d.message);
}

void close_store(void)
{
    store_stop(store);
    rt_loop_turn(loop, 0); /* what was still to be delivered */
    store_close(&store);
}

int begin(void **state)
{
    struct diag d = {0};
    snprintf(folder, sizeof folder, "/tmp/cheops-store-XXXXXX");
    if (!mkdtemp(folder) || rt_loop_create(&loop, &d) < 0)
        return -1;
    config = (struct store_config){.folder = folder,
                                   .site = STR("Nantes"),
                                   .max_body = 1u << 30,
                                   .blob_space = 1u << 30,
                                   .queue = 100000};
    arena_init(&arena, NULL, 0, 1u << 26);
    open_store();
    return 0;
}

int end(void **state)
{
    if (store)
        close_store();
    rt_loop_destroy(&loop);
    arena_fini(&arena);
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *path_of(const char *name)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

bool exists(const char *name)
{
    return access(path_of(name), F_OK) == 0;
}

void wait_for(const bool *flag)
{
    time_t until = time(NULL) + 60;
    while (!*flag && time(NULL) < until)
        rt_loop_turn(loop, 100);
    assert_true(*flag);
}

static void on_done(struct store_batch *b)
{
    *(bool *)b->context = true;
}

int run(struct store_batch *b)
{
    bool is_done = false;
    b->on_done = on_done;
    b->context = &is_done;
    int rc = store_submit(store, b, loop);
    if (rc < 0)
        return rc;
    assert_false(is_done); /* in a later turn */
    wait_for(&is_done);
    return b->rc;
}

int run_once(struct store_batch **b)
{
    int rc = run(*b);
    store_batch_destroy(b);
    return rc;
}

struct store_batch *batch(void)
{
    struct store_batch *b = store_batch_create(0);
    assert_non_null(b);
    return b;
}

struct str id_of(uint64_t n)
{
    static char ids[16][STORE_ID_BYTES];
    static unsigned next;
    char *id = ids[next++ % COUNT_OF(ids)];
    for (int i = 0; i < STORE_ID_BYTES; i++)
        id[i] = (char)(n >> 8 * (i % 8));
    return (struct str){id, STORE_ID_BYTES};
}

struct str str_of_u64(uint64_t n)
{
    static char texts[16][24];
    static unsigned next;
    char *text = texts[next++ % COUNT_OF(texts)];
    return (struct str){text, (size_t)snprintf(text, 24, "%llu", (unsigned long long)n)};
}

struct store_record record_of(uint64_t n, const char *visible)
{
    return (struct store_record){.record = id_of(n),
                                 .service = STR("image"),
                                 .type = STR("image"),
                                 .visible = str_of(visible),
                                 .scope = STR("{image: Nantes & Paris}")};
}

struct store_entry entry_of(uint64_t record, uint64_t n)
{
    return (struct store_entry){
        .record = id_of(record), .kind = 2, .actor = 1, .n = n, .value = STR("an operation")};
}

struct store_by_entry key_of(const struct store_entry *e)
{
    return (struct store_by_entry){e->record, e->kind, e->actor, e->n};
}
