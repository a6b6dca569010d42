/* SPDX-License-Identifier: Apache-2.0 */
/* Which format is it, and what all have in common. */
#include <stdlib.h>
#include <sys/mman.h>

#include "scorers/ngram_window.h"

enum { HUGE_PAGE = 2 << 20, NEAR_CACHE = 256 << 10 };

struct wm_ngram *wm_ngram_new(struct wm_error *err)
{
    struct wm_ngram *model = calloc(1, sizeof *model);
    if (!model)
        (void)wm_fail_nomem(err, sizeof *model, "n-gram model");
    return model;
}

int wm_ngram_pages(uint64_t bytes, const char *what, struct wm_ngram_memory *ret,
                   struct wm_error *err)
{
    void *at = bytes > SIZE_MAX / 2 ? MAP_FAILED
                                    : mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE,
                                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return wm_fail_nomem(err, bytes > SIZE_MAX ? SIZE_MAX : (size_t)bytes, what);
    if (bytes >= HUGE_PAGE)
        (void)madvise(at, (size_t)bytes, MADV_HUGEPAGE);
    *ret = (struct wm_ngram_memory){at, (size_t)bytes};
    return 0;
}

void wm_ngram_pages_free(struct wm_ngram_memory *memory)
{
    if (memory->at)
        (void)munmap(memory->at, memory->bytes);
    *memory = (struct wm_ngram_memory){0};
}

static bool is_gzip(struct wm_str bytes)
{
    return bytes.len >= 2 && (unsigned char)bytes.ptr[0] == 0x1F &&
           (unsigned char)bytes.ptr[1] == 0x8B;
}

static int from_text(struct wm_ngram *model, const char *path, struct wm_str bytes, uint64_t memory,
                     struct wm_error *err)
{
    struct wm_ngram_text *text = NULL;
    int status = wm_ngram_text_open(path, bytes, &text, err);
    const char *name = path && strcmp(path, "-") == 0 ? "standard input" : path;
    if (!status)
        status = wm_ngram_build(text, name, memory, model, err);
    model->format = "ARPA";
    wm_ngram_text_close(text);
    return status;
}

/* ARPA text is read from `bytes`, or again from `path` in pieces. */
static int from_bytes(struct wm_ngram *model, const char *path, struct wm_str bytes,
                      struct wm_error *err)
{
    if (is_gzip(bytes) || wm_ngram_is_arpa(bytes))
        return from_text(model, path, path ? (struct wm_str){0} : bytes, 0, err);
    model->bytes = bytes;
    if (wm_ngram_is_own(bytes))
        return wm_ngram_own_open(model, err);
    if (wm_ngram_is_kenlm(bytes))
        return wm_ngram_kenlm_open(model, err);
    wm_fail(err, WM_E_FORMAT, "not an n-gram model");
    return wm_error_hint(err, "ARPA text, KenLM's binary files and those of `wetmill lm` are read");
}

static int from_any(struct wm_ngram *model, const char *path, struct wm_str bytes,
                    struct wm_error *err)
{
    int status = from_bytes(model, path, bytes, err);
    model->fetch_unigrams = (uint64_t)model->n_words * model->unigram_size > NEAR_CACHE;
    return status;
}

int wm_ngram_parse(struct wm_str bytes, struct wm_ngram **ret, struct wm_error *err)
{
    struct wm_ngram *model = wm_ngram_new(err);
    if (!model)
        return WM_E_NOMEM;
    int status = from_any(model, NULL, bytes, err);
    if (status)
        wm_ngram_free(model);
    else
        *ret = model;
    return status;
}

int wm_ngram_open(const char *path, struct wm_ngram **ret, struct wm_error *err)
{
    struct wm_ngram *model = wm_ngram_new(err);
    struct wm_stat stat = {0};
    if (!model)
        return WM_E_NOMEM;
    int status = wm_stat(path, &stat, err);
    if (!status && !stat.is_regular)
        status = wm_fail(err, WM_E_FORMAT, "not a regular file");
    if (!status)
        status = wm_map_open(path, &model->map, err);
    if (!status)
        wm_map_want_large_pages(&model->map);
    if (!status)
        status = from_any(model, path,
                          (struct wm_str){(const char *)model->map.ptr, model->map.len}, err);
    if (status) {
        wm_ngram_free(model);
        return wm_error_where(err, "%s", path);
    }
    if (!model->bytes.ptr)
        wm_map_close(&model->map); /* it was text */
    *ret = model;
    return 0;
}

int wm_ngram_convert(const char *arpa, const char *out, uint64_t memory, struct wm_error *err)
{
    struct wm_ngram *model = wm_ngram_new(err);
    if (!model)
        return WM_E_NOMEM;
    int status = from_text(model, arpa, (struct wm_str){0}, memory, err);
    if (status)
        (void)wm_error_where(err, "%s", arpa);
    else
        status = wm_ngram_own_write(model, out, err);
    wm_ngram_free(model);
    return status;
}

void wm_ngram_free(struct wm_ngram *model)
{
    if (!model)
        return;
    for (unsigned i = 0; i < model->n_pieces; i++)
        wm_ngram_pages_free(&model->pieces[i]);
    wm_map_close(&model->map);
    free(model);
}

const char *wm_ngram_format(const struct wm_ngram *model)
{
    return model->format;
}

unsigned wm_ngram_order(const struct wm_ngram *model)
{
    return model->order;
}

uint32_t wm_ngram_words(const struct wm_ngram *model)
{
    return model->n_words;
}

uint64_t wm_ngram_count(const struct wm_ngram *model, unsigned order)
{
    return order >= 1 && order <= model->order ? model->counts[order] : 0;
}

uint64_t wm_ngram_memory(const struct wm_ngram *model)
{
    uint64_t bytes = sizeof *model;
    for (unsigned i = 0; i < model->n_pieces; i++)
        bytes += model->pieces[i].bytes;
    return bytes;
}

uint64_t wm_ngram_mapped(const struct wm_ngram *model)
{
    return model->bytes.len;
}

uint32_t wm_ngram_word(const struct wm_ngram *model, struct wm_str word)
{
    return model->word(model, word);
}

uint32_t wm_ngram_begin(const struct wm_ngram *model)
{
    return model->begin;
}

uint32_t wm_ngram_end(const struct wm_ngram *model)
{
    return model->end;
}

void wm_ngram_score(const struct wm_ngram *model, const uint32_t *words, size_t n,
                    struct wm_ngram_score *ret, float *per_word, unsigned char *matched)
{
    struct wm_ngram_cursor cursor = {.words = words,
                                     .ends = &n,
                                     .n_sentences = 1,
                                     .ret = ret,
                                     .per_word = per_word,
                                     .matched = matched};
    model->score(model, &cursor);
}

void wm_ngram_score_many(const struct wm_ngram *model, const uint32_t *words, const size_t *ends,
                         size_t n_sentences, struct wm_ngram_score *ret)
{
    struct wm_ngram_cursor cursor = {
        .words = words, .ends = ends, .n_sentences = n_sentences, .ret = ret};
    model->score(model, &cursor);
}
