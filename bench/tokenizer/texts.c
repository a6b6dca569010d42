/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/tokenizer/texts.h"

#include <stdio.h>
#include <stdlib.h>

#include "wetmill/file.h"
#include "wetmill/json.h"

enum { MAX_BYTES = 1 << 30 };

_Noreturn void stop(const struct wm_error *err)
{
    (void)fprintf(stderr, "%s: %s\n", err->where, err->what);
    exit(1);
}

static void add(struct texts *texts, struct wm_str doc)
{
    if (texts->n == texts->cap) {
        texts->cap = texts->cap ? 2 * texts->cap : 1024;
        texts->docs = realloc(texts->docs, texts->cap * sizeof *texts->docs);
        if (!texts->docs)
            abort();
    }
    texts->docs[texts->n++] = doc;
    texts->bytes += doc.len;
}

static int read_lines(struct texts *texts, struct wm_str rest, struct wm_error *err)
{
    int more = 0;
    while (rest.len && more >= 0) {
        struct wm_json r;
        struct wm_str key, text;
        wm_json_open(&r, wm_str_line(&rest), &texts->arena);
        more = wm_json_object(&r, err);
        while (!more && (more = wm_json_key(&r, &key, err)) > 0) {
            bool wanted = wm_str_eq(key, WM_STR("text"));
            more = wanted ? wm_json_string(&r, &text, err) : wm_json_skip(&r, NULL, err);
            if (wanted && !more)
                add(texts, text);
        }
    }
    return more;
}

void texts_read(struct texts *texts, char **paths, size_t n)
{
    struct wm_error err = {0};
    wm_arena_init(&texts->arena, (size_t)4 * MAX_BYTES);
    for (size_t i = 0; i < n; i++) {
        struct wm_buf file; /* kept until the end */
        wm_buf_init(&file, MAX_BYTES);
        size_t len = strlen(paths[i]);
        int status = wm_file_load(paths[i], &file, &err);
        if (!status && len > 6 && strcmp(paths[i] + len - 6, ".jsonl") == 0)
            status = read_lines(texts, wm_buf_str(&file), &err);
        else if (!status)
            add(texts, wm_buf_str(&file));
        if (status)
            stop(&err);
    }
}

static FILE *open_out(const char *prefix, const char *ending)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s.%s", prefix, ending);
    FILE *file = fopen(path, "wb");
    if (!file) {
        perror(path);
        exit(1);
    }
    return file;
}

static void put(FILE *file, const void *bytes, size_t n)
{
    if (n && fwrite(bytes, n, 1, file) != 1)
        abort();
}

static void put_json(FILE *file, struct wm_buf *line, struct wm_str text)
{
    struct wm_error err = {0};
    struct wm_json_out w;
    line->len = 0;
    wm_json_out_open(&w, line, &err);
    wm_json_put_open(&w, '{');
    wm_json_put_key(&w, "text");
    wm_json_put_str(&w, text);
    wm_json_put_close(&w, '}');
    if (w.status)
        stop(&err);
    put(file, line->ptr, line->len);
    put(file, "\n", 1);
}

static void close_out(FILE *file)
{
    if (fclose(file) != 0)
        abort();
}

void texts_write_lines(const struct texts *texts, const char *prefix, size_t max_bytes)
{
    FILE *plain = open_out(prefix, "txt"), *json = open_out(prefix, "jsonl");
    struct wm_error err = {0};
    struct wm_buf line, one;
    size_t left = max_bytes;
    wm_buf_init(&line, (size_t)8 * MAX_BYTES);
    wm_buf_init(&one, MAX_BYTES);
    for (size_t i = 0; i < texts->n; i++) {
        for (struct wm_str rest = texts->docs[i]; rest.len && left;) {
            struct wm_str words = wm_str_line(&rest);
            one.len = 0; /* with a newline, also the last: documents do not run together */
            if (wm_buf_add(&one, words.ptr, words.len, &err) || wm_buf_add(&one, "\n", 1, &err))
                stop(&err);
            left -= one.len < left ? one.len : left;
            put(plain, one.ptr, one.len);
            put_json(json, &line, wm_buf_str(&one));
        }
    }
    wm_buf_done(&one);
    wm_buf_done(&line);
    close_out(plain);
    close_out(json);
}

void texts_write_docs(const struct texts *texts, const char *prefix, size_t max_bytes)
{
    FILE *plain = open_out(prefix, "docs"), *json = open_out(prefix, "jsonl");
    struct wm_buf line;
    wm_buf_init(&line, (size_t)8 * MAX_BYTES);
    for (size_t i = 0, bytes = 0; i < texts->n && bytes < max_bytes; i++) {
        struct wm_str doc = texts->docs[i];
        const unsigned char length[4] = {(unsigned char)doc.len, (unsigned char)(doc.len >> 8),
                                         (unsigned char)(doc.len >> 16),
                                         (unsigned char)(doc.len >> 24)};
        put(plain, length, sizeof length);
        put(plain, doc.ptr, doc.len);
        put_json(json, &line, doc);
        bytes += doc.len;
    }
    wm_buf_done(&line);
    close_out(plain);
    close_out(json);
}
