/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rejoin_rows.h
 * Rows of minified files (layout minified of write-jsonl, and cc_net's own): for each document the
 * lines of its page that were kept, and what stages found out about it.
 *
 * A row is found by digest, url and the last part of cc_segment without its .gz: all of them, as
 * XXH3-128, so that pages with the same content, or digests that begin alike, are told apart. The
 * last part alone, because the archives may stand elsewhere now. Of several rows with the same key
 * the first stands.
 *
 * Memory: about 80 bytes and two for each run of lines a row. Read by any number of threads.
 */
#ifndef WETMILL_STAGES_REJOIN_ROWS_H
#define WETMILL_STAGES_REJOIN_ROWS_H

#include <stdbool.h>
#include <stdint.h>
#include <xxhash.h>

#include "wetmill/arena.h"
#include "wetmill/error.h"
#include "wetmill/str.h"

enum wm_rejoin_text { WM_REJOIN_LANGUAGE, WM_REJOIN_BUCKET, WM_REJOIN_TEXTS };
enum wm_rejoin_real { WM_REJOIN_SCORE, WM_REJOIN_PERPLEXITY, WM_REJOIN_REALS };

struct wm_rejoin_row {
    XXH128_hash_t key;
    const unsigned char *ids; /**< wm_rejoin_next reads them. */
    uint32_t n_ids;
    uint16_t texts[WM_REJOIN_TEXTS]; /**< Index of names; 0 = unset. */
    double reals[WM_REJOIN_REALS];   /**< NaN = unset. */
};

struct wm_rejoin_rows {
    struct wm_arena arena; /**< ids and names */
    struct wm_rejoin_row *rows;
    size_t n, cap;
    uint32_t *slots; /**< [mask + 1] row + 1, or 0 */
    size_t mask;
    struct wm_str *names; /**< [n_names], from 1 */
    size_t n_names;
    uint64_t max_bytes;
};

/** No rows, and at most `max_bytes` of memory. */
void wm_rejoin_init(struct wm_rejoin_rows *rows, uint64_t max_bytes);
void wm_rejoin_done(struct wm_rejoin_rows *rows); /**< Safe on a zeroed one. */

/**
 * Add the rows of a JSON lines file (plain, .gz, .zst, .xz). `wide`: rows whose ids are uint16
 * (line_ids) are refused, WM_E_CONFIG. WM_E_FORMAT names the row that is none, WM_E_LIMIT.
 */
int wm_rejoin_load(struct wm_rejoin_rows *rows, const char *path, bool wide, struct wm_error *err);

/** The row of a document, or NULL. */
const struct wm_rejoin_row *wm_rejoin_find(const struct wm_rejoin_rows *rows, struct wm_str digest,
                                           struct wm_str url, struct wm_str segment);

/** Bytes held. */
uint64_t wm_rejoin_bytes(const struct wm_rejoin_rows *rows);

/** The line ids of a row, one after the other. */
struct wm_rejoin_ids {
    const unsigned char *at;
    uint32_t left, next, run; /**< run: ids from `next` on that follow without a gap. */
};
static inline struct wm_rejoin_ids wm_rejoin_ids(const struct wm_rejoin_row *row)
{
    return (struct wm_rejoin_ids){.at = row->ids, .left = row->n_ids};
}
/** False when there are no more. */
bool wm_rejoin_next(struct wm_rejoin_ids *ids, uint32_t *ret);

#endif /* WETMILL_STAGES_REJOIN_ROWS_H */
