/* SPDX-License-Identifier: Apache-2.0 */
/* Every output of every step is the same bytes for any number of workers, batch size, order of
 * completion and memory limit. The manifest holds size and XXH3-128 of every output, so it is compared first; the
 * files themselves are then digested again. */
#include "run_fixture.h"

static XXH128_hash_t digest_tree(const char *dir, unsigned depth, uint64_t *n_files)
{
    struct wm_error err = {0};
    struct wm_arena arena;
    const char **names;
    size_t n = 0;
    XXH128_hash_t sum = {0, 0};
    wm_arena_init(&arena, 1 << 20);
    CHECK_OK(wm_list_dir(dir, &arena, &names, &n, &err), err);
    for (size_t i = 0; i < n; i++) {
        char path[WM_PATH_MAX];
        struct wm_stat st;
        struct wm_digest digest;
        XXH128_hash_t part;
        if (depth == 0 && strcmp(names[i], "log") == 0)
            continue; /* times and places live there */
        CHECK_OK(wm_path_join(path, dir, names[i], &err), err);
        CHECK_OK(wm_stat(path, &st, &err), err);
        if (st.is_dir) {
            part = digest_tree(path, depth + 1, n_files);
        } else {
            CHECK_OK(wm_file_digest(path, &digest, &err), err);
            part = digest.hash;
            ++*n_files;
        }
        char line[512];
        char hex[WM_HEX128];
        wm_hex128(part, hex);
        int len =
            snprintf(line, sizeof line, "%016llx%016llx %s %s", (unsigned long long)sum.high64,
                     (unsigned long long)sum.low64, names[i], hex);
        sum = XXH3_128bits(line, (size_t)len);
    }
    wm_arena_done(&arena);
    return sum;
}

int main(void)
{
    const struct fixture_how ways[] = {
        {.out = "j1", .jobs = 1},
        {.out = "j2", .jobs = 2},
        {.out = "j7", .jobs = 7},
        {.out = "small", .jobs = 2, .batch_text = 20000, .batch_docs = 3},
        {.out = "one", .jobs = 3, .batch_docs = 1},
        {.out = "reverse", .jobs = 1, .reverse = true},
        {.out = "memory", .jobs = 2, .set = {"memory=400M"}}, /* what every step must do with */
    };
    char first[WM_HEX128] = "", hex[WM_HEX128];
    const char *dir = fixture_dir("determinism");
    struct wm_error err = {0};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct wm_run_result result = {0};
        char out[512];
        uint64_t n_files = 0;
        CHECK_OK(fixture_run(dir, &ways[i], &result, &err), err);
        wm_run_result_done(&result);
        (void)snprintf(out, sizeof out, "%s/%s", dir, ways[i].out);
        wm_hex128(digest_tree(out, 0, &n_files), hex);
        (void)printf("%-8s %s %d files\n", ways[i].out, hex, (int)n_files);
        CHECK(n_files > 15);
        if (i == 0)
            memcpy(first, hex, sizeof hex);
        CHECK_(strcmp(first, hex) == 0, "%s differs from %s", ways[i].out, ways[0].out);
    }
    CHECK_OK(wm_remove_tree(dir, &err), err);
    return test_summary();
}
