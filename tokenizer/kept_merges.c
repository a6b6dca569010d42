/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/kept_merges.h"

#include <stdlib.h>

#include "wetmill/progress.h"
#include "wetmill/state.h"

static const char magic[] = "wetmill merges";

void bpe_kept_done(struct bpe_kept *kept)
{
    free(kept->path);
    free(kept->identity);
    free(kept->merges);
    *kept = (struct bpe_kept){0};
}

/* ---- reading ---- */

static bool is_ours(const struct bpe_kept *kept, struct wm_state_in *state)
{
    bool ours = wm_str_eq(wm_state_get_str(state), wm_str_of(magic)) &&
                wm_state_get(state) == BPE_KEPT_VERSION &&
                wm_str_eq(wm_state_get_str(state), wm_str_of(kept->identity));
    for (size_t i = 0; ours && i < sizeof kept->tallies / sizeof *kept->tallies; i++)
        ours = wm_state_get(state) == kept->tallies[i];
    return ours && !state->bad;
}

/* A state that is not as it should be is none. */
static int read_merges(struct bpe_kept *kept, struct wm_state_in *state, struct wm_error *err)
{
    if (!is_ours(kept, state))
        return 0;
    uint64_t n = wm_state_get(state);
    if (n > BPE_MAX_IDS || n > state->rest.len / 16)
        return 0;
    kept->merges = calloc((size_t)n + 1, sizeof *kept->merges);
    if (!kept->merges)
        return wm_fail_nomem(err, (size_t)n * sizeof *kept->merges, "merges");
    for (uint64_t i = 0; i < n; i++) {
        uint64_t left = wm_state_get(state), right = wm_state_get(state);
        if (left >= BPE_MAX_IDS || right >= BPE_MAX_IDS)
            return 0;
        kept->merges[i] = (struct bpe_merge){(uint32_t)left, (uint32_t)right, BPE_NONE};
    }
    kept->n = kept->n_saved = (uint32_t)n;
    return 0;
}

int bpe_kept_open(struct bpe_kept *kept, const char *path, const char *identity, double seconds,
                  const struct wm_trainer_stats *counted, struct wm_error *err)
{
    struct wm_state_file file = {0};
    *kept = (struct bpe_kept){.seconds = seconds,
                              .saved_at = wm_seconds(),
                              .tallies = {counted->documents, counted->bytes, counted->pieces}};
    kept->path = strdup(path);
    kept->identity = strdup(identity);
    if (!kept->path || !kept->identity)
        return wm_fail_nomem(err, strlen(path), "merges");
    int status = wm_state_file_open(path, &file, err);
    status = status > 0 ? read_merges(kept, &file.body, err) : status;
    wm_state_file_close(&file);
    return status;
}

static int replay_one(struct wm_tokenizer *tok, const struct bpe_merge *merge, struct wm_buf *bytes,
                      struct wm_error *err)
{
    uint32_t id = tok->n_ids;
    if (merge->left >= id || merge->right >= id)
        return wm_fail(err, WM_E_FORMAT, "a merge that was kept is of tokens to come");
    struct wm_str left = bpe_bytes(tok, merge->left), right = bpe_bytes(tok, merge->right);
    bytes->len = 0;
    int status = wm_buf_add(bytes, left.ptr, left.len, err);
    if (!status)
        status = wm_buf_add(bytes, right.ptr, right.len, err);
    if (!status)
        status = bpe_put_token(tok, id, wm_buf_str(bytes), BPE_TOKEN, err);
    return status ? status : bpe_add_merge(tok, merge->left, merge->right, id, err);
}

int bpe_kept_replay(const struct bpe_kept *kept, struct wm_tokenizer *tok, uint32_t most,
                    struct wm_error *err)
{
    struct wm_buf bytes;
    int status = 0;
    wm_buf_init(&bytes, (size_t)2 * BPE_MAX_TOKEN);
    for (uint32_t i = 0; !status && kept->n <= most && i < kept->n; i++)
        status = replay_one(tok, &kept->merges[i], &bytes, err);
    wm_buf_done(&bytes);
    return status;
}

/* ---- writing ---- */

bool bpe_kept_is_due(const struct bpe_kept *kept, const struct wm_tokenizer *tok)
{
    return kept->path && tok->n_merges > kept->n_saved &&
           wm_seconds() - kept->saved_at >= kept->seconds;
}

int bpe_kept_save(struct bpe_kept *kept, const struct wm_tokenizer *tok, struct wm_error *err)
{
    struct wm_state_out state;
    if (!kept->path || tok->n_merges <= kept->n_saved)
        return 0;
    int status = wm_state_out_file(&state, kept->path, err);
    if (status) {
        wm_state_out_done(&state);
        return status;
    }
    wm_state_put_str(&state, wm_str_of(magic));
    wm_state_put(&state, BPE_KEPT_VERSION);
    wm_state_put_str(&state, wm_str_of(kept->identity));
    for (size_t i = 0; i < sizeof kept->tallies / sizeof *kept->tallies; i++)
        wm_state_put(&state, kept->tallies[i]);
    wm_state_put(&state, tok->n_merges);
    for (uint32_t i = 0; i < tok->n_merges; i++) {
        wm_state_put(&state, tok->merges[i].left);
        wm_state_put(&state, tok->merges[i].right);
    }
    status = wm_state_out_commit(&state, err);
    kept->n_saved = tok->n_merges;
    kept->saved_at = wm_seconds();
    return status;
}
