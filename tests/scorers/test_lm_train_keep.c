/* SPDX-License-Identifier: Apache-2.0 */
/* Training that is ended at every point, before and behind it, gives the same bytes; so does one that
 * finds its files damaged, once they are removed. The linker puts wm_state_out_commit of here in the
 * place of the library's (--wrap). */
#include <sys/wait.h>
#include <unistd.h>

#include "lm_train_compare.h"
#include "wetmill/state.h"

enum { STEP = 700, SENTENCES = 500, WORDS = 30, RUNS_MOST = 1000, KILLED = 9 };

static struct wm_buf text;
static int commits_left; /* until the process ends; < 0: never */
static bool end_before;  /* … the point is in its place */
static bool ends_text;   /* wm_lm_train_point is called once more behind the text */

int __real_wm_state_out_commit(struct wm_state_out *state, struct wm_error *e);
int __wrap_wm_state_out_commit(struct wm_state_out *state, struct wm_error *e);

int __wrap_wm_state_out_commit(struct wm_state_out *state, struct wm_error *e)
{
    const bool last = commits_left >= 0 && commits_left-- == 0;
    if (last && end_before)
        _exit(KILLED);
    int status = __real_wm_state_out_commit(state, e);
    if (last)
        _exit(KILLED);
    return status;
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static void make_text(void)
{
    uint64_t state = 7;
    wm_buf_init(&text, 1 << 20);
    for (size_t i = 0; i < SENTENCES; i++) {
        for (size_t k = next_random(&state) % 9; k--;) {
            uint64_t r = next_random(&state) % WORDS;
            r = r * (next_random(&state) % WORDS) / WORDS;
            CHECK_OK(wm_buf_printf(&text, &err, "w%llu ", (unsigned long long)r), err);
        }
        CHECK_OK(wm_buf_add(&text, "\n", 1, &err), err);
    }
}

static struct wm_lm_train_options options_of(uint64_t order, uint64_t memory)
{
    struct wm_lm_train_options options;
    wm_options_default(wm_lm_train_option_table, &options);
    options.order = order;
    options.memory = memory;
    options.jobs = 1;
    options.discount_fallback = true;
    options.scratch = top;
    return options;
}

/* From where the last point in `dir` is, to the end. */
static int train_kept(const struct wm_lm_train_options *options, const char *dir, double seconds,
                      struct wm_cancel *cancel, struct wm_lm_train_summary *ret, struct wm_error *e)
{
    struct wm_lm_train *train = NULL;
    struct wm_str position = {0};
    char path[WM_PATH_MAX], number[32];
    uint64_t at = 0;
    int status = wm_lm_train_new(options, cancel, NULL, &train, e);
    if (!status)
        status = wm_lm_train_keep(train, dir, seconds, &position, e);
    if (!status && position.ptr)
        CHECK(wm_parse_u64(position, &at));
    (void)snprintf(number, sizeof number, "%llu", (unsigned long long)at);
    while (!status && at < text.len) {
        size_t n = text.len - at < STEP ? text.len - (size_t)at : STEP;
        status = wm_lm_train_text(train, (struct wm_str){text.ptr + at, n}, e);
        at += n;
        (void)snprintf(number, sizeof number, "%llu", (unsigned long long)at);
        if (!status)
            status = wm_lm_train_point(train, wm_str_of(number), e);
    }
    if (!status && ends_text)
        status = wm_lm_train_point(train, wm_str_of(number), e);
    if (!status)
        status = wm_path_join(path, dir, "arpa", e);
    if (!status)
        status = wm_lm_train_finish(train, path, ret, e);
    wm_lm_train_free(train);
    return status;
}

static const char *made_dir(void)
{
    static char dir[WM_PATH_MAX];
    (void)snprintf(dir, sizeof dir, "%s", in_top("work"));
    CHECK_OK(wm_remove_tree(dir, &err), err);
    CHECK_OK(wm_mkdirs(dir, &err), err);
    return dir;
}

/* What training in one go gives. */
static const char *made_model(const struct wm_lm_train_options *options,
                              struct wm_lm_train_summary *ret)
{
    static char want[WM_PATH_MAX];
    (void)snprintf(want, sizeof want, "%s", in_top("want.arpa"));
    CHECK_OK(train_text(options, wm_buf_str(&text), 99, want, ret), err);
    return want;
}

/* A process that ends at its n-th point; how it ended. */
static int run_until(const struct wm_lm_train_options *options, const char *dir, int n, bool before)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct wm_error e = {0};
        commits_left = n;
        end_before = before;
        int status = train_kept(options, dir, 0, NULL, NULL, &e);
        if (status)
            (void)fprintf(stderr, "%s: %s\n", e.where, e.what);
        _exit(status ? 1 : 0);
    }
    int status = 0;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool same_model(const char *dir, const char *want)
{
    char path[WM_PATH_MAX];
    CHECK_OK(wm_path_join(path, dir, "arpa", &err), err);
    return same_files(path, want);
}

/* How many processes it takes. */
static int count_runs(const struct wm_lm_train_options *options, const char *dir, bool both)
{
    for (int n = 1; n < RUNS_MOST; n++) {
        /* before a point nothing is won: then one point on */
        int code = run_until(options, dir, both && n % 2 ? 1 : 0, both && n % 2);
        if (code == KILLED)
            continue;
        CHECK_(code == 0, "run %d ends with %d", n, code);
        return n;
    }
    CHECK_(false, "it does not come to an end");
    return 0;
}

static void check_ends(void)
{
    for (uint64_t order = 1; order <= 4; order += 3)
        for (int both = 0; both < 2; both++) {
            struct wm_lm_train_options options = options_of(order, 6 << 20);
            const char *want = made_model(&options, NULL);
            const char *dir = made_dir();
            int n = count_runs(&options, dir, both);
            CHECK_(n > 20, "only %d points", n);
            CHECK_(same_model(dir, want), "order %d", (int)order);
        }
}

/* Asked to stop: there is a point, and another --memory goes on from it. */
static void check_cancel(void)
{
    struct wm_lm_train_options options = options_of(3, 6 << 20);
    struct wm_cancel cancel = {0};
    struct wm_lm_train_summary one, two;
    const char *want = made_model(&options, &one), *dir = made_dir();
    wm_cancel_raise(&cancel, 15);
    CHECK_FAILS(train_kept(&options, dir, 1e9, &cancel, NULL, &err), WM_E_CANCELLED, err,
                "interrupted");
    options.memory = 64 << 20;
    CHECK_OK(train_kept(&options, dir, 1e9, NULL, &two, &err), err);
    CHECK(same_model(dir, want));
    CHECK_U64(two.sentences, one.sentences);
    CHECK_U64(two.tokens, one.tokens);
    CHECK_U64(two.n_grams[2], one.n_grams[2]);
    CHECK_U64(two.runs, 2);
    CHECK_OK(train_kept(&options, dir, 1e9, NULL, &two, &err), err); /* it was written */
    CHECK_U64(two.n_grams[2], one.n_grams[2]);
    CHECK(same_model(dir, want));
}

/* Gone on with after each point while somebody has already asked to stop: with the call that ends the
 * text, as the last of the text does it, and then without. Neither spoils what is there. */
static void check_cancel_again(void)
{
    struct wm_lm_train_options options = options_of(4, 6 << 20);
    const char *want = made_model(&options, NULL), *dir = made_dir();
    int n = 0;
    for (int code = KILLED; n < RUNS_MOST && code == KILLED; n++) {
        code = run_until(&options, dir, 0, false);
        for (int ends = 1; ends >= 0; ends--) {
            struct wm_cancel cancel = {0};
            wm_cancel_raise(&cancel, 15);
            ends_text = ends;
            int status = train_kept(&options, dir, 1e9, &cancel, NULL, &err);
            CHECK_(status == WM_E_CANCELLED || (!status && !ends), "after run %d: %s", n, err.what);
        }
        ends_text = false;
    }
    CHECK_(n > 5 && n < RUNS_MOST, "%d points", n);
    CHECK_OK(train_kept(&options, dir, 1e9, NULL, NULL, &err), err);
    CHECK(same_model(dir, want));
}

static void damage(const char *path, bool cut)
{
    FILE *f = fopen(path, "r+b");
    CHECK(f != NULL);
    if (!f)
        return;
    (void)fseek(f, 0, SEEK_END);
    long at = ftell(f) / 2;
    (void)fseek(f, at, SEEK_SET);
    int c = fgetc(f);
    (void)fseek(f, at, SEEK_SET);
    (void)fputc(c ^ 1, f);
    (void)fclose(f);
    CHECK(!cut || truncate(path, at) == 0);
}

/* Each file that a point rests on, in any phase. */
static void check_damage(void)
{
    struct wm_lm_train_options options = options_of(4, 6 << 20);
    const char *want = made_model(&options, NULL);
    static const char *const names[] = {"point",     "words.part",   "runs.part",   "counts.2.part",
                                        "arpa.part", "below.2.part", "below.3.part"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (int cut = 0; cut < 2; cut++) {
            char path[WM_PATH_MAX];
            const char *dir = made_dir();
            CHECK_OK(wm_path_join(path, dir, names[i], &err), err);
            int code = KILLED;
            for (int n = 0; n < RUNS_MOST && code == KILLED && !wm_exists(path); n++)
                code = run_until(&options, dir, 0, false);
            CHECK_(code == KILLED, "there is no %s", names[i]);
            damage(path, cut);
            CHECK_FAILS(train_kept(&options, dir, 0, NULL, NULL, &err), WM_E_MISMATCH, err,
                        "does not fit");
            dir = made_dir();
            CHECK_OK(train_kept(&options, dir, 0, NULL, NULL, &err), err);
            CHECK(same_model(dir, want));
        }
}

/* The model itself, and a point of another order. */
static void check_others(void)
{
    struct wm_lm_train_options options = options_of(3, 6 << 20);
    const char *dir = made_dir();
    CHECK_OK(train_kept(&options, dir, 0, NULL, NULL, &err), err);
    options.order = 2;
    CHECK_FAILS(train_kept(&options, dir, 0, NULL, NULL, &err), WM_E_MISMATCH, err, "order");
    options.order = 3;
    damage(in_top("work/arpa"), false);
    CHECK_FAILS(train_kept(&options, dir, 0, NULL, NULL, &err), WM_E_MISMATCH, err, "model");
}

int main(void)
{
    commits_left = -1;
    make_top("lm_train_keep");
    make_text();
    check_ends();
    check_cancel();
    check_cancel_again();
    check_damage();
    check_others();
    wm_buf_done(&text);
    CHECK_OK(wm_remove_tree(top, &err), err);
    return test_summary();
}
