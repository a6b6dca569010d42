/* SPDX-License-Identifier: Apache-2.0 */
/* Training's merging phase: from counts to a tokenizer. */
#include <inttypes.h>

#include "tokenizer/learn.h"
#include "tokenizer/rounds.h"
#include "tokenizer/trainer.h"

/* The alphabet, in the order that settles ties. */
static int put_bytes(const struct wm_bpe_trainer *trainer, struct wm_tokenizer *tok,
                     struct wm_error *err)
{
    const struct wm_tokenizer_options *o = &trainer->options;
    int status = 0;
    for (unsigned i = 0; i < 256 && !status; i++) {
        unsigned byte = o->ties == WM_TIES_HF ? bpe_byte_order[i] : i;
        char c = (char)byte;
        if (o->alphabet == WM_ALPHABET_SEEN && !trainer->pieces.seen[byte])
            continue;
        status = bpe_put_token(tok, tok->n_ids, (struct wm_str){&c, 1}, BPE_TOKEN, err);
    }
    return status ? status : bpe_index_tokens(tok, err);
}

/* Bytes that merging all pieces in memory takes. */
static uint64_t learn_need(const struct wm_bpe_trainer *trainer, uint64_t n_symbols)
{
    const struct bpe_pieces *pieces = &trainer->pieces;
    uint64_t table = pieces->n_slots * sizeof *pieces->slots + pieces->bytes.cap;
    uint64_t vocabulary = bpe_rounds_floor(trainer->options.vocabulary) - bpe_rounds_floor(0);
    uint64_t laying_out = table + n_symbols * sizeof(uint32_t);
    uint64_t learning = bpe_learn_memory(n_symbols) + vocabulary;
    return laying_out > learning ? laying_out : learning;
}

/* Whether all pieces are in memory and can be merged there. */
static bool fits(const struct wm_bpe_trainer *trainer)
{
    uint64_t n_symbols = (uint64_t)trainer->pieces.bytes.len + trainer->pieces.n + 1;
    return !trainer->stats.spilled && n_symbols < BPE_NONE - 1 &&
           learn_need(trainer, n_symbols) <= trainer->options.merge_memory;
}

/* Pieces in memory are bytes; where merges are to be done in them first, they go in rounds, with as
 * much memory as these can make use of. Rounds cannot take every piece that memory can: then what
 * was kept is learned again. */
static bool can_replay(const struct wm_bpe_trainer *trainer, uint64_t *ret_memory)
{
    const struct bpe_pieces *pieces = &trainer->pieces;
    uint64_t n_symbols = (uint64_t)pieces->bytes.len + pieces->n + 1, longest = 0;
    uint64_t memory = 4 * learn_need(trainer, n_symbols);
    uint64_t least = wm_trainer_least_memory(&trainer->options);
    memory = memory > least ? memory : least;
    for (size_t i = 0; i < pieces->n_slots; i++)
        longest = pieces->slots[i].len > longest ? pieces->slots[i].len : longest;
    if (memory > trainer->options.merge_memory)
        memory = trainer->options.merge_memory;
    *ret_memory = memory;
    return memory >= least && longest <= (memory - least / 2) / BPE_ROUNDS_BYTE;
}

static int learn_in_rounds(struct wm_bpe_trainer *trainer, struct wm_tokenizer *tok,
                           struct bpe_learn_options *options, struct wm_error *err)
{
    struct bpe_rounds_stats rounds = {0};
    int status = bpe_kept_replay(&trainer->kept, tok, options->n_merges, err);
    if (!status)
        status = bpe_spill_table(trainer->spill, &trainer->pieces, err);
    bpe_pieces_done(&trainer->pieces);
    if (!status)
        status = bpe_learn_rounds(tok, trainer->spill, options, &rounds, err);
    trainer->stats.distinct_pieces = rounds.pieces;
    trainer->stats.spilled = trainer->spill->spilled + rounds.spilled;
    trainer->stats.rounds = rounds.rounds;
    return status;
}

static int learn_merges(struct wm_bpe_trainer *trainer, struct wm_tokenizer *tok,
                        struct bpe_learn_options *options, struct wm_error *err)
{
    bool full;
    uint64_t last;
    trainer->stats.spilled = trainer->spill->spilled;
    options->memory = trainer->options.merge_memory;
    if (!fits(trainer) || (trainer->kept.n && can_replay(trainer, &options->memory)))
        return learn_in_rounds(trainer, tok, options, err);
    options->memory = 0;
    bpe_weights_round(&trainer->pieces, trainer->weights.unit);
    trainer->stats.distinct_pieces = trainer->pieces.n;
    trainer->stats.piece_bytes = trainer->pieces.bytes.len;
    return bpe_learn(tok, &trainer->pieces, false, options, &full, &last, err);
}

/** Who is told of merges. */
struct listener {
    struct bpe_kept *kept;
    const struct wm_tokenizer *tok;
    int (*on_merge)(void *arg, uint64_t done, uint64_t wanted);
    void *arg;
    struct wm_error err;
    int status; /* of keeping merges */
};

static int tell(void *arg, uint64_t done, uint64_t wanted)
{
    struct listener *l = arg;
    int stop = l->on_merge ? l->on_merge(l->arg, done, wanted) : 0;
    if (stop || bpe_kept_is_due(l->kept, l->tok))
        l->status = bpe_kept_save(l->kept, l->tok, &l->err);
    return stop || l->status;
}

static int learn(struct wm_bpe_trainer *trainer, struct wm_tokenizer *tok,
                 int (*on_merge)(void *, uint64_t, uint64_t), void *arg, struct wm_error *err)
{
    int status = put_bytes(trainer, tok, err);
    if (status)
        return status;
    uint64_t reserved = tok->n_ids + trainer->n_specials, wanted = trainer->options.vocabulary;
    if (wanted < reserved)
        return wm_fail(err, WM_E_CONFIG,
                       "vocabulary is %" PRIu64 ", the bytes seen and special tokens are %" PRIu64,
                       wanted, reserved);
    struct listener listener = {
        .kept = &trainer->kept, .tok = tok, .on_merge = on_merge, .arg = arg};
    struct bpe_learn_options options = {
        .n_merges = (uint32_t)(wanted - reserved),
        .min_frequency = trainer->options.min_frequency,
        .max_token = trainer->options.max_token,
        .forbidden = trainer->forbidden,
        .n_forbidden = trainer->n_forbidden,
        .on_merge = tell,
        .arg = &listener,
        .n_threads = trainer->options.n_counters,
        .most_pairs = &trainer->stats.pairs,
    };
    status = learn_merges(trainer, tok, &options, err);
    if (listener.status) {
        *err = listener.err;
        return listener.status;
    }
    for (size_t i = 0; i < trainer->n_specials && !status; i++) {
        uint32_t id = tok->n_ids;
        status = bpe_put_token(tok, id, trainer->specials[i], BPE_SPECIAL, err);
        if (!status)
            status = bpe_put_added(tok, id, false, err);
        if (i == trainer->bos)
            tok->template.before[tok->template.n_before++] = id;
        if (i == trainer->eos)
            tok->template.after[tok->template.n_after++] = id;
    }
    if (!status)
        status = bpe_index_tokens(tok, err);
    if (!status)
        status = bpe_set_pattern(tok, bpe_pattern_text(trainer->pattern), err);
    tok->ignore_merges = trainer->options.split == WM_SPLIT_LLAMA3;
    tok->nfc = trainer->options.split == WM_SPLIT_QWEN2;
    return status ? status : bpe_finish(tok, err);
}

int wm_trainer_keep(struct wm_bpe_trainer *trainer, const char *path, const char *identity,
                    double seconds, uint64_t *ret_merges, struct wm_error *err)
{
    bpe_kept_done(&trainer->kept);
    int status = bpe_kept_open(&trainer->kept, path, identity, seconds, &trainer->stats, err);
    *ret_merges = trainer->kept.n;
    return status;
}

int wm_trainer_finish(struct wm_bpe_trainer *trainer, int (*on_merge)(void *, uint64_t, uint64_t),
                      void *arg, struct wm_tokenizer **ret, struct wm_error *err)
{
    if (trainer->finished)
        return wm_fail(err, WM_E_CONFIG, "this training is over already");
    trainer->finished = true;
    struct wm_tokenizer *tok = NULL;
    int status = bpe_new(&tok, err);
    if (status)
        return status;
    status = learn(trainer, tok, on_merge, arg, err);
    if (status) {
        wm_tokenizer_free(tok);
        return status;
    }
    trainer->stats.merges = tok->n_merges;
    *ret = tok;
    return 0;
}
