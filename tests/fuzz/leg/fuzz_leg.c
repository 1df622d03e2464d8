/* Any bytes as the value of Cheops-Leg.
 *
 * What is taken is written as a value that is taken as the same, and its scope has no byte that
 * could end a field: it goes into fields of a request to a service.
 */
#include "fuzz.h"

#include "base/check.h"
#include "peer/peer.h"
#include "scope/scope.h"

static void check_again(const struct peer_leg *leg)
{
    static char memory[16384];
    struct peer_leg again;
    struct arena a;
    struct out o;
    arena_init(&a, NULL, 0, 1 << 20);
    out_init(&o, memory, sizeof memory);
    peer_leg_write(leg, &o);
    CHECK(!o.overflowed);
    CHECK(peer_leg_parse(out_get(&o), &a, &again, NULL) == 0);
    CHECK(str_eq(again.service, leg->service) && str_eq(again.scope, leg->scope));
    CHECK(again.transaction == leg->transaction && again.deadline_ms == leg->deadline_ms);
    arena_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str value = {(const char *)data, size < 8192 ? size : 8192};
    struct peer_leg leg;
    struct diag d = {0};
    struct arena a;
    arena_init(&a, NULL, 0, 1 << 20);
    int rc = peer_leg_parse(value, &a, &leg, &d);
    CHECK(d.code == rc && (rc == 0 || rc == ERR_BAD_REQUEST));
    if (rc == 0) {
        CHECK(leg.service.n && leg.deadline_ms && leg.deadline_ms <= PEER_LEG_DEADLINE_MAX_MS);
        CHECK(leg.scope.n <= SCOPE_MAX_BYTES);
        for (size_t i = 0; i < leg.scope.n; i++)
            CHECK((unsigned char)leg.scope.p[i] >= ' ' && leg.scope.p[i] != 0x7f);
        check_again(&leg);
    }
    arena_fini(&a);
    return 0;
}
