/* A store in a folder of its own, and a loop that waits for its batches. */
#ifndef TEST_STORE_SUPPORT_H
#define TEST_STORE_SUPPORT_H

#include "../base/unit.h"
#include "store/store.h"

extern struct store *store;
extern struct rt_loop *loop;
extern struct store_config config; /* of the store; a test may change it between two openings */
extern struct arena arena;

/* Setup and teardown: a new folder with an open store of site "Nantes"; all of it away again. */
int begin(void **state);
int end(void **state);
void open_store(void);
void close_store(void);
/* Path of something below the store's folder; good until the next call. */
const char *path_of(const char *name);
bool exists(const char *name);

/* Submits b, waits until it is done, and gives its rc; b is still to be destroyed. */
int run(struct store_batch *b);
/* The same, and b is destroyed. */
int run_once(struct store_batch **b);
/* Turns the loop until *flag, at most for a minute. */
void wait_for(const bool *flag);
struct store_batch *batch(void);

/* A record's id made of a number; good until 16 others were made. */
struct str id_of(uint64_t n);
struct str str_of_u64(uint64_t n); /* as digits, the same */
struct store_record record_of(uint64_t n, const char *visible);
struct store_entry entry_of(uint64_t record, uint64_t n);
struct store_by_entry key_of(const struct store_entry *e);

#endif
