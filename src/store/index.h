/* store/index.h: which record an identifier stands for, in memory.
 *
 * One table for all loops: shards, each with a lock that is held for one look-up. It holds every
 * record that has a visible id or an identifier at this site, and follows the committed changes
 * before their batches are done.
 *
 *     struct store_found found;
 *     if (store_find(s, STR("image"), STR("image"), id, &arena, &found))
 *         use(found.local);
 */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include "store/store.h"

struct store_found {
    uint8_t record[STORE_ID_BYTES];
    enum store_state state;
    struct str visible; /* absent: none so far */
    struct str local;   /* this site's identifier; absent: none so far, or no replica here */
};

/* The record that `id` stands for at this site: the one whose local identifier it is, else the one
 * whose visible id it is. False: none; or the arena is full. */
bool store_find(const struct store *s, struct str service, struct str type, struct str id,
                struct arena *a, struct store_found *out);

#endif
