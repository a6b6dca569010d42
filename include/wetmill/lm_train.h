/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file lm_train.h
 * Estimates n-gram language models: interpolated modified Kneser-Ney smoothing, as lmplz.
 *
 * Order: wm_lm_train_new ─▶ (wm_lm_train_text … ─▶ wm_lm_train_end) … ─▶ wm_lm_train_finish ─▶
 * wm_lm_train_free. One thread drives a trainer; it uses `jobs` threads inside.
 *
 * Stages, each a stream of fixed-size records through wm_spool:
 *
 *   1 count       Words become 32-bit ids in order of first appearance (<unk> 0, <s> 1, </s> 2); a
 *                 sentence is <s> words </s>. A block of tokens in memory is sorted by n-gram of
 *                 full order N, where what stands left of the sentence is <s> too; equal ones are
 *                 counted; runs are merged.
 *   2 adjust      An n-gram's adjusted count is the number of different words that it follows, and
 *                 its plain count if it has full order or begins with <s> (Kneser and Ney 1995).
 *   3 discount    D1, D2, D3+ of each order from its counts of adjusted counts (Chen and Goodman
 *                 1998, eq. 26): Y = n1 / (n1 + 2 n2), Dk = k − (k + 1) Y n(k+1) / nk.
 *   4 context     u(w | c) = (a(c w) − D(a(c w))) / Σ a(c ·); back-off b(c) = Σ D / Σ a(c ·), where
 *                 a pruned n-gram gives all of its count to b.
 *   5 interpolate p(w | c) = u(w | c) + b(c) p(w | c'), c' being c without its first word; unigrams
 *                 with the uniform distribution over all words but <s>. <unk> has a count of 0.
 *
 * All n-grams of stages 1–4 are in *context order*: by the context's last word, the one before it …,
 * then by the word itself. In it the n-grams of order n − 1 arise from those of order n by regrouping
 * neighbours, so one pass adjusts all orders, and back-offs come out in *suffix order* (last word
 * first). A stable sort by one word takes context order to suffix order, which stage 5 joins on.
 * (Streaming passes over sorted n-grams: Heafield, Pouzyrevsky, Clark, Koehn: Scalable Modified
 * Kneser-Ney Language Model Estimation, 2013.) All probabilities are 32-bit floats.
 *
 * The n-grams of the ARPA file stand in suffix order by word id; numbers are the shortest decimals
 * that read back as the same float. The bytes depend on sentences and options alone, not on memory
 * or jobs.
 *
 * Pruning: an n-gram is left out if its plain count is not above its order's threshold, or if it has
 * a word that is not in the vocabulary it is limited to. It still counts in stages 2 and 3.
 *
 * One difference to lmplz: a last line without LF is a sentence like others, where lmplz gives it no
 * </s>. N-grams of text that ends with LF, their order and, but for rounding, numbers are the same.
 *
 * Memory: `memory` covers vocabulary, blocks and spools; the vocabulary (some 50 bytes a word)
 * and tables (at order 5, 100 bytes a word) must fit, the rest spills to the scratch directory. Too
 * small is WM_E_NOMEM with the need. Counts are 64 bits.
 *
 * Stops: a trainer may keep its work in a directory (wm_lm_train_keep), so that another process goes
 * on after a signal, a kill or a power cut, to the same bytes. Every `seconds`, and when `cancel` is
 * raised, there is a point: between two texts while they are read; wherever the n-grams' first sorting
 * word changes in the last merge of stage 1, which stage 2 is part of; behind each order in stages 4
 * and 5. What cannot be cut, so that it is done again from its start, is one sort of a block (of at
 * most `seconds` of text), one merge of `fan` runs where there are more than are read at once, and one
 * order of stages 4 and 5: some two minutes for 10^9 n-grams. A trainer that needs less than `seconds`
 * keeps nothing and costs nothing more.
 *
 * Limits: order 1 … WM_LM_ORDER_MAX, WM_LM_WORDS_MAX words, WM_LM_TOKEN_MAX bytes a word.
 */
#ifndef WETMILL_LM_TRAIN_H
#define WETMILL_LM_TRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "wetmill/cancel.h"
#include "wetmill/error.h"
#include "wetmill/option.h"
#include "wetmill/progress.h"
#include "wetmill/str.h"

enum {
    WM_LM_ORDER_MAX = 6,
    WM_LM_TOKEN_MAX = 65535,
    WM_LM_POSITION_MAX = 1 << 20, /**< Bytes of a caller's position. */
};
#define WM_LM_WORDS_MAX (UINT32_MAX - 16)

/** Options of a trainer. */
struct wm_lm_train_options {
    uint64_t order;
    struct wm_list prune;    /**< Thresholds of orders 1, 2 …, not decreasing; the last holds
                                          for the orders behind it. */
    bool discount_fallback;  /**< Use fixed discounts where none can be estimated. */
    struct wm_list fallback; /**< Up to three; 0.5, 1, 1.5 if empty. The last is repeated. */
    bool skip_symbols;       /**< <s>, </s>, <unk> in the text are white space, not an error. */
    const char *limit_vocabulary; /**< File of the words to keep, or NULL. */
    uint64_t memory;              /**< Bytes; the program fills in 60 % of the machine's for 0. */
    uint64_t jobs;                /**< Threads; 0 = the processors. */
    const char *scratch;          /**< Directory for what spills; NULL: $TMPDIR or /tmp. */
};
extern const struct wm_option wm_lm_train_option_table[];

/** What was trained. */
struct wm_lm_train_summary {
    uint64_t sentences, tokens; /**< Tokens without <s> and </s>. */
    uint64_t
        n_grams[WM_LM_ORDER_MAX];   /**< Seen, by order − 1. Unigrams include <unk>, <s>, </s>. */
    uint64_t kept[WM_LM_ORDER_MAX]; /**< Written. */
    double discounts[WM_LM_ORDER_MAX][3]; /**< D1, D2, D3+. */
    bool fell_back[WM_LM_ORDER_MAX];      /**< Discounts are the fallback's. */
    uint64_t runs;                        /**< Sorted blocks of counts. */
    uint64_t spilled;                     /**< Most bytes on disk at a time. */
};

struct wm_lm_train;

/** Options are copied, but not the strings in them. `cancel` and `progress` may be NULL. WM_E_CONFIG
 *  for options that make no sense. */
int wm_lm_train_new(const struct wm_lm_train_options *options, struct wm_cancel *cancel,
                    struct wm_progress *progress, struct wm_lm_train **ret, struct wm_error *err);
void wm_lm_train_free(struct wm_lm_train *train); /**< NULL is fine. */

/**
 * A stretch of text: each line is a sentence of words between white space (blank, tab, CR, NUL).
 * An empty line is a sentence without words. A line may go on in the next call; wm_lm_train_end
 * ends it. WM_E_FORMAT for <s>, </s>, <unk> as words; WM_E_LIMIT.
 */
int wm_lm_train_text(struct wm_lm_train *train, struct wm_str text, struct wm_error *err);
/** A text (file, document) is over: what stands behind its last LF is a sentence, if there is
 *  anything. */
int wm_lm_train_end(struct wm_lm_train *train, struct wm_error *err);

/**
 * Keep work in the directory `dir`, which is there and the trainer's alone until it is freed, and go
 * on with what stands there: before any text, which must be the same as then, as must the options but
 * for memory, jobs and scratch. `*ret_position` is that of the last point, with which the text goes
 * on, borrowed until the next point; ptr NULL if there is none. The strings outlive the trainer.
 * WM_E_MISMATCH: what is there is damaged or of another trainer; remove it, and begin with a new one.
 */
int wm_lm_train_keep(struct wm_lm_train *train, const char *dir, double seconds,
                     struct wm_str *ret_position, struct wm_error *err);
/** Is it time for a point? */
bool wm_lm_train_is_due(const struct wm_lm_train *train);
/** Between two calls of wm_lm_train_text and …_end: text so far is that up to `position`, which is the
 *  caller's to choose. Makes a point if it is time; WM_E_CANCELLED behind it. While work is kept,
 *  `cancel` is heeded here and no longer in those calls. Call it once when all text was given. */
int wm_lm_train_point(struct wm_lm_train *train, struct wm_str position, struct wm_error *err);

/** Estimate, and write an ARPA file (all or nothing; "-" is standard output). `ret` may be NULL.
 *  Of a trainer that keeps its work `arpa` is DIR/arpa, there to be moved or read. The trainer can
 *  only be freed afterwards. */
int wm_lm_train_finish(struct wm_lm_train *train, const char *arpa, struct wm_lm_train_summary *ret,
                       struct wm_error *err);

#endif /* WETMILL_LM_TRAIN_H */
