/* SPDX-License-Identifier: Apache-2.0 */
/* The classes of all characters, put together from a version's general categories. */
#include <stdlib.h>
#include <string.h>

#include "tokenizer/scan.h"

enum { N_BLOCKS = WM_UCD_CODES / BPE_CLASS_BLOCK };

static uint8_t class_of(const struct wm_ucd *u, uint32_t code)
{
    const struct wm_ucd_record *r = wm_ucd_record(u, code);
    unsigned category = 1u << r->category;
    if (category & WM_UCD_NUMBERS)
        return BPE_NUMBER;
    if (r->flags & WM_UCD_WHITE_SPACE)
        return code == '\r' || code == '\n' ? BPE_SPACE | BPE_NEWLINE : BPE_SPACE;
    unsigned class = category & WM_UCD_LETTERS ? BPE_LETTER : BPE_OTHER;
    if (category & (1u << WM_UCD_LU | 1u << WM_UCD_LT))
        class |= BPE_UPPER;
    else if (category & 1u << WM_UCD_LL)
        class |= BPE_LOWER;
    else if (category & (WM_UCD_LETTERS | WM_UCD_MARKS))
        class |= BPE_UPPER | BPE_LOWER;
    return (uint8_t) class;
}

int bpe_classes_init(struct bpe_classes *classes, enum wm_unicode_version version,
                     struct wm_error *err)
{
    const struct wm_ucd *u = wm_ucd(version);
    size_t n_rows = 0;
    for (size_t b = 0; b < N_BLOCKS; b++)
        n_rows = u->block[b] >= n_rows ? u->block[b] + (size_t)1 : n_rows;
    *classes = (struct bpe_classes){.block = u->block};
    classes->rows = calloc(n_rows, sizeof *classes->rows);
    if (!classes->rows)
        return wm_fail_nomem(err, n_rows * sizeof *classes->rows, "classes of characters");
    for (uint32_t b = 0; b < N_BLOCKS; b++) {
        uint8_t *row = classes->rows[u->block[b]];
        if (row[0]) /* made already: no class is 0 */
            continue;
        for (uint32_t i = 0; i < BPE_CLASS_BLOCK; i++)
            row[i] = class_of(u, b * BPE_CLASS_BLOCK + i);
    }
    for (uint32_t code = 0; code < 0x80; code++)
        classes->ascii[code] = class_of(u, code);
    return 0;
}

void bpe_classes_done(struct bpe_classes *classes)
{
    free(classes->rows);
    *classes = (struct bpe_classes){0};
}
