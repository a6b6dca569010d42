/* SPDX-License-Identifier: Apache-2.0 */
/* "did you mean": optimal string alignment distance, with early exit by length. */
#include "wetmill/option.h"

enum { WORD_MAX = 64 };

static char fold(char c)
{
    return c == '-' ? '_' : c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

static size_t distance(struct wm_str a, struct wm_str b)
{
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t k = 0; k <= b.len; k++)
        last[k] = k;
    for (size_t i = 1; i <= a.len; i++) {
        now[0] = i;
        for (size_t k = 1; k <= b.len; k++) {
            char x = fold(a.ptr[i - 1]), y = fold(b.ptr[k - 1]);
            now[k] = min3(last[k] + 1, now[k - 1] + 1, last[k - 1] + (x != y));
            bool swapped = i > 1 && k > 1 && x == fold(b.ptr[k - 2]) && y == fold(a.ptr[i - 2]);
            if (swapped && before[k - 2] + 1 < now[k])
                now[k] = before[k - 2] + 1;
        }
        size_t *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[b.len];
}

static bool starts(struct wm_str name, struct wm_str word)
{
    size_t i = 0;
    while (i < word.len && i < name.len && fold(word.ptr[i]) == fold(name.ptr[i]))
        i++;
    return i == word.len;
}

const char *wm_nearest(struct wm_str word, const char *const *names, size_t n)
{
    if (!word.len || word.len > WORD_MAX)
        return NULL;
    size_t most = 1 + word.len / 4;
    size_t least = most < word.len ? most + 1 : word.len; /* must come below */
    const char *best = NULL, *longer = NULL;
    size_t n_longer = 0;
    for (size_t i = 0; i < n; i++) {
        struct wm_str name = wm_str_of(names[i]);
        if (starts(name, word)) {
            longer = names[i];
            n_longer++;
        }
        if (name.len > WORD_MAX)
            continue;
        size_t d = distance(word, name);
        if (d < least) {
            least = d;
            best = names[i];
        }
    }
    if (best)
        return best;
    return word.len >= 3 && n_longer == 1 ? longer : NULL;
}
