/* Identifiers in memory. An entry is one allocation; it is reached by its identifiers through
 * shards of tagged pointers, and by its record through a table that only the store's thread sees.
 * Entries are replaced, never changed but for their state: the new one is reachable before the old
 * one is not, and who reads one holds the lock of the shard that it was found in. */
#include "base/check.h"
#include "store/internal.h"

#include <stdlib.h>

#define SHARDS     256
#define FIRST_ROOM 8 /* slots; always a power of two, and never all taken */
#define IS_LOCAL   ((uintptr_t)1)

struct kind {
    struct kind *next;
    struct str service, type;
};

struct entry {
    const struct kind *kind;
    uint8_t record[STORE_ID_BYTES];
    _Atomic uint8_t state;
    bool has_visible, has_local, is_same; /* is_same: one text, one slot */
    uint16_t visible_n, local_n;
    char text[]; /* visible, then local unless it is the same */
};

/* A hash table of tagged pointers, linear probing. */
struct table {
    uintptr_t *slots;
    size_t room, used;
};

struct shard {
    pthread_mutex_t lock;
    struct table table;
};

struct index {
    uint64_t seed, factor; /* identifiers are chosen by clients, hashes not */
    struct kind *kinds;
    struct table records;
    struct shard shards[SHARDS];
};

static const struct entry *entry_of(uintptr_t slot)
{
    return (const struct entry *)(slot & ~IS_LOCAL);
}

static struct str visible_of(const struct entry *e)
{
    return e->has_visible ? (struct str){e->text, e->visible_n} : STR_NULL;
}

static struct str local_of(const struct entry *e)
{
    if (!e->has_local)
        return STR_NULL;
    return (struct str){e->is_same ? e->text : e->text + e->visible_n, e->local_n};
}

/* ---- hashes */

static uint64_t mix(const struct index *ix, uint64_t h, struct str s)
{
    for (size_t at = 0; at < s.n; at += 8) {
        uint64_t word = 0;
        memcpy(&word, s.p + at, s.n - at < 8 ? s.n - at : 8);
        h = (h ^ word) * ix->factor;
        h ^= h >> 32;
    }
    h = (h ^ s.n) * ix->factor;
    return h ^ h >> 29;
}

static uint64_t hash_id(const struct index *ix, struct str service, struct str type, struct str id)
{
    return mix(ix, mix(ix, mix(ix, ix->seed, service), type), id);
}

static uint64_t hash_slot(const struct index *ix, uintptr_t slot)
{
    const struct entry *e = entry_of(slot);
    return hash_id(ix, e->kind->service, e->kind->type,
                   slot & IS_LOCAL ? local_of(e) : visible_of(e));
}

static uint64_t hash_record(const struct index *ix, uintptr_t slot)
{
    return mix(ix, ix->seed, (struct str){(const char *)entry_of(slot)->record, STORE_ID_BYTES});
}

typedef uint64_t slot_hash(const struct index *ix, uintptr_t slot);

/* ---- tables */

/* Where a hash begins to look; the low bits chose the shard. */
static size_t start_of(const struct table *t, uint64_t h)
{
    return h / SHARDS & (t->room - 1);
}

static void place(struct table *t, uint64_t h, uintptr_t slot)
{
    size_t at = start_of(t, h);
    while (t->slots[at])
        at = (at + 1) & (t->room - 1);
    t->slots[at] = slot;
    t->used++;
}

/* Room for one more. */
static int grow(const struct index *ix, struct table *t, slot_hash *hash)
{
    if (t->used + 1 <= t->room / 4 * 3)
        return 0;
    struct table bigger = {.room = t->room ? 2 * t->room : FIRST_ROOM};
    bigger.slots = calloc(bigger.room, sizeof *bigger.slots);
    if (!bigger.slots)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < t->room; i++)
        if (t->slots[i])
            place(&bigger, hash(ix, t->slots[i]), t->slots[i]);
    free(t->slots);
    *t = bigger;
    return 0;
}

/* Takes a slot out, and moves up what stands behind it only because it was there. */
static void take_out(const struct index *ix, struct table *t, slot_hash *hash, uintptr_t slot)
{
    size_t mask = t->room - 1, hole = start_of(t, hash(ix, slot));
    while (t->slots[hole] != slot)
        hole = (hole + 1) & mask;
    for (size_t at = (hole + 1) & mask; t->slots[at]; at = (at + 1) & mask) {
        size_t home = start_of(t, hash(ix, t->slots[at]));
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        t->slots[hole] = t->slots[at];
        hole = at;
    }
    t->slots[hole] = 0;
    t->used--;
}

static struct entry *find_record(const struct index *ix, struct str record)
{
    const struct table *t = &ix->records;
    if (!t->room || record.n != STORE_ID_BYTES)
        return NULL;
    size_t at = start_of(t, mix(ix, ix->seed, record));
    for (; t->slots[at]; at = (at + 1) & (t->room - 1))
        if (memcmp(entry_of(t->slots[at])->record, record.p, STORE_ID_BYTES) == 0)
            return (struct entry *)t->slots[at];
    return NULL;
}

/* ---- entries in their shards */

static struct shard *shard_of(struct index *ix, uint64_t h)
{
    return &ix->shards[h % SHARDS];
}

static int link_slot(struct index *ix, uintptr_t slot)
{
    uint64_t h = hash_slot(ix, slot);
    struct shard *s = shard_of(ix, h);
    CHECK(pthread_mutex_lock(&s->lock) == 0);
    int rc = grow(ix, &s->table, hash_slot);
    if (rc == 0)
        place(&s->table, h, slot);
    CHECK(pthread_mutex_unlock(&s->lock) == 0);
    return rc;
}

static void unlink_slot(struct index *ix, uintptr_t slot)
{
    struct shard *s = shard_of(ix, hash_slot(ix, slot));
    CHECK(pthread_mutex_lock(&s->lock) == 0);
    take_out(ix, &s->table, hash_slot, slot);
    CHECK(pthread_mutex_unlock(&s->lock) == 0);
}

static bool has_own_visible(const struct entry *e)
{
    return e->has_visible && !e->is_same;
}

static void unlink_entry(struct index *ix, const struct entry *e)
{
    if (has_own_visible(e))
        unlink_slot(ix, (uintptr_t)e);
    if (e->has_local)
        unlink_slot(ix, (uintptr_t)e | IS_LOCAL);
}

static int link_entry(struct index *ix, const struct entry *e)
{
    int rc = has_own_visible(e) ? link_slot(ix, (uintptr_t)e) : 0;
    if (rc == 0 && e->has_local) {
        rc = link_slot(ix, (uintptr_t)e | IS_LOCAL);
        if (rc < 0 && has_own_visible(e))
            unlink_slot(ix, (uintptr_t)e);
    }
    return rc;
}

/* ---- making */

static const struct kind *kind_of(struct index *ix, struct str service, struct str type)
{
    for (const struct kind *k = ix->kinds; k; k = k->next)
        if (str_eq(k->service, service) && str_eq(k->type, type))
            return k;
    struct kind *k = malloc(sizeof *k + service.n + type.n);
    if (!k)
        return NULL;
    char *text = (char *)(k + 1);
    if (service.n)
        memcpy(text, service.p, service.n);
    if (type.n)
        memcpy(text + service.n, type.p, type.n);
    k->service = (struct str){text, service.n};
    k->type = (struct str){text + service.n, type.n};
    k->next = ix->kinds;
    ix->kinds = k;
    return k;
}

/* An identifier that no request could carry is not looked for. */
static struct str within(struct str s)
{
    return s.n <= UINT16_MAX ? s : STR_NULL;
}

static struct entry *make_entry(const struct kind *kind, struct str record, struct str visible,
                                struct str local)
{
    visible = within(visible);
    local = within(local);
    bool is_same = visible.p && local.p && str_eq(visible, local);
    struct entry *e = malloc(sizeof *e + visible.n + (is_same ? 0 : local.n));
    if (!e)
        return NULL;
    e->kind = kind;
    memcpy(e->record, record.p, STORE_ID_BYTES);
    e->has_visible = visible.p != NULL;
    e->has_local = local.p != NULL;
    e->is_same = is_same;
    e->visible_n = (uint16_t)visible.n;
    e->local_n = (uint16_t)local.n;
    if (visible.p)
        memcpy(e->text, visible.p, visible.n);
    if (local.p && !is_same)
        memcpy(e->text + visible.n, local.p, local.n);
    return e;
}

/* Puts e where `old` (may be NULL) was; takes e. */
static int replace(struct index *ix, struct entry *e, struct entry *old)
{
    int rc = e ? 0 : ERR_NO_MEMORY;
    if (rc == 0 && !old)
        rc = grow(ix, &ix->records, hash_record);
    if (rc == 0)
        rc = link_entry(ix, e);
    if (rc < 0) {
        free(e);
        return rc;
    }
    if (old) {
        unlink_entry(ix, old);
        take_out(ix, &ix->records, hash_record, (uintptr_t)old);
        free(old);
    }
    place(&ix->records, hash_record(ix, (uintptr_t)e), (uintptr_t)e);
    return 0;
}

int index_put(struct index *ix, const struct store_record *r)
{
    const struct kind *kind = kind_of(ix, r->service, r->type);
    struct entry *old = find_record(ix, r->record);
    if (!kind)
        return ERR_NO_MEMORY;
    if (old && old->kind == kind && str_eq(visible_of(old), within(r->visible)) &&
        old->has_visible == (within(r->visible).p != NULL)) {
        atomic_store_explicit(&old->state, (uint8_t)r->state, memory_order_relaxed);
        return 0;
    }
    struct entry *e = make_entry(kind, r->record, r->visible, old ? local_of(old) : STR_NULL);
    if (e)
        atomic_init(&e->state, (uint8_t)r->state);
    return replace(ix, e, old);
}

int index_set_local(struct index *ix, struct str record, struct str local)
{
    struct entry *old = find_record(ix, record);
    if (!old || (old->has_local == (local.p != NULL) && str_eq(local_of(old), local)))
        return 0;
    struct entry *e = make_entry(old->kind, record, visible_of(old), local);
    if (e)
        atomic_init(&e->state, atomic_load_explicit(&old->state, memory_order_relaxed));
    return replace(ix, e, old);
}

void index_remove(struct index *ix, struct str record)
{
    struct entry *e = find_record(ix, record);
    if (!e)
        return;
    unlink_entry(ix, e);
    take_out(ix, &ix->records, hash_record, (uintptr_t)e);
    free(e);
}

size_t index_count(const struct index *ix)
{
    return ix->records.used;
}

int index_create(struct index **out)
{
    struct index *ix = calloc(1, sizeof *ix);
    if (!ix)
        return ERR_NO_MEMORY;
    rt_random(&ix->seed, sizeof ix->seed);
    rt_random(&ix->factor, sizeof ix->factor);
    ix->factor |= 1;
    for (size_t i = 0; i < SHARDS; i++)
        CHECK(pthread_mutex_init(&ix->shards[i].lock, NULL) == 0);
    *out = ix;
    return 0;
}

void index_destroy(struct index **ixp)
{
    struct index *ix = *ixp;
    *ixp = NULL;
    if (!ix)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        free(ix->shards[i].table.slots);
        pthread_mutex_destroy(&ix->shards[i].lock);
    }
    for (size_t i = 0; i < ix->records.room; i++)
        free((void *)ix->records.slots[i]);
    free(ix->records.slots);
    while (ix->kinds) {
        struct kind *k = ix->kinds;
        ix->kinds = k->next;
        free(k);
    }
    free(ix);
}

/* ---- looking */

static bool give(const struct entry *e, struct arena *a, struct store_found *out)
{
    memcpy(out->record, e->record, sizeof out->record);
    out->state = (enum store_state)atomic_load_explicit(&e->state, memory_order_relaxed);
    out->visible = arena_str(a, visible_of(e));
    out->local = arena_str(a, local_of(e));
    return !arena_overflowed(a);
}

static bool bears(uintptr_t slot, struct str service, struct str type, struct str id)
{
    const struct entry *e = entry_of(slot);
    return str_eq(slot & IS_LOCAL ? local_of(e) : visible_of(e), id) &&
           str_eq(e->kind->type, type) && str_eq(e->kind->service, service);
}

bool store_find(const struct store *s, struct str service, struct str type, struct str id,
                struct arena *a, struct store_found *out)
{
    struct index *ix = s->index;
    uint64_t h = hash_id(ix, service, type, id);
    struct shard *shard = shard_of(ix, h);
    const struct table *t = &shard->table;
    uintptr_t best = 0;
    CHECK(pthread_mutex_lock(&shard->lock) == 0);
    size_t at = t->room ? start_of(t, h) : 0;
    for (; t->room && t->slots[at] && !(best & IS_LOCAL); at = (at + 1) & (t->room - 1))
        if (bears(t->slots[at], service, type, id))
            best = t->slots[at];
    bool found = best && give(entry_of(best), a, out);
    CHECK(pthread_mutex_unlock(&shard->lock) == 0);
    return found;
}
