/* SPDX-License-Identifier: Apache-2.0 */
/* covers: tokenizer/split.c tokenizer/split_pcre.c */
/* Any pattern on any text: the first line is the pattern, the rest the text. The pieces joined are
 * the text, and machine code and interpreter agree. */
#include <stdlib.h>

#include "tokenizer/split.h"
#include "wetmill/utf8.h"

enum { MAX_PIECES = 1 << 16, MAX_TEXT = 1 << 12 };

static void check(bool ok)
{
    if (!ok)
        abort();
}

/* Several at a time, the same. */
static void check_many(struct bpe_splitter *s, struct wm_str text, const size_t *ends, int n)
{
    enum { MANY = 7 };
    struct wm_error err;
    uint32_t some[MANY];
    int m = 0, more;
    bpe_split(s, text);
    while ((more = bpe_next_pieces(s, some, MANY, &err)) > 0)
        for (int i = 0; i < more; i++, m++)
            check(m < n && some[i] == ends[m]);
    check(more == WM_E_LIMIT || m == n);
}

/* Ends of the pieces; returns how many, or a negative status. */
static int split(struct wm_str pattern, struct wm_str text, size_t *ends)
{
    struct wm_error err = {0};
    struct bpe_pattern *p = NULL;
    struct bpe_splitter *s = NULL;
    struct wm_str piece;
    int n = 0, more;
    if (bpe_pattern_new(pattern, &p, &err)) {
        check(err.status == WM_E_CONFIG);
        return err.status;
    }
    check(bpe_splitter_new(p, &s, &err) == 0);
    size_t done = 0;
    bpe_split(s, text);
    while ((more = bpe_next_piece(s, &piece, &err)) > 0) {
        check(piece.len > 0 && piece.ptr == text.ptr + done);
        done += piece.len;
        check(n < MAX_PIECES);
        ends[n++] = done;
    }
    check(more == WM_E_LIMIT || done == text.len);
    if (!more)
        check_many(s, text, ends, n);
    bpe_splitter_free(s);
    bpe_pattern_free(p);
    return more ? more : n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char no_jit[] = "(*NO_JIT)";
    static size_t ends[MAX_PIECES], again[MAX_PIECES];
    static char slow[BPE_MAX_PATTERN];
    struct wm_str rest = {(const char *)data, size};
    struct wm_str pattern = wm_str_line(&rest);
    if (rest.len > MAX_TEXT || pattern.len + sizeof no_jit > sizeof slow)
        return 0;
    rest.len = wm_utf8_prefix(rest);
    int n = split(pattern, rest, ends);
    memcpy(slow, no_jit, sizeof no_jit - 1);
    if (pattern.len)
        memcpy(slow + sizeof no_jit - 1, pattern.ptr, pattern.len);
    int m = split((struct wm_str){slow, sizeof no_jit - 1 + pattern.len}, rest, again);
    if (n >= 0 && m >= 0) /* the two count their steps differently, so limits may differ */
        check(n == m && memcmp(ends, again, (size_t)n * sizeof *ends) == 0);
    return 0;
}
