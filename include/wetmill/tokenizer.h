/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tokenizer.h
 * Byte-level BPE: training, encoding, decoding, and Hugging Face `tokenizer.json`. SentencePiece
 * models (wetmill/sentencepiece.h): encoding and decoding.
 *
 * A tokenizer is immutable once made and may be used by any number of threads at once; each
 * thread encodes through an encoder of its own (scratch memory and a bounded cache, no locks).
 * Ids are uint32_t, < wm_tokenizer_size(). decode(encode(x)) = x for every byte string x, or x in
 * NFC where the tokenizer has that normaliser (split qwen2); a vocabulary read from elsewhere that
 * lacks a byte refuses a text with it (WM_E_FORMAT).
 *
 * A tokenizer read from a SentencePiece model gives the ids of spm_encode and the text of
 * spm_decode: a text is normalised first, so decoding gives back that, and an unknown character as
 * " ⁇ ". Its control symbols (<s>, </s>, …) and the unknown piece are special tokens; where their
 * names are looked for, what stands between them is a text of its own. It has no template.
 *
 * Ids of a tokenizer we train: first the bytes — all 256, or with alphabet: seen those of the
 * corpus — in the order of their byte-mapped characters (GPT-2's ids), with ties: raw-byte in the
 * order of their values (tiktoken's); then the merges, then the special tokens in the order given.
 *
 * Split patterns are PCRE2 (UTF, UCP) with \s meaning the property White_Space; text that no match
 * covers is a piece as well. The named ones have scanners, with the classes of Unicode 14.0. Hugging
 * Face matches with Oniguruma: write \p{…} classes rather than \w, \d and \b in a pattern of your
 * own, which the two read differently.
 */
#ifndef WETMILL_TOKENIZER_H
#define WETMILL_TOKENIZER_H

#include <stdbool.h>
#include <stdint.h>
#include <xxhash.h>

#include "wetmill/arena.h"
#include "wetmill/buf.h"
#include "wetmill/error.h"
#include "wetmill/option.h"
#include "wetmill/sentencepiece.h"
#include "wetmill/str.h"

struct wm_tokenizer;

/** Load a tokenizer in any format of wetmill/tokenizer_formats.h: a file, or a directory that holds
 *  `tokenizer.json`, or else `vocab.json` and `merges.txt`, or else `tokenizer.model`. WM_E_FORMAT names an unknown component;
 *  WM_E_IO; WM_E_CONFIG for ranks whose split is not known. Free with wm_tokenizer_free. */
int wm_tokenizer_load(const char *path, struct wm_tokenizer **ret, struct wm_error *err);

/** Write `tokenizer.json` (a SentencePiece model: `tokenizer.model`) and `tokenizer_config.json` into
 *  the directory `dir`, each all or nothing. */
int wm_tokenizer_save(const struct wm_tokenizer *tok, const char *dir, struct wm_error *err);

void wm_tokenizer_free(struct wm_tokenizer *tok);

/** Number of ids, specials included. */
uint32_t wm_tokenizer_size(const struct wm_tokenizer *tok);

/** Bytes of a token (a special token's name); borrowed from `tok`. Empty for an id out of range. Of a
 *  SentencePiece model: what it writes in the middle of a text, a space for "▁". */
struct wm_str wm_token_bytes(const struct wm_tokenizer *tok, uint32_t id);

bool wm_token_is_special(const struct wm_tokenizer *tok, uint32_t id);

/** Id of the special token `name`; false if there is none. */
bool wm_tokenizer_special(const struct wm_tokenizer *tok, struct wm_str name, uint32_t *ret_id);

/** The end-of-document token: the special `<|endoftext|>`, `<|end_of_text|>` or `</s>`, else the first
 *  special. False if none. Of a SentencePiece model: its </s>, or what it calls that. */
bool wm_tokenizer_eod(const struct wm_tokenizer *tok, uint32_t *ret_id);

/** XXH3-128 over token bytes by id, merges, added tokens, ignore_merges, template, normaliser, and
 *  pattern with the version of Unicode its classes are of (a pattern of one's own: PCRE2's);
 *  SentencePiece: wm_sp_identity. It is what shards, checkpoints and exports carry, so that what does
 *  not belong together is refused. docs/formats.md has it in full. Hashes all of it at each call:
 *  about a millisecond for 100,000 tokens. */
XXH128_hash_t wm_tokenizer_identity(const struct wm_tokenizer *tok);

/* ---- encoding ---- */

struct wm_encoder;
int wm_encoder_new(const struct wm_tokenizer *tok, struct wm_encoder **ret, struct wm_error *err);
void wm_encoder_free(struct wm_encoder *enc);

enum wm_encode_flags {
    WM_ENCODE_SPECIALS = 1, /**< Names of special tokens in the text become their ids. */
    WM_ENCODE_TEMPLATE = 2, /**< Put the tokenizer's template around the text: <s>, say. */
    WM_ENCODE_CHOSEN = 4,   /**< Specials as wm_encoder_choose has said, instead. */
};

/** What special tokens' names in a text mean, as in tiktoken's encode. Zeroed: nothing. */
struct wm_special_choice {
    bool allow_all;
    struct wm_list allowed; /**< These become their ids, */
    bool refuse_others;     /**< all others are an error … */
    struct wm_list refused; /**< … or these are, unless allowed. The rest is text like any other. */
};
/** For WM_ENCODE_CHOSEN from now on. WM_E_CONFIG if a name is no special token's. */
int wm_encoder_choose(struct wm_encoder *enc, const struct wm_special_choice *choice,
                      struct wm_error *err);

/** Growing list of ids. Owner frees with wm_ids_done. */
struct wm_ids {
    uint32_t *ids;
    size_t n, cap;
};
void wm_ids_done(struct wm_ids *ids);

/**
 * Append the ids of `text` (any bytes, at most 1 GiB) to `ids`, which stays as it was on failure.
 * A piece of n bytes costs O(n log n). Added tokens are found leftmost-longest. From the last piece
 * before the first invalid byte on, a text that is not UTF-8 is one piece, as tiktoken has it.
 * WM_E_LIMIT also where a split pattern takes too many steps.
 */
int wm_encode(struct wm_encoder *enc, struct wm_str text, unsigned flags, struct wm_ids *ids,
              struct wm_error *err);

/** The number of ids alone. */
int wm_encode_count(struct wm_encoder *enc, struct wm_str text, unsigned flags, uint64_t *ret,
                    struct wm_error *err);

/** Bytes [start, end) of a text. */
struct wm_span {
    uint32_t start, end;
};
/**
 * As wm_encode, and where in the text every id's bytes stand: `*ret_spans` has as many as ids were
 * appended; the caller frees it. Ids of the template have empty spans at the text's ends. A span
 * may cut a character in two. WM_E_CONFIG where the normaliser changes the text: what it joins or
 * moves has no place in the original that could be given honestly. The space that
 * SentencePiece puts in front has none, and changes nothing.
 */
int wm_encode_spans(struct wm_encoder *enc, struct wm_str text, unsigned flags, struct wm_ids *ids,
                    struct wm_span **ret_spans, struct wm_error *err);

/**
 * The ids of `n` texts into ret[n] (zeroed by the caller, who frees each), by `n_threads` threads
 * (0: as many as there are processors), each with an encoder of its own; no locks. `choice` may be
 * NULL. Of several errors the first text's is reported; ret is empty then.
 */
int wm_encode_batch(const struct wm_tokenizer *tok, const struct wm_str *texts, size_t n,
                    unsigned flags, const struct wm_special_choice *choice, unsigned n_threads,
                    struct wm_ids *ret, struct wm_error *err);

/**
 * A text in chunks cut anywhere, even inside a character: _feed appends the ids that no later byte
 * can change, _finish the rest, after which the next text may begin. All ids are those of wm_encode
 * for the whole text. What is not certain is kept: with the named splits the last few pieces and
 * the length of the longest special token; with a split pattern of one's own, a normaliser, or a
 * SentencePiece model, all since the last added token. At most 1 GiB (WM_E_LIMIT). `enc` is the stream's until it is freed.
 * After an error a stream can only be freed; ids are those from before the call.
 */
struct wm_encode_stream;
int wm_encode_stream_new(struct wm_encoder *enc, unsigned flags, struct wm_encode_stream **ret,
                         struct wm_error *err);
int wm_encode_stream_feed(struct wm_encode_stream *stream, struct wm_str chunk, struct wm_ids *ids,
                          struct wm_error *err);
int wm_encode_stream_finish(struct wm_encode_stream *stream, struct wm_ids *ids,
                            struct wm_error *err);
void wm_encode_stream_free(struct wm_encode_stream *stream);

/** Ids the template puts before (`behind` false) and behind a text; borrowed. Returns how many. */
size_t wm_tokenizer_template(const struct wm_tokenizer *tok, bool behind, const uint32_t **ret);

/** Append the bytes of `n` ids to `out`. WM_E_FORMAT for an id out of range. `skip_specials`
 *  leaves specials out. A SentencePiece model takes the ids for a whole text, and leaves control
 *  symbols out in any case. */
int wm_decode(const struct wm_tokenizer *tok, const uint32_t *ids, size_t n, bool skip_specials,
              struct wm_buf *out, struct wm_error *err);

/** The start of a UTF-8 sequence held back, and where in a text of pieces we are. Zeroed: at the
 *  start of a text. */
struct wm_decode_state {
    char held[4];
    unsigned n_held;
    struct wm_sp_decoding pieces;
};
/** As wm_decode for ids that come bit by bit, in text mode: what is appended never ends inside a
 *  UTF-8 sequence that later ids could complete. Bytes that are not UTF-8 pass unchanged.
 *  WM_E_CONFIG unless wm_tokenizer_decodes_in_parts. */
int wm_decode_text(const struct wm_tokenizer *tok, struct wm_decode_state *state,
                   const uint32_t *ids, size_t n, bool skip_specials, struct wm_buf *out,
                   struct wm_error *err);
/** After the last ids: what was held back. The next text may begin. */
int wm_decode_end(struct wm_decode_state *state, struct wm_buf *out, struct wm_error *err);
/** False for a SentencePiece model that rewrites decoded text by a character map. */
bool wm_tokenizer_decodes_in_parts(const struct wm_tokenizer *tok);

/* ---- training ---- */

/** Named splits; llama3 is cl100k with ignore_merges, qwen2 cl100k with single digits and NFC. */
enum wm_split {
    WM_SPLIT_R50K,
    WM_SPLIT_CL100K,
    WM_SPLIT_O200K,
    WM_SPLIT_LLAMA3,
    WM_SPLIT_QWEN2,
    WM_SPLIT_PATTERN
};

/** How a named split cuts numbers, \p{N}. What WM_DIGITS_SINGLE and _THREE make of it is a pattern as
 *  well, which the tokenizer carries: cl100k with single digits is qwen2's. */
enum wm_digits {
    WM_DIGITS_PATTERN, /**< As the split says. */
    WM_DIGITS_SINGLE,  /**< Each digit is a piece of its own. */
    WM_DIGITS_THREE,   /**< Three digits from the left are a piece; r50k's space is not of it. */
};

/** Of pairs equally frequent the smallest (left id, right id) is merged first; bytes have ids … */
enum wm_ties {
    WM_TIES_HF, /**< … in the order of their byte-mapped characters: Hugging Face's trainer. */
    WM_TIES_RAW_BYTE, /**< … of their values: rustbpe, and other trainers for tiktoken. */
};

/** Which bytes have ids. */
enum wm_alphabet {
    WM_ALPHABET_ALL,  /**< All: every text can be encoded. */
    WM_ALPHABET_SEEN, /**< Those of the pieces counted: a text with another one is refused. */
};

/** Options of `wetmill tokenizer train` and of the tokenizer step. */
struct wm_tokenizer_options {
    uint64_t vocabulary;     /**< Ids in all: bytes + merges + specials. */
    int split;               /**< enum wm_split */
    const char *pattern;     /**< PCRE2, with split: pattern */
    int digits;              /**< enum wm_digits; WM_DIGITS_PATTERN with split: pattern. */
    uint64_t min_frequency;  /**< Of a merged pair, by weighted counts. */
    uint64_t max_token;      /**< Bytes of the longest token. */
    struct wm_list specials; /**< None given: <|endoftext|>. No token learned has such a name. */
    const char *bos;         /**< Special token that the template puts before a text; empty: none;
                                NULL: none, with split llama3 <|begin_of_text|> if it is one. */
    const char *eos;         /**< The same behind a text; NULL or empty: none. */
    int ties;                /**< enum wm_ties */
    int alphabet;            /**< enum wm_alphabet */
    double sample;           /**< Share of the documents to train on, 0 to 1. */
    uint64_t seed;           /**< Which documents a sample has. */
    struct wm_list weights;  /**< "GLOB=WEIGHT": 0 to 1000, 3 decimals; other files count once. */

    /* Not in the option table (zero the struct before the defaults): */
    uint64_t memory;       /**< Bytes for all of training, counters included; 0: no limit. */
    uint64_t merge_memory; /**< The same once counting is over; 0: memory. */
    unsigned n_counters;   /**< That there will be at a time; 0 counts as 1. */
    const char *scratch;   /**< Directory of scratch files; NULL: $TMPDIR, else /tmp. */
};
extern const struct wm_option wm_tokenizer_option_table[];

/**
 * Training in two phases. Counting: every thread has a counter of its own; wm_counter_add splits
 * a document into pieces and counts them; wm_trainer_fold adds a counter to the whole (any order,
 * one at a time). Merging: wm_trainer_finish learns the merges — highest count first, ties as
 * enum wm_ties says — so the result depends on the multiset of documents alone. Weights are
 * fixed-point: a piece counts Σ weight · occurrences, exactly, and that is rounded once (halves up)
 * when all is counted; pieces of 0 are left out. Counts are 64 bits
 * and include overlaps ("aaa" holds the pair a a twice), as Hugging Face's BpeTrainer has them.
 *
 * Memory holds in both phases, and changes no merge: a table that is full is written to a nameless
 * scratch file as a sorted run, and merging goes over the pieces on disk in rounds
 * (tokenizer/rounds.h). Least: about 200 bytes for each id of the vocabulary + 1 MiB, and 64 times
 * the longest piece; WM_E_NOMEM names what is needed.
 */
struct wm_bpe_trainer;
struct wm_counter;
int wm_trainer_new(const struct wm_tokenizer_options *options, struct wm_bpe_trainer **ret,
                   struct wm_error *err);
/** Least options->memory: for merging a vocabulary of this size, bytes. */
uint64_t wm_trainer_least_memory(const struct wm_tokenizer_options *options);
void wm_trainer_free(struct wm_bpe_trainer *trainer);
/** Whether a document is in the sample: from its text and the seed alone. Any thread. */
bool wm_trainer_takes(const struct wm_bpe_trainer *trainer, struct wm_str text);
/** What a document of this file counts, in units of this trainer; 0: it is left out. `*ret_rule` (may
 *  be NULL) is which of options.weights it goes by, their number if none. Any thread. */
uint64_t wm_trainer_weight(const struct wm_bpe_trainer *trainer, const char *path,
                           size_t *ret_rule);
int wm_counter_new(const struct wm_bpe_trainer *trainer, struct wm_counter **ret,
                   struct wm_error *err);
/** What the documents added from now on count, as wm_trainer_weight gives it; at first all 1. */
void wm_counter_weigh(struct wm_counter *counter, uint64_t weight);
/** Bytes of invalid UTF-8 are left out. A counter whose share of memory is used up spills. */
int wm_counter_add(struct wm_counter *counter, struct wm_str text, struct wm_error *err);
void wm_counter_free(struct wm_counter *counter);
/** Whether half of the counter's memory is used: time to fold. */
bool wm_counter_is_full(const struct wm_counter *counter);
/** Empties the counter. After a failure neither can be used further, only freed. */
int wm_trainer_fold(struct wm_bpe_trainer *trainer, struct wm_counter *counter,
                    struct wm_error *err);
/** What was counted so far; of what was spilled, distinct_pieces is known when all is over. */
struct wm_trainer_stats {
    uint64_t documents, bytes, pieces, distinct_pieces, merges;
    uint64_t piece_bytes; /**< Of distinct pieces; 0 where they were merged from disk. */
    uint64_t pairs;       /**< Most that could still be merged at once. */
    uint64_t spilled;     /**< Bytes written to scratch files in all. */
    uint64_t rounds;      /**< Of merging from disk; 0: in memory. */
};
void wm_trainer_stats(const struct wm_bpe_trainer *trainer, struct wm_trainer_stats *ret);
/**
 * Between the last fold and finish, for trainings that take long: merges are kept in the file `path`
 * about every `seconds`, and when on_merge stops it, so that another training of the same counts
 * goes on behind them. `identity` stands for counts and options: what is there of another one, or
 * damaged, counts for nothing and is replaced. `*ret_merges`: merges that stand there. The caller
 * removes the file.
 */
int wm_trainer_keep(struct wm_bpe_trainer *trainer, const char *path, const char *identity,
                    double seconds, uint64_t *ret_merges, struct wm_error *err);
/** `on_merge` (may be NULL) is called now and then with merges done and wanted (0 where pieces are
 *  on disk: the first merges take longest then, so that it would mislead); a non-zero return stops
 *  with WM_E_CANCELLED. Once only: it consumes the counts, also on failure. Fewer merges
 *  than wanted come where no pair is left that occurs min_frequency times. */
int wm_trainer_finish(struct wm_bpe_trainer *trainer, int (*on_merge)(void *, uint64_t, uint64_t),
                      void *arg, struct wm_tokenizer **ret, struct wm_error *err);

#endif /* WETMILL_TOKENIZER_H */
