/* SPDX-License-Identifier: Apache-2.0 */
/* language: say what language a page is written in, and keep the wanted ones.
 *
 * A fastText model sees the text as one line and gives its likeliest label with a probability.
 * lid.176, which CCNet and others use, knows 176 languages.
 *
 * Profile strict: newlines are blanks, as fastText takes them; the score is tested as it is. ccnet:
 * newlines are deleted, so that words around them are one; the score is rounded to two decimals
 * first, as cc_net does, so 0.4951 passes 0.5. */
#include <math.h>
#include <stdlib.h>

#include "stages/stages.h"
#include "wetmill/fasttext.h"
#include "wetmill/inputs.h"
#include "wetmill/utf8.h"

struct language {
    int profile; /* enum wm_profile */
    const char *model;
    double min_score;
    struct wm_list languages, exclude;
    uint64_t first_bytes;

    struct wm_fasttext *fasttext;
    bool *unwanted; /* [labels] */
    int label_slot, score_slot;
};

struct local {
    struct wm_fasttext_scratch *scratch;
};

enum { UNKNOWN, UNWANTED, LOW_SCORE };

static size_t find_label(const struct wm_fasttext *model, struct wm_str name)
{
    size_t n = wm_fasttext_labels(model), i = 0;
    while (i < n && !wm_str_eq(wm_fasttext_label(model, i), name))
        i++;
    return i;
}

/* The label nearest to a name that is none. */
static int no_such_label(const struct wm_fasttext *model, const char *option, const char *name,
                         struct wm_error *err)
{
    struct wm_arena arena;
    size_t n = wm_fasttext_labels(model);
    wm_arena_init(&arena, (size_t)64 << 20);
    const char **names = wm_arena_alloc(&arena, n, sizeof *names);
    bool complete = names != NULL;
    for (size_t i = 0; complete && i < n; i++) {
        names[i] = wm_arena_cstr(&arena, wm_fasttext_label(model, i));
        complete = names[i] != NULL;
    }
    const char *near = complete ? wm_nearest(wm_str_of(name), names, n) : NULL;
    (void)wm_fail(err, WM_E_CONFIG, "%s: the model has no label \"%s\"", option, name);
    if (near)
        (void)wm_error_hint(err, "did you mean %s?", near);
    else
        (void)wm_error_hint(err, "labels are those of the model: codes such as en, fr, zh");
    wm_arena_done(&arena);
    return err->status;
}

/* Set unwanted[label] to `value` for the labels of a list. */
static int mark(struct language *l, const char *option, const struct wm_list *list, bool value,
                struct wm_error *err)
{
    for (size_t i = 0; i < list->n; i++) {
        size_t label = find_label(l->fasttext, wm_str_of(list->items[i]));
        if (label == wm_fasttext_labels(l->fasttext))
            return no_such_label(l->fasttext, option, list->items[i], err);
        l->unwanted[label] = value;
    }
    return 0;
}

static int open_model(void *shared, const struct wm_env *env, struct wm_error *err)
{
    struct language *l = shared;
    l->label_slot = wm_schema_slot(env->schema, "language");
    l->score_slot = wm_schema_slot(env->schema, "language_score");
    if (!l->model)
        return wm_fail(err, WM_E_CONFIG, "no model is given");
    int status = wm_fasttext_open(l->model, &l->fasttext, err);
    if (status)
        return status;
    size_t n = wm_fasttext_labels(l->fasttext);
    l->unwanted = calloc(n, sizeof *l->unwanted);
    if (!l->unwanted)
        return wm_fail_nomem(err, n, "languages");
    for (size_t i = 0; i < n; i++)
        l->unwanted[i] = l->languages.n > 0;
    status = mark(l, "languages", &l->languages, false, err);
    return status ? status : mark(l, "exclude", &l->exclude, true, err);
}

static void close_model(void *shared)
{
    struct language *l = shared;
    wm_fasttext_free(l->fasttext);
    free(l->unwanted);
}

static int open_local(const void *shared, void *local, struct wm_error *err)
{
    const struct language *l = shared;
    struct local *mine = local;
    return wm_fasttext_scratch_new(l->fasttext, &mine->scratch, err);
}

static void close_local(void *local)
{
    struct local *mine = local;
    wm_fasttext_scratch_free(mine->scratch);
}

/* Whole characters within the first bytes. */
static struct wm_str start_of(struct wm_str text, uint64_t first_bytes)
{
    if (first_bytes == 0 || first_bytes >= text.len)
        return text;
    size_t len = (size_t)first_bytes;
    while (len > 0 && ((unsigned char)text.ptr[len] & 0xC0) == 0x80)
        len--;
    return (struct wm_str){text.ptr, len};
}

static int without_newlines(struct wm_arena *scratch, struct wm_str *text, struct wm_error *err)
{
    wm_arena_reset(scratch);
    char *copy = wm_arena_bytes(scratch, text->len), *to = copy;
    if (!copy)
        return wm_fail_nomem(err, text->len, "a text without newlines");
    for (size_t i = 0; i < text->len; i++) {
        *to = text->ptr[i];
        to += *to != '\n';
    }
    *text = (struct wm_str){copy, (size_t)(to - copy)};
    return 0;
}

static int judge(const struct language *l, struct local *mine, struct wm_batch *batch,
                 struct wm_doc *doc, struct wm_error *err)
{
    struct wm_fasttext_guess guess;
    struct wm_str text = start_of(doc->text, l->first_bytes);
    bool ccnet = l->profile == WM_PROFILE_CCNET;
    int status = ccnet ? without_newlines(&batch->scratch, &text, err) : 0;
    if (status)
        return status;
    if (!wm_fasttext_predict(l->fasttext, mine->scratch, text, 1, &guess)) {
        wm_drop(batch, doc, UNKNOWN);
        return 0;
    }
    /* fastText's probabilities can pass 1 by a rounding; a broken model's could be none at all */
    double score = guess.score >= 0 ? (double)guess.score : 0;
    score = score > 1 ? 1 : score;
    score = ccnet ? rint(score * 100) / 100 : score;
    doc->values[l->label_slot].text = wm_fasttext_label(l->fasttext, guess.label);
    doc->values[l->score_slot].real = score;
    doc->has |= (uint64_t)1 << l->label_slot | (uint64_t)1 << l->score_slot;
    if (l->unwanted[guess.label])
        wm_drop(batch, doc, UNWANTED);
    else if (score < l->min_score)
        wm_drop(batch, doc, LOW_SCORE);
    return 0;
}

static int apply(const void *shared, void *local, struct wm_batch *batch, struct wm_error *err)
{
    int status = 0;
    for (size_t i = 0; !status && i < batch->n_docs && !batch->rederive; i++)
        status = judge(shared, local, batch, &batch->docs[i], err);
    return status;
}

static size_t memory(const void *shared, unsigned n_workers)
{
    const struct language *l = shared;
    return wm_fasttext_memory(l->fasttext) +
           (size_t)n_workers * wm_fasttext_scratch_memory(l->fasttext);
}

static const char *file(const void *shared, size_t i)
{
    const struct language *l = shared;
    return i == 0 ? l->model : NULL;
}

static const struct wm_option options[] = {
    {.name = "model",
     .type = WM_OPTION_PATH,
     .offset = WM_OFFSET_(struct language, model, const char *),
     .unit = "",
     .help = "fastText model, .bin or .ftz",
     .flags = WM_OPTION_REQUIRED},
    WM_CHOICE(struct language, profile, wm_profile_names, WM_PROFILE_STRICT,
              "strict: newlines are blanks; ccnet: they are deleted, and scores rounded first"),
    WM_LIST(struct language, languages, "keep only these; empty = all"),
    WM_LIST(struct language, exclude, "drop these, even if they are among the languages to keep"),
    WM_REAL(struct language, min_score, 0.5, 0, 1, "probability", "drop what is less certain"),
    WM_SIZE(struct language, first_bytes, 0, 0, 0,
            "look at the start of the text only; 0 = at all of it"),
    {0},
};

const struct wm_stage wm_stage_language = {
    .name = "language",
    .summary = "label the language with a fastText model and keep the wanted ones",
    .version = 1,
    .cost = WM_COST_MODERATE,
    .options = options,
    .reasons = (const char *const[]){[UNKNOWN] = "unknown",
                                     [UNWANTED] = "unwanted-language",
                                     [LOW_SCORE] = "low-score",
                                     NULL},
    .writes = (const struct wm_column[]){{"language", WM_COLUMN_TEXT, 0},
                                         {"language_score", WM_COLUMN_REAL, 4},
                                         {0}},
    .shared_size = sizeof(struct language),
    .local_size = sizeof(struct local),
    .open = open_model,
    .memory = memory,
    .file = file,
    .open_local = open_local,
    .apply = apply,
    .close_local = close_local,
    .close = close_model,
};
