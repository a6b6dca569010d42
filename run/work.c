/* SPDX-License-Identifier: Apache-2.0 */
#include "run/work.h"

#include <stdio.h>
#include <string.h>

#include "trainer/metrics.h"
#include "trainer/tensorboard.h"
#include "trainer/text_samples.h"

enum { CHECK = 16 /* hex digits behind the identity: XXH3-64 of it */ };

static void put_check(const char *identity, char ret[2 * WM_HEX128])
{
    const unsigned long long check = XXH3_64bits(identity, strlen(identity));
    (void)snprintf(ret, 2 * WM_HEX128, "%s %016llx", identity, check);
}

/* One of a version that wrote no check is believed. */
static bool is_sound(struct wm_str text)
{
    char identity[WM_HEX128], want[2 * WM_HEX128];
    XXH128_hash_t hash;
    if (text.len != WM_HEX128 - 1 && text.len != WM_HEX128 + CHECK)
        return false;
    memcpy(identity, text.ptr, WM_HEX128 - 1);
    identity[WM_HEX128 - 1] = '\0';
    put_check(identity, want);
    return wm_unhex128(identity, &hash) &&
           (text.len < WM_HEX128 || wm_str_eq(text, wm_str_of(want)));
}

static int store_identity(const struct wm_step_context *ctx, const char *dir, struct wm_error *err)
{
    char path[WM_PATH_MAX], text[2 * WM_HEX128];
    int status = wm_path_join(path, dir, "identity", err);
    put_check(ctx->identity, text);
    return status ? status : wm_file_store(path, wm_str_of(text), err);
}

enum whose { NOBODYS, OURS, OTHERS, DAMAGED };

/* What cannot be read may be worth keeping: that is an error, not another identity. */
static int read_identity(const char *identity, const char *dir, enum whose *ret,
                         struct wm_error *err)
{
    char path[WM_PATH_MAX];
    struct wm_buf buf;
    struct wm_stat st;
    bool there = false;
    *ret = NOBODYS;
    int status = wm_path_join(path, dir, "identity", err);
    if (!status)
        status = wm_is_there(path, &there, err);
    if (!status && there)
        status = wm_stat(path, &st, err);
    if (status || !there)
        return status;
    if (!st.is_regular) { /* a pipe would be waited for */
        *ret = DAMAGED;
        return 0;
    }
    wm_buf_init(&buf, 4096);
    status = wm_file_load(path, &buf, err);
    if (!status && !is_sound(wm_buf_str(&buf)))
        *ret = DAMAGED;
    else if (!status)
        *ret = strncmp(buf.ptr, identity, WM_HEX128 - 1) == 0 ? OURS : OTHERS;
    wm_buf_done(&buf);
    return status;
}

/* A damaged one: an unfinished result says whose it is, and is another's where it does not. Else it is
 * ours until the pieces that stand beside it, each of which has an identity, say something else. */
static int find_whose(const struct wm_step_context *ctx, const struct wm_step *step,
                      const char *dir, bool *ret_ours, struct wm_error *err)
{
    char identity[WM_HEX128] = "";
    int status = step->unfinished ? step->whose(dir, identity, err) : 0;
    *ret_ours = !status && (!step->unfinished || strcmp(identity, ctx->identity) == 0);
    return status;
}

/* `*ret_whose`: somebody's name is there at all. */
static int is_identity(const struct wm_step_context *ctx, const struct wm_step *step,
                       const char *dir, bool *ret, bool *ret_whose, struct wm_error *err)
{
    enum whose whose;
    int status = read_identity(ctx->identity, dir, &whose, err);
    *ret = !status && whose == OURS;
    *ret_whose = whose != NOBODYS;
    if (!status && whose == DAMAGED)
        status = find_whose(ctx, step, dir, ret, err);
    if (status || whose != DAMAGED)
        return status;
    wm_step_say(ctx, "%s/identity is damaged: %s", dir,
                *ret ? "what stands beside it is looked at piece by piece"
                     : "what stands beside it is not known to be of these options");
    return *ret ? store_identity(ctx, dir, err) : 0;
}

/* What steps and their jobs keep. */
static const char *const names[] = {"*.ckpt",
                                    "commits",
                                    "identity",
                                    "merges",
                                    "out",
                                    "out.old",
                                    "parts",
                                    "position",
                                    "rejects",
                                    "runs",
                                    "scratch",
                                    "tables",
                                    "time.json",
                                    "wetmill-pieces.??????",
                                    "wetmill-spool.??????",
                                    WM_METRICS_NAME,
                                    WM_TENSORBOARD_NAME,
                                    WM_TEXT_SAMPLES_NAME,
                                    NULL};

/* The directory of a step that works alone stands where users put theirs, too. The name goes first: what
 * a stop leaves of it is nobody's. */
static int remove_work(const char *dir, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    int status = wm_check_work_dir(dir, names, err);
    if (!status)
        status = wm_path_join(path, dir, "identity", err);
    if (!status)
        status = wm_remove(path, err);
    return status ? status : wm_remove_tree(dir, err);
}

/* ---- unfinished results of other options ---- */

struct aside {
    struct wm_step_context *ctx;
    const struct wm_step *step;
    char old[WM_PATH_MAX], swap[WM_PATH_MAX];
};

static int name_aside(const struct wm_step_context *ctx, struct aside *ret, struct wm_error *err)
{
    const int old = snprintf(ret->old, sizeof ret->old, "%s.old", ctx->work_dir);
    const int swap = snprintf(ret->swap, sizeof ret->swap, "%s.swap", ctx->work_dir);
    if (old > 0 && (size_t)old < sizeof ret->old && swap > 0 && (size_t)swap < sizeof ret->swap)
        return 0;
    return wm_fail(err, WM_E_LIMIT, "a path is over %d bytes", WM_PATH_MAX - 1);
}

/* A stop between the three moves of an exchange: undone before the second, completed after it. */
static int mend_exchange(const struct aside *a, struct wm_error *err)
{
    bool swapped, there = false;
    int status = wm_is_there(a->swap, &swapped, err);
    if (!status && swapped)
        status = wm_is_there(a->ctx->work_dir, &there, err);
    if (status || !swapped)
        return status;
    return wm_move(a->swap, there ? a->old : a->ctx->work_dir, err);
}

/* What stands in `dir` under somebody's identity; "" if nothing, or nothing worth keeping. */
static int look(const struct aside *a, const char *dir, char what[WM_STEP_UNFINISHED],
                bool *ret_ours, struct wm_error *err)
{
    bool whose;
    what[0] = 0;
    int status = is_identity(a->ctx, a->step, dir, ret_ours, &whose, err);
    return status || !whose ? status : a->step->unfinished(a->ctx, dir, what, err);
}

static int take_back(const struct aside *a, bool exchange, struct wm_error *err)
{
    const char *work = a->ctx->work_dir;
    int status = exchange ? wm_move(work, a->swap, err) : remove_work(work, err);
    if (!status)
        status = wm_move(a->old, work, err);
    if (!status && exchange)
        status = wm_move(a->swap, a->old, err);
    if (!status)
        wm_step_say(a->ctx, "%s: what was unfinished with these options is taken up again%s", work,
                    exchange ? "; the other one stands aside now" : "");
    return status;
}

static int refuse(const struct aside *a, const char *what, struct wm_error *err)
{
    wm_fail(err, WM_E_CONFIG,
            "step %s has stopped unfinished with two other sets of options, here (%s) and in "
            "%s.old: one of them would be lost",
            a->step->name, what, a->ctx->work_dir);
    (void)wm_error_where(err, "%s", a->ctx->work_dir);
    return wm_error_hint(err, "repeat a command of theirs, or remove one of the directories");
}

static int put_aside(const struct aside *a, const char *what, struct wm_error *err)
{
    int status = remove_work(a->old, err); /* nothing worth keeping */
    if (!status)
        status = wm_move(a->ctx->work_dir, a->old, err);
    if (!status)
        wm_step_say(a->ctx, "%s holds an unfinished result of other options (%s): it is now %s",
                    a->ctx->work_dir, what, a->old);
    if (!status)
        wm_step_say(a->ctx,
                    "    the same options again go on with it; remove it if it is not wanted");
    return status;
}

/* Another identity's state makes way, or changes places with ours. */
static int make_way(struct wm_step_context *ctx, const struct wm_step *step, bool *same,
                    struct wm_error *err)
{
    struct aside a = {.ctx = ctx, .step = step};
    char here[WM_STEP_UNFINISHED], there[WM_STEP_UNFINISHED] = "";
    bool wanted = false;
    int status = name_aside(ctx, &a, err);
    if (!status)
        status = mend_exchange(&a, err);
    if (!status)
        status = look(&a, ctx->work_dir, here, same, err);
    if (!status && !*same)
        status = look(&a, a.old, there, &wanted, err);
    if (status || *same)
        return status;
    if (wanted && *there) {
        *same = true;
        return take_back(&a, *here, err);
    }
    if (!*here)
        return remove_work(ctx->work_dir, err);
    return *there ? refuse(&a, here, err) : put_aside(&a, here, err);
}

void wm_work_tell(const struct wm_step_context *ctx, const struct wm_step *step)
{
    struct aside a;
    struct wm_error ignored;
    if (step->unfinished && !name_aside(ctx, &a, &ignored) && wm_exists(a.old))
        wm_step_say(ctx, "%s still holds an unfinished result of other options", a.old);
}

/* ---- all steps ---- */

int wm_work_prepare(struct wm_step_context *ctx, const struct wm_step *step, struct wm_error *err)
{
    bool same = false, whose;
    int status = 0;
    if (step->unfinished)
        status = make_way(ctx, step, &same, err);
    else
        status = is_identity(ctx, step, ctx->work_dir, &same, &whose, err);
    same = same && !wm_step_reads_pipe(ctx->run, step);
    if (!status && !same)
        status = remove_work(ctx->work_dir, err);
    if (!status)
        status = wm_remove_tree(ctx->out_dir, err);
    if (!status)
        status = wm_mkdirs(ctx->out_dir, err);
    return status || same ? status : store_identity(ctx, ctx->work_dir, err);
}

int wm_work_disown(const struct wm_step_context *ctx, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    struct wm_error more;
    if (!wm_path_join(path, ctx->work_dir, "identity", &more))
        (void)wm_remove(path, &more);
    return err->status;
}

/* Under a damaged identity only what says that it is another's, or may be, is kept, and told of. */
static int is_rest(const struct wm_step_context *ctx, const struct wm_step *step, bool *ret,
                   struct wm_error *err)
{
    char what[WM_STEP_UNFINISHED] = "";
    int status = find_whose(ctx, step, ctx->work_dir, ret, err);
    if (!status && !*ret)
        status = step->unfinished(ctx, ctx->work_dir, what, err);
    *ret = *ret || !*what;
    if (!status)
        wm_step_say(ctx, "%s/identity is damaged: %s%s", ctx->work_dir,
                    *ret ? "the step is done, and what stands beside it is removed"
                         : "an unfinished result stands beside it, which stays: ",
                    what);
    return status;
}

int wm_work_remove_rest(const struct wm_step_context *ctx, const struct wm_step *step,
                        struct wm_error *err)
{
    bool there = false, rest;
    enum whose whose;
    struct wm_error other;
    int status = ctx->run->lock ? wm_is_there(ctx->work_dir, &there, err) : 0;
    if (status || !there)
        return status; /* nothing may be written, or nothing is there */
    status = read_identity(ctx->identity, ctx->work_dir, &whose, err);
    /* of what has no name it is not certain that it is ours: the next step that needs the place says so */
    rest = whose == OURS || (whose == NOBODYS && !wm_check_work_dir(ctx->work_dir, names, &other));
    if (!status && whose == DAMAGED)
        status = is_rest(ctx, step, &rest, err);
    return !status && rest ? wm_remove_tree(ctx->work_dir, err) : status;
}

int wm_work_is_over(const char *dir, const char *published, bool *ret, struct wm_error *err)
{
    enum whose whose;
    int status = read_identity(published, dir, &whose, err);
    *ret = !status && (whose == OURS || whose == NOBODYS);
    return status;
}
