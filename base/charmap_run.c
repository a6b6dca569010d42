/* SPDX-License-Identifier: Apache-2.0 */
#include "base/charmap_step.h"

#define ONES 0x0101010101010101u
#define TOPS 0x8080808080808080u

/* In each byte of v, all of them ASCII: 0x80 where it lies from `first` to `last`. */
static uint64_t within(uint64_t v, unsigned char first, unsigned char last)
{
    return (v + ONES * (0x80u - first)) & ~(v + ONES * (0x7Fu - last)) & TOPS;
}

/* Eight bytes from 0x20 to 0x7E at a time, in one register. Returns where it stopped. */
static const unsigned char *run_ascii(const struct wm_charmap *map, const unsigned char *in,
                                      const unsigned char *end, char **out)
{
    for (uint64_t v; end - in >= 8; in += 8, *out += 8) {
        memcpy(&v, in, 8);
        if (v & TOPS || within(v, 0, 0x1F) || within(v, 0x7F, 0x7F))
            break;
        if (map->lowers)
            v |= within(v, 'A', 'Z') >> 2;
        if (map->zeroes)
            v &= ~((within(v, '0', '9') >> 7) * 0x0F);
        memcpy(*out, &v, 8);
    }
    return in;
}

static const unsigned char *run(const struct wm_charmap *map, const unsigned char *in,
                                const unsigned char *end, char **out)
{
    while (in < end) {
        if (map->simple && *in < 0x80)
            in = run_ascii(map, in, end, out);
        if (in == end)
            break;
        size_t n = wm_charmap_step(map, in, end, out);
        if (!n)
            break;
        in += n;
    }
    return in;
}

const struct wm_charmap_path wm_charmap_portable = {"portable", run};
