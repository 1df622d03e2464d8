/* Any bytes as the body of a hello, and as that of a heartbeat.
 *
 * A hello that is taken is written as one that is taken as the same. A heartbeat changes the row of
 * the site that it came from, and no other cell.
 */
#include "fuzz.h"

#include "base/check.h"
#include "peer/message.h"

enum { LYON, NANTES, PARIS, SITES };

static void check_hello(struct str text)
{
    char memory[1024];
    struct peer_hello hello, again;
    struct diag d = {0};
    struct out o;
    int rc = peer_hello_read(text, &hello, &d);
    CHECK(d.code == rc && (rc == 0 || (rc == ERR_BAD_REQUEST && d.message[0])));
    if (rc < 0)
        return;
    CHECK(hello.site[0] && hello.least && hello.least <= hello.most);
    if (!hello.application[0])
        return; /* no version in common: the rest was not read */
    out_init(&o, memory, sizeof memory);
    peer_hello_write(&hello, &o);
    CHECK(!o.overflowed);
    CHECK(peer_hello_read(out_get(&o), &again, NULL) == 0);
    CHECK(memcmp(&again, &hello, sizeof again) == 0);
}

static void check_heartbeat(struct str text)
{
    static struct cfg_site sites[SITES] = {
        {.name = {"Lyon", 4}}, {.name = {"Nantes", 6}}, {.name = {"Paris", 5}}};
    struct cfg cfg = {.site = sites[NANTES].name, .sites = sites, .n_sites = SITES, .self = NANTES};
    struct peer_sites *s;
    CHECK(peer_sites_create(&s, SITES, NANTES, 1, 2, 1) == 0);
    peer_heartbeat_read(&cfg, s, PARIS, text);
    for (size_t from = 0; from < SITES; from++)
        for (size_t to = 0; to < SITES; to++)
            if (from != PARIS || from == to)
                CHECK(peer_sites_rtt_us(s, from, to) == (from == to ? 0 : PEER_RTT_UNKNOWN));
    peer_sites_destroy(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size < PEER_MESSAGE_MAX ? size : PEER_MESSAGE_MAX};
    check_hello(text);
    check_heartbeat(text);
    return 0;
}
