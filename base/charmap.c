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
    /* Row 0 stands for "all stay" and is not looked into; row 1 is ASCII's first half. */
    if (add_row(map, 0, &err) || add_row(map, 0, &err) || add_row(map, 1, &err)) {
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

void wm_charmap_ready(struct wm_charmap *map)
{
    (void)map;
}

static size_t put(char *out, const struct wm_char_action *a)
{
    memcpy(out, a, sizeof *a); /* 8 bytes at once: the slack takes what is too much */
    return a->op;
}

/* The character at `in`, which is not ASCII: its length and code, or 1 and UINT32_MAX if it is none. */
static size_t decode(const unsigned char *in, const unsigned char *end, uint32_t *ret_code)
{
    size_t n = wm_utf8_decode((struct wm_str){(const char *)in, (size_t)(end - in)}, ret_code);
    if (*ret_code != WM_UTF8_REPLACEMENT || (n == 3 && memcmp(in, "\xEF\xBF\xBD", 3) == 0))
        return n;
    *ret_code = UINT32_MAX;
    return 1;
}

const unsigned char *wm_charmap_run(const struct wm_charmap *map, const unsigned char *in,
                                    const unsigned char *end, char **out)
{
    char *to = *out;
    while (in < end) {
        uint32_t code = *in;
        size_t n = code < 0x80 ? 1 : decode(in, end, &code);
        unsigned row = code == UINT32_MAX ? 0 : map->block[code / WM_CHARMAP_BLOCK];
        if (!row) {
            memcpy(to, in, n);
            to += n;
        } else {
            const struct wm_char_action *a = &map->action[row][code % WM_CHARMAP_BLOCK];
            if (a->op >= WM_CHARMAP_ASK)
                break;
            to += put(to, a);
        }
        in += n;
    }
    *out = to;
    return in;
}
