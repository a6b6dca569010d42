/* SPDX-License-Identifier: Apache-2.0 */
/* The character table, made from ICU's data at first use: blocks of 128 characters, equal ones
 * kept once. */
#include <pthread.h>
#include <stdlib.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>

#include "wetmill/unicode.h"

enum { LAST = 0x10FFFF };

struct range {
    uint32_t first, last;
};

static bool within(const struct range *ranges, size_t n, uint32_t code)
{
    for (size_t i = 0; i < n; i++)
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    return false;
}
#define WITHIN(ranges, code) within(ranges, sizeof(ranges) / sizeof *(ranges), code)

static enum wm_char_class class_of(uint32_t c, int category)
{
    static const struct range breaks[] = {
        {'\v', '\r'}, {0x1C, 0x1F}, {0x85, 0x85}, {0x2028, 0x2029}};
    static const struct range invisible[] = {{0xAD, 0xAD},     {0x61C, 0x61C},   {0x200B, 0x200B},
                                             {0x200E, 0x200F}, {0x202A, 0x202E}, {0x2060, 0x206F},
                                             {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}};
    if (c == '\n')
        return WM_CHAR_PLAIN;
    if (c == '\t' || category == U_SPACE_SEPARATOR)
        return WM_CHAR_BLANK;
    if (WITHIN(breaks, c))
        return WM_CHAR_BREAK;
    if (category == U_CONTROL_CHAR || (c & 0xFFFE) == 0xFFFE || (c >= 0xFDD0 && c <= 0xFDEF))
        return WM_CHAR_CONTROL;
    if (WITHIN(invisible, c))
        return WM_CHAR_INVISIBLE;
    if (c == 0x200C || c == 0x200D)
        return WM_CHAR_JOINER;
    return c >= 0xE0001 && c <= 0xE007F ? WM_CHAR_TAG : WM_CHAR_PLAIN;
}

/* Arabic to Vedic, Indic extensions, Arabic forms, the Brahmic scripts of plane 1, Adlam; emoji and
 * what stands in their sequences. */
static bool joins(uint32_t c, uint8_t combining)
{
    static const struct range ranges[] = {{0x600, 0x10FF},    {0x1700, 0x1CFF}, {0xA800, 0xABFF},
                                          {0xFB50, 0xFDFF},   {0xFE70, 0xFEFE}, {0x10A00, 0x11FFF},
                                          {0x1E900, 0x1E95F}, {0x2600, 0x27BF}, {0x1F000, 0x1FAFF},
                                          {0xFE0F, 0xFE0F},   {0x20E3, 0x20E3}};
    return !combining && WITHIN(ranges, c);
}

static uint32_t entry_of(uint32_t c, int category)
{
    UProperty checks[] = {UCHAR_NFC_QUICK_CHECK, UCHAR_NFKC_QUICK_CHECK};
    uint8_t combining = u_getCombiningClass((UChar32)c);
    uint32_t entry = (uint32_t)class_of(c, category) << WM_CLASS_SHIFT | (uint32_t)category
                                                                             << WM_CATEGORY_SHIFT;
    for (int i = 0; i < 2; i++) {
        bool stays = u_getIntPropertyValue((UChar32)c, checks[i]) == UNORM_YES;
        entry |= (stays ? combining : (uint32_t)WM_NORMAL_ASK)
                 << (i ? WM_NFKC_SHIFT : WM_NFC_SHIFT);
    }
    if (joins(c, combining))
        entry |= WM_JOINS_BIT;
    return entry;
}

/* Planes 3 to 13 and the private ones hold nothing, or nothing of which more is to be said. */
static void fill(uint32_t first, uint32_t *entries)
{
    for (uint32_t i = 0; i < WM_UNICODE_BLOCK; i++) {
        int category = u_charType((UChar32)(first + i));
        bool empty =
            category == U_UNASSIGNED || category == U_PRIVATE_USE_CHAR || category == U_SURROGATE;
        entries[i] = empty ? (uint32_t)class_of(first + i, category) << WM_CLASS_SHIFT |
                                 (uint32_t)category << WM_CATEGORY_SHIFT
                           : entry_of(first + i, category);
    }
}

/* Most blocks differ, or equal the one before them (ideographs, syllables, nothing). */
static bool make(struct wm_unicode *u)
{
    size_t n = 0, cap = 0;
    for (uint32_t b = 0; b < WM_UNICODE_BLOCKS; b++) {
        if (n == cap) {
            cap = cap ? cap * 2 : 256;
            void *more = realloc(u->entries, cap * sizeof *u->entries);
            if (!more)
                return false;
            u->entries = more;
        }
        fill(b * WM_UNICODE_BLOCK, u->entries[n]);
        if (n && memcmp(u->entries[n], u->entries[n - 1], sizeof *u->entries) == 0)
            u->block[b] = (uint16_t)(n - 1);
        else
            u->block[b] = (uint16_t)n++;
    }
    return true;
}

static struct wm_unicode table;
static bool ready;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_once(void)
{
    ready = make(&table);
}

const struct wm_unicode *wm_unicode(void)
{
    return pthread_once(&once, make_once) == 0 && ready ? &table : NULL;
}
