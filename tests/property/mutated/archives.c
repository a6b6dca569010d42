/* SPDX-License-Identifier: Apache-2.0 */
/* Sound archives of every layout: cut from real ones, or made. */
#include "archives.h"

#include <dirent.h>
#include <nettle/sha1.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wetmill/file.h"

enum { FILE_MOST = 64 << 20, SMALL = 400 << 10, LARGE = 11 << 20 };

struct wm_buf buf_new(void)
{
    struct wm_buf buf;
    wm_buf_init(&buf, (size_t)1 << 30);
    return buf;
}

void buf_put(struct wm_buf *buf, const void *bytes, size_t len)
{
    struct wm_error err;
    if (wm_buf_add(buf, bytes, len, &err))
        give_up("%s", err.what);
}

/* ---- records of plain bytes ---- */

void cut_add(struct cuts *c, uint64_t from, uint64_t head, uint64_t to)
{
    if (c->n == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 64;
        c->items = realloc(c->items, c->cap * sizeof *c->items);
        if (!c->items)
            give_up("no memory for records");
    }
    c->items[c->n++] = (struct cut){from, head, to};
}

/* Whole records by Content-Length, in the simplest way there is: the bytes are sound. Up to `most`
 * bytes; a record owns the line ends behind it. */
static void cut_warc(struct wm_str s, size_t most, struct cuts *ret)
{
    size_t at = 0;
    while (at < s.len) {
        struct wm_str rest = {s.ptr + at, s.len - at};
        const char *head = find_words(rest, "\r\n\r\n");
        const char *length = head ? find_words((struct wm_str){rest.ptr, (size_t)(head - rest.ptr)},
                                               "Content-Length:")
                                  : NULL;
        if (!length)
            return;
        size_t header = (size_t)(head - rest.ptr) + 4;
        size_t end = header + strtoull(length + sizeof "Content-Length:" - 1, NULL, 10);
        while (end < rest.len && (rest.ptr[end] == '\r' || rest.ptr[end] == '\n'))
            end++;
        if (end > rest.len || at + end > most)
            return;
        cut_add(ret, at, at + header, at + end);
        at += end;
    }
}

static void cut_lines(struct wm_str s, size_t most, struct cuts *ret)
{
    for (size_t at = 0; at < s.len;) {
        const char *end = memchr(s.ptr + at, '\n', s.len - at);
        if (!end || (size_t)(end - s.ptr) + 1 > most)
            return;
        cut_add(ret, at, at, (size_t)(end - s.ptr) + 1);
        at = (size_t)(end - s.ptr) + 1;
    }
}

/* ---- an archive ---- */

static struct archive *new_archive(struct archives *all, const char *name, enum layout layout,
                                   unsigned weight)
{
    if (all->n == all->cap) {
        all->cap = all->cap ? all->cap * 2 : 64;
        all->items = realloc(all->items, all->cap * sizeof *all->items);
        if (!all->items)
            give_up("no memory for archives");
    }
    struct archive *a = &all->items[all->n++];
    *a = (struct archive){
        .name = strdup(name), .layout = layout, .weight = weight, .bytes = buf_new()};
    all->weights += weight;
    return a;
}

static int by_name(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;
    return (x->name > y->name) - (x->name < y->name);
}

/* What the reader gives of the sound archive, matched with where its records are. */
static void know(struct archive *a, const char *dir, const struct cuts *records,
                 const struct cuts *members)
{
    char path[WM_PATH_MAX];
    struct reading r = {0};
    store(dir, a->name, wm_buf_str(&a->bytes), path);
    reading_take(&r, path, WM_PROFILE_STRICT, WM_BATCH_TEXT);
    a->originals = calloc(r.n + 1, sizeof *a->originals);
    a->sorted = calloc(r.n + 1, sizeof *a->sorted);
    if (!a->originals || !a->sorted)
        give_up("no memory for what an archive holds");
    for (size_t i = 0, k = 0; records && i < r.n; i++) {
        size_t member = 0;
        while (members && members->items[member].from != r.docs[i].member)
            if (++member == members->n)
                give_up("%s: document %zu is in no member", a->name, i);
        uint64_t at = r.docs[i].offset + (members ? members->items[member].head : 0);
        while (k < records->n && records->items[k].from != at)
            k++;
        if (k == records->n)
            give_up("%s: document %zu is no record", a->name, i);
        struct cut c = records->items[k];
        a->originals[a->n++] = (struct original){members ? members->items[member].from : c.from,
                                                 members ? members->items[member].to : c.to,
                                                 c.from,
                                                 c.head,
                                                 c.to,
                                                 r.docs[i]};
    }
    if (records && (r.tally.n_damage || a->n == 0))
        give_up("%s: is not sound, or empty:\n%s", a->name, r.told);
    a->n_sorted = r.n;
    if (r.n)
        memcpy(a->sorted, r.docs, r.n * sizeof *r.docs);
    qsort(a->sorted, r.n, sizeof *a->sorted, by_name);
    reading_free(&r);
}

/* One set of records in one layout. */
static void add_form(struct archives *all, const char *dir, const struct source *s,
                     const struct form *form)
{
    char name[128];
    struct cuts members = {0};
    (void)snprintf(name, sizeof name, "%s.%s.%s%s", s->name, form->name,
                   s->warc ? "warc.wet" : "jsonl", form->ending);
    struct archive *a = new_archive(all, name, form->layout, form->weight * s->weight);
    a->warc = s->warc;
    a->digests_hold = s->digests_hold;
    size_t step = form->group ? form->group : s->cuts.n;
    for (size_t i = 0; i < s->cuts.n; i += step) {
        size_t last = i + step < s->cuts.n ? i + step : s->cuts.n;
        static const char skipped[] = "\x5A\x2A\x4D\x18\x10\0\0\0sixteen letters.";
        if (form->skips)
            buf_put(&a->bytes, skipped, sizeof skipped - 1);
        uint64_t from = s->cuts.items[i].from, to = s->cuts.items[last - 1].to,
                 start = a->bytes.len;
        pack(&a->bytes, (struct wm_str){s->plain.ptr + from, (size_t)(to - from)}, form->ending);
        cut_add(&members, start, from, a->bytes.len); /* head: where its content starts */
    }
    if (a->layout == LAYOUT_SINGLE)
        a->out_at = map_output(wm_buf_str(&a->bytes), form->ending);
    bool plain = form->layout == LAYOUT_PLAIN;
    know(a, dir, form->layout == LAYOUT_ANY ? NULL : &s->cuts, plain ? NULL : &members);
    free(members.items);
}

static void add_forms(struct archives *all, const char *dir, const struct source *s)
{
    static const struct form forms[] = {{"plain", "", LAYOUT_PLAIN, 1, 24, false},
                                        {"each", ".gz", LAYOUT_EACH, 1, 24, false},
                                        {"few", ".gz", LAYOUT_EACH, 5, 4, false},
                                        {"single", ".gz", LAYOUT_SINGLE, 0, 24, false},
                                        {"each", ".zst", LAYOUT_EACH, 1, 10, false},
                                        {"skips", ".zst", LAYOUT_EACH, 1, 8, true},
                                        {"single", ".zst", LAYOUT_SINGLE, 0, 12, false},
                                        {"single", ".xz", LAYOUT_ANY, 0, 3, false}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (!s->large || forms[i].layout == LAYOUT_SINGLE)
            add_form(all, dir, s, &forms[i]);
}

/* ---- where records are from ---- */

static void finish_source(struct archives *all, const char *dir, struct source *s, size_t most)
{
    if (s->warc)
        cut_warc(wm_buf_str(&s->plain), most, &s->cuts);
    else
        cut_lines(wm_buf_str(&s->plain), most, &s->cuts);
    if (s->cuts.n == 0)
        give_up("%s: holds no record", s->name);
    add_forms(all, dir, s);
    wm_buf_done(&s->plain);
    free(s->cuts.items);
}

static void put_digest(struct wm_str body, char ret[33])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    unsigned char sum[SHA1_DIGEST_SIZE];
    struct sha1_ctx sha1;
    sha1_init(&sha1);
    sha1_update(&sha1, body.len, (const uint8_t *)body.ptr);
    sha1_digest(&sha1, sizeof sum, sum);
    for (unsigned i = 0; i < 32; i++) {
        unsigned bit = i * 5,
                 two = (unsigned)sum[bit / 8] << 8 | (bit / 8 < 19 ? sum[bit / 8 + 1] : 0);
        ret[i] = digits[two >> (11 - bit % 8) & 31];
    }
    ret[32] = '\0';
}

/* Pages of their own, as Common Crawl writes them. */
static void made_page(struct wm_buf *out, uint64_t *rng, unsigned number)
{
    static const char *const words[] = {
        "the",          "mill",  "grinds", "wet",   "corn",   "and",   "\u0432\u043e\u0434\u0430",
        "\u6c34\u8eca", "river", "stone",  "turns", "slowly", "bread", "1887"};
    struct wm_buf body = buf_new();
    struct wm_error err;
    char digest[33];
    for (uint64_t i = 0, n = 20 + rng_below(rng, 3000); i < n; i++) {
        const char *word = words[rng_below(rng, sizeof words / sizeof *words)];
        if (wm_buf_printf(&body, &err, "%s%llu%s", word, (unsigned long long)rng_below(rng, 300),
                          rng_below(rng, 12) ? " " : "\n"))
            give_up("%s", err.what);
    }
    put_digest(wm_buf_str(&body), digest);
    if (wm_buf_printf(
            out, &err,
            "WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: http://mill.example/%u\r\n"
            "WARC-Date: 2024-01-02T03:04:05Z\r\nWARC-Record-ID: <urn:uuid:%016llx-%u>\r\n"
            "WARC-Block-Digest: sha1:%s\r\nContent-Type: text/plain\r\n"
            "Content-Length: %zu\r\n\r\n",
            number, (unsigned long long)rng_next(rng), number, digest, body.len))
        give_up("%s", err.what);
    buf_put(out, body.ptr, body.len);
    buf_put(out, "\r\n\r\n", 4);
    wm_buf_done(&body);
}

static void add_made(struct archives *all, const char *dir, const char *name, size_t size,
                     unsigned weight)
{
    struct source s = {name, true, true, size > SMALL, weight, buf_new(), {0}};
    uint64_t rng = size;
    for (unsigned i = 0; s.plain.len < size; i++)
        made_page(&s.plain, &rng, i);
    finish_source(all, dir, &s, s.plain.len);
}

static void add_made_lines(struct archives *all, const char *dir)
{
    struct source s = {"made", false, false, false, 1, buf_new(), {0}};
    struct wm_error err;
    uint64_t rng = 7;
    for (unsigned i = 0; s.plain.len < SMALL; i++) {
        if (wm_buf_printf(&s.plain, &err, "{\"url\":\"http://line.example/%u\",\"text\":\"", i))
            give_up("%s", err.what);
        for (uint64_t k = 0, n = 1 + rng_below(&rng, 400); k < n; k++)
            if (wm_buf_printf(&s.plain, &err, "%llx%s", (unsigned long long)rng_below(&rng, 4000),
                              rng_below(&rng, 9) ? " " : "\\n"))
                give_up("%s", err.what);
        buf_put(&s.plain, "\"}\n", 3);
    }
    finish_source(all, dir, &s, s.plain.len);
}

static void add_real(struct archives *all, const char *dir, const char *data, const char *file,
                     const char *name, bool warc, bool digests_hold)
{
    char path[WM_PATH_MAX];
    struct source s = {name, warc, digests_hold, false, 1, buf_new(), {0}};
    (void)snprintf(path, sizeof path, "%s/%s", data, file);
    if (load_plain(path, (size_t)SMALL * 4, &s.plain))
        finish_source(all, dir, &s, SMALL);
    else
        wm_buf_done(&s.plain);
}

/* Odd and broken files, as they are. */
static void add_folder(struct archives *all, const char *dir, const char *data, const char *folder)
{
    char path[WM_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", data, folder);
    struct dirent **names = NULL;
    int n = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        struct wm_buf bytes = buf_new();
        (void)snprintf(path, sizeof path, "%s/%s/%s", data, folder, names[i]->d_name);
        if (names[i]->d_name[0] != '.' && load_file(path, FILE_MOST, &bytes) && bytes.len &&
            bytes.len < 120000) {
            struct archive *a = new_archive(all, names[i]->d_name, LAYOUT_ANY, 1);
            a->bytes = bytes;
            know(a, dir, NULL, NULL);
        } else {
            wm_buf_done(&bytes);
        }
        free(names[i]);
    }
    free(names);
}

void archives_make(struct archives *all, const char *dir, const char *data)
{
    add_real(all, dir, data, "wet/CC-MAIN-2014-10.head59.warc.wet", "2014", true, true);
    add_real(all, dir, data, "wet/CC-MAIN-2020-50.00404.head318.repaired.warc.wet.gz", "2020", true,
             true);
    add_real(all, dir, data, "wet/CC-MAIN-2026-12.head263.truncated.warc.wet", "2026", true, true);
    add_real(all, dir, data, "text/english.jsonl.zst", "english", false, false);
    add_real(all, dir, data, "text/korean.jsonl.zst", "korean", false, false);
    add_folder(all, dir, data, "wet");
    add_folder(all, dir, data, "warc");
    (void)snprintf(all->from, sizeof all->from, "%s",
                   all->n ? "real crawls and made ones" : "made ones alone");
    add_made(all, dir, "made", SMALL, 1);
    add_made_lines(all, dir);
    add_made(all, dir, "large", LARGE, 0);
    for (size_t i = 0; i < all->n; i++) {
        struct archive *a = &all->items[i];
        if (a->layout == LAYOUT_SINGLE && a->weight == 0) {
            a->weight = 2;
            all->weights += 2;
        }
    }
}

void archives_free(struct archives *all)
{
    for (size_t i = 0; i < all->n; i++) {
        free((char *)(uintptr_t)all->items[i].name);
        wm_buf_done(&all->items[i].bytes);
        free(all->items[i].originals);
        free(all->items[i].sorted);
        free(all->items[i].out_at);
    }
    free(all->items);
    *all = (struct archives){0};
}
