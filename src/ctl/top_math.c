/* The mathematics of cheops top. */
#include "ctl/top.h"

double top_rate(double before, double after, double seconds)
{
    double n = after < before ? after : after - before;
    return seconds > 0 ? n / seconds : 0;
}

double top_quantile(const struct top_bucket *buckets, size_t n, double q, bool *is_beyond)
{
    double total = n ? buckets[n - 1].count : 0, rank = q * total, from = 0, below = 0;
    *is_beyond = false;
    if (total <= 0)
        return -1;
    for (size_t i = 0; i + 1 < n; i++) {
        double inside = buckets[i].count - below;
        if (buckets[i].count >= rank && inside > 0)
            return from + (buckets[i].most - from) * (rank - below) / inside;
        from = buckets[i].most;
        below = buckets[i].count;
    }
    *is_beyond = true;
    return from;
}

/* Bytes of at most `columns` characters at the start of a line. */
static size_t bytes_of(struct str line, size_t columns)
{
    size_t i = 0;
    for (size_t chars = 0; i < line.n; i++) {
        chars += ((unsigned char)line.p[i] & 0xc0) != 0x80;
        if (chars > columns)
            break;
    }
    return i;
}

void top_clip(struct str text, size_t columns, size_t rows, struct str end, struct out *o)
{
    struct str line;
    for (size_t row = 0; row < rows && str_split(&text, '\n', &line); row++) {
        if (row)
            out_str(o, end);
        out_str(o, str_sub(line, 0, bytes_of(line, columns)));
    }
}
