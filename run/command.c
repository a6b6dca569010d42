/* SPDX-License-Identifier: Apache-2.0 */
#include "run/command.h"

#include <stdlib.h>

enum { COMMAND_MAX = 64 << 20 }; /* bytes of the command that is remembered */

int wm_command_word(struct wm_buf *out, const char *word, struct wm_error *err)
{
    int status = wm_buf_add(out, " '", 2, err);
    for (const char *c = word; !status && *c; c++)
        status = *c == '\'' ? wm_buf_add(out, "'\\''", 4, err) : wm_buf_add(out, c, 1, err);
    return status ? status : wm_buf_add(out, "'", 1, err);
}

int wm_log_command(const struct wm_run *run, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    struct wm_buf buf;
    wm_buf_init(&buf, COMMAND_MAX);
    char *rejects = run->options.rejects ? realpath(run->options.rejects, NULL) : NULL;
    int status = wm_buf_printf(&buf, err, "%s", run->command);
    if (!status && run->options.limit)
        status = wm_buf_printf(&buf, err, " --limit %llu", (unsigned long long)run->options.limit);
    if (!status && rejects)
        status = wm_buf_printf(&buf, err, " --rejects");
    if (!status && rejects)
        status = wm_command_word(&buf, rejects, err);
    if (!status)
        status = wm_path_join(path, run->options.output, "log/command", err);
    if (!status)
        status = wm_store(path, wm_buf_str(&buf), err);
    free(rejects);
    wm_buf_done(&buf);
    return status;
}

/* ---- reading it ---- */

static bool take(struct wm_str *rest, struct wm_str what)
{
    if (!wm_str_starts(*rest, what))
        return false;
    *rest = (struct wm_str){rest->ptr + what.len, rest->len - what.len};
    return true;
}

static bool take_word(struct wm_str *rest)
{
    if (!take(rest, WM_STR(" '")))
        return false;
    while (rest->len) {
        if (take(rest, WM_STR("'\\''")))
            continue;
        if (take(rest, WM_STR("'")))
            return true;
        *rest = (struct wm_str){rest->ptr + 1, rest->len - 1};
    }
    return false;
}

static bool take_number(struct wm_str *rest)
{
    const size_t all = rest->len;
    while (rest->len && rest->ptr[0] >= '0' && rest->ptr[0] <= '9')
        *rest = (struct wm_str){rest->ptr + 1, rest->len - 1};
    return rest->len < all;
}

static bool is_ours(struct wm_str text)
{
    struct wm_str rest = text;
    if (!wm_str_starts(text, WM_STR(" '/")) || !take_word(&rest))
        return false;
    while (take(&rest, WM_STR(" --set")))
        if (!take_word(&rest))
            return false;
    if (take(&rest, WM_STR(" --limit ")) && !take_number(&rest))
        return false;
    if (take(&rest, WM_STR(" --rejects")) && !take_word(&rest))
        return false;
    return !rest.len;
}

static int put_repair(struct wm_buf *out, struct wm_str noted, const char *dir,
                      struct wm_error *err)
{
    int status =
        wm_buf_printf(out, err, "wetmill run%.*s -o", (int)noted.len, noted.len ? noted.ptr : "");
    if (!status)
        status = wm_command_word(out, dir, err);
    return status ? status : wm_buf_printf(out, err, " --verify");
}

bool wm_command_repair(const char *dir, char ret[WM_REPAIR_TEXT])
{
    char path[WM_PATH_MAX];
    struct wm_error none = {0};
    struct wm_stat st;
    struct wm_buf noted, text;
    wm_buf_init(&noted, WM_REPAIR_TEXT);
    wm_buf_init(&text, WM_REPAIR_TEXT - 1);
    char *whole = realpath(dir, NULL);
    bool known = whole && !wm_path_join(path, dir, "log/command", &none) &&
                 !wm_stat(path, &st, &none) && st.is_regular &&
                 !wm_file_load(path, &noted, &none) && is_ours(wm_buf_str(&noted)) &&
                 !put_repair(&text, wm_buf_str(&noted), whole, &none);
    if (known) /* and nothing in it that is not shown as it is */
        wm_escape(ret, WM_REPAIR_TEXT, text.ptr, text.len);
    known = known && wm_str_eq(wm_str_of(ret), wm_buf_str(&text));
    free(whole);
    wm_buf_done(&noted);
    wm_buf_done(&text);
    return known;
}
