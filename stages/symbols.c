/* SPDX-License-Identifier: Apache-2.0 */
/* symbols: drop pages of tables, code, prices, menus.
 *
 * Of the characters that are to be seen (not white space, not format characters), the share that is
 * neither letter (L), mark (M) nor number (N) of any script: punctuation, symbols, emoji, private
 * and unassigned characters. The share of digits (Nd). And of the lines with anything to be seen,
 * the share of those with fewer than short_line characters, white space between them counted. Prose
 * has 2 to 5 % punctuation, in any script; code about 30 %. */
#include <unicode/uchar.h>

#include "stages/stages.h"
#include "wetmill/unicode.h"
#include "wetmill/utf8.h"

struct symbols {
    double max_symbols, max_digits, max_short_lines;
    uint64_t short_line;
};

enum { TOO_MANY_SYMBOLS, TOO_MANY_DIGITS, TOO_MANY_SHORT_LINES };

struct counts {
    uint64_t seen, symbols, digits, lines, short_lines;
};

static void count_line(const struct symbols *cfg, const struct wm_unicode *u, struct wm_str line,
                       struct counts *n)
{
    uint64_t at = 0, first = 0, last = 0; /* ordinals, from 1, of the first and last seen */
    while (line.len) {
        uint32_t entry = wm_unicode_entry(u, wm_utf8_next(&line));
        uint32_t category = wm_char_category(entry);
        at++;
        if (category & (U_GC_Z_MASK | U_GC_CC_MASK | U_GC_CF_MASK))
            continue;
        first = first ? first : at;
        last = at;
        n->seen++;
        n->digits += (category & U_GC_ND_MASK) != 0;
        n->symbols += (category & (U_GC_L_MASK | U_GC_M_MASK | U_GC_N_MASK)) == 0;
    }
    n->lines += last != 0;
    n->short_lines += last && last - first + 1 < cfg->short_line;
}

static struct counts count(const struct symbols *cfg, const struct wm_unicode *u,
                           struct wm_str text)
{
    struct counts n = {0};
    while (text.len)
        count_line(cfg, u, wm_str_line(&text), &n);
    return n;
}

static bool over(uint64_t part, double share, uint64_t whole)
{
    return (double)part > share * (double)whole;
}

static int apply(const void *shared, void *local, struct wm_batch *batch, struct wm_error *err)
{
    const struct symbols *cfg = shared;
    const struct wm_unicode *u = wm_unicode();
    (void)local;
    if (!u)
        return wm_fail_nomem(err, sizeof *u, "character table");
    for (size_t i = 0; i < batch->n_docs && !batch->rederive; i++) {
        struct wm_doc *doc = &batch->docs[i];
        struct counts n = count(cfg, u, doc->text);
        if (over(n.symbols, cfg->max_symbols, n.seen))
            wm_drop(batch, doc, TOO_MANY_SYMBOLS);
        else if (over(n.digits, cfg->max_digits, n.seen))
            wm_drop(batch, doc, TOO_MANY_DIGITS);
        else if (over(n.short_lines, cfg->max_short_lines, n.lines))
            wm_drop(batch, doc, TOO_MANY_SHORT_LINES);
    }
    return 0;
}

static const struct wm_option options[] = {
    WM_REAL(struct symbols, max_symbols, 0.25, 0, 1, "share",
            "most symbols and punctuation among the characters"),
    WM_REAL(struct symbols, max_digits, 0.20, 0, 1, "share", "most digits among the characters"),
    WM_REAL(struct symbols, max_short_lines, 0.90, 0, 1, "share", "most short lines"),
    WM_COUNT(struct symbols, short_line, 30, 0, 0, "characters", "a shorter line is a short one"),
    {0},
};

const struct wm_stage wm_stage_symbols = {
    .name = "symbols",
    .summary = "drop pages made mostly of symbols, digits or short lines",
    .version = 1,
    .cost = WM_COST_CHEAP,
    .options = options,
    .reasons = (const char *const[]){[TOO_MANY_SYMBOLS] = "too-many-symbols",
                                     [TOO_MANY_DIGITS] = "too-many-digits",
                                     [TOO_MANY_SHORT_LINES] = "too-many-short-lines",
                                     NULL},
    .shared_size = sizeof(struct symbols),
    .libraries = (const char *const[]){"icu", NULL},
    .apply = apply,
};
