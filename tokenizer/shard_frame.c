/* SPDX-License-Identifier: Apache-2.0 */
/* What stands around a document's own tokens, beside the token that ends it. */
#include "tokenizer/bpe.h"
#include "wetmill/shards.h"

size_t wm_shard_frame(const struct wm_tokenizer *tok, bool behind, uint32_t ret[WM_SHARD_FRAME])
{
    _Static_assert((int)BPE_MAX_TEMPLATE <= (int)WM_SHARD_FRAME, "a template fits");
    const uint32_t *ids = NULL;
    const size_t n = wm_tokenizer_template(tok, behind, &ids);
    uint32_t eod = 0;
    const bool has_eod = wm_tokenizer_eod(tok, &eod);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!has_eod || ids[i] != eod)
            ret[kept++] = ids[i];
    return kept;
}

/* The first or last `n` of some ids? */
static bool stand(const struct wm_tokenizer *tok, bool behind, const uint32_t *ids, size_t n_ids,
                  size_t *ret_n)
{
    uint32_t frame[WM_SHARD_FRAME];
    *ret_n = wm_shard_frame(tok, behind, frame);
    if (!*ret_n || *ret_n > n_ids)
        return false;
    return !memcmp(behind ? ids + n_ids - *ret_n : ids, frame, *ret_n * sizeof *frame);
}

void wm_shard_unframe(const struct wm_tokenizer *tok, const uint32_t **ids, size_t *n)
{
    uint32_t eod;
    size_t more;
    if (*n && wm_tokenizer_eod(tok, &eod) && (*ids)[*n - 1] == eod)
        --*n;
    if (stand(tok, true, *ids, *n, &more))
        *n -= more;
    if (stand(tok, false, *ids, *n, &more)) {
        *ids += more;
        *n -= more;
    }
}
