/* The marker of a list over sites: the sites' own markers, one behind the other.
 *
 *     marker = "cheops1-" base64url( place *( "," place ) )
 *     place  = site [ "!" / ":" own marker, percent-encoded ]       "!": nothing follows there
 *
 * Neither a site's name nor an encoded marker has one of ",!:" in it. */
#include "plan/gather.h"

#include "codec/base64.h"
#include "codec/uri.h"

#define PREFIX "cheops1-"

bool gather_marker_is(struct str marker)
{
    return str_starts(marker, STR(PREFIX));
}

void gather_marker_add(struct str site, const struct gather_place *place, struct out *o)
{
    if (o->n)
        out_char(o, ',');
    out_str(o, site);
    if (place->at == GATHER_AT_END) {
        out_char(o, '!');
    } else if (place->at == GATHER_AT_MARKER) {
        out_char(o, ':');
        uri_encode(place->marker, o);
    }
}

void gather_marker_write(struct str places, struct out *o)
{
    OUT(o, PREFIX);
    base64_encode(BASE64_URL, places, o);
}

/* One place: its site, and what follows it. */
static struct str site_of(struct str place, struct str *follows)
{
    size_t n = 0;
    while (n < place.n && place.p[n] != '!' && place.p[n] != ':')
        n++;
    *follows = str_from(place, n);
    return str_sub(place, 0, n);
}

static bool is_good(struct str place)
{
    struct str follows, site = site_of(place, &follows);
    struct out none;
    out_init(&none, NULL, 0);
    if (site.n == 0)
        return false;
    if (follows.n == 0 || str_eq(follows, STR("!")))
        return true;
    return follows.p[0] == ':' && follows.n > 1 && uri_decode(str_from(follows, 1), &none) == 0;
}

int gather_marker_read(struct str marker, struct arena *arena, struct str *places)
{
    struct str rest, place;
    struct out o;
    if (!gather_marker_is(marker) || marker.n > GATHER_MARKER_MAX * 2)
        return ERR_INVALID;
    char *memory = arena_alloc(arena, marker.n);
    if (!memory || arena_overflowed(arena))
        return ERR_NO_MEMORY;
    out_init(&o, memory, marker.n);
    if (base64_decode(BASE64_URL, str_from(marker, STR(PREFIX).n), &o) < 0)
        return ERR_INVALID;
    *places = rest = out_get(&o);
    while (str_split(&rest, ',', &place))
        if (!is_good(place))
            return ERR_INVALID;
    return 0;
}

bool gather_marker_find(struct str places, struct str site, struct arena *arena,
                        struct gather_place *out)
{
    struct str place, follows;
    struct out o;
    while (str_split(&places, ',', &place)) {
        if (!str_eq(site_of(place, &follows), site))
            continue;
        *out = (struct gather_place){GATHER_AT_START, STR_NULL};
        if (follows.n == 0)
            return true;
        out->at = GATHER_AT_END;
        if (follows.p[0] == '!')
            return true;
        char *memory = arena_alloc(arena, follows.n);
        out_init(&o, memory, memory ? follows.n : 0);
        if (uri_decode(str_from(follows, 1), &o) < 0)
            return false; /* gather_marker_read has looked */
        *out = (struct gather_place){GATHER_AT_MARKER, out_get(&o)};
        return true;
    }
    return false;
}
