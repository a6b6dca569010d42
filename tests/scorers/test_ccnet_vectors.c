/* SPDX-License-Identifier: Apache-2.0 */
/* What cc_net itself gave for recorded texts (Unicode 14.0): every form, every hash. */
#include "wetmill/ccnet.h"

#include "test.h"
#include "wetmill/arena.h"
#include "wetmill/file.h"
#include "wetmill/json.h"

enum { VECTOR_BYTES = 256 << 20, N_FORMS = 4 };

static const struct {
    const char *key;
    unsigned flags;
} form_of[N_FORMS] = {
    {"out_dedup", WM_CCNET_DEDUP},
    {"out_lm", WM_CCNET_LM},
    {"out_keep_accent", WM_CCNET_LM & ~(unsigned)WM_CCNET_ACCENTS},
    {"out_tok", WM_CCNET_PUNCT_REPLACE},
};

struct vector {
    struct wm_str in, text, hex, out[N_FORMS];
    uint64_t hash;
    bool has_hash;
};

static int read_field(struct wm_json *r, struct wm_str key, struct vector *v, struct wm_error *err)
{
    for (size_t i = 0; i < N_FORMS; i++)
        if (wm_str_eq(key, wm_str_of(form_of[i].key)))
            return wm_json_string(r, &v->out[i], err);
    if (wm_str_eq(key, WM_STR("in")) || wm_str_eq(key, WM_STR("text")))
        return wm_json_string(r, &v->in, err);
    if (wm_str_eq(key, WM_STR("sha1_8_hex")))
        return wm_json_string(r, &v->hex, err);
    if (wm_str_eq(key, WM_STR("hash_u64_le"))) {
        v->has_hash = true;
        return wm_json_u64(r, &v->hash, err);
    }
    return wm_json_skip(r, NULL, err);
}

static void check_hash(const struct vector *v, struct wm_str form)
{
    uint64_t hash = wm_ccnet_sha1_8(form);
    char hex[17];
    for (int i = 0; i < 8; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", (unsigned)(hash >> 8 * i & 0xFF));
    CHECK_STR(wm_str_of(hex), v->hex);
    if (v->has_hash)
        CHECK_U64(hash, v->hash);
}

static void check_vector(struct wm_ccnet *c, const struct vector *v)
{
    struct wm_error err;
    struct wm_str got;
    for (size_t i = 0; i < N_FORMS; i++)
        if (v->out[i].ptr) {
            CHECK_OK(wm_ccnet_normalise(c, v->in, form_of[i].flags, &got, &err), err);
            CHECK_STR(got, v->out[i]);
        }
    CHECK_OK(wm_ccnet_dedup(c, v->in, &got, &err), err);
    if (v->hex.ptr)
        check_hash(v, got);
}

static size_t check_file(struct wm_ccnet *c, const char *name)
{
    struct wm_error err;
    struct wm_buf file;
    struct wm_arena arena;
    char path[WM_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/ccnet/%s", test_vectors(), name);
    if (!wm_exists(path))
        return 0;
    wm_buf_init(&file, VECTOR_BYTES);
    wm_arena_init(&arena, VECTOR_BYTES);
    CHECK_OK(wm_file_load(path, &file, &err), err);
    size_t n = 0;
    for (struct wm_str rest = wm_buf_str(&file); rest.len; n++) {
        struct vector v = {0};
        struct wm_str key;
        struct wm_json r;
        wm_arena_reset(&arena);
        wm_json_open(&r, wm_str_line(&rest), &arena);
        int more = wm_json_object(&r, &err);
        while (!more && (more = wm_json_key(&r, &key, &err)) > 0)
            more = read_field(&r, key, &v, &err);
        CHECK_OK(more, err);
        check_vector(c, &v);
    }
    (void)printf("%s: %zu lines\n", name, n);
    wm_arena_done(&arena);
    wm_buf_done(&file);
    return n;
}

int main(void)
{
    struct wm_ccnet c;
    wm_ccnet_init(&c, WM_UNICODE_14_0, VECTOR_BYTES);
    size_t n = check_file(&c, "normalize.jsonl") + check_file(&c, "e2e/line_hashes.jsonl");
    wm_ccnet_done(&c);
    if (!n)
        SKIP("no ccnet/normalize.jsonl in %s", test_vectors());
    return test_summary();
}
