/* SPDX-License-Identifier: Apache-2.0 */
/* Merging that is stopped or killed goes on behind the merges it has kept, to the same tokenizer. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpe_helpers.h"
#include "scratch.h"

enum { TEXT = 1 << 17, VOCABULARY = 1500, MERGES_MAX = VOCABULARY };

static char text[TEXT];
static size_t text_len;
static char path[WM_PATH_MAX];
static const char identity[] = "00112233445566778899aabbccddeeff";

/** What becomes of a training: stopped, or killed, once this many merges are done. */
struct fate {
    uint64_t stop_at, kill_at;
};

static int on_merge(void *arg, uint64_t done, uint64_t wanted)
{
    const struct fate *fate = arg;
    (void)wanted;
    if (done >= fate->kill_at)
        (void)raise(SIGKILL);
    return done >= fate->stop_at;
}

static struct wm_tokenizer_options options_of(bool small)
{
    struct wm_tokenizer_options options = small_options(WM_SPLIT_R50K, VOCABULARY);
    options.memory = small ? 300000 : 64 << 20; /* too little to count in */
    options.merge_memory = small ? 4 << 20 : 64 << 20;
    options.scratch = top;
    return options;
}

static int train(const struct wm_tokenizer_options *options, size_t len, const struct fate *fate,
                 const char *id, uint64_t *ret_kept, struct wm_trainer_stats *ret_stats,
                 struct wm_tokenizer **ret)
{
    struct wm_bpe_trainer *trainer = NULL;
    struct wm_counter *counter = NULL;
    CHECK_OK(wm_trainer_new(options, &trainer, &err), err);
    CHECK_OK(wm_counter_new(trainer, &counter, &err), err);
    CHECK_OK(wm_counter_add(counter, (struct wm_str){text, len}, &err), err);
    CHECK_OK(wm_trainer_fold(trainer, counter, &err), err);
    wm_counter_free(counter);
    CHECK_OK(wm_trainer_keep(trainer, path, id, 0, ret_kept, &err), err);
    struct fate copy = *fate;
    int status = wm_trainer_finish(trainer, on_merge, &copy, ret, &err);
    wm_trainer_stats(trainer, ret_stats);
    wm_trainer_free(trainer);
    return status;
}

static const struct fate none = {UINT64_MAX, UINT64_MAX};

static struct wm_tokenizer *train_to_end(const struct wm_tokenizer_options *options, size_t len,
                                         const char *id, uint64_t *ret_kept,
                                         struct wm_trainer_stats *ret_stats)
{
    struct wm_tokenizer *tok = NULL;
    CHECK_OK(train(options, len, &none, id, ret_kept, ret_stats, &tok), err);
    return tok;
}

static bool die(const struct wm_tokenizer_options *options, uint64_t kill_at)
{
    struct wm_trainer_stats stats;
    struct wm_tokenizer *tok = NULL;
    uint64_t kept;
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct fate fate = {UINT64_MAX, kill_at};
        _exit(train(options, text_len, &fate, identity, &kept, &stats, &tok) ? 1 : 0);
    }
    int status = 0;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    CHECK_(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0), "status %x", status);
    return killed;
}

static void remove_kept(void)
{
    CHECK_OK(wm_remove(path, &err), err);
}

static void check_end(const struct wm_tokenizer_options *options, uint64_t least_kept,
                      const struct wm_tokenizer *want, const struct wm_trainer_stats *want_stats)
{
    struct wm_trainer_stats stats;
    uint64_t kept = 0;
    struct wm_tokenizer *tok = train_to_end(options, text_len, identity, &kept, &stats);
    CHECK_(kept >= least_kept, "%" PRIu64 " merges were kept, want %" PRIu64, kept, least_kept);
    CHECK(XXH128_isEqual(wm_tokenizer_identity(tok), wm_tokenizer_identity(want)));
    CHECK_U64(stats.merges, want_stats->merges);
    CHECK_U64(stats.distinct_pieces, want_stats->distinct_pieces);
    CHECK((kept > 0 || want_stats->rounds) == (stats.rounds > 0));
    wm_tokenizer_free(tok);
    remove_kept();
}

static void test(bool small, const struct wm_tokenizer *want)
{
    struct wm_tokenizer_options options = options_of(small);
    struct wm_trainer_stats want_stats, stats;
    uint64_t kept = 1;
    struct wm_tokenizer *tok = train_to_end(&options, text_len, identity, &kept, &want_stats);
    CHECK_U64(kept, 0);
    CHECK(XXH128_isEqual(wm_tokenizer_identity(tok), wm_tokenizer_identity(want)));
    CHECK_((want_stats.rounds > 0) == small, "%" PRIu64 " rounds", want_stats.rounds);
    wm_tokenizer_free(tok);
    remove_kept();
    tok = NULL;

    /* asked to stop: no merge is lost */
    for (uint64_t at = 1; at < want_stats.merges; at += 1 + want_stats.merges / 7) {
        struct fate fate = {at, UINT64_MAX};
        CHECK_U64(train(&options, text_len, &fate, identity, &kept, &stats, &tok), WM_E_CANCELLED);
        check_end(&options, at, want, &want_stats);
    }

    /* killed: those of the last callbacks at most; again and again */
    uint64_t kills = 0;
    for (uint64_t at = 100; at < 2 * want_stats.merges; at += 200)
        kills += die(&options, at);
    CHECK_(kills >= 5, "%" PRIu64 " kills", kills);
    check_end(&options, small ? 1 : 16, want, &want_stats);
}

/* What is kept of something else, or damaged, counts for nothing. */
static void test_unfit(const struct wm_tokenizer *want)
{
    struct wm_tokenizer_options options = options_of(false);
    struct wm_trainer_stats stats, want_stats;
    uint64_t kept = 0;
    struct fate fate = {600, UINT64_MAX};
    struct wm_tokenizer *tok = train_to_end(&options, text_len, identity, &kept, &want_stats);
    wm_tokenizer_free(tok);
    for (unsigned way = 0; way < 4; way++) {
        tok = NULL;
        remove_kept();
        CHECK_U64(train(&options, text_len, &fate, identity, &kept, &stats, &tok), WM_E_CANCELLED);
        struct wm_buf buf;
        wm_buf_init(&buf, 1 << 20);
        CHECK_OK(wm_file_load(path, &buf, &err), err);
        if (way == 0)
            buf.ptr[buf.len / 2] ^= 1;
        if (way == 1)
            buf.len /= 2;
        CHECK_OK(wm_file_store(path, wm_buf_str(&buf), &err), err);
        wm_buf_done(&buf);
        size_t len = way == 2 ? text_len - 7 : text_len;
        tok = train_to_end(&options, len, way == 3 ? "another" : identity, &kept, &stats);
        CHECK_U64(kept, 0);
        if (way != 2)
            CHECK(XXH128_isEqual(wm_tokenizer_identity(tok), wm_tokenizer_identity(want)));
        wm_tokenizer_free(tok);
    }
    /* a vocabulary of fewer merges than are kept */
    tok = NULL;
    remove_kept();
    CHECK_U64(train(&options, text_len, &fate, identity, &kept, &stats, &tok), WM_E_CANCELLED);
    options.vocabulary = 400;
    tok = train_to_end(&options, text_len, identity, &kept, &stats);
    CHECK_U64(wm_tokenizer_size(tok), 400);
    wm_tokenizer_free(tok);
    remove_kept();
}

/* One piece as long as all the text: rounds have no room for it, so it is learned anew in memory. */
static void test_long_piece(void)
{
    struct wm_tokenizer_options options = options_of(false);
    struct wm_trainer_stats stats;
    uint64_t kept = 0;
    struct fate fate = {200, UINT64_MAX};
    struct wm_tokenizer *want, *tok = NULL;
    options.split = WM_SPLIT_PATTERN;
    options.pattern = "[^\\x00]+";
    options.vocabulary = 700;
    options.merge_memory = TEXT * 32;
    want = train_to_end(&options, text_len, "another", &kept, &stats);
    CHECK_U64(stats.distinct_pieces, 1);
    CHECK_U64(train(&options, text_len, &fate, identity, &kept, &stats, &tok), WM_E_CANCELLED);
    tok = train_to_end(&options, text_len, identity, &kept, &stats);
    CHECK(kept >= 200);
    CHECK_U64(stats.rounds, 0);
    CHECK(XXH128_isEqual(wm_tokenizer_identity(tok), wm_tokenizer_identity(want)));
    wm_tokenizer_free(tok);
    wm_tokenizer_free(want);
    remove_kept();
}

int main(void)
{
    uint64_t state = 77;
    make_top(access("/dev/shm", W_OK) == 0 ? "/dev/shm/wetmill-kept" : "kept_merges");
    (void)snprintf(path, sizeof path, "%s", in_top("merges"));
    while (text_len + 600 < sizeof text)
        text_len += random_text(&state, false, text + text_len, 600);
    struct wm_tokenizer_options options = options_of(false);
    struct wm_str all = {text, text_len};
    struct wm_tokenizer *want = train_on(&options, &all, 1);
    test(false, want);
    test(true, want);
    test_unfit(want);
    test_long_piece();
    wm_tokenizer_free(want);
    CHECK_OK(wm_remove_tree(top, &err), err);
    return test_summary();
}
