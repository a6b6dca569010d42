/* SPDX-License-Identifier: Apache-2.0 */
/* Training's counting phase, and the options. */
#include <inttypes.h>
#include <stdlib.h>
#include <xxhash.h>

#include "tokenizer/rounds.h"
#include "tokenizer/trainer.h"
#include "wetmill/utf8.h"

static const char *const splits[] = {"r50k", "cl100k", "o200k", "llama3", "qwen2", "pattern", NULL};
_Static_assert((int)WM_SPLIT_PATTERN == (int)BPE_NAMED_PATTERNS, "named splits have patterns");

static const char *const digits[] = {"pattern", "single", "three", NULL};
static const char *const ties[] = {"hf", "raw-byte", NULL};
static const char *const alphabets[] = {"all", "seen", NULL};

#define OPTIONS struct wm_tokenizer_options

const struct wm_option wm_tokenizer_option_table[] = {
    WM_COUNT(OPTIONS, vocabulary, 32768, 2, BPE_MAX_IDS, "tokens",
             "ids in all: bytes, merges, special tokens"),
    WM_CHOICE(OPTIONS, split, splits, WM_SPLIT_CL100K,
              "how text is cut into pieces before merging"),
    WM_TEXT(OPTIONS, pattern, NULL, "PCRE2 pattern of a piece, with split: pattern"),
    WM_CHOICE(OPTIONS, digits, digits, WM_DIGITS_PATTERN,
              "numbers as the split has them, each digit a piece, or by threes from the left"),
    WM_COUNT(OPTIONS, min_frequency, 2, 1, 1e15, "occurrences",
             "least count of a pair to merge it"),
    WM_COUNT(OPTIONS, max_token, 256, 2, BPE_MAX_TOKEN, "bytes", "longest token"),
    WM_LIST(OPTIONS, specials,
            "special tokens, which get the last ids; may be repeated; default <|endoftext|>"),
    WM_TEXT(OPTIONS, bos, NULL,
            "special token that the template puts before a text; default none, with split llama3 "
            "<|begin_of_text|> if it is one of them"),
    WM_TEXT(OPTIONS, eos, NULL, "special token that the template puts behind a text; default none"),
    WM_CHOICE(OPTIONS, ties, ties, WM_TIES_HF,
              "which of equally frequent pairs goes first: smallest ids as Hugging Face or as raw "
              "bytes have them"),
    WM_CHOICE(OPTIONS, alphabet, alphabets, WM_ALPHABET_ALL,
              "bytes that get ids: all, or those seen in the corpus"),
    WM_REAL(OPTIONS, sample, 1, 0, 1, "share",
            "train on this share of the documents, picked by a hash of their text"),
    WM_COUNT(OPTIONS, seed, 0, 0, 1e15, "", "another seed picks another sample"),
    WM_LIST(OPTIONS, weights,
            "GLOB=WEIGHT: documents of files of such names count WEIGHT times; the first match "
            "holds; may be repeated"),
    {0},
};

/* ---- trainer ---- */

static int check_special(const struct wm_bpe_trainer *trainer, struct wm_str name,
                         struct wm_error *err)
{
    if (name.len == 0 || name.len > BPE_MAX_TOKEN)
        return wm_fail(err, WM_E_CONFIG, "a special token has %zu bytes, want 1 to %d", name.len,
                       BPE_MAX_TOKEN);
    if (!wm_utf8_valid(name))
        return wm_fail(err, WM_E_CONFIG, "the special token \"%.*s\" is not UTF-8", (int)name.len,
                       name.ptr);
    for (size_t i = 0; i < trainer->n_specials; i++)
        if (wm_str_eq(trainer->specials[i], name))
            return wm_fail(err, WM_E_CONFIG, "the special token \"%.*s\" is given twice",
                           (int)name.len, name.ptr);
    return 0;
}

static int add_special(struct wm_bpe_trainer *trainer, struct wm_str name, struct wm_error *err)
{
    int status = check_special(trainer, name, err);
    if (status)
        return status;
    struct wm_str copy = wm_arena_str(&trainer->strings, name);
    char *bytes = wm_arena_bytes(&trainer->strings, name.len);
    if (!copy.ptr || !bytes)
        return wm_fail_nomem(err, name.len, "special tokens");
    trainer->specials[trainer->n_specials++] = copy;
    size_t len;
    if (!bpe_unmap_bytes(name, bytes, &len))
        return 0;
    if (len == 1)
        return wm_fail(err, WM_E_CONFIG, "the special token \"%.*s\" is how a byte is written",
                       (int)name.len, name.ptr);
    trainer->forbidden[trainer->n_forbidden++] = (struct wm_str){bytes, len};
    return 0;
}

static int set_specials(struct wm_bpe_trainer *trainer, const struct wm_list *list,
                        struct wm_error *err)
{
    size_t n = list->n ? list->n : 1;
    if (n > BPE_MAX_ADDED)
        return wm_fail(err, WM_E_CONFIG, "%zu special tokens, want at most %d", n, BPE_MAX_ADDED);
    trainer->specials = wm_arena_alloc(&trainer->strings, n, sizeof *trainer->specials);
    trainer->forbidden = wm_arena_alloc(&trainer->strings, n, sizeof *trainer->forbidden);
    if (!trainer->specials || !trainer->forbidden)
        return wm_fail_nomem(err, n * sizeof *trainer->specials, "special tokens");
    if (list->n == 0)
        return add_special(trainer, WM_STR("<|endoftext|>"), err);
    int status = 0;
    for (size_t i = 0; i < list->n && !status; i++)
        status = add_special(trainer, wm_str_of(list->items[i]), err);
    return status;
}

/* Which special token the template has; n_specials: none. NULL is the default, an empty name none. */
static int find_special(const struct wm_bpe_trainer *trainer, const char *option, const char *name,
                        const char *fallback, size_t *ret, struct wm_error *err)
{
    const char *wanted = name ? name : fallback;
    *ret = trainer->n_specials;
    for (size_t i = 0; wanted && *wanted && i < trainer->n_specials; i++)
        if (wm_str_eq(trainer->specials[i], wm_str_of(wanted)))
            *ret = i;
    if (!name || !*name || *ret < trainer->n_specials)
        return 0;
    return wm_fail(err, WM_E_CONFIG, "%s is \"%s\", which is none of the special tokens", option,
                   name);
}

static int set_template(struct wm_bpe_trainer *trainer, const struct wm_tokenizer_options *o,
                        struct wm_error *err)
{
    const char *llama3 = o->split == WM_SPLIT_LLAMA3 ? "<|begin_of_text|>" : NULL;
    int status = find_special(trainer, "bos", o->bos, llama3, &trainer->bos, err);
    return status ? status : find_special(trainer, "eos", o->eos, NULL, &trainer->eos, err);
}

static int set_pattern(struct wm_bpe_trainer *trainer, const struct wm_tokenizer_options *o,
                       struct wm_error *err)
{
    if (o->split != WM_SPLIT_PATTERN && o->pattern) {
        (void)wm_fail(err, WM_E_CONFIG, "pattern is given, but split is %s", splits[o->split]);
        return wm_error_hint(err, "say split pattern, too");
    }
    if (o->split != WM_SPLIT_PATTERN)
        return bpe_pattern_new(wm_str_of(bpe_digits_pattern(o->split, o->digits)),
                               &trainer->pattern, err);
    if (!o->pattern)
        return wm_fail(err, WM_E_CONFIG, "split is pattern, but pattern is not given");
    if (o->digits != WM_DIGITS_PATTERN)
        return wm_fail(err, WM_E_CONFIG,
                       "digits is %s, but with split: pattern it is the pattern that says how "
                       "numbers are cut",
                       digits[o->digits]);
    struct wm_str pattern = wm_str_of(o->pattern);
    if (!wm_utf8_valid(pattern))
        return wm_fail(err, WM_E_CONFIG, "pattern is not UTF-8");
    return bpe_pattern_new(pattern, &trainer->pattern, err);
}

int wm_trainer_new(const struct wm_tokenizer_options *options, struct wm_bpe_trainer **ret,
                   struct wm_error *err)
{
    struct wm_bpe_trainer *trainer = calloc(1, sizeof *trainer);
    if (!trainer)
        return wm_fail_nomem(err, sizeof *trainer, "tokenizer training");
    trainer->options = *options;
    trainer->options.scratch = NULL; /* the caller's */
    if (!options->memory)
        trainer->options.memory = UINT64_MAX;
    if (!options->merge_memory)
        trainer->options.merge_memory = trainer->options.memory;
    wm_arena_init(&trainer->strings, SIZE_MAX);
    bpe_pieces_init(&trainer->pieces, trainer->options.memory / 2);
    trainer->spill = calloc(1, sizeof *trainer->spill);
    int status = trainer->spill ? bpe_spill_init(trainer->spill, options->scratch,
                                                 trainer->options.memory, err)
                                : wm_fail_nomem(err, sizeof *trainer->spill, "tokenizer training");
    if (!status)
        status = set_pattern(trainer, options, err);
    if (!status)
        status = set_specials(trainer, &options->specials, err);
    if (!status)
        status = set_template(trainer, options, err);
    if (!status)
        status = bpe_weights_init(&trainer->weights, &options->weights, &trainer->strings, err);
    if (!status)
        trainer->spill->unit = trainer->weights.unit;
    size_t n_bytes = options->alphabet == WM_ALPHABET_ALL ? 256 : 0;
    if (!status &&
        (options->vocabulary > BPE_MAX_IDS || options->vocabulary < n_bytes + trainer->n_specials))
        status = wm_fail(err, WM_E_CONFIG,
                         "vocabulary is %" PRIu64 ", want %zu bytes + %zu special tokens to %d",
                         options->vocabulary, n_bytes, trainer->n_specials, BPE_MAX_IDS);
    if (!status && (options->max_token < 2 || options->max_token > BPE_MAX_TOKEN))
        status = wm_fail(err, WM_E_CONFIG, "max_token is %" PRIu64 ", want 2 to %d",
                         options->max_token, BPE_MAX_TOKEN);
    if (status) {
        wm_trainer_free(trainer);
        return status;
    }
    *ret = trainer;
    return 0;
}

uint64_t wm_trainer_least_memory(const struct wm_tokenizer_options *options)
{
    return bpe_rounds_floor(options->vocabulary) * 2;
}

void wm_trainer_free(struct wm_bpe_trainer *trainer)
{
    if (!trainer)
        return;
    bpe_pattern_free(trainer->pattern);
    bpe_pieces_done(&trainer->pieces);
    if (trainer->spill)
        bpe_spill_done(trainer->spill);
    free(trainer->spill);
    bpe_kept_done(&trainer->kept);
    wm_arena_done(&trainer->strings);
    free(trainer);
}

bool wm_trainer_takes(const struct wm_bpe_trainer *trainer, struct wm_str text)
{
    const struct wm_tokenizer_options *o = &trainer->options;
    if (o->sample >= 1)
        return true;
    uint64_t hash = XXH3_64bits_withSeed(text.ptr, text.len, o->seed);
    return (double)(hash >> 11) < o->sample * 0x1p53;
}

uint64_t wm_trainer_weight(const struct wm_bpe_trainer *trainer, const char *path, size_t *ret_rule)
{
    return bpe_weight_of(&trainer->weights, path, ret_rule);
}

void wm_trainer_stats(const struct wm_bpe_trainer *trainer, struct wm_trainer_stats *ret)
{
    *ret = trainer->stats;
}

/* ---- counter ---- */

static int spill_to_trainer(void *arg, struct bpe_pieces *pieces, struct wm_error *err)
{
    return bpe_spill_table(arg, pieces, err);
}

int wm_counter_new(const struct wm_bpe_trainer *trainer, struct wm_counter **ret,
                   struct wm_error *err)
{
    struct wm_counter *counter = calloc(1, sizeof *counter);
    if (!counter)
        return wm_fail_nomem(err, sizeof *counter, "counting pieces");
    unsigned n = trainer->options.n_counters ? trainer->options.n_counters : 1;
    bpe_pieces_init(&counter->pieces, trainer->options.memory / 4 / n);
    counter->pieces.shift = 24; /* the trainer's has 0 */
    counter->spill = spill_to_trainer;
    counter->spill_arg = trainer->spill;
    counter->weight = trainer->weights.unit;
    bpe_nfc_init(&counter->nfc);
    counter->normalises = trainer->options.split == WM_SPLIT_QWEN2;
    int status = bpe_splitter_new(trainer->pattern, &counter->splitter, err);
    if (status) {
        wm_counter_free(counter);
        return status;
    }
    *ret = counter;
    return 0;
}

void wm_counter_free(struct wm_counter *counter)
{
    if (!counter)
        return;
    bpe_splitter_free(counter->splitter);
    bpe_nfc_done(&counter->nfc);
    bpe_pieces_done(&counter->pieces);
    free(counter);
}

void wm_counter_weigh(struct wm_counter *counter, uint64_t weight)
{
    counter->weight = weight;
}

bool wm_counter_is_full(const struct wm_counter *counter)
{
    return bpe_pieces_half_full(&counter->pieces);
}

static int count_piece(struct wm_counter *counter, struct wm_str piece, struct wm_error *err)
{
    struct bpe_pieces *pieces = &counter->pieces;
    int status = bpe_pieces_add(pieces, piece, counter->weight, err);
    if (status != BPE_PIECES_FULL)
        return status;
    status = counter->spill(counter->spill_arg, pieces, err);
    if (!status)
        status = bpe_pieces_add(pieces, piece, counter->weight, err);
    return status == BPE_PIECES_FULL ? bpe_pieces_too_long(pieces, piece, err) : status;
}

static int count_valid(struct wm_counter *counter, struct wm_str text, struct wm_error *err)
{
    struct wm_str piece;
    int more = counter->normalises ? bpe_nfc(&counter->nfc, text, &text, err) : 0;
    if (more)
        return more;
    bpe_split(counter->splitter, text);
    while ((more = bpe_next_piece(counter->splitter, &piece, err)) > 0) {
        int status = count_piece(counter, piece, err);
        if (status)
            return status;
        counter->n_pieces++;
    }
    return more;
}

int wm_counter_add(struct wm_counter *counter, struct wm_str text, struct wm_error *err)
{
    if (text.len > BPE_MAX_TEXT)
        return wm_fail(err, WM_E_LIMIT, "a text of %zu bytes is over the limit of %d", text.len,
                       BPE_MAX_TEXT);
    struct wm_str rest = text;
    while (counter->weight && rest.len) {
        struct wm_str valid = {rest.ptr, wm_utf8_prefix(rest)};
        int status = count_valid(counter, valid, err);
        if (status)
            return status;
        rest = (struct wm_str){rest.ptr + valid.len, rest.len - valid.len};
        if (rest.len) { /* not counted: what damage put side by side is not to be learned */
            uint32_t code;
            size_t invalid = wm_utf8_decode(rest, &code);
            rest = (struct wm_str){rest.ptr + invalid, rest.len - invalid};
        }
    }
    counter->documents += counter->weight > 0;
    counter->bytes += counter->weight ? text.len : 0;
    return 0;
}

void bpe_counter_clear(struct wm_counter *counter)
{
    counter->documents = counter->bytes = counter->n_pieces = 0;
    bpe_pieces_clear(&counter->pieces);
}

int bpe_trainer_add(struct wm_bpe_trainer *trainer, struct wm_str piece, uint64_t count,
                    struct wm_error *err)
{
    struct bpe_pieces *pieces = &trainer->pieces;
    int status = bpe_pieces_add(pieces, piece, count, err);
    if (status != BPE_PIECES_FULL)
        return status;
    status = bpe_spill_table(trainer->spill, pieces, err);
    if (!status)
        status = bpe_pieces_add(pieces, piece, count, err);
    return status == BPE_PIECES_FULL ? bpe_pieces_too_long(pieces, piece, err) : status;
}

int wm_trainer_fold(struct wm_bpe_trainer *trainer, struct wm_counter *counter,
                    struct wm_error *err)
{
    for (size_t i = 0; i < counter->pieces.n_slots; i++) {
        const struct bpe_piece *piece = &counter->pieces.slots[i];
        if (!piece->count)
            continue;
        int status =
            bpe_trainer_add(trainer, bpe_piece_bytes(&counter->pieces, piece), piece->count, err);
        if (status)
            return status;
    }
    for (size_t i = 0; i < 256; i++)
        trainer->pieces.seen[i] |= counter->pieces.seen[i];
    trainer->stats.documents += counter->documents;
    trainer->stats.bytes += counter->bytes;
    trainer->stats.pieces += counter->n_pieces;
    trainer->stats.distinct_pieces = trainer->pieces.n;
    bpe_counter_clear(counter);
    return 0;
}
