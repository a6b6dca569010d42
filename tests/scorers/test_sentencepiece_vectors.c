/* SPDX-License-Identifier: Apache-2.0 */
/* en.sp.model gives the ids and pieces that SentencePiece gave for recorded texts. */
#include "wetmill/sentencepiece.h"

#include "test.h"
#include "wetmill/arena.h"
#include "wetmill/file.h"
#include "wetmill/json.h"

enum { VECTOR_BYTES = 256 << 20, MAX_IDS = 1 << 20 };

struct vector {
    struct wm_str text, tokenized;
    uint32_t *ids;
    size_t n_ids;
};

static int read_ids(struct wm_json *r, struct vector *v, struct wm_error *err)
{
    int more = wm_json_array(r, err);
    while (!more && (more = wm_json_item(r, err)) > 0) {
        double id = 0;
        more = wm_json_real(r, &id, err);
        if (!more && v->n_ids < MAX_IDS)
            v->ids[v->n_ids++] = (uint32_t)id;
    }
    return more;
}

static int read_vector(struct wm_str line, struct wm_arena *arena, struct vector *v,
                       struct wm_error *err)
{
    struct wm_json r;
    struct wm_str key;
    wm_json_open(&r, line, arena);
    int more = wm_json_object(&r, err);
    while (!more && (more = wm_json_key(&r, &key, err)) > 0) {
        if (wm_str_eq(key, WM_STR("norm")))
            more = wm_json_string(&r, &v->text, err);
        else if (wm_str_eq(key, WM_STR("tokenized")))
            more = wm_json_string(&r, &v->tokenized, err);
        else if (wm_str_eq(key, WM_STR("ids")))
            more = read_ids(&r, v, err);
        else
            more = wm_json_skip(&r, NULL, err);
    }
    return more;
}

static void check_vector(const struct wm_sp *model, struct wm_sp_scratch *scratch,
                         const struct vector *v)
{
    struct wm_error err;
    struct wm_sp_pieces pieces = {0};
    struct wm_buf tokenized;
    wm_buf_init(&tokenized, VECTOR_BYTES);
    CHECK_OK(wm_sp_encode(model, scratch, v->text, &pieces, &err), err);
    CHECK_U64(pieces.n, v->n_ids);
    for (size_t i = 0; i < pieces.n && i < v->n_ids; i++) {
        struct wm_str surface = wm_sp_surface(model, &pieces, i);
        CHECK_U64(pieces.ids[i], v->ids[i]);
        if (i)
            CHECK_OK(wm_buf_add(&tokenized, " ", 1, &err), err);
        CHECK_OK(wm_buf_add(&tokenized, surface.ptr, surface.len, &err), err);
    }
    CHECK_STR(wm_buf_str(&tokenized), v->tokenized);
    wm_buf_done(&tokenized);
}

int main(void)
{
    struct wm_error err;
    struct wm_sp *model = NULL;
    struct wm_sp_scratch *scratch = NULL;
    struct wm_buf file;
    struct wm_arena arena;
    char path[WM_PATH_MAX], vectors[WM_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/lm/en.sp.model", test_vectors());
    (void)snprintf(vectors, sizeof vectors, "%s/lm/lm_scores.jsonl", test_vectors());
    if (!wm_exists(path) || !wm_exists(vectors))
        SKIP("no %s or no %s", path, vectors);
    CHECK_OK(wm_sp_open(path, &model, &err), err);
    CHECK_OK(model ? wm_sp_scratch_new(model, &scratch, &err) : -1, err);
    wm_buf_init(&file, VECTOR_BYTES);
    wm_arena_init(&arena, VECTOR_BYTES);
    CHECK_OK(wm_file_load(vectors, &file, &err), err);
    uint32_t *ids = malloc(MAX_IDS * sizeof *ids);
    size_t n = 0;
    for (struct wm_str rest = wm_buf_str(&file); ids && scratch && rest.len; n++) {
        struct vector v = {.ids = ids};
        wm_arena_reset(&arena);
        CHECK_OK(read_vector(wm_str_line(&rest), &arena, &v, &err), err);
        check_vector(model, scratch, &v);
    }
    CHECK(n > 0);
    (void)printf("%zu texts\n", n);
    free(ids);
    wm_arena_done(&arena);
    wm_buf_done(&file);
    wm_sp_scratch_free(scratch);
    wm_sp_free(model);
    return test_summary();
}
