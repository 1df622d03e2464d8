#include "rt/stream.h"

#include <arpa/inet.h>

static int parse_unix(struct str path, struct rt_address *out)
{
    struct rt_address a = {.un.sun_family = AF_UNIX};
    if (!path.n || path.n >= sizeof a.un.sun_path || memchr(path.p, '\0', path.n))
        return ERR_INVALID;
    memcpy(a.un.sun_path, path.p, path.n);
    a.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.n + 1);
    *out = a;
    return 0;
}

int rt_address_parse(struct str text, struct rt_address *out)
{
    if (str_starts(text, STR("unix:")))
        return parse_unix(str_from(text, 5), out);
    struct rt_address a = {0};
    char host[INET6_ADDRSTRLEN];
    bool is_v6 = str_starts(text, STR("["));
    ptrdiff_t end = str_find(text, is_v6 ? ']' : ':');
    if (end < 0)
        return ERR_INVALID;
    struct str h = is_v6 ? str_sub(text, 1, (size_t)end - 1) : str_sub(text, 0, (size_t)end);
    struct str rest = str_from(text, (size_t)end + is_v6);
    uint64_t port;
    if (h.n >= sizeof host || !str_starts(rest, STR(":")) ||
        str_digits(str_from(rest, 1), 65535, &port) < 0)
        return ERR_INVALID;
    memcpy(host, h.p, h.n);
    host[h.n] = '\0';
    if (is_v6) {
        a.in6.sin6_family = AF_INET6;
        a.in6.sin6_port = htons((uint16_t)port);
        a.len = sizeof a.in6;
        if (strlen(host) != h.n || inet_pton(AF_INET6, host, &a.in6.sin6_addr) != 1)
            return ERR_INVALID;
    } else {
        a.in.sin_family = AF_INET;
        a.in.sin_port = htons((uint16_t)port);
        a.len = sizeof a.in;
        if (strlen(host) != h.n || inet_pton(AF_INET, host, &a.in.sin_addr) != 1)
            return ERR_INVALID;
    }
    *out = a;
    return 0;
}

static void print_ip(const struct rt_address *a, struct out *o)
{
    char text[INET6_ADDRSTRLEN];
    const void *bytes = a->sa.sa_family == AF_INET6 ? (const void *)&a->in6.sin6_addr
                                                    : (const void *)&a->in.sin_addr;
    out_str(o, str_of(inet_ntop(a->sa.sa_family, bytes, text, sizeof text)));
}

void rt_address_print_host(const struct rt_address *a, struct out *o)
{
    if (a->sa.sa_family == AF_UNIX)
        OUT(o, "unix:");
    else if (a->len)
        print_ip(a, o);
}

void rt_address_print(const struct rt_address *a, struct out *o)
{
    switch (a->len ? a->sa.sa_family : AF_UNSPEC) {
    case AF_UNIX: {
        size_t room = a->len - offsetof(struct sockaddr_un, sun_path);
        OUT(o, "unix:");
        /* Without a path len covers the family only. */
        if (a->len > offsetof(struct sockaddr_un, sun_path))
            out_str(o, (struct str){a->un.sun_path, strnlen(a->un.sun_path, room)});
        break;
    }
    case AF_INET:
        print_ip(a, o);
        out_char(o, ':');
        out_u64(o, ntohs(a->in.sin_port));
        break;
    case AF_INET6:
        out_char(o, '[');
        print_ip(a, o);
        OUT(o, "]:");
        out_u64(o, ntohs(a->in6.sin6_port));
        break;
    default:
        OUT(o, "unknown");
    }
}

bool rt_address_is_same(const struct rt_address *a, const struct rt_address *b)
{
    return a->len && a->len == b->len && memcmp(&a->sa, &b->sa, a->len) == 0;
}

bool rt_address_is_loopback(const struct rt_address *a)
{
    if (!a->len)
        return false;
    switch (a->sa.sa_family) {
    case AF_UNIX:
        return true;
    case AF_INET:
        return ntohl(a->in.sin_addr.s_addr) >> 24 == 127;
    default:
        return IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr);
    }
}
