/* SPDX-License-Identifier: Apache-2.0 */
/* normalize: the same text in the same bytes. The stage around clean_line.c, which says what is
 * done to a line; here are whole documents and blank lines. */
#include <stdlib.h>

#include "stages/clean_line.h"
#include "stages/stages.h"
#include "wetmill/utf8.h"

enum { EMPTY, GROWS };

struct local {
    struct wm_cleaner cleaner;
    struct wm_buf text;
};

/* NFKC can turn 3 bytes into 33. A page made of such is no text, and memory is planned for some
 * copies of it only. */
enum { GROWTH = 4, GROWTH_LEAST = 64 << 10, KEEP_BYTES = 4 << 20 };

static int open_local(const void *shared, void *local, struct wm_error *err)
{
    struct local *l = local;
    wm_buf_init(&l->text, 0);
    return wm_cleaner_init(&l->cleaner, shared, err);
}

static void close_local(void *local)
{
    struct local *l = local;
    wm_cleaner_done(&l->cleaner);
    wm_buf_done(&l->text);
}

/* Start of the first line that is not clean, or text.len. */
static size_t clean_prefix(const struct wm_cleaner *cleaner, struct wm_str text)
{
    struct wm_str rest = text;
    do {
        size_t start = text.len - rest.len;
        if (!wm_line_is_clean(cleaner, wm_str_line(&rest)))
            return start;
    } while (rest.len);
    return text.len;
}

/* Line by line into `l->text`. `prefix` bytes are clean. */
static int clean_lines(struct local *l, struct wm_str text, size_t prefix, struct wm_error *err)
{
    int status = wm_buf_add(&l->text, text.ptr, prefix, err);
    struct wm_str rest = {text.ptr + prefix, text.len - prefix};
    for (bool more = true; !status && more;) {
        struct wm_str line = wm_str_line(&rest);
        more = line.ptr + line.len < text.ptr + text.len; /* its newline */
        status = wm_clean_line(&l->cleaner, line, &l->text, err);
        if (!status && more)
            status = wm_buf_add(&l->text, "\n", 1, err);
    }
    return status;
}

/* Only what changes is copied: into the worker's buffer, then into the batch. */
static int rewrite(struct local *l, struct wm_batch *batch, struct wm_doc *doc,
                   struct wm_error *err)
{
    size_t prefix = clean_prefix(&l->cleaner, doc->text);
    if (prefix == doc->text.len)
        return 0;
    l->text.len = 0;
    /* tracing starts from a whole record, of which lines may have been dropped before this stage */
    bool limited = !batch->rederive && doc->text.len <= SIZE_MAX / GROWTH - GROWTH_LEAST;
    l->text.max = limited ? doc->text.len * GROWTH + GROWTH_LEAST : SIZE_MAX;
    int status = clean_lines(l, doc->text, prefix, err);
    if (status == WM_E_LIMIT) {
        wm_drop(batch, doc, GROWS);
        return 0;
    }
    if (status)
        return status;
    struct wm_str text = wm_arena_str(&batch->arena, wm_buf_str(&l->text));
    if (!text.ptr && l->text.len)
        return wm_fail_nomem(err, l->text.len, "normalised text");
    doc->text = text;
    return 0;
}

/* What white_space: keep leaves may be blank without being empty. */
static bool is_blank(const struct wm_cleaner *cleaner, struct wm_str line)
{
    while (line.len)
        if (!wm_char_is_space(wm_unicode_entry(cleaner->unicode, wm_utf8_next(&line))))
            return false;
    return true;
}

/* Marks the lines to keep; returns how many, and how many of them are not blank. */
static size_t mark_lines(const struct wm_cleaner *cleaner, struct wm_str text, unsigned char *keep,
                         size_t n_lines, size_t *ret_full)
{
    int how = cleaner->how->blank_lines;
    size_t n_kept = 0, n_full = 0, last = 0; /* one behind the last kept line that is not blank */
    bool after_text = false;
    for (size_t i = 0; i < n_lines; i++) {
        bool blank = is_blank(cleaner, wm_str_line(&text));
        keep[i] = !blank || how == WM_BLANK_KEEP || (how == WM_BLANK_COLLAPSE && after_text);
        after_text = !blank;
        n_kept += keep[i];
        n_full += !blank;
        last = blank ? last : i + 1;
    }
    for (size_t i = last; i < n_lines && how != WM_BLANK_KEEP; i++) {
        n_kept -= keep[i];
        keep[i] = 0;
    }
    *ret_full = n_full;
    return n_kept;
}

static int drop_blank_lines(const struct local *l, struct wm_batch *batch, struct wm_doc *doc,
                            struct wm_error *err)
{
    size_t n_lines = wm_line_count(doc->text), n_full;
    wm_arena_reset(&batch->scratch);
    unsigned char *keep = (unsigned char *)wm_arena_bytes(&batch->scratch, n_lines);
    if (!keep)
        return wm_fail_nomem(err, n_lines, "lines of a page");
    size_t n_kept = mark_lines(&l->cleaner, doc->text, keep, n_lines, &n_full);
    int status = 0;
    if (n_kept < n_lines)
        status = wm_doc_keep_lines(batch, doc, keep, n_lines, err);
    if (!status && n_full == 0)
        wm_drop(batch, doc, EMPTY);
    return status;
}

static void release(struct local *l)
{
    if (l->text.cap > KEEP_BYTES)
        wm_buf_done(&l->text);
    wm_cleaner_release(&l->cleaner, KEEP_BYTES);
}

static int apply(const void *shared, void *local, struct wm_batch *batch, struct wm_error *err)
{
    struct local *l = local;
    int status = 0;
    (void)shared;
    for (size_t i = 0; !status && i < batch->n_docs; i++) {
        struct wm_doc *doc = &batch->docs[i];
        status = rewrite(l, batch, doc, err);
        if (!status && !doc->drop && !batch->rederive)
            status = drop_blank_lines(l, batch, doc, err);
        release(l);
    }
    return status;
}

static size_t memory(const void *shared, unsigned n_workers)
{
    enum { BUFFERS = 5 };
    (void)shared;
    return (size_t)n_workers * BUFFERS * KEEP_BYTES;
}

static const char *const forms[] = {
    [WM_FORM_NFC] = "nfc", [WM_FORM_NFKC] = "nfkc", [WM_FORM_NONE] = "none", NULL};
static const char *const joiners[] = {[WM_JOINERS_WHERE_USED] = "where-used",
                                      [WM_JOINERS_KEEP] = "keep",
                                      [WM_JOINERS_REMOVE] = "remove",
                                      NULL};
static const char *const white_spaces[] = {
    [WM_SPACE_COLLAPSE] = "collapse", [WM_SPACE_TRIM] = "trim", [WM_SPACE_KEEP] = "keep", NULL};
static const char *const blank_lines[] = {
    [WM_BLANK_COLLAPSE] = "collapse", [WM_BLANK_DROP] = "drop", [WM_BLANK_KEEP] = "keep", NULL};

static const struct wm_option options[] = {
    WM_CHOICE(struct wm_cleaning, form, forms, WM_FORM_NFC, "Unicode normalisation form"),
    WM_BOOL(struct wm_cleaning, controls, true, "delete control characters and noncharacters"),
    WM_BOOL(struct wm_cleaning, invisible, true,
            "delete zero-width, bidirectional and other invisible format characters"),
    WM_CHOICE(struct wm_cleaning, joiners, joiners, WM_JOINERS_WHERE_USED,
              "zero-width joiners and non-joiners; where-used = in scripts and emoji they change"),
    WM_CHOICE(struct wm_cleaning, white_space, white_spaces, WM_SPACE_COLLAPSE,
              "collapse = runs to one space, none at line ends; trim = none behind lines"),
    WM_CHOICE(struct wm_cleaning, blank_lines, blank_lines, WM_BLANK_COLLAPSE,
              "collapse = one for each run, none at the ends of the text"),
    {0},
};

const struct wm_stage wm_stage_normalize = {
    .name = "normalize",
    .summary = "clean up characters, white space and blank lines",
    .version = 1,
    .cost = WM_COST_CHEAP,
    .drops_lines = true,
    .rewrites = true,
    .options = options,
    .reasons = (const char *const[]){[EMPTY] = "empty", [GROWS] = "grows-too-much", NULL},
    .libraries = (const char *const[]){"icu", NULL},
    .shared_size = sizeof(struct wm_cleaning),
    .local_size = sizeof(struct local),
    .open_local = open_local,
    .memory = memory,
    .apply = apply,
    .close_local = close_local,
};
