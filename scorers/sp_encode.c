/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts to pieces. Where no piece of the model goes over the place before (or behind) spaces, the
 * words are cut one after the other, and short ones are remembered in a table of fixed size; what a
 * word's place holds is decided by the last word that came, never what its pieces are.
 */
#include <stdlib.h>

#include "scorers/sp_model.h"

enum { HAS_UNKNOWN = 0x80 };

int wm_sp_scratch_new(const struct wm_sp *model, struct wm_sp_scratch **ret, struct wm_error *err)
{
    struct wm_sp_scratch *s = wm_sp_alloc(1, sizeof *s, "SentencePiece scratch", err);
    if (!s)
        return WM_E_NOMEM;
    if (model->cached) {
        const size_t bytes = sizeof *s->words << WM_SP_WORDS_LOG2;
        s->words = aligned_alloc(sizeof *s->words, bytes);
        if (!s->words) {
            free(s);
            return wm_fail_nomem(err, bytes, "table of words");
        }
        memset(s->words, 0, bytes);
    }
    *ret = s;
    return 0;
}

void wm_sp_scratch_free(struct wm_sp_scratch *scratch)
{
    if (!scratch)
        return;
    free(scratch->text);
    free(scratch->ids);
    free(scratch->ends);
    free(scratch->best);
    free(scratch->symbols);
    free(scratch->pairs);
    free(scratch->words);
    free(scratch);
}

size_t wm_sp_scratch_memory(const struct wm_sp_scratch *s)
{
    return sizeof *s + s->text_cap + s->cap * (sizeof *s->ids + sizeof *s->ends) +
           s->best_cap * sizeof *s->best +
           s->symbols_cap * (sizeof *s->symbols + 2 * sizeof *s->pairs) +
           (s->words ? sizeof *s->words << WM_SP_WORDS_LOG2 : 0);
}

int wm_sp_reserve_slow(struct wm_sp_scratch *s, size_t more, struct wm_error *err)
{
    size_t cap = s->n + more + s->cap / 2 + 64;
    uint32_t *ids = realloc(s->ids, cap * sizeof *ids);
    if (!ids)
        return wm_fail_nomem(err, cap * sizeof *ids, "pieces of a text");
    s->ids = ids;
    uint32_t *ends = realloc(s->ends, cap * sizeof *ends);
    if (!ends)
        return wm_fail_nomem(err, cap * sizeof *ends, "pieces of a text");
    s->ends = ends;
    s->cap = cap;
    return 0;
}

void wm_sp_emit_unknown(const struct wm_sp *model, struct wm_sp_scratch *s, uint32_t begin,
                        uint32_t end)
{
    if (model->byte_fallback) {
        for (uint32_t i = begin; i < end; i++) {
            s->ids[s->n] = model->byte_ids[(unsigned char)s->text[i]];
            s->ends[s->n++] = i + 1;
        }
        return;
    }
    if (s->n == 0 || s->ids[s->n - 1] != model->unknown)
        s->ids[s->n++] = model->unknown;
    s->ends[s->n - 1] = end;
}

/* ---- words ---- */

static int encode_span(const struct wm_sp *model, struct wm_sp_scratch *s, uint32_t begin,
                       uint32_t end, struct wm_error *err)
{
    return model->kind == WM_SP_UNIGRAM ? wm_sp_unigram(model, s, begin, end, err)
                                        : wm_sp_bpe(model, s, begin, end, err);
}

static uint64_t load64(const char *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* The word's bytes and zeros; reads WM_SP_KEY_BYTES, which the padding allows. Returns its set. */
static size_t make_key(const char *text, size_t len, uint64_t key[3])
{
    static const unsigned char masks[2 * WM_SP_KEY_BYTES] = {
        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    const char *mask = (const char *)masks + WM_SP_KEY_BYTES - len;
    for (int i = 0; i < 3; i++)
        key[i] = load64(text + 8 * i) & load64(mask + 8 * i);
    uint64_t hash = (key[0] ^ key[1] << 32 ^ key[1] >> 32) * 0x9E3779B97F4A7C15U;
    hash ^= hash >> 32;
    hash = (hash ^ key[1] ^ key[2] * 0xC2B2AE3D27D4EB4FU) * 0xD6E8FEB86659FD93U;
    return (size_t)(hash >> (64 - WM_SP_WORDS_LOG2)) & ~(size_t)1;
}

static bool has_key(const struct wm_sp_word *word, const uint64_t key[3], uint32_t len)
{
    return word->len == len &&
           ((word->key[0] ^ key[0]) | (word->key[1] ^ key[1]) | (word->key[2] ^ key[2])) == 0;
}

/* The word in its set of two, the newer of which stands first; else NULL. */
static struct wm_sp_word *find_word(struct wm_sp_word *set, const uint64_t key[3], uint32_t len)
{
    if (has_key(&set[0], key, len))
        return &set[0];
    return has_key(&set[1], key, len) ? &set[1] : NULL;
}

static struct wm_sp_word *add_word(struct wm_sp_word *set, const uint64_t key[3], uint32_t len)
{
    set[1] = set[0];
    set[0] = (struct wm_sp_word){.len = (uint8_t)len, .max_sum = -1};
    memcpy(set[0].key, key, sizeof set[0].key);
    return &set[0];
}

static void use_word(const struct wm_sp *model, struct wm_sp_scratch *s,
                     const struct wm_sp_word *word, uint32_t begin)
{
    unsigned n = word->n & ~(unsigned)HAS_UNKNOWN;
    if (word->n & HAS_UNKNOWN) {
        for (unsigned i = 0; i < n; i++)
            wm_sp_emit(model, s, word->ids[i], begin + (i ? word->ends[i - 1] : 0),
                       begin + word->ends[i]);
    } else {
        uint32_t *ids = s->ids + s->n, *ends = s->ends + s->n;
        for (unsigned i = 0; i < 2; i++) { /* mostly enough; there is room */
            ids[i] = word->ids[i];
            ends[i] = begin + word->ends[i];
        }
        for (unsigned i = 2; i < n; i++) {
            ids[i] = word->ids[i];
            ends[i] = begin + word->ends[i];
        }
        s->n += n;
    }
    for (unsigned i = 0; i < n && model->kind == WM_SP_UNIGRAM; i++)
        s->sum += model->path_scores[word->ids[i]];
}

/* BPE: what was just emitted, if it does not depend on what stood before. */
static bool take_emitted(const struct wm_sp *model, const struct wm_sp_scratch *s, size_t from,
                         uint32_t begin, struct wm_sp_word *word)
{
    if (s->n - from > WM_SP_WORD_PIECES || (from && s->ends[from - 1] != begin))
        return false; /* too many, or joined to an unknown piece before */
    for (size_t i = from; i < s->n; i++) {
        if (s->ids[i] == model->unknown || model->types[s->ids[i]] == WM_SP_BYTE)
            return false;
        word->ids[i - from] = s->ids[i];
        word->ends[i - from] = (uint8_t)(s->ends[i] - begin);
    }
    word->n = (uint8_t)(s->n - from);
    word->max_sum = 0;
    return true;
}

static bool unigram_word(const struct wm_sp *model, const char *text, struct wm_sp_word *word)
{
    bool fits = wm_sp_unigram_word(model, text, word);
    for (unsigned i = 0, n = word->n; fits && i < n; i++)
        if (word->ids[i] == model->unknown)
            word->n |= HAS_UNKNOWN;
    return fits;
}

static int new_word(const struct wm_sp *model, struct wm_sp_scratch *s, struct wm_sp_word *word,
                    uint32_t begin, struct wm_error *err)
{
    size_t from = s->n;
    bool fits = model->kind == WM_SP_UNIGRAM && unigram_word(model, s->text + begin, word);
    if (fits && fabsf(s->sum) <= word->max_sum) {
        use_word(model, s, word, begin);
        return 0;
    }
    int status = encode_span(model, s, begin, begin + word->len, err);
    if (!status && model->kind == WM_SP_BPE)
        fits = take_emitted(model, s, from, begin, word);
    if (!fits)
        word->max_sum = -1; /* known not to fit */
    return status;
}

/* The first place behind `at` that no piece goes over, or `end`. */
static uint32_t find_cut(const struct wm_sp *model, const char *text, uint32_t at, uint32_t end)
{
    for (at++; at < end; at++) {
        unsigned char a = (unsigned char)text[at - 1], b = (unsigned char)text[at];
        if (a < 0x80 && b < 0x80 && !model->joined[a][b])
            break;
    }
    return at;
}

/* Words that are not in the table are cut once more where that is possible: before a comma, … */
static int encode_parts(const struct wm_sp *model, struct wm_sp_scratch *s, uint32_t begin,
                        uint32_t end, struct wm_error *err)
{
    uint64_t key[WM_SP_KEY_BYTES / 8];
    int status = 0;
    for (uint32_t to; begin < end && !status; begin = to) {
        to = find_cut(model, s->text, begin, end);
        if (to - begin > WM_SP_KEY_BYTES) {
            status = encode_span(model, s, begin, to, err);
            continue;
        }
        struct wm_sp_word *set = &s->words[make_key(s->text + begin, to - begin, key)];
        struct wm_sp_word *word = find_word(set, key, to - begin);
        status = wm_sp_reserve(s, WM_SP_KEY_BYTES, err);
        if (status)
            break;
        if (!word)
            status = new_word(model, s, add_word(set, key, to - begin), begin, err);
        else if (fabsf(s->sum) <= word->max_sum)
            use_word(model, s, word, begin);
        else
            status = encode_span(model, s, begin, to, err);
    }
    return status;
}

static bool is_space(const char *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return (value & 0xFFFFFF) == 0x8196E2;
}

/* The first "▁" from `at` on, or `end`. Eight bytes at a time: those that are 0xE2 become 0. */
static const char *find_space(const char *at, const char *end)
{
    const uint64_t ones = 0x0101010101010101U, first = ones * 0xE2;
    while (at < end) {
        uint64_t x = load64(at) ^ first, zeros = (x - ones) & ~x & (ones << 7);
        if (!zeros) {
            at += 8;
            continue;
        }
        at += __builtin_ctzll(zeros) / 8; /* the lowest of them is right */
        if (at < end && is_space(at))
            return at;
        at++;
    }
    return end;
}

/* A word on its way, and its set, which is fetched while the word before it is at work. */
struct found {
    uint32_t begin, end;
    struct wm_sp_word *set; /* NULL: too long */
    uint64_t key[WM_SP_KEY_BYTES / 8];
};

static int encode_word(const struct wm_sp *model, struct wm_sp_scratch *s,
                       const struct found *found, struct wm_error *err)
{
    if (found->set && s->cap - s->n >= WM_SP_KEY_BYTES) {
        const struct wm_sp_word *word =
            find_word(found->set, found->key, found->end - found->begin);
        if (word && fabsf(s->sum) <= word->max_sum) {
            use_word(model, s, word, found->begin);
            return 0;
        }
    }
    return s->words ? encode_parts(model, s, found->begin, found->end, err)
                    : encode_span(model, s, found->begin, found->end, err);
}

/* The word that starts at `from`; at the end an empty one. */
static struct found next_word(const struct wm_sp *model, const struct wm_sp_scratch *s,
                              uint32_t from)
{
    const char *end = s->text + s->text_len, *next = s->text + from;
    if (!model->cut_before_spaces)
        next = find_space(next, end);
    while (next < end && is_space(next))
        next += 3;
    if (model->cut_before_spaces)
        next = find_space(next, end);
    struct found found = {.begin = from, .end = (uint32_t)(next - s->text)};
    if (s->words && found.end - from <= WM_SP_KEY_BYTES) {
        found.set = &s->words[make_key(s->text + from, found.end - from, found.key)];
        __builtin_prefetch(&found.set[0]);
        __builtin_prefetch(&found.set[1]);
    }
    return found;
}

static int encode_words(const struct wm_sp *model, struct wm_sp_scratch *s, struct wm_error *err)
{
    int status = 0;
    struct found now = next_word(model, s, 0);
    while (now.begin < now.end && !status) {
        struct found next = next_word(model, s, now.end);
        status = encode_word(model, s, &now, err);
        now = next;
    }
    return status;
}

int wm_sp_normalise(const struct wm_sp *model, struct wm_sp_scratch *scratch, struct wm_str text,
                    struct wm_str *ret, struct wm_error *err)
{
    const struct wm_sp *symbols = model->has_user_defined ? model : NULL;
    int status = wm_sp_normalise_into(&model->normaliser, symbols, text, scratch, err);
    if (!status)
        *ret = (struct wm_str){scratch->text, scratch->text_len};
    return status;
}

int wm_sp_encode(const struct wm_sp *model, struct wm_sp_scratch *scratch, struct wm_str text,
                 struct wm_sp_pieces *ret, struct wm_error *err)
{
    struct wm_str normal;
    scratch->n = 0;
    scratch->sum = 0;
    int status = wm_sp_normalise(model, scratch, text, &normal, err);
    if (status)
        return status;
    if (scratch->text_is_utf8 && (model->cut_before_spaces || model->cut_behind_spaces))
        status = encode_words(model, scratch, err);
    else
        status = encode_span(model, scratch, 0, (uint32_t)normal.len, err);
    if (!status)
        *ret = (struct wm_sp_pieces){scratch->n, scratch->ids, scratch->ends, normal};
    return status;
}

struct wm_str wm_sp_surface(const struct wm_sp *model, const struct wm_sp_pieces *pieces, size_t i)
{
    uint32_t id = pieces->ids[i];
    return model->types[id] == WM_SP_BYTE ? wm_sp_piece(model, id) : wm_sp_slice(pieces, i);
}
