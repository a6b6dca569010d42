/* SPDX-License-Identifier: Apache-2.0 */
/* Small models give the ids that spm_encode gave, and the texts that spm_decode made of these. */
#include "wetmill/sentencepiece.h"

#include "test.h"
#include "wetmill/file.h"

enum { MAX_BYTES = 1 << 20, MAX_IDS = 1 << 12 };

static struct wm_error err;

static void load(const char *name, const char *ending, struct wm_buf *ret)
{
    char path[WM_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/tests/vectors/sentencepiece/%s%s", WM_SOURCE_DIR, name,
                   ending);
    wm_buf_init(ret, MAX_BYTES);
    CHECK_OK(wm_file_load(path, ret, &err), err);
}

static size_t parse_ids(struct wm_str line, uint32_t *ids)
{
    size_t n = 0;
    for (; line.len && n < MAX_IDS; n++) {
        uint32_t id = 0;
        while (line.len && *line.ptr != ' ') {
            id = id * 10 + (uint32_t)(*line.ptr++ - '0');
            line.len--;
        }
        ids[n] = id;
        line = wm_str_trim(line);
    }
    return n;
}

static void check_line(const struct wm_sp *model, struct wm_sp_scratch *scratch, struct wm_str text,
                       struct wm_str ids_line, struct wm_str decoded)
{
    static uint32_t ids[MAX_IDS];
    struct wm_sp_pieces pieces = {0};
    struct wm_buf back;
    size_t n = parse_ids(ids_line, ids);
    wm_buf_init(&back, MAX_BYTES);
    CHECK_OK(wm_sp_encode(model, scratch, text, &pieces, &err), err);
    CHECK_(pieces.n == n && (n == 0 || memcmp(ids, pieces.ids, n * sizeof *ids) == 0),
           "other ids for \"%.*s\"", (int)text.len, text.ptr);
    CHECK_U64(pieces.n ? pieces.ends[pieces.n - 1] : 0, pieces.text.len);
    for (size_t i = 0; i < pieces.n; i++)
        if (wm_sp_piece_type(model, pieces.ids[i]) == WM_SP_NORMAL)
            CHECK_STR(wm_sp_slice(&pieces, i), wm_sp_piece(model, pieces.ids[i]));
    CHECK_OK(wm_sp_decode(model, ids, n, &back, &err), err);
    CHECK_STR(wm_buf_str(&back), decoded);
    wm_buf_done(&back);
}

/* `passes` over the texts: what the scratch remembers must not show. */
static void check_model(const char *name, unsigned passes)
{
    struct wm_buf model_file, texts, ids, decoded;
    struct wm_sp *model = NULL;
    struct wm_sp_scratch *scratch = NULL;
    load(name, ".model", &model_file);
    load(name, ".ids", &ids);
    load(name, ".decoded", &decoded);
    load("texts", ".txt", &texts);
    CHECK_OK(wm_sp_parse(wm_buf_str(&model_file), &model, &err), err);
    CHECK_OK(model ? wm_sp_scratch_new(model, &scratch, &err) : -1, err);
    size_t memory = 0;
    for (unsigned pass = 0; pass < passes && scratch; pass++) {
        struct wm_str text = wm_buf_str(&texts), id = wm_buf_str(&ids), back = wm_buf_str(&decoded);
        size_t n = 0;
        for (; text.len; n++)
            check_line(model, scratch, wm_str_line(&text), wm_str_line(&id), wm_str_line(&back));
        CHECK(n > 50);
        CHECK(pass == 0 || wm_sp_scratch_memory(scratch) == memory);
        memory = wm_sp_scratch_memory(scratch);
    }
    CHECK(model && wm_sp_memory(model) > model_file.len);
    wm_sp_scratch_free(scratch);
    wm_sp_free(model);
    wm_buf_done(&model_file);
    wm_buf_done(&texts);
    wm_buf_done(&ids);
    wm_buf_done(&decoded);
}

int main(void)
{
    check_model("unigram", 3);
    check_model("bpe", 3);
    check_model("suffix", 3);
    check_model("across", 3);
    return test_summary();
}
