/* An answer. The first byte says whether the request was HEAD (its lowest bit) and in pieces of
 * what size the answer comes. Whatever our parser takes, llhttp must take as the same message. */
#include "fuzz.h"
#include "message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > MESSAGE_BYTES)
        return 0;
    struct str bytes = {(const char *)data + 1, size - 1};
    message_check(data[0] & 1 ? MESSAGE_ANSWER_TO_HEAD : MESSAGE_ANSWER, bytes, data[0] >> 1);
    return 0;
}
