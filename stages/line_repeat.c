/* SPDX-License-Identifier: Apache-2.0 */
/* line-repeat: drop pages that say the same lines again and again.
 *
 * The share is bytes of lines that stood before on the page / bytes of the page. Gopher (Rae et
 * al., arXiv 2112.11446, table A1) drops at 0.20 of the characters; web text that still has its
 * menus needs more room. */
#include <xxhash.h>

#include "stages/stages.h"
#include "wetmill/hashset.h"

struct line_repeat {
    double max_share;
    uint64_t min_line, max_lines;
};

enum { REPETITIVE, TOO_MANY_LINES };

/* Menus and captions repeat on honest pages too: lines under min_line bytes are left out of the
 * count, but not out of the length we compare it with. */
static size_t repeated_bytes(const struct line_repeat *cfg, struct wm_str text,
                             struct wm_hashset *seen)
{
    size_t repeated = 0;
    while (text.len > 0) {
        struct wm_str line = wm_str_line(&text);
        if (line.len >= cfg->min_line && !wm_hashset_add(seen, XXH3_64bits(line.ptr, line.len)))
            repeated += line.len;
    }
    return repeated;
}

static int apply(const void *shared, void *local, struct wm_batch *batch, struct wm_error *err)
{
    const struct line_repeat *cfg = shared;
    (void)local;
    for (size_t i = 0; i < batch->n_docs && !batch->rederive; i++) {
        struct wm_doc *doc = &batch->docs[i];
        size_t n_lines = wm_line_count(doc->text);
        if (n_lines > cfg->max_lines) {
            wm_drop(batch, doc, TOO_MANY_LINES);
            continue;
        }
        struct wm_hashset seen;
        wm_arena_reset(&batch->scratch);
        if (!wm_hashset_init(&seen, n_lines, &batch->scratch))
            return wm_fail_nomem(err, wm_hashset_bytes(n_lines), "lines of a page");
        if ((double)repeated_bytes(cfg, doc->text, &seen) > cfg->max_share * (double)doc->text.len)
            wm_drop(batch, doc, REPETITIVE);
    }
    return 0;
}

static const struct wm_option options[] = {
    WM_REAL(struct line_repeat, max_share, 0.30, 0, 1, "share", "most repeated text to accept"),
    WM_COUNT(struct line_repeat, min_line, 10, 1, 4096, "bytes", "ignore shorter lines"),
    WM_COUNT(struct line_repeat, max_lines, 100000, 1, 10000000, "lines", "drop longer pages"),
    {0},
};

const struct wm_stage wm_stage_line_repeat = {
    .name = "line-repeat",
    .summary = "drop pages that say the same lines again and again",
    .version = 1,
    .cost = WM_COST_CHEAP,
    .options = options,
    .reasons =
        (const char *const[]){
            [REPETITIVE] = "repetitive", [TOO_MANY_LINES] = "too-many-lines", NULL},
    .shared_size = sizeof(struct line_repeat),
    .apply = apply,
};
