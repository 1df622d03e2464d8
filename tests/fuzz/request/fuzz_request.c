/* Requests, one after the other, as on a connection. The first byte says in pieces of what size
 * they come. Whatever our parser takes, llhttp must take as the same message. */
#include "fuzz.h"
#include "message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > MESSAGE_BYTES)
        return 0;
    struct str bytes = {(const char *)data + 1, size - 1};
    size_t n = 1;
    while (n && bytes.n) {
        n = message_check(MESSAGE_REQUEST, bytes, data[0]);
        bytes = str_from(bytes, n);
    }
    return 0;
}
