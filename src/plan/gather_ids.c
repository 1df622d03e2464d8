/* The last GATHER_IDS identifiers of a list, as keyed hashes: a ring, and chains through it. With
 * 64 bits of SipHash and a random key, two of 10 000 identifiers are taken for one in three of a
 * million million lists, and nobody can make a pair that is. */
#include "plan/gather.h"

#define NONE UINT16_MAX

struct gather_ids {
    uint64_t hashes[GATHER_IDS];
    uint16_t next[GATHER_IDS], first[GATHER_IDS];
    uint16_t at; /* of the ring: the oldest */
    bool is_full;
};
_Static_assert(GATHER_IDS < NONE && (GATHER_IDS & (GATHER_IDS - 1)) == 0,
               "an index, and a power of two");

/* ---- SipHash-2-4 (Aumasson, Bernstein 2012) */

static uint64_t turn(uint64_t v, unsigned by)
{
    return v << by | v >> (64 - by);
}

static void rounds(uint64_t v[4], int n)
{
    while (n-- > 0) {
        v[0] += v[1], v[2] += v[3];
        v[1] = turn(v[1], 13) ^ v[0], v[3] = turn(v[3], 16) ^ v[2];
        v[0] = turn(v[0], 32);
        v[2] += v[1], v[0] += v[3];
        v[1] = turn(v[1], 17) ^ v[2], v[3] = turn(v[3], 21) ^ v[0];
        v[2] = turn(v[2], 32);
    }
}

static uint64_t siphash(const uint64_t key[2], struct str s)
{
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575ull, key[1] ^ 0x646f72616e646f6dull,
                     key[0] ^ 0x6c7967656e657261ull, key[1] ^ 0x7465646279746573ull};
    for (size_t at = 0; at <= s.n; at += 8) {
        struct str word = str_sub(s, at, 8);
        uint64_t m = word.n < 8 ? (uint64_t)s.n << 56 : 0;
        for (size_t i = 0; i < word.n; i++)
            m |= (uint64_t)(unsigned char)word.p[i] << (8 * i);
        v[3] ^= m;
        rounds(v, 2);
        v[0] ^= m;
    }
    v[2] ^= 0xff;
    rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- the ring */

static uint16_t *chain_of(struct gather_ids *ids, uint64_t hash)
{
    return &ids->first[hash & (GATHER_IDS - 1)];
}

/* Takes the oldest out of its chain. */
static void forget(struct gather_ids *ids)
{
    uint16_t *at = chain_of(ids, ids->hashes[ids->at]);
    while (*at != ids->at)
        at = &ids->next[*at];
    *at = ids->next[ids->at];
}

int gather_ids_note(struct gather *g, struct str id)
{
    struct gather_ids *ids = g->ids;
    uint64_t hash = siphash(g->conf.key, id);
    if (!ids) {
        ids = g->ids = g->conf.resize(g->conf.context, NULL, sizeof *ids);
        if (!ids)
            return ERR_NO_MEMORY;
        ids->at = 0;
        ids->is_full = false;
        memset(ids->first, 0xff, sizeof ids->first);
    }
    for (uint16_t i = *chain_of(ids, hash); i != NONE; i = ids->next[i])
        if (ids->hashes[i] == hash)
            return 1;
    if (ids->is_full)
        forget(ids);
    uint16_t *first = chain_of(ids, hash);
    ids->hashes[ids->at] = hash;
    ids->next[ids->at] = *first;
    *first = ids->at;
    ids->at = (uint16_t)((ids->at + 1) & (GATHER_IDS - 1));
    ids->is_full |= ids->at == 0;
    return 0;
}
