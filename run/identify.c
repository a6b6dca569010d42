/* SPDX-License-Identifier: Apache-2.0 */
/* A step's identity: what its result is made from, as one number. */
#include "run/step.h"

enum { DESCRIPTION_MAX = 64 << 20 }; /* bytes of what a step's identity is made of */

/* What a step's result is to those that read it: the digest of its outputs; for a result made
 * elsewhere without a record, its files' names, sizes and times. */
static int digest_need(const struct wm_step_context *ctx, enum wm_step_id id, XXH128_hash_t *ret,
                       struct wm_error *err)
{
    const char *given = ctx->run->given[id];
    if (!given)
        return wm_record_outputs(ctx->result->steps[id], ret, err);
    json_t *record;
    int status = wm_record_given(given, &record, err);
    if (status)
        return status;
    if (record)
        status = wm_record_outputs(record, ret, err);
    else
        status = wm_dir_fingerprint(given, ret, err);
    json_decref(record);
    return status;
}

/* Identity = hash of {step, version, what it describes, digests of the outputs it reads}. */
int wm_step_identify(struct wm_step_context *ctx, const struct wm_step *step, struct wm_error *err)
{
    struct wm_buf buf;
    wm_buf_init(&buf, DESCRIPTION_MAX);
    int status =
        wm_buf_printf(&buf, err, "{\"step\":\"%s\",\"version\":%u", step->name, step->version);
    for (int id = 0; !status && id < WM_STEPS; id++) {
        if (!(step->needs >> id & 1))
            continue;
        char hex[WM_HEX128];
        XXH128_hash_t from;
        status = digest_need(ctx, (enum wm_step_id)id, &from, err);
        if (status)
            break;
        ctx->from[id] = from;
        wm_hex128(from, hex);
        if (!ctx->run->given[id] && ctx->result->steps[id])
            memcpy(ctx->reads[id], hex, sizeof hex);
        status = wm_buf_printf(&buf, err, ",\"%s\":\"%s\"", wm_steps[id]->name, hex);
    }
    if (!status)
        status = wm_buf_printf(&buf, err, ",\"is\":");
    const size_t at = buf.len;
    if (!status)
        status = step->describe(ctx, &buf, err);
    if (!status) {
        wm_hex128(XXH3_128bits(buf.ptr + at, buf.len - at), ctx->described);
        wm_hex128(XXH3_128bits(buf.ptr, buf.len), ctx->identity);
    }
    wm_buf_done(&buf);
    return status;
}

int wm_step_same_needs(const struct wm_step_context *ctx, const struct wm_step *step,
                       struct wm_error *err)
{
    for (int id = 0; id < WM_STEPS; id++) {
        XXH128_hash_t now;
        if (!(step->needs >> id & 1) || !ctx->run->given[id])
            continue;
        int status = digest_need(ctx, (enum wm_step_id)id, &now, err);
        if (!status && !XXH128_isEqual(now, ctx->from[id])) {
            status = wm_fail(err, WM_E_CHANGED, "what it holds changed while it was read");
            (void)wm_error_where(err, "%s", ctx->run->given[id]);
            status = wm_error_hint(err, "start again once nothing writes to it");
        }
        if (status)
            return status;
    }
    return 0;
}
