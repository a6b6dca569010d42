/* SPDX-License-Identifier: Apache-2.0 */
/* Splitting alone: MB of text a CPU second, best of several passes, for every named split, by PCRE2
 * and by every path of the scanners this processor can run. That all give the same number of pieces
 * is checked on the way.
 *
 *     bench_split FILE…     *.jsonl: the "text" of each line is a document; else the file is one
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tokenizer/scan.h"
#include "tokenizer/split.h"
#include "wetmill/arena.h"
#include "wetmill/file.h"
#include "wetmill/json.h"
#include "wetmill/tokenizer.h"
#include "wetmill/utf8.h"

enum { FILE_BYTES = 1 << 30, ENDS = 1024, PASSES = 5 };

static const struct {
    const char *name;
    enum wm_split split;
    enum bpe_scan_kind kind;
} splits[] = {
    {"r50k", WM_SPLIT_R50K, BPE_SCAN_R50K},
    {"cl100k", WM_SPLIT_CL100K, BPE_SCAN_CL100K},
    {"o200k", WM_SPLIT_O200K, BPE_SCAN_O200K},
    {"qwen2", WM_SPLIT_QWEN2, BPE_SCAN_QWEN2},
};
enum { N_SPLITS = sizeof splits / sizeof *splits };

/* Documents one behind the other. */
struct texts {
    struct wm_buf bytes;
    size_t *ends;
    size_t n, cap;
};

static int add_text(struct texts *t, struct wm_str text, struct wm_error *err)
{
    text.len = wm_utf8_prefix(text);
    if (t->n == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 1024;
        size_t *ends = realloc(t->ends, cap * sizeof *ends);
        if (!ends)
            return wm_fail_nomem(err, cap * sizeof *ends, "documents");
        t->ends = ends;
        t->cap = cap;
    }
    int status = wm_buf_add(&t->bytes, text.ptr, text.len, err);
    t->ends[t->n++] = t->bytes.len;
    return status;
}

static int add_line(struct texts *t, struct wm_str line, struct wm_arena *arena,
                    struct wm_error *err)
{
    struct wm_json r;
    struct wm_str key, text = {0};
    wm_arena_reset(arena);
    wm_json_open(&r, line, arena);
    int more = wm_json_object(&r, err);
    while (!more && (more = wm_json_key(&r, &key, err)) > 0)
        more = wm_str_eq(key, WM_STR("text")) ? wm_json_string(&r, &text, err)
                                              : wm_json_skip(&r, NULL, err);
    return more ? more : add_text(t, text, err);
}

static int read_texts(struct texts *t, const char *path, struct wm_error *err)
{
    struct wm_buf file;
    struct wm_arena arena;
    wm_buf_init(&file, FILE_BYTES);
    wm_buf_init(&t->bytes, FILE_BYTES);
    wm_arena_init(&arena, FILE_BYTES);
    int status = wm_file_load(path, &file, err);
    if (!status && !wm_str_ends(wm_str_of(path), WM_STR(".jsonl")))
        status = add_text(t, wm_buf_str(&file), err);
    else
        for (struct wm_str rest = wm_buf_str(&file); !status && rest.len;)
            status = add_line(t, wm_str_line(&rest), &arena, err);
    wm_arena_done(&arena);
    wm_buf_done(&file);
    return status;
}

static double seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static size_t pcre_pieces(struct bpe_splitter *s, struct wm_str text)
{
    static uint32_t ends[ENDS];
    struct wm_error err;
    size_t n = 0;
    int more;
    bpe_split(s, text);
    while ((more = bpe_next_pieces(s, ends, ENDS, &err)) > 0)
        n += (size_t)more;
    if (more < 0)
        (void)fprintf(stderr, "%s\n", err.what);
    return n;
}

static size_t scan_pieces(bpe_scan_fn *scan, const struct bpe_classes *classes, struct wm_str text)
{
    static uint32_t ends[ENDS];
    size_t n = 0, at = 0, more;
    while ((more = scan(classes, text, &at, ends, ENDS)) > 0)
        n += more;
    return n;
}

/* Bytes a second; `scan` NULL: by PCRE2. */
static double rate(const struct texts *t, struct bpe_splitter *s, bpe_scan_fn *scan,
                   const struct bpe_classes *classes, size_t *ret_pieces)
{
    double best = 1e9;
    for (int pass = 0; pass < PASSES; pass++) {
        size_t begin = 0;
        double start = seconds();
        *ret_pieces = 0;
        for (size_t i = 0; i < t->n; begin = t->ends[i++]) {
            struct wm_str text = {t->bytes.ptr + begin, t->ends[i] - begin};
            *ret_pieces += scan ? scan_pieces(scan, classes, text) : pcre_pieces(s, text);
        }
        double took = seconds() - start;
        best = took < best ? took : best;
    }
    return (double)t->bytes.len / best;
}

static int measure(const struct texts *t, struct wm_error *err)
{
    struct bpe_classes classes;
    int status = bpe_classes_init(&classes, BPE_SPLIT_UNICODE, err);
    for (size_t i = 0; i < N_SPLITS && !status; i++) {
        struct bpe_pattern *pattern = NULL;
        struct bpe_splitter *s = NULL;
        struct wm_str text = wm_str_of(bpe_named_patterns[splits[i].split]);
        size_t want, got;
        status = bpe_pattern_new_pcre(text, &pattern, err);
        if (!status)
            status = bpe_splitter_new(pattern, &s, err);
        if (!status)
            (void)printf("  %-7s pcre2 %.0f", splits[i].name, rate(t, s, NULL, NULL, &want) * 1e-6);
        for (const struct bpe_scan_path *const *p = bpe_scan_paths(); *p && !status; p++) {
            (void)printf(", %s %.0f", (*p)->name,
                         rate(t, NULL, (*p)->scan[splits[i].kind], &classes, &got) * 1e-6);
            if (got != want)
                status = wm_fail(err, WM_E_FORMAT, "%zu pieces, PCRE2 has %zu", got, want);
        }
        (void)printf(" MB/s\n");
        bpe_splitter_free(s);
        bpe_pattern_free(pattern);
    }
    bpe_classes_done(&classes);
    return status;
}

int main(int argc, char **argv)
{
    struct wm_error err = {0};
    for (int i = 1; i < argc; i++) {
        struct texts t = {0};
        int status = read_texts(&t, argv[i], &err);
        if (!status) {
            (void)printf("%s: %zu documents, %.1f MB\n", argv[i], t.n, (double)t.bytes.len * 1e-6);
            status = measure(&t, &err);
        }
        wm_buf_done(&t.bytes);
        free(t.ends);
        if (status) {
            (void)fprintf(stderr, "%s: %s\n", argv[i], err.what);
            return 1;
        }
    }
    return 0;
}
