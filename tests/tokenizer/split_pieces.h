/* SPDX-License-Identifier: Apache-2.0 */
/** @file split_pieces.h  PCRE2's pieces and the scanners', for the tests that compare them. */
#ifndef WETMILL_TEST_SPLIT_PIECES_H
#define WETMILL_TEST_SPLIT_PIECES_H

#include "bpe_helpers.h"
#include "tokenizer/scan.h"
#include "wetmill/utf8.h"

/** Sanitizers take ten times as long; 1: tests that go through all strings take samples. */
#if defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define SLOW 1
#    endif
#endif
#if !defined(SLOW) && (defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__))
#    define SLOW 1
#endif
#ifndef SLOW
#    define SLOW 0
#endif

enum { PIECES_MAX = 1 << 12 };

/** One named split, done by PCRE2 and by every path of its scanner. */
struct both_ways {
    const char *name;
    enum bpe_scan_kind kind;
    struct bpe_pattern *pattern;
    struct bpe_splitter *pcre;
    struct bpe_classes classes;
};

static inline void both_ways_init(struct both_ways *b, enum wm_split split, enum wm_digits digits,
                                  const char *name, enum bpe_scan_kind kind)
{
    struct wm_error err = {0};
    *b = (struct both_ways){.name = name, .kind = kind};
    CHECK_OK(bpe_pattern_new_pcre(wm_str_of(bpe_digits_pattern(split, digits)), &b->pattern, &err),
             err);
    CHECK_OK(bpe_splitter_new(b->pattern, &b->pcre, &err), err);
    CHECK_OK(bpe_classes_init(&b->classes, BPE_SPLIT_UNICODE, &err), err);
}

static inline void both_ways_done(struct both_ways *b)
{
    bpe_splitter_free(b->pcre);
    bpe_pattern_free(b->pattern);
    bpe_classes_done(&b->classes);
}

enum { SPLITS_COMPARED = BPE_SCAN_KINDS };

static inline void all_splits_init(struct both_ways all[SPLITS_COMPARED])
{
    static const struct {
        enum wm_split split;
        enum wm_digits digits;
        const char *name;
    } splits[SPLITS_COMPARED] = {
        [BPE_SCAN_R50K] = {WM_SPLIT_R50K, WM_DIGITS_PATTERN, "r50k"},
        [BPE_SCAN_CL100K] = {WM_SPLIT_CL100K, WM_DIGITS_PATTERN, "cl100k"},
        [BPE_SCAN_O200K] = {WM_SPLIT_O200K, WM_DIGITS_PATTERN, "o200k"},
        [BPE_SCAN_QWEN2] = {WM_SPLIT_QWEN2, WM_DIGITS_PATTERN, "qwen2"},
        [BPE_SCAN_R50K_SINGLE] = {WM_SPLIT_R50K, WM_DIGITS_SINGLE, "r50k, single digits"},
        [BPE_SCAN_R50K_THREE] = {WM_SPLIT_R50K, WM_DIGITS_THREE, "r50k, three digits"},
        [BPE_SCAN_O200K_SINGLE] = {WM_SPLIT_O200K, WM_DIGITS_SINGLE, "o200k, single digits"},
    };
    for (size_t i = 0; i < SPLITS_COMPARED; i++)
        both_ways_init(&all[i], splits[i].split, splits[i].digits, splits[i].name,
                       (enum bpe_scan_kind)i);
}

static inline size_t pcre_pieces(struct both_ways *b, struct wm_str text, uint32_t *ends)
{
    struct wm_error err = {0};
    size_t n = 0;
    int more;
    bpe_split(b->pcre, text);
    while ((more = bpe_next_pieces(b->pcre, ends + n, (int)(PIECES_MAX - n), &err)) > 0)
        n += (size_t)more;
    if (more)
        CHECK_OK(more, err);
    return n;
}

static inline size_t scan_pieces(const struct both_ways *b, const struct bpe_scan_path *path,
                                 struct wm_str text, uint32_t *ends)
{
    size_t at = 0, n = 0, more;
    while ((more = path->scan[b->kind](&b->classes, text, &at, ends + n, PIECES_MAX - n)) > 0)
        n += more;
    return at == text.len ? n : SIZE_MAX;
}

static inline bool same_ends(const uint32_t *a, size_t n_a, const uint32_t *b, size_t n_b)
{
    return n_a == n_b && memcmp(a, b, n_a * sizeof *a) == 0;
}

/* Says which text it is, in hexadecimal, once for each split. */
static inline bool pieces_differ(const struct both_ways *b, const char *path, struct wm_str text)
{
    char hex[256 + 1];
    size_t n = text.len < 128 ? text.len : 128;
    for (size_t i = 0; i < n; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", (unsigned char)text.ptr[i]);
    hex[2 * n] = '\0';
    CHECK_(false, "%s, %s: pieces differ on %s (%zu bytes)", b->name, path, hex, text.len);
    return false;
}

/** Every path gives PCRE2's pieces of `text`. */
static inline bool check_same(struct both_ways *b, struct wm_str text)
{
    static uint32_t want[PIECES_MAX], got[PIECES_MAX];
    size_t n = pcre_pieces(b, text, want);
    for (const struct bpe_scan_path *const *path = bpe_scan_paths(); *path; path++) {
        size_t m = scan_pieces(b, *path, text, got);
        if (!same_ends(want, n, got, m))
            return pieces_differ(b, (*path)->name, text);
    }
    return true;
}

#endif /* WETMILL_TEST_SPLIT_PIECES_H */
