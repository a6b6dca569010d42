/* SPDX-License-Identifier: Apache-2.0 */
/* covers: tokenizer/scan_plain.c tokenizer/scan_sse2.c tokenizer/scan_avx2.c
 * tokenizer/scan_class.c */
/* Scanners against PCRE2: the valid UTF-8 at the start of the input is split by every named pattern
 * and every path. */
#include <stdlib.h>

#include "tokenizer/scan.h"
#include "tokenizer/split.h"
#include "wetmill/tokenizer.h"
#include "wetmill/utf8.h"

enum { MAX_TEXT = 1 << 12, KINDS = BPE_SCAN_KINDS };

static const struct {
    enum wm_split split;
    enum wm_digits digits;
} splits[KINDS] = {
    [BPE_SCAN_R50K] = {WM_SPLIT_R50K, WM_DIGITS_PATTERN},
    [BPE_SCAN_CL100K] = {WM_SPLIT_CL100K, WM_DIGITS_PATTERN},
    [BPE_SCAN_O200K] = {WM_SPLIT_O200K, WM_DIGITS_PATTERN},
    [BPE_SCAN_QWEN2] = {WM_SPLIT_QWEN2, WM_DIGITS_PATTERN},
    [BPE_SCAN_R50K_SINGLE] = {WM_SPLIT_R50K, WM_DIGITS_SINGLE},
    [BPE_SCAN_R50K_THREE] = {WM_SPLIT_R50K, WM_DIGITS_THREE},
    [BPE_SCAN_O200K_SINGLE] = {WM_SPLIT_O200K, WM_DIGITS_SINGLE},
};

static void check(bool ok)
{
    if (!ok)
        abort();
}

static struct bpe_splitter *pcre[KINDS];
static struct bpe_classes classes;

static void prepare(void)
{
    struct wm_error err;
    check(bpe_classes_init(&classes, BPE_SPLIT_UNICODE, &err) == 0);
    for (size_t k = 0; k < KINDS; k++) {
        struct bpe_pattern *pattern = NULL;
        struct wm_str text = wm_str_of(bpe_digits_pattern(splits[k].split, splits[k].digits));
        check(bpe_pattern_new_pcre(text, &pattern, &err) == 0);
        check(bpe_splitter_new(pattern, &pcre[k], &err) == 0);
    }
}

static void compare(size_t kind, struct wm_str text)
{
    static uint32_t want[MAX_TEXT + 1], got[MAX_TEXT + 1];
    struct wm_error err;
    int n = 0, more;
    bpe_split(pcre[kind], text);
    while ((more = bpe_next_pieces(pcre[kind], want + n, MAX_TEXT + 1 - n, &err)) > 0)
        n += more;
    check(more == 0 && (n ? want[n - 1] : 0) == text.len);
    for (const struct bpe_scan_path *const *path = bpe_scan_paths(); *path; path++) {
        size_t at = 0, m = 0, next;
        while ((next = (*path)->scan[kind](&classes, text, &at, got + m, MAX_TEXT + 1 - m)) > 0)
            m += next;
        check(at == text.len && m == (size_t)n);
        check(m == 0 || memcmp(want, got, m * sizeof *got) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wm_str text = {(const char *)data, size < MAX_TEXT ? size : MAX_TEXT};
    if (!classes.rows)
        prepare();
    text.len = wm_utf8_prefix(text);
    for (size_t kind = 0; kind < KINDS; kind++)
        compare(kind, text);
    return 0;
}
