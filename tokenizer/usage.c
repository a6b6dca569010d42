/* SPDX-License-Identifier: Apache-2.0 */
#include "wetmill/tokenizer_usage.h"

#include <stdlib.h>

#include "wetmill/ucd.h"
#include "wetmill/utf8.h"

enum { KEEP_IDS = 1 << 16 }; /* ids of a document; memory for more is given back */

/* What a document came to. */
struct result {
    struct wm_ids ids;
    uint64_t words;
};

/* One thread's. */
struct worker {
    struct wm_encoder *encoder;
    size_t failed; /* document, if status is not 0 */
    int status;
    struct wm_error err;
};

struct wm_usage {
    struct wm_team *team;   /* the caller's, or NULL */
    struct worker *workers; /* [n_workers] */
    size_t n_workers;
    struct result *results; /* [n_results] */
    size_t n_results;
    const struct wm_usage_document *documents; /* being worked on */
    uint64_t *counts;                          /* [n_ids] */
    uint32_t n_ids;
    struct wm_usage_language languages[WM_USAGE_LANGUAGES + 1]; /* one more for "other" */
    size_t n_languages;
};

int wm_usage_new(const struct wm_tokenizer *tok, struct wm_team *team, struct wm_usage **ret,
                 struct wm_error *err)
{
    struct wm_usage *usage = calloc(1, sizeof *usage);
    if (!usage)
        return wm_fail_nomem(err, sizeof *usage, "token counts");
    usage->team = team;
    usage->n_workers = team ? wm_team_size(team) : 1;
    usage->n_ids = wm_tokenizer_size(tok);
    usage->counts = calloc((size_t)usage->n_ids + 1, sizeof *usage->counts);
    usage->workers = calloc(usage->n_workers, sizeof *usage->workers);
    int status = usage->counts && usage->workers
                     ? 0
                     : wm_fail_nomem(err, usage->n_ids * sizeof *usage->counts, "counts");
    for (size_t i = 0; i < usage->n_workers && !status; i++)
        status = wm_encoder_new(tok, &usage->workers[i].encoder, err);
    if (status) {
        wm_usage_free(usage);
        return status;
    }
    *ret = usage;
    return 0;
}

void wm_usage_free(struct wm_usage *usage)
{
    if (!usage)
        return;
    for (size_t i = 0; usage->workers && i < usage->n_workers; i++)
        wm_encoder_free(usage->workers[i].encoder);
    for (size_t i = 0; i < usage->n_results; i++)
        wm_ids_done(&usage->results[i].ids);
    free(usage->workers);
    free(usage->results);
    free(usage->counts);
    free(usage);
}

static uint64_t count_words(struct wm_str text)
{
    const struct wm_ucd *ucd = wm_ucd(WM_UNICODE_14_0);
    bool inside = false;
    uint64_t n = 0;
    while (text.len) {
        uint32_t code = wm_utf8_next(&text);
        bool space = (wm_ucd_record(ucd, code)->flags & WM_UCD_WHITE_SPACE) != 0;
        n += !space && !inside;
        inside = !space;
    }
    return n;
}

/* The language's entry, made if there is none; they stay sorted by name. */
static struct wm_usage_language *language_of(struct wm_usage *usage, struct wm_str name)
{
    size_t low = 0, high = usage->n_languages;
    if (name.len == 0)
        name = WM_STR("unknown");
    if (name.len >= WM_USAGE_NAME || memchr(name.ptr, '\0', name.len))
        name = WM_STR("other");
    while (low < high) {
        size_t middle = (low + high) / 2;
        struct wm_usage_language *entry = &usage->languages[middle];
        struct wm_str has = wm_str_of(entry->name);
        int order = memcmp(name.ptr, has.ptr, name.len < has.len ? name.len : has.len);
        if (order == 0)
            order = (name.len > has.len) - (name.len < has.len);
        if (order == 0)
            return entry;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    if (usage->n_languages >= WM_USAGE_LANGUAGES && !wm_str_eq(name, WM_STR("other")))
        return language_of(usage, WM_STR("other"));
    struct wm_usage_language *at = &usage->languages[low];
    memmove(at + 1, at, (usage->n_languages - low) * sizeof *at);
    usage->n_languages++;
    *at = (struct wm_usage_language){0};
    memcpy(at->name, name.ptr, name.len);
    return at;
}

static void encode(void *arg, size_t i)
{
    struct wm_usage *usage = arg;
    struct worker *w = &usage->workers[wm_team_slot()];
    struct result *r = &usage->results[i];
    struct wm_error err;
    r->ids.n = 0;
    int status = wm_encode(w->encoder, usage->documents[i].text, 0, &r->ids, &err);
    if (status && (!w->status || i < w->failed)) {
        w->status = status;
        w->failed = i;
        w->err = err;
    }
    r->words = count_words(usage->documents[i].text);
}

static int reserve(struct wm_usage *usage, size_t n, struct wm_error *err)
{
    if (n <= usage->n_results)
        return 0;
    struct result *grown = realloc(usage->results, n * sizeof *grown);
    if (!grown)
        return wm_fail_nomem(err, n * sizeof *grown, "documents");
    memset(grown + usage->n_results, 0, (n - usage->n_results) * sizeof *grown);
    usage->results = grown;
    usage->n_results = n;
    return 0;
}

/* The first document's error, of those that the workers met. */
static int first_error(struct wm_usage *usage, struct wm_error *err)
{
    struct worker *first = NULL;
    for (size_t i = 0; i < usage->n_workers; i++) {
        struct worker *w = &usage->workers[i];
        if (w->status && (!first || w->failed < first->failed))
            first = w;
    }
    int status = first ? first->status : 0;
    if (first) {
        const struct wm_str path = usage->documents[first->failed].path;
        *err = first->err;
        if (path.len)
            (void)wm_error_where(err, "%.*s", (int)path.len, path.ptr);
    }
    for (size_t i = 0; i < usage->n_workers; i++)
        usage->workers[i].status = 0;
    return status;
}

static void count(struct wm_usage *usage, const struct wm_usage_document *document,
                  struct result *r)
{
    for (size_t i = 0; i < r->ids.n; i++)
        usage->counts[r->ids.ids[i]]++;
    struct wm_usage_language *entry = language_of(usage, document->language);
    entry->documents++;
    entry->bytes += document->text.len;
    entry->words += r->words;
    entry->tokens += r->ids.n;
}

int wm_usage_add(struct wm_usage *usage, const struct wm_usage_document *documents, size_t n,
                 struct wm_error *err)
{
    int status = reserve(usage, n, err);
    if (status)
        return status;
    usage->documents = documents;
    if (usage->team)
        wm_parallel(usage->team, n, encode, usage);
    else
        for (size_t i = 0; i < n; i++)
            encode(usage, i);
    status = first_error(usage, err);
    /* Which languages are named and which are "other" goes by order: so this is done in order. */
    for (size_t i = 0; i < n; i++) {
        if (!status)
            count(usage, &documents[i], &usage->results[i]);
        if (usage->results[i].ids.cap > KEEP_IDS)
            wm_ids_done(&usage->results[i].ids);
    }
    return status;
}

uint64_t wm_usage_count(const struct wm_usage *usage, uint32_t id)
{
    return id < usage->n_ids ? usage->counts[id] : 0;
}

const struct wm_usage_language *wm_usage_languages(const struct wm_usage *usage, size_t *ret_n)
{
    *ret_n = usage->n_languages;
    return usage->languages;
}
