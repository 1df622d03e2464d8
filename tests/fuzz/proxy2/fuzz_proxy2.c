/* Any bytes at the start of a connection that a proxy opens. A header that is taken is within its
 * bounds, is waited for until its last byte, and means the same whatever follows it. */
#include "fuzz.h"

#include "base/check.h"
#include "codec/proxy2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = {(const char *)data, size};
    const char *why = NULL;
    struct proxy2 p, again;
    long n = proxy2_parse(bytes, &p, &why);
    CHECK(n >= 0 || (n == ERR_BAD_REQUEST && why));
    if (n <= 0)
        return 0;
    CHECK((size_t)n <= size && n >= 16 && n <= PROXY2_MAX);
    CHECK(p.n_source == 0 || p.n_source == 4 || p.n_source == 16);
    CHECK(proxy2_parse(str_sub(bytes, 0, (size_t)n), &again, &why) == n);
    CHECK(memcmp(&p, &again, sizeof p) == 0);
    for (long cut = 0; cut < n; cut++)
        CHECK(proxy2_parse(str_sub(bytes, 0, (size_t)cut), &again, &why) == 0);
    return 0;
}
