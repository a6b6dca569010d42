/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file charmap.h
 * Rewrites UTF-8 character by character from a table: each character becomes up to 7 bytes, or is
 * something the caller must see to. Made for mappings in which most characters stay.
 *
 * Make one with wm_charmap_new, set what changes, then wm_charmap_ready; constant from then on, for
 * any thread.
 */
#ifndef WETMILL_BASE_CHARMAP_H
#define WETMILL_BASE_CHARMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wetmill/error.h"
#include "wetmill/ucd.h"

enum {
    WM_CHARMAP_BLOCK = 64, /**< Characters that share all but the last byte of their UTF-8. */
    WM_CHARMAP_BLOCKS = WM_UCD_CODES / WM_CHARMAP_BLOCK,
    WM_CHARMAP_BYTES = 7,
    WM_CHARMAP_ASK = 8,     /**< Least op at which wm_charmap_run stops. */
    WM_CHARMAP_SLACK = 64,  /**< Bytes beyond its output that wm_charmap_run may overwrite. */
    WM_CHARMAP_GOES = 0x80, /**< In `ascii`: the character is deleted. */
};

/** What becomes of a character. */
struct wm_char_action {
    char bytes[WM_CHARMAP_BYTES];
    uint8_t op; /**< Number of `bytes`; or WM_CHARMAP_ASK and more: the caller's business. */
};

struct wm_charmap;

/** One way to do wm_charmap_run; all give the same bytes. */
struct wm_charmap_path {
    const char *name;
    const unsigned char *(*run)(const struct wm_charmap *map, const unsigned char *in,
                                const unsigned char *end, char **out);
};

/** Those this processor can run, the fastest first; ends with NULL. */
const struct wm_charmap_path *const *wm_charmap_paths(void);

struct wm_charmap {
    uint16_t block[WM_CHARMAP_BLOCKS]; /**< Row of `action`; 0: all stay as they are. */
    struct wm_char_action (*action)[WM_CHARMAP_BLOCK];
    size_t n_blocks, cap_blocks;
    size_t growth; /**< Bytes out are at most this times bytes in, asked characters apart. */
    const struct wm_charmap_path *path;

    /* What the vector code looks into; wm_charmap_ready fills it. Bit k of an entry of `lead`, by
     * the 6 low bits of a lead byte: all characters stay whose second byte is 0x80 + 16 k to
     * 0x8F + 16 k. The same in `fine`, by lead byte E0 … EF and second byte, of the third; by lead
     * byte C0 … DF and second byte: whether that character stays. */
    uint8_t ascii[128]; /**< What becomes of it, or WM_CHARMAP_GOES. */
    uint8_t lead[64];
    uint8_t fine[48][64];
    bool lowers, zeroes; /**< A–Z become a–z; 0–9 become 0. */
    bool simple;         /**< That is all that happens from 0x20 to 0x7E; ASCII stays ASCII. */
};

/** A map in which everything stays. NULL: no memory. */
struct wm_charmap *wm_charmap_new(void);
void wm_charmap_free(struct wm_charmap *map);

/** Say what becomes of `code` (not a surrogate). WM_E_NOMEM. */
int wm_charmap_set(struct wm_charmap *map, uint32_t code, struct wm_char_action action,
                   struct wm_error *err);

/** Say that all 64 characters of block `to` are as those of block `from`, which has been set. */
void wm_charmap_share(struct wm_charmap *map, uint32_t from, uint32_t to);

/** Call once, when everything has been set. Vector code is for maps in which A–Z become a–z or all
 *  stay, 0–9 become 0 or all stay, other ASCII from 0x20 to 0x7E stays, and the rest of it becomes
 *  ASCII or goes; others are run by the portable path. */
void wm_charmap_ready(struct wm_charmap *map);

/** The op of a character; any number of bytes if it stays. */
static inline uint8_t wm_charmap_op(const struct wm_charmap *map, uint32_t code)
{
    return map->action[map->block[code / WM_CHARMAP_BLOCK]][code % WM_CHARMAP_BLOCK].op;
}

/**
 * Rewrite the text from `in` to `end` to `*out`, which moves behind what was written and has room
 * for growth × (end − in) + WM_CHARMAP_SLACK bytes. Returns where it stopped: at the first byte of
 * a character whose op is WM_CHARMAP_ASK or more, or at `end`. Bytes that are not UTF-8, a character
 * cut by `end` among them, are copied.
 */
static inline const unsigned char *wm_charmap_run(const struct wm_charmap *map,
                                                  const unsigned char *in, const unsigned char *end,
                                                  char **out)
{
    return map->path->run(map, in, end, out);
}

/* The paths. */
extern const struct wm_charmap_path wm_charmap_portable;
#if defined(__x86_64__) && !defined(WM_PORTABLE)
extern const struct wm_charmap_path wm_charmap_avx2, wm_charmap_avx512;
#endif

#endif /* WETMILL_BASE_CHARMAP_H */
