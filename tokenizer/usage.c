/* SPDX-License-Identifier: Apache-2.0 */
#include "wetmill/tokenizer_usage.h"

#include <stdlib.h>

#include "wetmill/ucd.h"
#include "wetmill/utf8.h"

struct wm_usage {
    struct wm_encoder *encoder;
    struct wm_ids ids;
    uint64_t *counts; /* [n_ids] */
    uint32_t n_ids;
    struct wm_usage_language languages[WM_USAGE_LANGUAGES + 1]; /* one more for "other" */
    size_t n_languages;
};

int wm_usage_new(const struct wm_tokenizer *tok, struct wm_usage **ret, struct wm_error *err)
{
    struct wm_usage *usage = calloc(1, sizeof *usage);
    if (!usage)
        return wm_fail_nomem(err, sizeof *usage, "token counts");
    usage->n_ids = wm_tokenizer_size(tok);
    usage->counts = calloc((size_t)usage->n_ids + 1, sizeof *usage->counts);
    int status = usage->counts ? wm_encoder_new(tok, &usage->encoder, err)
                               : wm_fail_nomem(err, usage->n_ids * sizeof *usage->counts, "counts");
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
    wm_encoder_free(usage->encoder);
    wm_ids_done(&usage->ids);
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

int wm_usage_add(struct wm_usage *usage, struct wm_str language, struct wm_str text,
                 struct wm_error *err)
{
    usage->ids.n = 0;
    int status = wm_encode(usage->encoder, text, 0, &usage->ids, err);
    if (status)
        return status;
    for (size_t i = 0; i < usage->ids.n; i++)
        usage->counts[usage->ids.ids[i]]++;
    struct wm_usage_language *entry = language_of(usage, language);
    entry->documents++;
    entry->bytes += text.len;
    entry->words += count_words(text);
    entry->tokens += usage->ids.n;
    return 0;
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
