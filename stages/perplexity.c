/* SPDX-License-Identifier: Apache-2.0 */
/* perplexity: how surprised the n-gram model of its language is by a page (CCNet, arXiv 1911.00359,
 * section 3.4).
 *
 * The page is normalised as CCNet's training text was (lower case, no accents, digits as 0, plain
 * punctuation), cut into pieces by the SentencePiece model of the language, and scored as one
 * sentence. Pages of a language without models get no perplexity. Models are files named by their
 * language: en.sp.model and en.arpa.bin are those of "en". */
#include <stdlib.h>

#include "stages/stages.h"
#include "wetmill/ccnet.h"
#include "wetmill/number.h"
#include "wetmill/perplexity.h"

enum profile { STRICT, CCNET };

struct perplexity {
    struct wm_list sentencepiece, lm;
    int profile; /* enum profile */
    int unicode; /* enum wm_unicode_version */

    struct wm_perplexity **models; /* [lm.n], in the order of lm */
    int language_slot, perplexity_slot;
};

struct local {
    struct wm_ccnet normaliser;
    struct wm_perplexity_scratch **scratches; /* [lm.n], made when first used */
    size_t n;
};

enum { TOO_LONG };

static const size_t most_normalised = (size_t)256 << 20;

/* What stands before the first dot of a file's name. */
static struct wm_str language_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    return (struct wm_str){name, strcspn(name, ".")};
}

static const char *find_language(const struct wm_list *paths, struct wm_str language)
{
    for (size_t i = 0; i < paths->n; i++)
        if (wm_str_eq(language_of(paths->items[i]), language))
            return paths->items[i];
    return NULL;
}

/* Each language of `paths` stands in it once, and in `others` as well. */
static int check_pairs(const struct wm_list *paths, const struct wm_list *others, const char *other,
                       struct wm_error *err)
{
    for (size_t i = 0; i < paths->n; i++) {
        const char *path = paths->items[i];
        struct wm_str language = language_of(path);
        int len = (int)language.len;
        if (find_language(paths, language) != path)
            return wm_fail(err, WM_E_CONFIG, "two models are called %.*s: %s and %s", len,
                           language.ptr, find_language(paths, language), path);
        if (find_language(others, language))
            continue;
        (void)wm_fail(err, WM_E_CONFIG, "%s has no counterpart in %s", path, other);
        return wm_error_hint(err, "files of one language start with its label and a dot: %.*s.",
                             len, language.ptr);
    }
    return 0;
}

static int open_models(void *shared, const struct wm_env *env, struct wm_error *err)
{
    struct perplexity *p = shared;
    p->language_slot = wm_schema_slot(env->schema, "language");
    p->perplexity_slot = wm_schema_slot(env->schema, "perplexity");
    int status = check_pairs(&p->lm, &p->sentencepiece, "sentencepiece", err);
    if (!status)
        status = check_pairs(&p->sentencepiece, &p->lm, "lm", err);
    if (status)
        return status;
    p->models = calloc(p->lm.n + 1, sizeof *p->models);
    if (!p->models)
        return wm_fail_nomem(err, p->lm.n * sizeof *p->models, "language models");
    for (size_t i = 0; !status && i < p->lm.n; i++) {
        const char *lm = p->lm.items[i];
        status = wm_perplexity_open(find_language(&p->sentencepiece, language_of(lm)), lm,
                                    &p->models[i], err);
    }
    return status;
}

static void close_models(void *shared)
{
    struct perplexity *p = shared;
    for (size_t i = 0; p->models && i < p->lm.n; i++)
        wm_perplexity_free(p->models[i]);
    free(p->models);
}

static int open_local(const void *shared, void *local, struct wm_error *err)
{
    const struct perplexity *p = shared;
    struct local *l = local;
    wm_ccnet_init(&l->normaliser, (enum wm_unicode_version)p->unicode, most_normalised);
    l->scratches = calloc(p->lm.n + 1, sizeof *l->scratches);
    if (!l->scratches)
        return wm_fail_nomem(err, p->lm.n * sizeof *l->scratches, "language models");
    l->n = p->lm.n;
    return 0;
}

static void close_local(void *local)
{
    struct local *l = local;
    for (size_t i = 0; i < l->n; i++)
        wm_perplexity_scratch_free(l->scratches[i]);
    free(l->scratches);
    wm_ccnet_done(&l->normaliser);
}

/* What CCNet's code writes down and compares: one digit behind the point. */
static double rounded(double value)
{
    char text[WM_REAL_TEXT];
    double ret = value;
    (void)wm_parse_real((struct wm_str){text, wm_format_real(text, value, 1)}, &ret);
    return ret;
}

static int score(const struct perplexity *p, struct local *l, size_t model,
                 const struct wm_batch *batch, struct wm_doc *doc, struct wm_error *err)
{
    struct wm_str text;
    struct wm_perplexity_score result;
    int status = l->scratches[model]
                     ? 0
                     : wm_perplexity_scratch_new(p->models[model], &l->scratches[model], err);
    if (!status)
        status = wm_ccnet_lm(&l->normaliser, doc->text,
                             p->profile == STRICT ? WM_CCNET_NEWLINE_SPACE : 0, &text, err);
    if (!status)
        status = wm_perplexity_score(p->models[model], l->scratches[model], text, &result, err);
    if (status == WM_E_LIMIT) { /* of this page alone */
        wm_drop(batch, doc, TOO_LONG);
        return 0;
    }
    if (status)
        return status;
    doc->values[p->perplexity_slot].real =
        p->profile == CCNET ? rounded(result.perplexity) : result.perplexity;
    doc->has |= (uint64_t)1 << p->perplexity_slot;
    return 0;
}

static int apply(const void *shared, void *local, struct wm_batch *batch, struct wm_error *err)
{
    const struct perplexity *p = shared;
    int status = 0;
    for (size_t i = 0; !status && i < batch->n_docs && !batch->rederive; i++) {
        struct wm_doc *doc = &batch->docs[i];
        struct wm_str language = {0};
        size_t m = 0;
        if (wm_doc_has(doc, p->language_slot))
            language = doc->values[p->language_slot].text;
        while (m < p->lm.n && !wm_str_eq(language_of(p->lm.items[m]), language))
            m++;
        if (m < p->lm.n)
            status = score(p, local, m, batch, doc, err);
    }
    return status;
}

static size_t memory(const void *shared, unsigned n_workers)
{
    const struct perplexity *p = shared;
    size_t bytes = (size_t)n_workers * p->lm.n * sizeof(void *);
    for (size_t i = 0; i < p->lm.n; i++)
        bytes += wm_perplexity_memory(p->models[i]);
    return bytes;
}

static const char *file(const void *shared, size_t i)
{
    const struct perplexity *p = shared;
    if (i < p->lm.n)
        return p->lm.items[i];
    return i - p->lm.n < p->sentencepiece.n ? p->sentencepiece.items[i - p->lm.n] : NULL;
}

static const char *const profiles[] = {[STRICT] = "strict", [CCNET] = "ccnet", NULL};
static const char *const unicodes[] = {
    [WM_UNICODE_14_0] = "14.0", [WM_UNICODE_15_0] = "15.0", NULL};

static const struct wm_option options[] = {
    {.name = "sentencepiece",
     .type = WM_OPTION_PATHS,
     .offset = WM_OFFSET_(struct perplexity, sentencepiece, struct wm_list),
     .unit = "",
     .help = "SentencePiece models, LANGUAGE.….model",
     .flags = WM_OPTION_REQUIRED},
    {.name = "lm",
     .type = WM_OPTION_PATHS,
     .offset = WM_OFFSET_(struct perplexity, lm, struct wm_list),
     .unit = "",
     .help = "n-gram models, LANGUAGE.…: ARPA, KenLM's binaries, or of wetmill lm",
     .flags = WM_OPTION_REQUIRED},
    WM_CHOICE(struct perplexity, profile, profiles, STRICT,
              "strict: a newline is a space; ccnet: it is deleted, and the result rounded"),
    WM_CHOICE(struct perplexity, unicode, unicodes, WM_UNICODE_14_0,
              "version of Unicode by which text is normalised"),
    {0},
};

const struct wm_stage wm_stage_perplexity = {
    .name = "perplexity",
    .summary = "score documents with the n-gram model of their language",
    .version = 1,
    .cost = WM_COST_HEAVY,
    .options = options,
    .reasons = (const char *const[]){[TOO_LONG] = "too-long", NULL},
    .reads = (const char *const[]){"language", NULL},
    .writes = (const struct wm_column[]){{"perplexity", WM_COLUMN_REAL, 1}, {0}},
    .shared_size = sizeof(struct perplexity),
    .local_size = sizeof(struct local),
    .open = open_models,
    .memory = memory,
    .file = file,
    .open_local = open_local,
    .apply = apply,
    .close_local = close_local,
    .close = close_models,
};
