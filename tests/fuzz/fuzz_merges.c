/* SPDX-License-Identifier: Apache-2.0 */
/* covers: tokenizer/merges_file.c */
/* vocab.json, merges.txt and special_tokens_map.json from anywhere, separated by NUL bytes: refused,
 * or a tokenizer that is written and read again as the same. */
#include "vocabulary_fuzz.h"

static struct wm_str cut(struct wm_str *rest)
{
    const char *end = rest->len ? memchr(rest->ptr, '\0', rest->len) : NULL;
    struct wm_str part = {rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len};
    size_t used = part.len + (end != NULL);
    if (used)
        rest->ptr += used;
    rest->len -= used;
    return part;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL, *back = NULL;
    struct wm_str all = {(const char *)data, size}, rest = all;
    struct wm_str vocab = cut(&rest), merges = cut(&rest);
    struct wm_str pattern = wm_str_of(bpe_named_patterns[WM_SPLIT_R50K]);
    struct wm_buf out[3];
    int status = bpe_parse_merges(vocab, merges, rest, pattern, &tok, &err);
    if (!fuzz_accepted(status, &err, tok))
        return 0;
    fuzz_round_trip(tok, all, 0);
    fuzz_round_trip(tok, all, WM_ENCODE_SPECIALS);
    for (size_t i = 0; i < 3; i++)
        wm_buf_init(&out[i], 1 << 26);
    fuzz_check(bpe_format_vocab(tok, &out[0], &err) == 0);
    fuzz_check(bpe_format_merges(tok, &out[1], &err) == 0);
    fuzz_check(bpe_format_specials(tok, &out[2], &err) == 0);
    fuzz_check(bpe_parse_merges(wm_buf_str(&out[0]), wm_buf_str(&out[1]), wm_buf_str(&out[2]),
                                pattern, &back, &err) == 0);
    fuzz_same(tok, back);
    for (size_t i = 0; i < 3; i++)
        wm_buf_done(&out[i]);
    wm_tokenizer_free(tok);
    return 0;
}
