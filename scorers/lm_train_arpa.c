/* SPDX-License-Identifier: Apache-2.0 */
/* The ARPA file: counts, then a section for each order, a line for each n-gram: log10 p, tab, words,
 * and but for the highest order tab, log10 b. Lines are made in batches, slices of them in parallel. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "scorers/lm_train.h"

enum { BATCH = 1 << 14, SLICES = 16, SLICE = BATCH / SLICES };

struct item {
    uint32_t words[LM_WORDS];
    float p, b;
};

/* A word of up to SHORT bytes where it is found with one access; others are in the vocabulary. */
enum { SHORT = 15, FAR_AHEAD = 6 };
struct short_word {
    char text[SHORT];
    unsigned char len; /* > SHORT: not here */
};

struct lm_arpa {
    struct short_word *words; /* [vocabulary->n] */
    struct wm_out *out;
    const struct lm_vocabulary *vocabulary;
    struct wm_team *team;
    unsigned order, n; /* n: the section that is open */
    uint64_t kept[WM_LM_ORDER_MAX], put;
    struct item *items; /* [BATCH] */
    size_t n_items;
    struct wm_buf texts[SLICES];
    struct wm_error errors[SLICES];
};

void lm_arpa_abandon(struct lm_arpa *arpa)
{
    if (!arpa)
        return;
    wm_out_abandon(arpa->out);
    for (size_t i = 0; i < SLICES; i++)
        wm_buf_done(&arpa->texts[i]);
    free(arpa->words);
    free(arpa->items);
    free(arpa);
}

/* ---- lines ---- */

static float log10_of(float v)
{
    return v > 0 ? log10f(v) : -99;
}

/* The text of a word at `to`, where 16 bytes may be written in any case. */
static inline char *put_word(const struct lm_arpa *arpa, uint32_t id, char *to)
{
    const struct short_word *word = &arpa->words[id];
    if (word->len <= SHORT) {
        memcpy(to, word, sizeof *word); /* a copy of fixed size is no call */
        return to + word->len;
    }
    struct wm_str text = arpa->vocabulary->words[id];
    memcpy(to, text.ptr, text.len);
    return to + text.len;
}

static size_t length_of(const struct lm_arpa *arpa, uint32_t id)
{
    unsigned len = arpa->words[id].len;
    return len <= SHORT ? len : arpa->vocabulary->words[id].len;
}

static int put_line(const struct lm_arpa *arpa, const struct item *item, struct wm_buf *text,
                    struct wm_error *err)
{
    size_t room = 2 * LM_FLOAT_TEXT + LM_WORDS + 2 + sizeof *arpa->words;
    for (unsigned i = 0; i < arpa->n; i++)
        room += length_of(arpa, item->words[i]);
    if (text->cap - text->len < room) {
        int status = wm_buf_reserve(text, room, err);
        if (status)
            return status;
    }
    char *to = text->ptr + text->len;
    to += lm_format_float(to, log10_of(item->p));
    for (unsigned i = arpa->n; i-- > 0;) {
        /* suffix order is {wn, w(n−1), …, w1} */
        *to++ = i + 1 == arpa->n ? '\t' : ' ';
        to = put_word(arpa, item->words[i], to);
    }
    if (arpa->n < arpa->order) {
        *to++ = '\t';
        to += lm_format_float(to, log10_of(item->b));
    }
    *to++ = '\n';
    text->len = (size_t)(to - text->ptr);
    return 0;
}

static void fetch_words(const struct lm_arpa *arpa, const struct item *item)
{
    for (unsigned i = 0; i < arpa->n; i++)
        __builtin_prefetch(&arpa->words[item->words[i]]);
}

static void put_slice(void *arg, size_t slice)
{
    struct lm_arpa *arpa = arg;
    size_t end = (slice + 1) * SLICE < arpa->n_items ? (slice + 1) * SLICE : arpa->n_items;
    arpa->texts[slice].len = 0;
    arpa->errors[slice].status = 0;
    for (size_t i = slice * SLICE; i < end && !arpa->errors[slice].status; i++) {
        if (i + FAR_AHEAD < end)
            fetch_words(arpa, &arpa->items[i + FAR_AHEAD]);
        (void)put_line(arpa, &arpa->items[i], &arpa->texts[slice], &arpa->errors[slice]);
    }
}

static int write_batch(struct lm_arpa *arpa, struct wm_error *err)
{
    size_t n_slices = (arpa->n_items + SLICE - 1) / SLICE;
    int status = 0;
    wm_parallel(arpa->team, n_slices, put_slice, arpa);
    for (size_t i = 0; !status && i < n_slices; i++) {
        if ((status = arpa->errors[i].status))
            *err = arpa->errors[i];
        else
            status = wm_out_write(arpa->out, arpa->texts[i].ptr, arpa->texts[i].len, err);
    }
    arpa->n_items = 0;
    return status;
}

/* ---- sections ---- */

static int print_count(struct lm_arpa *arpa, unsigned n, uint64_t count, struct wm_error *err)
{
    char line[64];
    int len = snprintf(line, sizeof line, "ngram %u=%llu\n", n, (unsigned long long)count);
    return wm_out_write(arpa->out, line, (size_t)len, err);
}

static int print_title(struct lm_arpa *arpa, unsigned n, struct wm_error *err)
{
    char line[32];
    int len = snprintf(line, sizeof line, "\\%u-grams:\n", n);
    return wm_out_write(arpa->out, line, (size_t)len, err);
}

/* The section of order n begins; the one before it must be complete. */
static int begin(struct lm_arpa *arpa, unsigned n, struct wm_error *err)
{
    int status = write_batch(arpa, err);
    if (!status && arpa->n && arpa->put != arpa->kept[arpa->n - 1])
        status = wm_fail(err, WM_E_IO, "%llu n-grams of order %u were announced, %llu came",
                         (unsigned long long)arpa->kept[arpa->n - 1], arpa->n,
                         (unsigned long long)arpa->put);
    if (!status && arpa->n)
        status = wm_out_write(arpa->out, "\n", 1, err);
    arpa->n = n;
    arpa->put = 0;
    if (!status && n <= arpa->order)
        status = print_title(arpa, n, err);
    return status;
}

static int begin_up_to(struct lm_arpa *arpa, unsigned n, struct wm_error *err)
{
    int status = 0;
    while (!status && arpa->n < n)
        status = begin(arpa, arpa->n + 1, err);
    return status;
}

static int copy_words(struct lm_arpa *arpa, struct wm_error *err)
{
    size_t n = arpa->vocabulary->n;
    arpa->words = calloc(n, sizeof *arpa->words);
    if (!arpa->words)
        return wm_fail_nomem(err, n * sizeof *arpa->words, "ARPA file");
    for (size_t i = 0; i < n; i++) {
        struct wm_str word = arpa->vocabulary->words[i];
        arpa->words[i].len = (unsigned char)(word.len <= SHORT ? word.len : SHORT + 1);
        if (word.len <= SHORT)
            memcpy(arpa->words[i].text, word.ptr, word.len);
    }
    return 0;
}

static int print_head(struct lm_arpa *arpa, struct wm_error *err)
{
    int status = wm_out_write(arpa->out, "\\data\\\n", 7, err);
    for (unsigned n = 1; !status && n <= arpa->order; n++)
        status = print_count(arpa, n, arpa->kept[n - 1], err);
    return status ? status : wm_out_write(arpa->out, "\n", 1, err);
}

int lm_arpa_open(const struct lm_arpa_start *start, const struct lm_vocabulary *vocabulary,
                 unsigned order, const uint64_t *kept, struct wm_team *team, struct lm_arpa **ret,
                 struct wm_error *err)
{
    struct lm_arpa *arpa = calloc(1, sizeof *arpa);
    if (!arpa) {
        wm_out_abandon(start->out);
        return wm_fail_nomem(err, sizeof *arpa, "ARPA file");
    }
    arpa->out = start->out;
    arpa->n = start->n;
    arpa->put = start->put;
    arpa->vocabulary = vocabulary;
    arpa->order = order;
    arpa->team = team;
    memcpy(arpa->kept, kept, order * sizeof *kept);
    for (size_t i = 0; i < SLICES; i++)
        wm_buf_init(&arpa->texts[i], SIZE_MAX / 2);
    arpa->items = malloc(BATCH * sizeof *arpa->items);
    int status = arpa->items ? 0 : wm_fail_nomem(err, BATCH * sizeof *arpa->items, "ARPA file");
    if (!status)
        status = copy_words(arpa, err);
    if (!status && !start->n)
        status = print_head(arpa, err);
    if (status)
        lm_arpa_abandon(arpa);
    else
        *ret = arpa;
    return status;
}

int lm_arpa_put(struct lm_arpa *arpa, unsigned n, const uint32_t *words, float p, float b,
                struct wm_error *err)
{
    int status = n > arpa->n ? begin_up_to(arpa, n, err) : 0;
    if (!status && arpa->n_items == BATCH)
        status = write_batch(arpa, err);
    if (status)
        return status;
    struct item *item = &arpa->items[arpa->n_items++];
    lm_copy(item->words, words, n);
    item->p = p;
    item->b = b;
    arpa->put++;
    return 0;
}

int lm_arpa_flush(struct lm_arpa *arpa, struct lm_arpa_start *ret, struct wm_error *err)
{
    int status = write_batch(arpa, err);
    *ret = (struct lm_arpa_start){arpa->out, arpa->n, arpa->put};
    return status;
}

int lm_arpa_commit(struct lm_arpa *arpa, struct wm_digest *ret, struct wm_error *err)
{
    int status = begin_up_to(arpa, arpa->order + 1, err);
    if (!status)
        status = wm_out_write(arpa->out, "\\end\\\n", 6, err);
    if (!status) {
        struct wm_out *out = arpa->out;
        arpa->out = NULL;
        status = wm_out_commit(out, ret, err);
    }
    lm_arpa_abandon(arpa);
    return status;
}
