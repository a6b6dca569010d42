/* SPDX-License-Identifier: Apache-2.0 */
#include "wetmill/perplexity.h"

#include <math.h>
#include <stdlib.h>

#include "wetmill/ngram.h"
#include "wetmill/sentencepiece.h"

struct wm_perplexity {
    struct wm_sp *sp;
    struct wm_ngram *lm;
    uint32_t *words; /* [pieces] index of each piece in the n-gram model */
    size_t n_pieces;
    uint32_t unknown; /* the piece whose text stands for itself */
};

struct wm_perplexity_scratch {
    struct wm_sp_scratch *sp;
    uint32_t *words;
    size_t cap;
};

static int map_pieces(struct wm_perplexity *model, struct wm_error *err)
{
    model->n_pieces = wm_sp_count(model->sp);
    model->unknown = wm_sp_unknown(model->sp);
    model->words = calloc(model->n_pieces + 1, sizeof *model->words);
    if (!model->words)
        return wm_fail_nomem(err, model->n_pieces * sizeof *model->words, "pieces of a model");
    for (size_t i = 0; i < model->n_pieces; i++)
        model->words[i] = wm_ngram_word(model->lm, wm_sp_piece(model->sp, (uint32_t)i));
    return 0;
}

int wm_perplexity_open(const char *sentencepiece, const char *lm, struct wm_perplexity **ret,
                       struct wm_error *err)
{
    struct wm_perplexity *model = calloc(1, sizeof *model);
    if (!model)
        return wm_fail_nomem(err, sizeof *model, "a language model");
    int status = wm_sp_open(sentencepiece, &model->sp, err);
    if (!status)
        status = wm_ngram_open(lm, &model->lm, err);
    if (!status)
        status = map_pieces(model, err);
    if (status)
        wm_perplexity_free(model);
    else
        *ret = model;
    return status;
}

void wm_perplexity_free(struct wm_perplexity *model)
{
    if (!model)
        return;
    wm_sp_free(model->sp);
    wm_ngram_free(model->lm);
    free(model->words);
    free(model);
}

size_t wm_perplexity_memory(const struct wm_perplexity *model)
{
    return wm_sp_memory(model->sp) + (size_t)wm_ngram_memory(model->lm) +
           model->n_pieces * sizeof *model->words;
}

int wm_perplexity_scratch_new(const struct wm_perplexity *model, struct wm_perplexity_scratch **ret,
                              struct wm_error *err)
{
    struct wm_perplexity_scratch *scratch = calloc(1, sizeof *scratch);
    if (!scratch)
        return wm_fail_nomem(err, sizeof *scratch, "scoring");
    int status = wm_sp_scratch_new(model->sp, &scratch->sp, err);
    if (status)
        wm_perplexity_scratch_free(scratch);
    else
        *ret = scratch;
    return status;
}

void wm_perplexity_scratch_free(struct wm_perplexity_scratch *scratch)
{
    if (!scratch)
        return;
    wm_sp_scratch_free(scratch->sp);
    free(scratch->words);
    free(scratch);
}

static int make_room(struct wm_perplexity_scratch *scratch, size_t n, struct wm_error *err)
{
    if (n <= scratch->cap)
        return 0;
    free(scratch->words);
    scratch->cap = n + n / 2;
    scratch->words = malloc(scratch->cap * sizeof *scratch->words);
    if (scratch->words)
        return 0;
    scratch->cap = 0;
    return wm_fail_nomem(err, n * sizeof *scratch->words, "scoring");
}

int wm_perplexity_score(const struct wm_perplexity *model, struct wm_perplexity_scratch *scratch,
                        struct wm_str text, struct wm_perplexity_score *ret, struct wm_error *err)
{
    struct wm_sp_pieces pieces;
    struct wm_ngram_score score;
    int status = wm_sp_encode(model->sp, scratch->sp, text, &pieces, err);
    if (!status)
        status = make_room(scratch, pieces.n, err);
    if (status)
        return status;
    for (size_t i = 0; i < pieces.n; i++)
        scratch->words[i] = pieces.ids[i] == model->unknown
                                ? wm_ngram_word(model->lm, wm_sp_slice(&pieces, i))
                                : model->words[pieces.ids[i]];
    wm_ngram_score(model->lm, scratch->words, pieces.n, &score, NULL, NULL);
    *ret =
        (struct wm_perplexity_score){.log10 = score.log10,
                                     .tokens = (uint64_t)pieces.n + 1,
                                     .oov = score.oov,
                                     .perplexity = pow(10, -score.log10 / ((double)pieces.n + 1))};
    return 0;
}
