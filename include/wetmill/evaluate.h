/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file evaluate.h
 * Judging a model: how well it predicts text, and which of several endings it holds for likeliest.
 *
 *     wm_evaluator_open ─▶ wm_evaluator_add … | wm_evaluator_shards ─▶ wm_evaluator_finish
 *                        └▶ wm_evaluator_choices                      ─▶ wm_evaluator_close
 *
 * Text. A document stands behind the token `begin`; its tokens are scored, each once. What is longer
 * than the context T (the model's, or less as `context` says) is read in windows: the first scores T tokens, each further one the next
 * `stride`, with the T − stride tokens before them as context (the last window is moved back so that
 * it is full). With stride = T windows do not overlap. Shards are one stream, as in training: its
 * first token is not scored, documents follow each other, end-of-document tokens are scored and have
 * no bytes. With stride = T that is what `train` validates on, but for its option document_reset.
 *
 *     perplexity    exp(nats / tokens)
 *     bits per byte nats / (ln 2 × bytes of the scored tokens); special tokens have no bytes
 *
 * Choices. Σ log p of an ending's tokens behind its context, as lm-evaluation-harness scores
 * HellaSwag: both are encoded together, and the ending's tokens are those behind as many as the
 * context alone has; white space at the context's end counts to the ending. The answer is the
 * likeliest ending; normalised, the one with the largest Σ log p / bytes of the ending. Of equals
 * the first.
 *
 * Results are the same bits for any number of threads and any `batch`. One thread at a time.
 */
#ifndef WETMILL_EVALUATE_H
#define WETMILL_EVALUATE_H

#include <stdbool.h>
#include <stdint.h>

#include "wetmill/arena.h"
#include "wetmill/error.h"
#include "wetmill/option.h"
#include "wetmill/shards.h"
#include "wetmill/str.h"

struct wm_cancel;
struct wm_progress;

struct wm_evaluate_options {
    uint64_t context;      /**< T at most, tokens; 0 = all that the model can see. */
    uint64_t stride;       /**< Tokens between windows, ≤ T; 0 = T / 2. */
    uint64_t batch;        /**< Windows computed at once; 0 = 8, fewer of long ones. Cannot change
                                results. */
    uint64_t tokens;       /**< Shards: only the first windows up to so many tokens, at least one
                                window; 0 = all. */
    const char *begin;     /**< Special token before each document; NULL = the last that the
                                tokenizer's template puts there, else the end of document. */
    bool score_end;        /**< Documents: the end-of-document token behind each is scored. */
    const char *delimiter; /**< Choices: between context and ending where no white space is. */
};
extern const struct wm_option wm_evaluate_option_table[];

/** What text came to. */
struct wm_evaluation {
    uint64_t documents; /**< Of shards: ends of documents scored. */
    uint64_t tokens, bytes, windows;
    double nats;              /**< Σ −log p of all tokens. */
    uint32_t context, stride; /**< As they were, in tokens. */
};
double wm_evaluation_perplexity(const struct wm_evaluation *evaluation);    /**< NaN of nothing. */
double wm_evaluation_bits_per_byte(const struct wm_evaluation *evaluation); /**< NaN of nothing. */

struct wm_evaluator;

/** Load a model directory. `threads` 0 = the processors; `progress` (counts tokens) and `cancel` may
 *  be NULL. Errors of wm_generator_open; WM_E_CONFIG: a stride over the context, no such token. */
int wm_evaluator_open(const char *dir, const struct wm_evaluate_options *options, unsigned threads,
                      struct wm_progress *progress, struct wm_cancel *cancel,
                      struct wm_evaluator **ret, struct wm_error *err);
void wm_evaluator_close(struct wm_evaluator *evaluator); /**< Safe on NULL. */

/** A document: any bytes up to 1 GiB, names of special tokens in it are text. An empty one has
 *  nothing to score. WM_E_CONFIG if there is no token for it to stand behind. */
int wm_evaluator_add(struct wm_evaluator *evaluator, struct wm_str text, struct wm_error *err);

/** A split of a directory of shards. WM_E_MISMATCH: made with another tokenizer. WM_E_FORMAT: fewer
 *  than two tokens, or damaged. */
int wm_evaluator_shards(struct wm_evaluator *evaluator, const char *dir, enum wm_shard_split split,
                        struct wm_error *err);

/** Score what still waits; the sum of all since the start. WM_E_FORMAT: it is not finite. */
int wm_evaluator_finish(struct wm_evaluator *evaluator, struct wm_evaluation *ret,
                        struct wm_error *err);

/* ---- multiple choice ---- */

enum {
    WM_CHOICE_ENDINGS_MAX = 256,  /**< Of a row. */
    WM_CHOICE_ROW_MAX = 16 << 20, /**< Bytes of a row. */
    WM_CHOICE_FILE_MAX = 1 << 30, /**< Bytes of a file of rows. */
};

/** A row: {"context": "…", "endings": ["…", …], "label": 0}. */
struct wm_choice {
    struct wm_str context;
    struct wm_str *endings; /**< [n] */
    size_t n, label;
};

/** Read a row, a JSON object; "ctx" and "choices" stand for "context" and "endings" where those are
 *  not there, "label" may be a string of digits, other members are skipped. Strings live in `line`
 *  and `arena`. WM_E_FORMAT says what is wrong, WM_E_LIMIT which limit is passed. */
int wm_choice_read(struct wm_str line, struct wm_arena *arena, struct wm_choice *ret,
                   struct wm_error *err);

/** What a row came to. */
struct wm_choice_result {
    uint64_t line; /**< Of the file, from 1. */
    size_t n, label, chosen, chosen_normalised;
    const double *log_p;    /**< [n] Σ log p, nats */
    const uint32_t *tokens; /**< [n] scored */
    const size_t *bytes;    /**< [n] of the ending */
};
/** Rows in their order. Non-zero ends everything with that status. */
typedef int wm_choice_fn(void *arg, const struct wm_choice_result *row, struct wm_error *err);

struct wm_choice_summary {
    uint64_t rows, right, right_normalised;
};

/** Score the rows of a JSONL file ("-": standard input); blank lines are skipped. `on_row` may be
 *  NULL. A row's context longer than T loses its beginning; an ending that does not fit is
 *  WM_E_LIMIT. Errors carry file:line. */
int wm_evaluator_choices(struct wm_evaluator *evaluator, const char *path, wm_choice_fn *on_row,
                         void *arg, struct wm_choice_summary *ret, struct wm_error *err);

#endif /* WETMILL_EVALUATE_H */
