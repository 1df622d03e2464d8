/* A body in chunks. The first byte says in pieces of what size it comes. Whatever our decoder
 * takes, llhttp must take as the same body with the same trailers. */
#include "fuzz.h"
#include "message.h"

#define HEAD "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char bytes[MESSAGE_BYTES];
    size_t head = sizeof HEAD - 1;
    if (size == 0 || head + size - 1 > sizeof bytes)
        return 0;
    memcpy(bytes, HEAD, head);
    memcpy(bytes + head, data + 1, size - 1);
    message_check(MESSAGE_REQUEST, (struct str){bytes, head + size - 1}, data[0]);
    return 0;
}
