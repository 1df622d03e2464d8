#include "codec/date.h"

#define DATE_BYTES 29
#define DAY_S      86400

static bool take_digits(struct str text, size_t at, size_t n, unsigned most, unsigned *to)
{
    uint64_t v = 0;
    bool is_good = str_digits(str_sub(text, at, n), most, &v) == 0;
    *to = (unsigned)v;
    return is_good;
}

static bool take_month(struct str text, unsigned *month)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (*month = 0; *month < 12; ++*month)
        if (str_eq(text, (struct str){names + (size_t)*month * 3, 3}))
            return true;
    return false;
}

/* Of the years 1970 to `year`, less that one. */
static int64_t days_before(unsigned year)
{
    int64_t y = (int64_t)year - 1;
    return (y * 365 + y / 4 - y / 100 + y / 400) - 719162;
}

static unsigned days_of(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month] + (month == 1 && is_leap);
}

int date_parse(struct str text, int64_t *seconds)
{
    unsigned day, month, year, hour, minute, second;
    if (text.n != DATE_BYTES || !str_eq(str_sub(text, 3, 2), STR(", ")) || text.p[7] != ' ' ||
        text.p[11] != ' ' || text.p[16] != ' ' || text.p[19] != ':' || text.p[22] != ':' ||
        !str_eq(str_from(text, 25), STR(" GMT")))
        return ERR_INVALID;
    if (!take_digits(text, 5, 2, 31, &day) || !take_month(str_sub(text, 8, 3), &month) ||
        !take_digits(text, 12, 4, 9999, &year) || !take_digits(text, 17, 2, 23, &hour) ||
        !take_digits(text, 20, 2, 59, &minute) || !take_digits(text, 23, 2, 60, &second))
        return ERR_INVALID;
    if (year < 1970 || day == 0 || day > days_of(year, month))
        return ERR_INVALID;
    int64_t days = days_before(year) + day - 1;
    for (unsigned m = 0; m < month; m++)
        days += days_of(year, m);
    *seconds = days * DAY_S + hour * 3600 + minute * 60 + second;
    return 0;
}
