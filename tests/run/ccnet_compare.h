/* SPDX-License-Identifier: Apache-2.0 */
/* Corpora built from a configuration, and compared document for document, as sets by url. */
#ifndef WETMILL_TESTS_CCNET_COMPARE_H
#define WETMILL_TESTS_CCNET_COMPARE_H

#include <jansson.h>
#include <math.h>

#include "scratch.h"
#include "wetmill/run.h"

enum { COMPARE_FILE = 1 << 30 };

/** Add the lines of a JSONL file to `docs`, an object of url → document. */
static inline void load_lines(const char *path, json_t *docs)
{
    struct wm_buf buf;
    wm_buf_init(&buf, COMPARE_FILE);
    CHECK_OK(wm_file_load(path, &buf, &err), err);
    for (struct wm_str rest = wm_buf_str(&buf); rest.len;) {
        struct wm_str line = wm_str_line(&rest);
        json_t *doc = json_loadb(line.ptr, line.len, JSON_ALLOW_NUL, NULL);
        const char *url = json_string_value(json_object_get(doc, "url"));
        CHECK_(url != NULL, "%s: a line without url: %.*s", path,
               (int)(line.len < 80 ? line.len : 80), line.ptr);
        CHECK_(!url || !json_object_get(docs, url), "%s: %s is there twice", path, url);
        if (url)
            (void)json_object_set_new(docs, url, doc);
    }
    wm_buf_done(&buf);
}

/** Documents of the uncompressed corpus in DIR. */
static inline json_t *load_corpus(const char *dir)
{
    json_t *docs = json_object();
    struct wm_arena arena;
    const char **names = NULL;
    size_t n = 0;
    wm_arena_init(&arena, 1 << 20);
    CHECK_OK(wm_list_dir(dir, &arena, &names, &n, &err), err);
    for (size_t i = 0; i < n; i++) {
        char path[WM_PATH_MAX];
        CHECK_OK(wm_path_join(path, dir, names[i], &err), err);
        if (wm_str_ends(wm_str_of(names[i]), WM_STR(".jsonl")))
            load_lines(path, docs);
    }
    wm_arena_done(&arena);
    return docs;
}

/** Run the corpus step of `yaml` into top/NAME; its documents, or NULL and `*ret_status`. */
static inline json_t *build_corpus(const char *name, const char *yaml, int *ret_status)
{
    char config[WM_PATH_MAX], out[WM_PATH_MAX];
    struct wm_run run;
    struct wm_run_result result = {0};
    (void)snprintf(out, sizeof out, "%s/%s", top, name);
    (void)snprintf(config, sizeof config, "%s/%s.yaml", top, name);
    CHECK_OK(wm_file_store(config, wm_str_of(yaml), &err), err);
    *ret_status = wm_run_load(config, NULL, 0, &run, &err);
    if (*ret_status)
        return NULL;
    run.options.output = out;
    *ret_status = wm_run_execute(&run, WM_STEP_CORPUS, NULL, &result, &err);
    wm_run_result_done(&result);
    wm_run_done(&run);
    (void)snprintf(out, sizeof out, "%s/%s/corpus", top, name);
    return *ret_status ? NULL : load_corpus(out);
}

static inline bool same_value(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b))
        return fabs(json_number_value(a) - json_number_value(b)) < 1e-9;
    return json_equal(a, b);
}

/** Every member of both is in the other with the same value; those in `extra` may be `got`'s alone. */
static inline void compare_doc(const char *what, const char *url, json_t *got, json_t *want,
                               const char *const *extra)
{
    const char *key;
    json_t *value;
    json_object_foreach(want, key, value)
    {
        char *text = same_value(json_object_get(got, key), value)
                         ? NULL
                         : json_dumps(json_object_get(got, key), JSON_ENCODE_ANY);
        CHECK_(same_value(json_object_get(got, key), value), "%s: %s: %s is %.200s", what, url, key,
               text ? text : "absent");
        free(text);
    }
    json_object_foreach(got, key, value)
    {
        bool known = json_object_get(want, key) != NULL;
        for (size_t i = 0; extra && extra[i]; i++)
            known = known || strcmp(extra[i], key) == 0;
        CHECK_(known, "%s: %s: %s should not be there", what, url, key);
    }
}

static inline void compare_docs(const char *what, json_t *got, json_t *want,
                                const char *const *extra)
{
    const char *url;
    json_t *doc;
    CHECK_(json_object_size(want) > 0, "%s: nothing to compare with", what);
    CHECK_U64(json_object_size(got), json_object_size(want));
    json_object_foreach(want, url, doc)
    {
        json_t *ours = json_object_get(got, url);
        CHECK_(ours != NULL, "%s: %s is missing", what, url);
        if (ours)
            compare_doc(what, url, ours, doc, extra);
    }
    json_object_foreach(got, url, doc)
        CHECK_(json_object_get(want, url) != NULL, "%s: %s should not be there", what, url);
}

#endif /* WETMILL_TESTS_CCNET_COMPARE_H */
