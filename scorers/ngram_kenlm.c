/* SPDX-License-Identifier: Apache-2.0 */
/* The header of KenLM's binary files, version 5, as read off files that it writes on 64-bit
 * little-endian machines:
 *
 *     0   "mmap lm http://kheafield.com/code format version 5\n", zeros
 *     56  f32 0, 1, -0.5; u32 1, 2^32 - 1, 0; u64 1: how the writer lays out numbers
 *     88  u8 order; 92 f32 slots for an entry; 96 u32 type; 100 u8 are the words at the end;
 *     104 u32 version of the type's structures
 *     108 u64 n-grams of each order; then up to a multiple of 8
 *
 * The vocabulary follows, then the n-grams, then the words as text. */
#include "scorers/ngram.h"

enum { SANITY = 88, FIXED = 20 };

static const char start[] = "mmap lm http://kheafield.com/code";

bool wm_ngram_is_kenlm(struct wm_str bytes)
{
    return wm_str_starts(bytes, WM_STR("mmap lm http://kheafield.com/code"));
}

static void make_sanity(unsigned char out[SANITY])
{
    static const char version[] = " format version 5\n";
    const float floats[3] = {0, 1, -0.5f};
    const uint32_t words[3] = {1, UINT32_MAX, 0};
    const uint64_t one = 1;
    memset(out, 0, SANITY);
    memcpy(out, start, sizeof start - 1);
    memcpy(out + sizeof start - 1, version, sizeof version);
    memcpy(out + 56, floats, sizeof floats);
    memcpy(out + 68, words, sizeof words);
    memcpy(out + 80, &one, sizeof one);
}

/* Byte 53 may be anything: the text ends before it and the padding is not always cleared. */
static int check_sanity(const unsigned char *at, struct wm_error *err)
{
    unsigned char want[SANITY];
    make_sanity(want);
    if (memcmp(at, want, 51) != 0)
        return wm_fail(err, WM_E_FORMAT,
                       "a KenLM file of another version than 5, or one not finished");
    if (memcmp(at + 56, want + 56, SANITY - 56) != 0)
        return wm_fail(err, WM_E_FORMAT, "a KenLM file of a machine with other numbers");
    return 0;
}

int wm_ngram_kenlm_take(const struct wm_ngram *m, struct wm_ngram_kenlm *k, uint64_t count,
                        uint64_t size, const char *what, const unsigned char **ret,
                        struct wm_error *err)
{
    uint64_t left = m->bytes.len - k->at;
    if (size && count > left / size)
        return wm_fail(err, WM_E_FORMAT, "the file ends within its %s", what);
    *ret = (const unsigned char *)m->bytes.ptr + k->at;
    k->at += count * size;
    return 0;
}

static int read_counts(struct wm_ngram *m, struct wm_ngram_kenlm *k, struct wm_error *err)
{
    const unsigned char *at;
    int status = wm_ngram_kenlm_take(m, k, m->order, 8, "header", &at, err);
    for (unsigned order = 1; !status && order <= m->order; order++) {
        m->counts[order] = wm_ngram_u64(at + 8 * (order - 1));
        /* each takes more than a bit of the file: sizes computed of it cannot overflow */
        if (m->counts[order] > (uint64_t)m->bytes.len * 8)
            return wm_fail(err, WM_E_FORMAT, "more n-grams than the file can hold");
    }
    if (!status && (m->counts[1] < 1 || m->counts[1] > WM_NGRAM_MAX_WORDS))
        return wm_fail(err, WM_E_LIMIT, "not between 1 and %d words", WM_NGRAM_MAX_WORDS);
    uint64_t end = (k->at + 7) / 8 * 8;
    return status ? status : wm_ngram_kenlm_take(m, k, end - k->at, 1, "header", &at, err);
}

int wm_ngram_kenlm_open(struct wm_ngram *m, struct wm_error *err)
{
    static const char *const names[] = {
        "KenLM probing",
        "KenLM probing, rest costs",
        "KenLM trie",
        "KenLM trie, quantised",
        "KenLM trie, array-compressed",
        "KenLM trie, quantised, array-compressed",
    };
    struct wm_ngram_kenlm k = {0};
    const unsigned char *at;
    int status = wm_ngram_kenlm_take(m, &k, 1, SANITY + FIXED, "header", &at, err);
    if (!status)
        status = check_sanity(at, err);
    if (status)
        return status;
    uint32_t type = wm_ngram_u32(at + SANITY + 8);
    m->order = at[SANITY];
    k.multiplier = wm_ngram_float(at + SANITY + 4);
    k.type = (enum wm_ngram_kenlm_type)type;
    if (type > WM_KENLM_QUANTISED_ARRAY_TRIE)
        return wm_fail(err, WM_E_FORMAT, "a KenLM file of unknown type %u", (unsigned)type);
    m->format = names[type];
    if (m->order < 2 || m->order > WM_NGRAM_MAX_ORDER)
        return wm_fail(err, WM_E_LIMIT, "a KenLM file of order %u, not 2 to %d", m->order,
                       WM_NGRAM_MAX_ORDER);
    if (wm_ngram_u32(at + SANITY + 16) != (type <= WM_KENLM_REST_PROBING ? 0 : 1))
        return wm_fail(err, WM_E_FORMAT, "a KenLM file with other structures than known");
    status = read_counts(m, &k, err);
    if (status)
        return status;
    return type <= WM_KENLM_REST_PROBING ? wm_ngram_probing_open(m, &k, err)
                                         : wm_ngram_trie_open(m, &k, err);
}

uint64_t wm_ngram_murmur(struct wm_str word)
{
    const uint64_t factor = UINT64_C(0xC6A4A7935BD1E995);
    uint64_t hash = word.len * factor;
    size_t i = 0;
    for (; word.len - i >= 8; i += 8) {
        uint64_t part = wm_ngram_u64(word.ptr + i) * factor;
        part = (part ^ part >> 47) * factor;
        hash = (hash ^ part) * factor;
    }
    if (i < word.len) {
        uint64_t part = 0;
        memcpy(&part, word.ptr + i, word.len - i);
        hash = (hash ^ part) * factor;
    }
    hash = (hash ^ hash >> 47) * factor;
    return hash ^ hash >> 47;
}
