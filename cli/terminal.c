/* SPDX-License-Identifier: Apache-2.0 */
/* What people see on stderr, and data on stdout. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "wetmill/json.h"

enum {
    TICK_MS = 200,
    QUIET_INTERVAL = 30, /* seconds between lines where there is no terminal */
    DAMAGE_SHOWN = 20,   /* places */
};

/* One program, one terminal: the only globals. */
static struct {
    pthread_mutex_t lock; /* stderr */
    pthread_cond_t wake;
    pthread_t thread;
    bool running, stop, shown; /* shown: a progress line stands on the terminal */
    volatile sig_atomic_t print_now;
    struct wm_cancel *cancel;
} terminal = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static bool colours(void)
{
    const char *no = getenv("NO_COLOR");
    return isatty(STDERR_FILENO) && !(no && *no);
}

/* With the lock held. */
static void clear_progress(void)
{
    if (terminal.shown)
        (void)fputs("\r\033[K", stderr);
    terminal.shown = false;
}

static void json_line(const char *level, const struct wm_error *err, const char *text)
{
    struct wm_buf buf;
    struct wm_error none = {0};
    struct wm_json_out json;
    wm_buf_init(&buf, 1 << 20);
    wm_json_out_open(&json, &buf, &none);
    wm_json_put_open(&json, '{');
    wm_json_put_key(&json, "level");
    wm_json_put_str(&json, wm_str_of(level));
    wm_json_put_key(&json, "message");
    wm_json_put_str(&json, wm_str_of(err ? err->what : text));
    const struct {
        const char *key, *value;
    } fields[] = {{"where", err ? err->where : ""}, {"hint", err ? err->hint : ""}};
    for (size_t i = 0; i < 2; i++) {
        if (!*fields[i].value)
            continue;
        wm_json_put_key(&json, fields[i].key);
        wm_json_put_str(&json, wm_str_of(fields[i].value));
    }
    wm_json_put_close(&json, '}');
    (void)fprintf(stderr, "%.*s\n", (int)buf.len, buf.len ? buf.ptr : "");
    wm_buf_done(&buf);
}

static int exit_code(const struct cli *cli, int status)
{
    switch (status) {
    case WM_E_CONFIG:
    case WM_E_MISMATCH:
        return CLI_USAGE;
    case WM_E_CANCELLED: {
        int signal = cli->cancel ? atomic_load(&cli->cancel->signal) : 0;
        return 128 + (signal ? signal : SIGINT);
    }
    case WM_E_PIPE:
        return CLI_OK;
    default:
        return CLI_FAILED;
    }
}

static void print_excerpt(const char *excerpt)
{
    struct wm_str rest = wm_str_of(excerpt);
    while (rest.len) {
        struct wm_str line = wm_str_line(&rest);
        (void)fprintf(stderr, "  %.*s\n", (int)line.len, line.ptr);
    }
}

int cli_fail(struct cli *cli, const struct wm_error *err)
{
    if (err->status == WM_E_PIPE)
        return CLI_OK;
    (void)pthread_mutex_lock(&terminal.lock);
    clear_progress();
    if (cli->common.log_format == 1) {
        json_line(err->status == WM_E_CANCELLED ? "interrupted" : "error", err, NULL);
    } else {
        const char *red = colours() ? "\033[31m" : "", *plain = *red ? "\033[0m" : "";
        const char *colon = *err->where ? ": " : "";
        if (err->status == WM_E_CANCELLED) /* "interrupted (SIGINT): after step 7 of 9" */
            (void)fprintf(stderr, "wetmill: %s%s%s%s%s\n", red, err->what, plain, colon,
                          err->where);
        else
            (void)fprintf(stderr, "wetmill: %serror%s: %s%s%s\n", red, plain, err->where, colon,
                          err->what);
        print_excerpt(err->excerpt);
        if (*err->hint)
            (void)fprintf(stderr, "  hint: %s\n", err->hint);
    }
    (void)pthread_mutex_unlock(&terminal.lock);
    return exit_code(cli, err->status);
}

static void say(struct cli *cli, const char *text)
{
    if (cli->common.quiet)
        return;
    (void)pthread_mutex_lock(&terminal.lock);
    clear_progress();
    if (cli->common.log_format == 1)
        json_line("info", NULL, text);
    else
        (void)fprintf(stderr, "%s\n", text);
    (void)pthread_mutex_unlock(&terminal.lock);
}

void cli_say(struct cli *cli, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    size_t size = n < 0 ? 0 : 4 * (size_t)n + 8; /* whatever it quotes must not move the cursor */
    char *text = n < 0 ? NULL : malloc((size_t)n + 1), *shown = n < 0 ? NULL : malloc(size);
    if (text && shown) {
        (void)vsnprintf(text, (size_t)n + 1, fmt, again);
        wm_escape_lines(shown, size, text, (size_t)n);
        say(cli, shown);
    }
    va_end(again);
    free(text);
    free(shown);
}

bool cli_say_damage(struct cli *cli, const struct wm_damage *damage, uint64_t n)
{
    for (uint64_t i = 0; i < n && i < DAMAGE_SHOWN; i++) {
        char path[WM_PATH_MAX];
        wm_escape(path, sizeof path, damage[i].path, strlen(damage[i].path));
        cli_say(cli, "%s: record %ju at byte %ju: %s", path, (uintmax_t)damage[i].record,
                (uintmax_t)damage[i].at, damage[i].what);
    }
    if (n > DAMAGE_SHOWN)
        cli_say(cli, "… and %ju more", (uintmax_t)(n - DAMAGE_SHOWN));
    return n > 0;
}

/* ---- stdout ---- */

void cli_write(struct cli *cli, struct wm_str bytes)
{
    if (cli->out_failed || !bytes.len)
        return;
    if (fwrite(bytes.ptr, 1, bytes.len, stdout) == bytes.len)
        return;
    if (errno == EPIPE)
        _exit(CLI_OK); /* `| head` has seen enough */
    cli->out_failed = true;
}

void cli_flush(struct cli *cli)
{
    if (cli->out_failed || fflush(stdout) == 0)
        return;
    if (errno == EPIPE)
        _exit(CLI_OK);
    cli->out_failed = true;
}

void cli_write_text(struct cli *cli, struct wm_str text)
{
    if (!isatty(STDOUT_FILENO)) {
        cli_write(cli, text);
        return;
    }
    bool first = true;
    for (struct wm_str rest = text; rest.len || first; first = false) {
        const char *newline = rest.len ? memchr(rest.ptr, '\n', rest.len) : NULL;
        struct wm_str line = wm_str_line(&rest);
        char *shown = malloc(4 * line.len + 8);
        if (shown) {
            wm_escape(shown, 4 * line.len + 8, line.ptr, line.len);
            cli_write(cli, wm_str_of(shown));
        }
        free(shown);
        if (newline)
            cli_write(cli, WM_STR("\n"));
    }
    cli_flush(cli);
}

int cli_finish(struct cli *cli, int code)
{
    struct wm_error err = {0};
    const bool failed = fflush(stdout) != 0;
    if (failed && errno == EPIPE)
        return CLI_OK;
    if (failed || cli->out_failed || ferror(stdout))
        (void)wm_fail_errno(&err, "write", "standard output");
    else if ((code != CLI_OK && code != CLI_SKIPPED) || !wm_map_check(&err))
        return code;
    return cli_fail(cli, &err);
}

/* ---- progress ---- */

static bool shows(const struct cli *cli)
{
    if (cli->common.quiet || cli->common.progress == 2)
        return false;
    return cli->common.progress == 1 || isatty(STDERR_FILENO);
}

static bool print_progress(struct cli *cli, bool line)
{
    char text[WM_PROGRESS_TEXT];
    if (!wm_progress_text(cli->progress, text, sizeof text))
        return false;
    (void)fprintf(stderr, line ? "%s\n" : "\r\033[K%s", text);
    (void)fflush(stderr);
    terminal.shown = !line;
    return true;
}

static void *progress_thread(void *arg)
{
    struct cli *cli = arg;
    double last = wm_seconds();
    (void)pthread_mutex_lock(&terminal.lock);
    while (!terminal.stop) {
        struct timespec until;
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += TICK_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        (void)pthread_cond_timedwait(&terminal.wake, &terminal.lock, &until);
        bool due = !cli->common.quiet && cli->common.progress != 2 &&
                   wm_seconds() - last >= QUIET_INTERVAL;
        if (terminal.print_now || (!shows(cli) && due)) {
            clear_progress();
            if (print_progress(cli, true)) /* else it is owed: no phase has begun */
                terminal.print_now = 0;
            last = wm_seconds();
        } else if (shows(cli) && !terminal.stop) {
            (void)print_progress(cli, false);
        }
    }
    clear_progress();
    (void)pthread_mutex_unlock(&terminal.lock);
    return NULL;
}

void cli_progress_begin(struct cli *cli)
{
    terminal.stop = false;
    terminal.running = pthread_create(&terminal.thread, NULL, progress_thread, cli) == 0;
}

void cli_progress_end(struct cli *cli)
{
    (void)cli;
    if (!terminal.running)
        return;
    (void)pthread_mutex_lock(&terminal.lock);
    terminal.stop = true;
    (void)pthread_cond_signal(&terminal.wake);
    (void)pthread_mutex_unlock(&terminal.lock);
    (void)pthread_join(terminal.thread, NULL);
    terminal.running = false;
}

static void on_step(void *arg, const char *name, const char *state)
{
    struct cli *cli = arg;
    cli_say(cli, "%-10s %s", name, state);
}

static void on_line(void *arg, const char *text)
{
    say(arg, text);
}

struct wm_run_hooks cli_hooks(struct cli *cli)
{
    return (struct wm_run_hooks){.step = on_step,
                                 .line = on_line,
                                 .arg = cli,
                                 .progress = cli->progress,
                                 .cancel = cli->cancel};
}

/* ---- signals ---- */

static void on_signal(int number)
{
    if (number == SIGUSR1) {
        terminal.print_now = 1;
        return;
    }
    if (atomic_load(&terminal.cancel->signal))
        _exit(128 + number); /* asked twice: what is committed stays */
    wm_cancel_raise(terminal.cancel, number);
}

void cli_signals(struct cli *cli)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    terminal.cancel = cli->cancel;
    wm_file_heed(cli->cancel);
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGUSR1, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}
