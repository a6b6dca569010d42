/* SPDX-License-Identifier: Apache-2.0 */
/* A row of multiple choice. */
#include <inttypes.h>

#include "wetmill/evaluate.h"
#include "wetmill/json.h"

/* What a row's members said; of two names for the same the proper one stands. */
struct members {
    struct wm_choice choice;
    bool has_context, has_ctx, has_endings, has_choices, has_label;
};

static int read_endings(struct wm_json *r, struct wm_choice *ret, struct wm_error *err)
{
    struct wm_str endings[WM_CHOICE_ENDINGS_MAX];
    size_t n = 0;
    int more = wm_json_array(r, err);
    while (!more && (more = wm_json_item(r, err)) > 0) {
        if (n == WM_CHOICE_ENDINGS_MAX)
            return wm_fail(err, WM_E_LIMIT, "more than %d endings", WM_CHOICE_ENDINGS_MAX);
        more = wm_json_string(r, &endings[n++], err);
    }
    if (more)
        return more;
    ret->endings = wm_arena_alloc(r->arena, n ? n : 1, sizeof *endings);
    if (!ret->endings)
        return wm_fail_nomem(err, n * sizeof *endings, "endings");
    memcpy(ret->endings, endings, n * sizeof *endings);
    ret->n = n;
    return 0;
}

/* 2 or "2". */
static int read_label(struct wm_json *r, size_t *ret, struct wm_error *err)
{
    uint64_t value = 0;
    struct wm_str digits;
    int status;
    if (wm_json_peek(r) != WM_JSON_STRING) {
        status = wm_json_u64(r, &value, err);
    } else {
        status = wm_json_string(r, &digits, err);
        if (!status && (!digits.len || digits.len > 9))
            return wm_fail(err, WM_E_FORMAT, "the label is no number");
        for (size_t i = 0; i < digits.len && !status; i++) {
            if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
                return wm_fail(err, WM_E_FORMAT, "the label is no number");
            value = 10 * value + (uint64_t)(digits.ptr[i] - '0');
        }
    }
    if (!status)
        *ret = value < SIZE_MAX ? (size_t)value : SIZE_MAX;
    return status;
}

static int read_member(struct wm_json *r, struct wm_str key, struct members *m,
                       struct wm_error *err)
{
    if (wm_str_eq(key, WM_STR("context"))) {
        m->has_context = true;
        return wm_json_string(r, &m->choice.context, err);
    }
    if (wm_str_eq(key, WM_STR("ctx")) && !m->has_context) {
        m->has_ctx = true;
        return wm_json_string(r, &m->choice.context, err);
    }
    if (wm_str_eq(key, WM_STR("endings"))) {
        m->has_endings = true;
        return read_endings(r, &m->choice, err);
    }
    if (wm_str_eq(key, WM_STR("choices")) && !m->has_endings) {
        m->has_choices = true;
        return read_endings(r, &m->choice, err);
    }
    if (wm_str_eq(key, WM_STR("label"))) {
        m->has_label = true;
        return read_label(r, &m->choice.label, err);
    }
    return wm_json_skip(r, NULL, err);
}

static int check(const struct members *m, struct wm_error *err)
{
    const struct wm_choice *c = &m->choice;
    if (!m->has_context && !m->has_ctx)
        return wm_fail(err, WM_E_FORMAT, "no \"context\"");
    if (!m->has_endings && !m->has_choices)
        return wm_fail(err, WM_E_FORMAT, "no \"endings\"");
    if (!m->has_label)
        return wm_fail(err, WM_E_FORMAT, "no \"label\"");
    if (!c->n)
        return wm_fail(err, WM_E_FORMAT, "there are no endings to choose from");
    if (c->label >= c->n)
        return wm_fail(err, WM_E_FORMAT, "label %zu of %zu endings; they count from 0", c->label,
                       c->n);
    for (size_t i = 0; i < c->n; i++)
        if (!c->endings[i].len)
            return wm_fail(err, WM_E_FORMAT, "ending %zu is empty", i);
    return 0;
}

int wm_choice_read(struct wm_str line, struct wm_arena *arena, struct wm_choice *ret,
                   struct wm_error *err)
{
    struct members m = {.has_label = false};
    struct wm_json r;
    struct wm_str key;
    if (line.len > WM_CHOICE_ROW_MAX)
        return wm_fail(err, WM_E_LIMIT, "a row of %zu bytes; at most %d are read", line.len,
                       WM_CHOICE_ROW_MAX);
    wm_json_open(&r, line, arena);
    int more = wm_json_object(&r, err);
    while (!more && (more = wm_json_key(&r, &key, err)) > 0)
        more = read_member(&r, key, &m, err);
    if (!more)
        more = wm_json_finish(&r, err);
    if (!more)
        more = check(&m, err);
    if (!more)
        *ret = m.choice;
    return more;
}
