/* SPDX-License-Identifier: Apache-2.0 */
/* Models equal those that lmplz made of the same text. A file orderN[.pruneABC…].arpa.gz beside
 * corpus.txt names how it was made. */
#include "lm_train_compare.h"

static bool how(const char *name, struct wm_lm_train_options *options, struct wm_arena *arena)
{
    struct wm_str rest = wm_str_of(name);
    if (!wm_str_starts(rest, WM_STR("order")) || !wm_str_ends(rest, WM_STR(".arpa.gz")))
        return false;
    options->order = (uint64_t)(name[5] - '0');
    const char *prune = strstr(name, ".prune");
    for (const char *c = prune ? prune + 6 : ""; *c && *c != '.'; c++) {
        const struct wm_option *o = wm_option_find(wm_lm_train_option_table, WM_STR("prune"));
        CHECK_OK(wm_option_append(o, options, (struct wm_str){c, 1}, arena, &err), err);
    }
    return true;
}

int main(void)
{
    char dir[WM_PATH_MAX], path[WM_PATH_MAX];
    struct wm_buf text;
    struct wm_arena arena;
    const char **names = NULL;
    size_t n_names = 0, n_models = 0;
    wm_arena_init(&arena, 1 << 20);
    (void)snprintf(dir, sizeof dir, "%s/lm/train", test_vectors());
    CHECK_OK(wm_path_join(path, dir, "corpus.txt", &err), err);
    if (!wm_exists(path))
        SKIP("no %s", path);
    make_top("lm_train_vectors");
    CHECK(load_text(path, &text));
    CHECK_OK(wm_list_dir(dir, &arena, &names, &n_names, &err), err);
    for (size_t i = 0; i < n_names; i++) {
        struct wm_lm_train_options options;
        wm_options_default(wm_lm_train_option_table, &options);
        options.memory = 64 << 20;
        if (!how(names[i], &options, &arena))
            continue;
        n_models++;
        CHECK_OK(train_text(&options, wm_buf_str(&text), 1 << 16, in_top("model.arpa"), NULL), err);
        CHECK_OK(wm_path_join(path, dir, names[i], &err), err);
        compare_arpa(in_top("model.arpa"), path, 1e-5);
    }
    CHECK(n_models > 0);
    wm_buf_done(&text);
    wm_arena_done(&arena);
    CHECK_OK(wm_remove_tree(top, &err), err);
    return test_summary();
}
