#include "codec/h1_scan.h"

enum { TCHAR = H1_TCHAR, HOST = H1_HOST_CHAR };

const unsigned char h1_classes[256] = {
    ['!'] = TCHAR | HOST,
    ['#'] = TCHAR,
    ['$'] = TCHAR | HOST,
    ['%'] = TCHAR | HOST,
    ['&'] = TCHAR | HOST,
    ['\''] = TCHAR | HOST,
    ['*'] = TCHAR | HOST,
    ['+'] = TCHAR | HOST,
    ['-'] = TCHAR | HOST,
    ['.'] = TCHAR | HOST,
    ['^'] = TCHAR,
    ['_'] = TCHAR | HOST,
    ['`'] = TCHAR,
    ['|'] = TCHAR,
    ['~'] = TCHAR | HOST,
    ['('] = HOST,
    [')'] = HOST,
    [','] = HOST,
    [';'] = HOST,
    ['='] = HOST,
    ['0' ... '9'] = TCHAR | HOST,
    ['A' ... 'Z'] = TCHAR | HOST,
    ['a' ... 'z'] = TCHAR | HOST,
};

bool h1_is_authority(struct str s)
{
    size_t i = 0;
    uint64_t port;
    if (s.n && s.p[0] == '[') { /* IP-literal */
        for (i = 1; i < s.n && s.p[i] != ']'; i++)
            if (!(h1_classes[(unsigned char)s.p[i]] & HOST) && s.p[i] != ':')
                return false;
        if (i < 3 || i++ == s.n)
            return false;
    } else {
        while (i < s.n && (h1_classes[(unsigned char)s.p[i]] & HOST))
            i++;
        if (i == 0)
            return false;
    }
    if (i == s.n)
        return true;
    return s.p[i] == ':' && (i + 1 == s.n || str_digits(str_from(s, i + 1), 65535, &port) == 0);
}
