/* SPDX-License-Identifier: Apache-2.0 */
/* Around the encoding of a text: which specials count, how many ids, where they stand, many texts
 * by several threads. */
#include "tokenizer/encode.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "tokenizer/sentencepiece.h"
#include "wetmill/parallel.h"

/* ---- specials ---- */

static int apply(const struct wm_tokenizer *tok, const struct wm_list *names, uint8_t *rules,
                 enum bpe_rule rule, struct wm_error *err)
{
    for (size_t i = 0; i < names->n; i++) {
        struct wm_str name = wm_str_of(names->items[i]);
        uint32_t id = bpe_find_added(tok, name), place = 0;
        if (id == BPE_NONE || tok->kinds[id] != BPE_SPECIAL)
            return wm_fail(err, WM_E_CONFIG, "\"%s\" is no special token of this tokenizer",
                           names->items[i]);
        while (tok->added[place].id != id)
            place++;
        rules[place] = (uint8_t)rule;
    }
    return 0;
}

int wm_encoder_choose(struct wm_encoder *enc, const struct wm_special_choice *choice,
                      struct wm_error *err)
{
    const struct wm_tokenizer *tok = enc->tok;
    uint8_t *rules = malloc(tok->n_added + (size_t)1);
    if (!rules)
        return wm_fail_nomem(err, tok->n_added + (size_t)1, "special tokens");
    for (uint32_t i = 0; i < tok->n_added; i++) {
        bool special = tok->kinds[tok->added[i].id] == BPE_SPECIAL;
        rules[i] = !special                ? BPE_ALLOWED
                   : choice->allow_all     ? BPE_ALLOWED
                   : choice->refuse_others ? BPE_REFUSED
                                           : BPE_AS_TEXT;
    }
    int status = choice->allow_all ? 0 : apply(tok, &choice->refused, rules, BPE_REFUSED, err);
    if (!status)
        status = apply(tok, &choice->allowed, rules, BPE_ALLOWED, err);
    if (status) {
        free(rules);
        return status;
    }
    free(enc->rules);
    enc->rules = rules;
    return 0;
}

/* ---- counts and spans ---- */

int wm_encode_count(struct wm_encoder *enc, struct wm_str text, unsigned flags, uint64_t *ret,
                    struct wm_error *err)
{
    enum { KEEP = 1 << 20 }; /* ids; memory for more is given back */
    enc->counted.n = 0;
    int status = wm_encode(enc, text, flags, &enc->counted, err);
    if (!status)
        *ret = enc->counted.n;
    if (enc->counted.cap > KEEP)
        wm_ids_done(&enc->counted);
    return status;
}

/* Spans of ids [n] whose bytes one behind the other are the text. */
static int fill_spans(const struct wm_tokenizer *tok, struct wm_str text, const uint32_t *ids,
                      size_t n, struct wm_span *spans, struct wm_error *err)
{
    size_t at = 0;
    bool same = true;
    for (size_t i = 0; i < n && same; i++) {
        struct wm_str bytes = wm_token_bytes(tok, ids[i]);
        same = bytes.len <= text.len - at && memcmp(text.ptr + at, bytes.ptr, bytes.len) == 0;
        spans[i] = (struct wm_span){(uint32_t)at, (uint32_t)(at + bytes.len)};
        at += bytes.len;
    }
    if (same && at == text.len)
        return 0;
    return wm_fail(err, WM_E_CONFIG,
                   "the normaliser changes this text: its tokens have no places in the original");
}

int wm_encode_spans(struct wm_encoder *enc, struct wm_str text, unsigned flags, struct wm_ids *ids,
                    struct wm_span **ret_spans, struct wm_error *err)
{
    const uint32_t *unused;
    size_t first = ids->n, before = 0, behind = 0;
    if (enc->pieces)
        return sp_encode_spans(enc, text, flags, ids, ret_spans, err);
    int status = wm_encode(enc, text, flags, ids, err);
    if (status)
        return status;
    if (flags & WM_ENCODE_TEMPLATE) {
        before = wm_tokenizer_template(enc->tok, false, &unused);
        behind = wm_tokenizer_template(enc->tok, true, &unused);
    }
    size_t n = ids->n - first;
    struct wm_span *spans = calloc(n + 1, sizeof *spans);
    if (!spans)
        status = wm_fail_nomem(err, (n + 1) * sizeof *spans, "spans");
    else if (n > before + behind || text.len)
        status = fill_spans(enc->tok, text, ids->ids + first + before, n - before - behind,
                            spans + before, err);
    if (status) {
        free(spans);
        ids->n = first;
        return status;
    }
    for (size_t i = n - behind; i < n; i++)
        spans[i] = (struct wm_span){(uint32_t)text.len, (uint32_t)text.len};
    *ret_spans = spans;
    return 0;
}

/* ---- batches ---- */

struct batch {
    const struct wm_tokenizer *tok;
    const struct wm_str *texts;
    size_t n;
    unsigned flags;
    const struct wm_special_choice *choice;
    struct wm_ids *ret;
    atomic_size_t next; /* text nobody has taken yet */
};

struct worker {
    struct batch *batch;
    pthread_t thread;
    size_t failed; /* text, if status is not 0 */
    int status;
    struct wm_error err;
};

/* The ids of a text grow in this thread's own memory: lists of neighbours share cache lines, which
 * two threads would take from each other at every token. */
static int encode_one(struct wm_encoder *enc, const struct batch *b, size_t i, struct wm_error *err)
{
    struct wm_ids ids = b->ret[i];
    int status = wm_encode(enc, b->texts[i], b->flags, &ids, err);
    b->ret[i] = ids;
    return status;
}

/* Texts are taken in order, so that all before a failed one are worked on and the first error is
 * always found. */
static void *work(void *arg)
{
    struct worker *w = arg;
    struct batch *b = w->batch;
    struct wm_encoder *enc = NULL;
    w->status = wm_encoder_new(b->tok, &enc, &w->err);
    if (!w->status && b->choice)
        w->status = wm_encoder_choose(enc, b->choice, &w->err);
    while (!w->status && (w->failed = atomic_fetch_add(&b->next, 1)) < b->n)
        w->status = encode_one(enc, b, w->failed, &w->err);
    if (w->status)
        atomic_store(&b->next, b->n);
    wm_encoder_free(enc);
    return NULL;
}

int wm_encode_batch(const struct wm_tokenizer *tok, const struct wm_str *texts, size_t n,
                    unsigned flags, const struct wm_special_choice *choice, unsigned n_threads,
                    struct wm_ids *ret, struct wm_error *err)
{
    struct batch batch = {tok, texts, n, flags, choice, ret, 0};
    size_t most = n_threads ? n_threads : wm_processors(), started = 1;
    most = most > n ? n : most > WM_TEAM_MAX ? WM_TEAM_MAX : most;
    if (n == 0)
        return 0;
    struct worker *workers = calloc(most, sizeof *workers);
    if (!workers)
        return wm_fail_nomem(err, most * sizeof *workers, "threads");
    for (size_t i = 0; i < most; i++)
        workers[i].batch = &batch;
    /* Where the system refuses a thread the others do its work. */
    while (started < most &&
           pthread_create(&workers[started].thread, NULL, work, &workers[started]) == 0)
        started++;
    (void)work(&workers[0]);
    struct worker *first = NULL;
    for (size_t i = 0; i < started; i++) {
        if (i > 0)
            (void)pthread_join(workers[i].thread, NULL);
        if (workers[i].status && (!first || workers[i].failed < first->failed))
            first = &workers[i];
    }
    int status = first ? first->status : 0;
    if (first) {
        *err = first->err;
        (void)wm_error_where(err, "text %zu", first->failed);
    }
    for (size_t i = 0; i < n && status; i++)
        wm_ids_done(&ret[i]);
    free(workers);
    return status;
}
