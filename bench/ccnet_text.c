/* SPDX-License-Identifier: Apache-2.0 */
/* CCNet's normalisation, MB of input a CPU second, one language a row: the dedup form line by line,
 * with and without its SHA-1, the LM form document by document, and memcpy of the same lines.
 *
 *     ccnet_text FILE…     .tsv: language, tab, text; else JSONL (.zst) with "lang" and "text"
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <zstd.h>

#include "wetmill/arena.h"
#include "wetmill/ccnet.h"
#include "wetmill/file.h"
#include "wetmill/json.h"
#include "wetmill/utf8.h"

enum { LANGUAGES_MAX = 256, LANGUAGE_BYTES = 4 << 20, FILE_BYTES = 1 << 30 };

struct language {
    char name[16];
    struct wm_buf text; /* documents, each ended by NUL */
};
static struct language languages[LANGUAGES_MAX];
static size_t n_languages;

static int add_text(struct wm_str name, struct wm_str text, struct wm_error *err)
{
    size_t i = 0;
    while (i < n_languages && !wm_str_eq(name, wm_str_of(languages[i].name)))
        i++;
    if (i == n_languages) {
        if (i == LANGUAGES_MAX || name.len >= sizeof languages->name || !name.len)
            return 0;
        memcpy(languages[i].name, name.ptr, name.len);
        wm_buf_init(&languages[i].text, FILE_BYTES);
        n_languages++;
    }
    struct wm_buf *to = &languages[i].text;
    if (to->len >= LANGUAGE_BYTES || !text.len || !wm_utf8_valid(text))
        return 0;
    int status = wm_buf_add(to, text.ptr, text.len, err);
    return status ? status : wm_buf_add(to, "", 1, err);
}

static int add_json(struct wm_str line, struct wm_arena *arena, struct wm_error *err)
{
    struct wm_json r;
    struct wm_str key, name = {0}, text = {0};
    wm_arena_reset(arena);
    wm_json_open(&r, line, arena);
    int more = wm_json_object(&r, err);
    while (!more && (more = wm_json_key(&r, &key, err)) > 0) {
        if (wm_str_eq(key, WM_STR("lang")))
            more = wm_json_string(&r, &name, err);
        else if (wm_str_eq(key, WM_STR("text")))
            more = wm_json_string(&r, &text, err);
        else
            more = wm_json_skip(&r, NULL, err);
    }
    return more ? more : add_text(name, text, err);
}

static int add_tsv(struct wm_str line, struct wm_error *err)
{
    const char *tab = memchr(line.ptr, '\t', line.len);
    size_t n = tab ? (size_t)(tab - line.ptr) : 0;
    struct wm_str text = {tab + 1, line.len - n - 1};
    return tab ? add_text((struct wm_str){line.ptr, n}, text, err) : 0;
}

static int decompress(struct wm_buf *file, struct wm_error *err)
{
    struct wm_buf plain;
    ZSTD_DStream *z = ZSTD_createDStream();
    ZSTD_inBuffer in = {file->ptr, file->len, 0};
    size_t left = 1;
    int status = z ? 0 : wm_fail_nomem(err, 0, "zstd");
    wm_buf_init(&plain, FILE_BYTES);
    while (!status && left && in.pos < in.size &&
           !(status = wm_buf_reserve(&plain, 1 << 20, err))) {
        ZSTD_outBuffer out = {plain.ptr, plain.cap, plain.len};
        left = ZSTD_decompressStream(z, &out, &in);
        plain.len = out.pos;
        if (ZSTD_isError(left))
            status = wm_fail(err, WM_E_FORMAT, "%s", ZSTD_getErrorName(left));
    }
    (void)ZSTD_freeDStream(z);
    wm_buf_done(file);
    *file = plain;
    return status;
}

static int read_texts(const char *path, struct wm_error *err)
{
    struct wm_buf file;
    struct wm_arena arena;
    wm_buf_init(&file, FILE_BYTES);
    wm_arena_init(&arena, FILE_BYTES);
    int status = wm_file_load(path, &file, err);
    if (!status && wm_str_ends(wm_str_of(path), WM_STR(".zst")))
        status = decompress(&file, err);
    for (struct wm_str rest = wm_buf_str(&file); !status && rest.len;) {
        struct wm_str line = wm_str_line(&rest);
        if (wm_str_ends(wm_str_of(path), WM_STR(".tsv")))
            status = add_tsv(line, err);
        else
            status = add_json(line, &arena, err);
    }
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

enum what { COPY, DEDUP, DEDUP_SHA1, LM, N_WHAT };
static volatile uint64_t kept; /* so that nothing is left out */

static void do_line(struct wm_ccnet *c, enum what what, struct wm_str line)
{
    static char copy[LANGUAGE_BYTES];
    struct wm_error err;
    struct wm_str got = line;
    if (what == COPY && line.len <= sizeof copy)
        memcpy(copy, line.ptr, line.len);
    else if (wm_ccnet_dedup(c, line, &got, &err))
        abort();
    kept += what == DEDUP_SHA1 ? wm_ccnet_sha1_8(got) : got.len;
}

static void do_all(struct wm_ccnet *c, enum what what, struct wm_str texts)
{
    while (texts.len) {
        struct wm_error err;
        struct wm_str document = wm_str_of(texts.ptr), got;
        texts.ptr += document.len + 1;
        texts.len -= document.len + 1;
        if (what == LM && wm_ccnet_lm(c, document, 0, &got, &err))
            abort();
        while (what != LM && document.len)
            do_line(c, what, wm_str_line(&document));
    }
}

/* Best of many: the machine may do other things. */
static double rate(struct wm_ccnet *c, enum what what, struct wm_str texts)
{
    double best = 1e9, all = 0;
    for (int i = 0; i < 5 || all < 0.2; i++) {
        double begin = seconds();
        do_all(c, what, texts);
        double took = seconds() - begin;
        best = took < best ? took : best;
        all += took;
    }
    return (double)texts.len / best * 1e-6;
}

int main(int argc, char **argv)
{
    struct wm_error err = {0};
    struct wm_ccnet c;
    wm_ccnet_init(&c, WM_UNICODE_14_0, FILE_BYTES);
    (void)printf("%-9s %8s %8s %8s %8s %8s %8s  MB/s\n", "language", "bytes", "a line", "memcpy",
                 "dedup", "+ SHA-1", "lm");
    for (int i = 1; i < argc; i++)
        if (read_texts(argv[i], &err)) {
            (void)fprintf(stderr, "%s: %s\n", argv[i], err.what);
            return 1;
        }
    for (size_t i = 0; i < n_languages; i++) {
        struct wm_str texts = wm_buf_str(&languages[i].text);
        size_t lines = wm_str_count(texts, '\n') + wm_str_count(texts, '\0');
        double all[N_WHAT];
        for (unsigned w = 0; w < N_WHAT; w++)
            all[w] = rate(&c, (enum what)w, texts);
        (void)printf("%-9s %8zu %8zu %8.0f %8.0f %8.0f %8.0f\n", languages[i].name, texts.len,
                     texts.len / (lines ? lines : 1), all[COPY], all[DEDUP], all[DEDUP_SHA1],
                     all[LM]);
        wm_buf_done(&languages[i].text);
    }
    wm_ccnet_done(&c);
    return 0;
}
