/* SPDX-License-Identifier: Apache-2.0 */
/* tests/interop/read_megatron.mjs, which shares no code with us, reads what we write. */
#include <sys/wait.h>

#include "shard_fixture.h"

#define READER WM_SOURCE_DIR "/tests/interop/read_megatron.mjs"

/* Run node with these arguments; its output into `text`. The exit status, 127 without node. */
static int run_node(const char *const *argv, char *text, size_t size)
{
    int ends[2], status = 0;
    if (pipe(ends) != 0)
        return -1;
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)close(ends[0]);
        (void)close(ends[1]);
        (void)execvp("node", (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    (void)close(ends[1]);
    size_t used = 0;
    ssize_t n;
    while (used + 1 < size && (n = read(ends[0], text + used, size - 1 - used)) > 0)
        used += (size_t)n;
    text[used] = '\0';
    (void)close(ends[0]);
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

static void check_split(const char *text, const struct wm_split_info *split, const char *name)
{
    char want[256];
    (void)snprintf(want, sizeof want,
                   "\"%s\":{\"shards\":%zu,\"tokens\":%" PRIu64 ",\"documents\":%" PRIu64
                   ",\"text_bytes\":%" PRIu64 ",",
                   name, split->n, split->tokens, split->documents, split->text_bytes);
    CHECK_(strstr(text, want) != NULL, "%s lacks %s", text, want);
}

static void check_directory(uint32_t n_more, const char *name)
{
    static char text[1 << 16];
    struct wm_tokenizer *tok = make_tokenizer(n_more);
    struct wm_shards_info info = {0};
    struct job job = {.n_docs = 1000,
                      .docs_per_task = 400,
                      .docs_per_batch = 50,
                      .options = default_options(tok)};
    CHECK_OK(build(&job, in_top(name), &info), err);
    const char *argv[] = {"node", READER, in_top(name), NULL, NULL, NULL};
    CHECK_U64(run_node(argv, text, sizeof text), 0);
    check_split(text, &info.splits[WM_TRAIN], "train");
    check_split(text, &info.splits[WM_VALIDATION], "validation");

    /* One sequence, id by id. */
    struct wm_shard shard;
    char base[WM_PATH_MAX];
    (void)snprintf(base, sizeof base, "%s/train_00002", in_top(name));
    CHECK_OK(wm_shard_open(base, &shard, &err), err);
    uint64_t first, length;
    uint32_t ids[1024];
    char want[1 << 14] = "", sequence[] = "17";
    wm_shard_sequence(&shard, 17, &first, &length);
    CHECK(length > 0 && length <= 1024);
    wm_shard_read(&shard, first, (size_t)length, ids);
    size_t used = 0;
    for (uint64_t i = 0; i < length; i++)
        used +=
            (size_t)snprintf(want + used, sizeof want - used, "%s%" PRIu32, i ? " " : "", ids[i]);
    (void)snprintf(want + used, sizeof want - used, "\n");
    argv[3] = "train_00002";
    argv[4] = sequence;
    CHECK_U64(run_node(argv, text, sizeof text), 0);
    CHECK_STR(wm_str_of(text), wm_str_of(want));
    wm_shard_close(&shard);

    /* It does look: a shard cut short is noticed. */
    struct wm_buf bytes;
    (void)snprintf(base, sizeof base, "%s/validation_00001.bin", in_top(name));
    load_file(base, &bytes);
    CHECK_OK(wm_file_store(base, (struct wm_str){bytes.ptr, bytes.len - info.width}, &err), err);
    wm_buf_done(&bytes);
    argv[3] = NULL;
    CHECK_U64(run_node(argv, text, sizeof text), 1);
    wm_shards_info_done(&info);
    wm_tokenizer_free(tok);
}

int main(void)
{
    char text[64];
    const char *version[] = {"node", "--version", NULL};
    if (run_node(version, text, sizeof text) != 0)
        SKIP("no node");
    make_top("test_shard_interop");
    check_directory(0, "uint16");
    check_directory(65536, "int32");
    CHECK_OK(wm_remove_tree(top, &err), err);
    return test_summary();
}
