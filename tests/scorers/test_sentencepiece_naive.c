/* SPDX-License-Identifier: Apache-2.0 */
/* Words, cuts, tables and queues give what the plain algorithms give over the whole text: random
 * models and texts of few letters, so that pieces overlap, tie and go over spaces. */
#include "sentencepiece_model.h"

#include <float.h>
#include <math.h>

enum { MAX_TEXT = 1 << 12, MAX_PIECES_OF_MODEL = 200, MODELS = 400, TEXTS = 12 };

static uint32_t seed = 2024;

static uint32_t below(uint32_t n)
{
    seed = seed * 1664525U + 1013904223U;
    return (uint32_t)(((uint64_t)seed * n) >> 32);
}

/* ---- the plain algorithms ---- */

struct plain {
    size_t n;
    uint32_t ids[MAX_TEXT], ends[MAX_TEXT];
};

static size_t char_bytes(const char *at)
{
    unsigned char c = (unsigned char)*at;
    return c < 0xC0 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

static void emit(const struct wm_sp *model, struct wm_str text, struct plain *out, uint32_t id,
                 size_t begin, size_t end)
{
    bool unknown = id == wm_sp_unknown(model);
    uint32_t first_byte = wm_sp_find(model, WM_STR("<0x00>"));
    if (unknown && first_byte != id) {
        for (size_t i = begin; i < end; i++) {
            out->ids[out->n] = first_byte + (unsigned char)text.ptr[i];
            out->ends[out->n++] = (uint32_t)i + 1;
        }
        return;
    }
    if (!unknown || out->n == 0 || out->ids[out->n - 1] != id)
        out->ids[out->n++] = id;
    out->ends[out->n - 1] = (uint32_t)end;
}

static void plain_unigram(const struct wm_sp *model, struct wm_str text, struct plain *out)
{
    static float sums[MAX_TEXT + 1];
    static uint32_t from[MAX_TEXT + 1], ids[MAX_TEXT + 1], path[MAX_TEXT + 1];
    const uint32_t unknown = wm_sp_unknown(model);
    float least = FLT_MAX, most = FLT_MIN;
    for (uint32_t id = 0; id < wm_sp_count(model); id++)
        if (wm_sp_piece_type(model, id) == WM_SP_NORMAL) {
            least = fminf(least, wm_sp_piece_score(model, id));
            most = fmaxf(most, wm_sp_piece_score(model, id));
        }
    for (size_t i = 0; i <= text.len; i++)
        from[i] = UINT32_MAX;
    sums[0] = 0;
    for (size_t at = 0; at < text.len; at += char_bytes(text.ptr + at)) {
        bool single = false;
        for (size_t len = 1; len <= 24 && at + len <= text.len; len++) {
            uint32_t id = wm_sp_find(model, (struct wm_str){text.ptr + at, len});
            enum wm_sp_type type = wm_sp_piece_type(model, id);
            if (type != WM_SP_NORMAL && type != WM_SP_USER_DEFINED)
                continue;
            double score = type == WM_SP_NORMAL ? (double)wm_sp_piece_score(model, id)
                                                : (double)((float)len * most) - 0.1;
            single = single || len == char_bytes(text.ptr + at);
            double sum = (double)sums[at] + score;
            if (from[at + len] != UINT32_MAX && !(sum > (double)sums[at + len]))
                continue;
            sums[at + len] = (float)sum;
            from[at + len] = (uint32_t)at;
            ids[at + len] = id;
        }
        size_t end = at + char_bytes(text.ptr + at);
        float sum = sums[at] + (least - 10.0F);
        if (!single && (from[end] == UINT32_MAX || sum > sums[end])) {
            sums[end] = sum;
            from[end] = (uint32_t)at;
            ids[end] = unknown;
        }
    }
    size_t n = 0;
    for (size_t to = text.len; to > 0; to = from[to])
        path[n++] = (uint32_t)to;
    while (n--)
        emit(model, text, out, ids[path[n]], from[path[n]], path[n]);
}

struct symbols {
    size_t n;
    size_t begin[MAX_TEXT + 1]; /* and the end of the text */
    bool fixed[MAX_TEXT];
};

static uint32_t piece_in_text(const struct wm_sp *model, struct wm_str text, size_t begin,
                              size_t end)
{
    uint32_t id = wm_sp_find(model, (struct wm_str){text.ptr + begin, end - begin});
    enum wm_sp_type type = wm_sp_piece_type(model, id);
    bool found = type == WM_SP_NORMAL || type == WM_SP_USER_DEFINED || type == WM_SP_UNUSED;
    return found ? id : WM_SP_NONE;
}

static void split_text(const struct wm_sp *model, struct wm_str text, struct symbols *s)
{
    for (size_t at = 0; at < text.len; s->n++) {
        size_t longest = 0;
        for (size_t len = 1; len <= 24 && at + len <= text.len; len++) {
            uint32_t id = piece_in_text(model, text, at, at + len);
            if (id != WM_SP_NONE && wm_sp_piece_type(model, id) == WM_SP_USER_DEFINED)
                longest = len;
        }
        s->begin[s->n] = at;
        s->fixed[s->n] = longest;
        at += longest ? longest : char_bytes(text.ptr + at);
    }
    s->begin[s->n] = text.len;
}

/* What unused pieces were last seen to be made of. */
static size_t left_bytes[MAX_PIECES_OF_MODEL + 300];

static void emit_piece(const struct wm_sp *model, struct wm_str text, struct plain *out,
                       size_t begin, size_t end)
{
    uint32_t id = piece_in_text(model, text, begin, end);
    if (id != WM_SP_NONE && wm_sp_piece_type(model, id) == WM_SP_UNUSED && left_bytes[id]) {
        size_t middle = begin + left_bytes[id];
        emit_piece(model, text, out, begin, middle);
        emit_piece(model, text, out, middle, end);
        return;
    }
    emit(model, text, out, id == WM_SP_NONE ? wm_sp_unknown(model) : id, begin, end);
}

static void plain_bpe(const struct wm_sp *model, struct wm_str text, struct plain *out)
{
    static struct symbols s;
    s.n = 0;
    memset(left_bytes, 0, sizeof left_bytes);
    split_text(model, text, &s);
    for (;;) {
        size_t best = SIZE_MAX;
        float score = 0;
        for (size_t i = 0; i + 1 < s.n; i++) {
            uint32_t id = s.fixed[i] || s.fixed[i + 1]
                              ? WM_SP_NONE
                              : piece_in_text(model, text, s.begin[i], s.begin[i + 2]);
            if (id == WM_SP_NONE)
                continue;
            left_bytes[id] = s.begin[i + 1] - s.begin[i];
            if (best == SIZE_MAX || wm_sp_piece_score(model, id) > score) {
                best = i;
                score = wm_sp_piece_score(model, id);
            }
        }
        if (best == SIZE_MAX)
            break;
        for (size_t i = best + 1; i < s.n; i++) {
            s.begin[i] = s.begin[i + 1];
            s.fixed[i] = i + 1 < s.n && s.fixed[i + 1];
        }
        s.n--;
    }
    for (size_t i = 0; i < s.n; i++)
        emit_piece(model, text, out, s.begin[i], s.begin[i + 1]);
}

/* ---- random models and texts ---- */

static const char *const letters[] = {"a", "b", "c",  ",", "\xE2\x96\x81", "\xE2\x96\x81",
                                      "d", "é", "字", "1", "\xE2\x80\x9C", "🙂"};
enum { LETTERS = sizeof letters / sizeof *letters };

static struct wm_str random_text(uint32_t n_letters, bool spaces_first, char *ret)
{
    size_t len = 0;
    for (uint32_t i = 0; i < n_letters; i++) {
        const char *letter = letters[below(LETTERS)];
        bool space = strlen(letter) == 3 && (unsigned char)letter[1] == 0x96;
        if (space && spaces_first && i > 0)
            letter = "a";
        memcpy(ret + len, letter, strlen(letter));
        len += strlen(letter);
    }
    return (struct wm_str){ret, len};
}

/* Of a piece of `n_letters`. Kind 3: all paths are so near that rounding decides. */
static float random_score(uint32_t kind, uint32_t n_letters)
{
    if (kind == 0)
        return -(float)below(8);
    if (kind == 1)
        return -(float)below(1 << 24) / (1 << 20);
    if (kind == 2)
        return -1e4F * (float)below(1 << 10) / 3;
    return -100.0F * (float)n_letters - (float)below(100) * 1e-4F;
}

static void random_model(struct wm_buf *out, enum wm_sp_kind kind)
{
    char text[64];
    uint32_t n = below(60) + 5, scores = below(4), odd = below(3) == 0 ? 8 : 1000;
    bool byte_fallback = below(4) == 0, spaces_first = below(3) > 0;
    struct wm_str seen[MAX_PIECES_OF_MODEL];
    static char bytes[MAX_PIECES_OF_MODEL][64];
    uint32_t n_seen = 0;
    add_specials(out);
    if (byte_fallback)
        add_byte_pieces(out);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t n_letters = 1 + below(below(4) ? 3 : 5);
        struct wm_str piece = random_text(n_letters, spaces_first, text);
        bool known = false;
        for (uint32_t j = 0; j < n_seen; j++)
            known = known || wm_str_eq(seen[j], piece);
        if (known)
            continue;
        memcpy(bytes[n_seen], piece.ptr, piece.len);
        seen[n_seen] = (struct wm_str){bytes[n_seen], piece.len};
        n_seen++;
        uint32_t type = below(odd);
        add_piece(out, piece, random_score(scores, n_letters),
                  type == 0              ? WM_SP_USER_DEFINED
                  : type < 3 && odd == 8 ? WM_SP_UNUSED
                                         : WM_SP_NORMAL);
    }
    add_trainer(out, kind, byte_fallback, below(2));
    add_normaliser(out, 3, (struct wm_str){0}, below(2), below(2), below(4) > 0);
}

static void check_text(const struct wm_sp *model, struct wm_sp_scratch *scratch, struct wm_str text,
                       unsigned number)
{
    static struct plain want;
    struct wm_sp_pieces pieces = {0};
    want.n = 0;
    CHECK_OK(wm_sp_encode(model, scratch, text, &pieces, &err), err);
    if (wm_sp_kind(model) == WM_SP_UNIGRAM)
        plain_unigram(model, pieces.text, &want);
    else
        plain_bpe(model, pieces.text, &want);
    bool same = want.n == pieces.n;
    for (size_t i = 0; same && i < want.n; i++)
        same = want.ids[i] == pieces.ids[i] && want.ends[i] == pieces.ends[i];
    CHECK_(same, "model %u: other pieces for \"%.*s\"", number, (int)pieces.text.len,
           pieces.text.ptr);
}

static void check_model(unsigned number)
{
    static char text[MAX_TEXT];
    struct wm_buf bytes;
    struct wm_sp *model = NULL;
    struct wm_sp_scratch *scratch = NULL;
    wm_buf_init(&bytes, MODEL_BYTES);
    random_model(&bytes, number % 2 ? WM_SP_BPE : WM_SP_UNIGRAM);
    CHECK_OK(wm_sp_parse(wm_buf_str(&bytes), &model, &err), err);
    CHECK_OK(model ? wm_sp_scratch_new(model, &scratch, &err) : -1, err);
    for (unsigned i = 0; i < TEXTS && scratch; i++)
        check_text(model, scratch, random_text(1 + below(i % 4 ? 40 : 800), false, text), number);
    wm_sp_scratch_free(scratch);
    wm_sp_free(model);
    wm_buf_done(&bytes);
}

int main(void)
{
    for (unsigned number = 0; number < MODELS; number++)
        check_model(number);
    return test_summary();
}
