/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/lm_work.h"

#include <stdlib.h>

#include "wetmill/lock.h"
#include "wetmill/state.h"

enum { IDENTITY = 2 * WM_HEX128 /* bytes: two hashes, a line each */ };

static int join(char to[WM_PATH_MAX], const char *path, const char *end, struct wm_error *err)
{
    int n = snprintf(to, WM_PATH_MAX, "%s%s", path, end);
    return n >= 0 && n < WM_PATH_MAX
               ? 0
               : wm_fail(err, WM_E_LIMIT, "a path is over %d bytes", WM_PATH_MAX - 1);
}

static int name_files(struct lm_work *work, const char *output, char lock[WM_PATH_MAX],
                      struct wm_error *err)
{
    char *real = realpath(output, NULL);
    int status = join(work->target, real ? real : output, "", err);
    free(real);
    if (!status)
        status = join(work->dir, work->target, ".work", err);
    if (!status)
        status = join(work->arpa, work->dir, "/arpa", err);
    return status ? status : join(lock, work->target, ".lock", err);
}

static int take_lock(struct lm_work *work, struct cli *cli, const char *path, struct wm_error *err)
{
    char note[WM_LOCK_TEXT] = "";
    int status = wm_lock_take(path, cli->cancel, &work->lock, note, err);
    if (!status && *note)
        cli_say(cli, "%s", note);
    return status;
}

/* ---- whose work it is ---- */

static int store_identity(const struct lm_work *work, const char *identity, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    int status = wm_path_join(path, work->dir, "identity", err);
    return status ? status : wm_file_store(path, wm_str_of(identity), err);
}

/* Of the trainer (scorers/lm_train_keep.h), and of here. */
static const char *const names[] = {"identity",
                                    "position",
                                    "point",
                                    "arpa",
                                    "arpa" WM_OUT_PART,
                                    "words" WM_OUT_PART,
                                    "runs" WM_OUT_PART,
                                    "counts.[1-9]" WM_OUT_PART,
                                    "below.[1-9]" WM_OUT_PART,
                                    NULL};

/* What stands there makes way for a new directory if it is lm train's. */
static int make_way(const struct lm_work *work, struct wm_error *err)
{
    int status = wm_check_work_dir(work->dir, names, err);
    if (!status)
        status = wm_remove_tree(work->dir, err);
    return status ? status : wm_mkdirs(work->dir, err);
}

/* Is it there, and ours? Else it makes way; people are told if it was somebody's. `identity` NULL:
 * there is nothing to go on with. */
static int take_over(struct lm_work *work, struct cli *cli, const char *identity,
                     struct wm_error *err)
{
    char path[WM_PATH_MAX];
    bool there = false;
    struct wm_buf was;
    wm_buf_init(&was, 4096);
    int status = wm_path_join(path, work->dir, "identity", err);
    if (!status)
        status = wm_is_there(path, &there, err);
    if (!status && there)
        status = wm_file_load(path, &was, err);
    bool ours = there && identity && wm_str_eq(wm_buf_str(&was), wm_str_of(identity));
    bool options = identity && was.len >= WM_HEX128 && memcmp(was.ptr, identity, WM_HEX128) == 0;
    wm_buf_done(&was);
    if (status || ours)
        return status;
    status = make_way(work, err);
    if (!status && there && identity)
        cli_say(cli, "%s: what was unfinished is of other %s; training starts anew", work->dir,
                options ? "input, or the input has changed since" : "options");
    else if (!status && there)
        cli_say(cli, "%s: what was unfinished is of other input, and is removed", work->dir);
    return status || !identity ? status : store_identity(work, identity, err);
}

static bool has_point(const struct lm_work *work)
{
    char path[WM_PATH_MAX];
    struct wm_error ignored;
    return work->keeps && !wm_path_join(path, work->dir, "point", &ignored) && wm_exists(path);
}

int lm_work_open(struct lm_work *work, struct cli *cli, const char *output, bool keeps,
                 XXH128_hash_t options, XXH128_hash_t input, struct wm_error *err)
{
    char lock[WM_PATH_MAX], identity[IDENTITY + 1], one[WM_HEX128], two[WM_HEX128];
    *work = (struct lm_work){.keeps = keeps};
    wm_hex128(options, one);
    wm_hex128(input, two);
    (void)snprintf(identity, sizeof identity, "%s\n%s\n", one, two);
    int status = name_files(work, output, lock, err);
    if (!status)
        status = take_lock(work, cli, lock, err);
    if (status)
        return status;
    status = take_over(work, cli, keeps ? identity : NULL, err);
    if (!status && keeps)
        status = wm_remove_leftovers(work->dir, err);
    if (status)
        return status;
    work->had_point = has_point(work);
    wm_position_begin(&work->position, work->dir, 0, cli->progress);
    return 0;
}

int lm_work_clear(struct lm_work *work, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    struct wm_buf identity;
    wm_buf_init(&identity, 4096);
    wm_position_end(&work->position, &work->redone);
    int status = wm_path_join(path, work->dir, "identity", err);
    if (!status)
        status = wm_file_load(path, &identity, err);
    if (!status)
        status = wm_remove_tree(work->dir, err);
    if (!status)
        status = wm_mkdirs(work->dir, err);
    if (!status)
        status = wm_file_store(path, wm_buf_str(&identity), err);
    wm_buf_done(&identity);
    wm_position_again(&work->position);
    return status;
}

int lm_work_close(struct lm_work *work, int status, struct wm_error *err)
{
    struct wm_error more = {0};
    if (!work->dir[0])
        return status;
    if (work->position.path[0])
        wm_position_end(&work->position, &work->redone);
    bool stays = status && status != WM_E_CHANGED && has_point(work);
    if (wm_lock_check(work->lock, &more)) {
        *err = more; /* what stands there is somebody else's */
        status = more.status;
    } else if (work->position.path[0] && !stays && wm_remove_tree(work->dir, &more) && !status) {
        *err = more;
        status = more.status;
    }
    if (status == WM_E_CANCELLED)
        (void)wm_error_hint(err, stays
                                     ? "run the same command again to continue"
                                     : "nothing had to be kept yet; the same command starts anew");
    wm_lock_release(work->lock);
    return status;
}
