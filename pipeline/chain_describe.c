/* SPDX-License-Identifier: Apache-2.0 */
/* What a chain is, in words that are the same for the same result. */
#include "pipeline/chain.h"
#include "wetmill/json.h"
#include "wetmill/version.h"

static int put_libraries(struct wm_json_out *w, const struct wm_stage *stage, struct wm_error *err)
{
    wm_json_put_key(w, "libraries");
    wm_json_put_open(w, '{');
    for (const char *const *name = stage->libraries; name && *name; name++) {
        const char *version = wm_library_version(*name);
        if (!version)
            return wm_fail(err, WM_E_FORMAT, "internal: no version of library %s is known", *name);
        wm_json_put_key(w, *name);
        wm_json_put_str(w, wm_str_of(version));
    }
    wm_json_put_close(w, '}');
    return w->status;
}

static int put_files(struct wm_json_out *w, const struct wm_link *link, struct wm_error *err)
{
    const char *path;
    wm_json_put_key(w, "files");
    wm_json_put_open(w, '[');
    for (size_t i = 0; link->stage->file && (path = link->stage->file(link->shared, i)); i++) {
        struct wm_digest digest;
        char hex[WM_HEX128];
        int status = 0;
        if (link->files)
            digest = link->files[i].digest;
        else
            status = wm_file_digest(path, &digest, err);
        if (status)
            return status;
        wm_hex128(digest.hash, hex);
        wm_json_put_open(w, '{');
        wm_json_put_key(w, "size");
        wm_json_put_u64(w, digest.size);
        wm_json_put_key(w, "xxh3");
        wm_json_put_str(w, wm_str_of(hex));
        wm_json_put_close(w, '}');
    }
    wm_json_put_close(w, ']');
    return w->status;
}

static int put_link(struct wm_json_out *w, const struct wm_link *link, struct wm_error *err)
{
    const struct wm_stage *stage = link->stage;
    wm_json_put_open(w, '{');
    wm_json_put_key(w, "name");
    wm_json_put_str(w, wm_str_of(stage->name));
    wm_json_put_key(w, "version");
    wm_json_put_u64(w, stage->version);
    wm_json_put_key(w, "options");
    int status = wm_options_put(w, stage->options, link->shared, err);
    if (!status)
        status = put_libraries(w, stage, err);
    if (!status)
        status = put_files(w, link, err);
    wm_json_put_close(w, '}');
    return status ? wm_error_where(err, "stage %s", stage->name) : w->status;
}

int wm_chain_describe(const struct wm_chain *chain, struct wm_buf *out, struct wm_error *err)
{
    struct wm_json_out w;
    wm_json_out_open(&w, out, err);
    wm_json_put_open(&w, '[');
    int status = 0;
    for (size_t i = 0; !status && i < chain->n; i++)
        status = put_link(&w, &chain->links[i], err);
    wm_json_put_close(&w, ']');
    return status ? status : w.status;
}
