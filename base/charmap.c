/* SPDX-License-Identifier: Apache-2.0 */
#include "base/charmap.h"

#include <stdlib.h>
#include <string.h>

#include "wetmill/utf8.h"

static struct wm_char_action as_it_is(uint32_t code)
{
    struct wm_char_action a = {{0}, 0};
    a.op = (uint8_t)wm_utf8_encode(code, a.bytes);
    return a;
}

/* A new row in which all characters of `block` stay. */
static int add_row(struct wm_charmap *map, uint32_t block, struct wm_error *err)
{
    if (map->n_blocks == map->cap_blocks) {
        size_t cap = map->cap_blocks ? map->cap_blocks * 2 : 64;
        void *more = realloc(map->action, cap * sizeof *map->action);
        if (!more)
            return wm_fail_nomem(err, cap * sizeof *map->action, "character map");
        map->action = more;
        map->cap_blocks = cap;
    }
    struct wm_char_action *row = map->action[map->n_blocks];
    for (uint32_t i = 0; i < WM_CHARMAP_BLOCK; i++)
        row[i] = as_it_is(block * WM_CHARMAP_BLOCK + i);
    map->block[block] = (uint16_t)map->n_blocks++;
    return 0;
}

struct wm_charmap *wm_charmap_new(void)
{
    struct wm_error err;
    struct wm_charmap *map = calloc(1, sizeof *map);
    if (!map)
        return NULL;
    map->growth = 1;
    /* Row 0 stands for "all stay" and is not looked into; rows 1 and 2 are ASCII. */
    for (uint32_t row = 0; row < 3; row++)
        if (add_row(map, row / 2, &err)) {
            wm_charmap_free(map);
            return NULL;
        }
    memset(map->action[0], 0, sizeof map->action[0]);
    return map;
}

void wm_charmap_free(struct wm_charmap *map)
{
    if (!map)
        return;
    free(map->action);
    free(map);
}

int wm_charmap_set(struct wm_charmap *map, uint32_t code, struct wm_char_action action,
                   struct wm_error *err)
{
    uint32_t block = code / WM_CHARMAP_BLOCK;
    int status = map->block[block] ? 0 : add_row(map, block, err);
    if (status)
        return status;
    map->action[map->block[block]][code % WM_CHARMAP_BLOCK] = action;
    if (action.op < WM_CHARMAP_ASK) {
        size_t before = as_it_is(code).op, growth = (action.op + before - 1) / before;
        map->growth = growth > map->growth ? growth : map->growth;
    }
    return 0;
}

void wm_charmap_share(struct wm_charmap *map, uint32_t from, uint32_t to)
{
    map->block[to] = map->block[from];
}

/* All of the characters `first` to `last`. */
static bool all_stay(const struct wm_charmap *map, uint32_t first, uint32_t last)
{
    for (uint32_t c = first; c <= last; c++) {
        uint16_t row = map->block[c / WM_CHARMAP_BLOCK];
        if (!row) {
            c |= WM_CHARMAP_BLOCK - 1;
            continue;
        }
        struct wm_char_action same = as_it_is(c);
        if (memcmp(&same, &map->action[row][c % WM_CHARMAP_BLOCK], sizeof same) != 0)
            return false;
    }
    return true;
}

/* `codes` characters behind each of four: bit k for the k-th. */
static uint8_t stay_bits(const struct wm_charmap *map, uint32_t first, uint32_t codes)
{
    unsigned bits = 0;
    for (unsigned k = 0; k < 4; k++)
        bits |= (unsigned)all_stay(map, first + k * codes, first + (k + 1) * codes - 1) << k;
    return (uint8_t)bits;
}

/* Bytes that start no character have no bits: the plain code sees to them. */
static void fill_leads(struct wm_charmap *map)
{
    for (uint32_t lead = 0xC2; lead < 0xE0; lead++) {
        uint32_t first = (lead & 31) << 6;
        map->lead[lead & 63] = stay_bits(map, first, 16);
        for (uint32_t second = 0; second < 64; second++)
            map->fine[lead & 63][second] = all_stay(map, first + second, first + second);
    }
    for (uint32_t lead = 0xE0; lead < 0xF0; lead++) {
        map->lead[lead & 63] = stay_bits(map, (lead & 15) << 12, 1024);
        for (uint32_t second = 0; second < 64; second++)
            map->fine[lead & 63][second] = stay_bits(map, (lead & 15) << 12 | second << 6, 16);
    }
    for (uint32_t lead = 0xF0; lead < 0xF4; lead++)
        map->lead[lead & 63] = stay_bits(map, (lead & 7) << 18, 1 << 16);
}

/* Whether the map is simple. */
static bool fill_ascii(struct wm_charmap *map)
{
    for (uint32_t c = 0; c < 0x80; c++) {
        const struct wm_char_action *a = &map->action[map->block[c / 64]][c % 64];
        if (a->op > 1 || (a->op == 1 && a->bytes[0] & 0x80))
            return false;
        map->ascii[c] = a->op ? (uint8_t)a->bytes[0] : WM_CHARMAP_GOES;
    }
    map->lowers = map->ascii['A'] == 'a';
    map->zeroes = map->ascii['1'] == '0';
    for (uint32_t c = 0x20; c < 0x7F; c++) {
        uint32_t want = c;
        if (c >= 'A' && c <= 'Z' && map->lowers)
            want = c + 0x20;
        if (c >= '0' && c <= '9' && map->zeroes)
            want = '0';
        if (map->ascii[c] != want)
            return false;
    }
    return true;
}

const struct wm_charmap_path *const *wm_charmap_paths(void)
{
#if defined(__x86_64__) && !defined(WM_PORTABLE)
    static const struct wm_charmap_path *const all[] = {&wm_charmap_avx512, &wm_charmap_avx2,
                                                        &wm_charmap_portable, NULL};
    /* The builtin also asks whether the system saves the wide registers. */
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2");
    return all + (avx512 ? 0 : avx2 ? 1 : 2);
#else
    static const struct wm_charmap_path *const all[] = {&wm_charmap_portable, NULL};
    return all;
#endif
}

void wm_charmap_ready(struct wm_charmap *map)
{
    fill_leads(map);
    map->simple = fill_ascii(map);
    map->path = map->simple ? wm_charmap_paths()[0] : &wm_charmap_portable;
}
