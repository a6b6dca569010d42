/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns, by a scanner or by PCRE2. */
#include "tokenizer/split.h"

#include <stdio.h>
#include <stdlib.h>

#include "tokenizer/scan.h"
#include "tokenizer/split_pcre.h"
#include "wetmill/tokenizer.h"
#include "wetmill/ucd.h"

const char *const bpe_named_patterns[BPE_NAMED_PATTERNS] = {BPE_R50K, BPE_CL100K, BPE_O200K,
                                                            BPE_CL100K, BPE_QWEN2};

static const char *const scanned[BPE_SCAN_KINDS] = {
    [BPE_SCAN_R50K] = BPE_R50K,
    [BPE_SCAN_CL100K] = BPE_CL100K,
    [BPE_SCAN_O200K] = BPE_O200K,
    [BPE_SCAN_QWEN2] = BPE_QWEN2,
    [BPE_SCAN_R50K_SINGLE] = BPE_R50K_("\\p{N}"),
    [BPE_SCAN_R50K_THREE] = BPE_R50K_("\\p{N}{1,3}"),
    [BPE_SCAN_O200K_SINGLE] = BPE_O200K_("\\p{N}"),
};

const char *bpe_digits_pattern(int split, int digits)
{
    if (digits == WM_DIGITS_PATTERN)
        return bpe_named_patterns[split];
    bool single = digits == WM_DIGITS_SINGLE;
    switch (split) {
    case WM_SPLIT_R50K:
        return scanned[single ? BPE_SCAN_R50K_SINGLE : BPE_SCAN_R50K_THREE];
    case WM_SPLIT_O200K:
        return scanned[single ? BPE_SCAN_O200K_SINGLE : BPE_SCAN_O200K];
    default:
        return scanned[single ? BPE_SCAN_QWEN2 : BPE_SCAN_CL100K];
    }
}

struct bpe_pattern {
    bpe_scan_fn *scan; /* or NULL: pcre */
    struct bpe_classes classes;
    struct bpe_pcre *pcre;
    struct wm_str text;
    char bytes[];
};

enum { WAITING = 2 * BPE_SCAN_AT_ONCE };

struct bpe_splitter {
    const struct bpe_pattern *pattern;
    struct bpe_matcher *matcher;
    struct wm_str text;
    size_t done;    /* everything before has been given out */
    size_t scanned; /* up to here ends are known */
    int n_ends, next_end;
    uint32_t ends[WAITING]; /* known, not all given out */
};

static int pattern_new(struct wm_str text, bool scanners, struct bpe_pattern **ret,
                       struct wm_error *err)
{
    if (text.len == 0)
        return wm_fail(err, WM_E_CONFIG, "split pattern is empty");
    if (text.len > BPE_MAX_PATTERN)
        return wm_fail(err, WM_E_CONFIG, "split pattern has %zu bytes, over the limit of %d",
                       text.len, BPE_MAX_PATTERN);
    struct bpe_pattern *pattern = calloc(1, sizeof *pattern + text.len + 1);
    if (!pattern)
        return wm_fail_nomem(err, sizeof *pattern + text.len, "split pattern");
    memcpy(pattern->bytes, text.ptr, text.len);
    pattern->text = (struct wm_str){pattern->bytes, text.len};
    for (size_t kind = 0; scanners && kind < BPE_SCAN_KINDS; kind++)
        if (wm_str_eq(text, wm_str_of(scanned[kind])))
            pattern->scan = bpe_scan_paths()[0]->scan[kind];
    int status = pattern->scan ? bpe_classes_init(&pattern->classes, BPE_SPLIT_UNICODE, err)
                               : bpe_pcre_new(pattern->text, &pattern->pcre, err);
    if (status) {
        bpe_pattern_free(pattern);
        return status;
    }
    *ret = pattern;
    return 0;
}

int bpe_pattern_new(struct wm_str text, struct bpe_pattern **ret, struct wm_error *err)
{
    return pattern_new(text, true, ret, err);
}

int bpe_pattern_new_pcre(struct wm_str text, struct bpe_pattern **ret, struct wm_error *err)
{
    return pattern_new(text, false, ret, err);
}

void bpe_pattern_free(struct bpe_pattern *pattern)
{
    if (!pattern)
        return;
    bpe_classes_done(&pattern->classes);
    bpe_pcre_free(pattern->pcre);
    free(pattern);
}

bool bpe_pattern_is_scanned(const struct bpe_pattern *pattern)
{
    return pattern->scan != NULL;
}

struct wm_str bpe_pattern_text(const struct bpe_pattern *pattern)
{
    return pattern->text;
}

void bpe_pattern_unicode(const struct bpe_pattern *pattern, char ret[WM_UNICODE_NAME])
{
    if (pattern->pcre)
        bpe_pcre_unicode(ret);
    else
        (void)snprintf(ret, WM_UNICODE_NAME, "%s", wm_unicode_version_name(BPE_SPLIT_UNICODE));
}

int bpe_splitter_new(const struct bpe_pattern *pattern, struct bpe_splitter **ret,
                     struct wm_error *err)
{
    struct bpe_splitter *s = calloc(1, sizeof *s);
    if (!s)
        return wm_fail_nomem(err, sizeof *s, "splitter");
    s->pattern = pattern;
    int status = pattern->scan ? 0 : bpe_matcher_new(pattern->pcre, &s->matcher, err);
    if (status) {
        bpe_splitter_free(s);
        return status;
    }
    *ret = s;
    return 0;
}

void bpe_splitter_free(struct bpe_splitter *s)
{
    if (!s)
        return;
    bpe_matcher_free(s->matcher);
    free(s);
}

void bpe_split(struct bpe_splitter *s, struct wm_str text)
{
    s->text = text;
    s->done = s->scanned = 0;
    s->n_ends = s->next_end = 0;
    if (s->matcher)
        bpe_matcher_begin(s->matcher, text);
}

/* Ends that are not known yet. */
static int look_on(struct bpe_splitter *s, uint32_t *ends, int max, struct wm_error *err)
{
    const struct bpe_pattern *p = s->pattern;
    if (p->scan)
        return (int)p->scan(&p->classes, s->text, &s->scanned, ends, (size_t)max);
    int n = 0, more = 1;
    for (size_t end; n < max && (more = bpe_matcher_next(s->matcher, &end, err)) > 0;)
        ends[n++] = (uint32_t)end;
    return n || more > 0 ? n : more;
}

/* More ends in `s->ends`, all of which have been given out. */
static int look_ahead(struct bpe_splitter *s, struct wm_error *err)
{
    int n = look_on(s, s->ends, WAITING, err);
    s->next_end = 0;
    s->n_ends = n > 0 ? n : 0;
    return n;
}

int bpe_next_pieces(struct bpe_splitter *s, uint32_t *ends, int max, struct wm_error *err)
{
    int n = s->n_ends - s->next_end;
    if (n == 0 && max >= BPE_SCAN_AT_ONCE)
        n = look_on(s, ends, max, err);
    else if (n > 0 || (n = look_ahead(s, err)) > 0) {
        n = n < max ? n : max;
        memcpy(ends, s->ends + s->next_end, (size_t)n * sizeof *ends);
        s->next_end += n;
    }
    if (n > 0)
        s->done = ends[n - 1];
    return n;
}

int bpe_next_piece(struct bpe_splitter *s, struct wm_str *ret, struct wm_error *err)
{
    if (s->next_end == s->n_ends) {
        int n = look_ahead(s, err);
        if (n <= 0)
            return n;
    }
    size_t end = s->ends[s->next_end++];
    *ret = (struct wm_str){s->text.ptr + s->done, end - s->done};
    s->done = end;
    return 1;
}
