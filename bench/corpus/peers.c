/* SPDX-License-Identifier: Apache-2.0 */
/* Others' programs and libraries on the same files. */
#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/corpus/corpus.h"
#include "wetmill/file.h"

enum { MEMBER_FIRST = 1 << 20 };

/* ---- libdeflate ---- */

struct inflater {
    struct libdeflate_decompressor *codec;
    unsigned char *in, *out;
    size_t in_cap, out_cap;
};

static int grow(unsigned char **buffer, size_t *cap, size_t want, struct wm_error *err)
{
    if (want <= *cap)
        return 0;
    free(*buffer);
    *buffer = malloc(want);
    *cap = *buffer ? want : 0;
    return *buffer ? 0 : wm_fail_nomem(err, want, "a buffer");
}

static int inflate_members(struct inflater *inflater, size_t size, uint64_t *ret,
                           struct wm_error *err)
{
    for (size_t at = 0; at < size;) {
        size_t used = 0, made = 0;
        enum libdeflate_result result =
            libdeflate_gzip_decompress_ex(inflater->codec, inflater->in + at, size - at,
                                          inflater->out, inflater->out_cap, &used, &made);
        if (result == LIBDEFLATE_INSUFFICIENT_SPACE) {
            int status = grow(&inflater->out, &inflater->out_cap, 2 * inflater->out_cap, err);
            if (status)
                return status;
            continue;
        }
        if (result != LIBDEFLATE_SUCCESS)
            return wm_fail(err, WM_E_FORMAT, "no gzip member at byte %zu", at);
        at += used;
        *ret += made;
    }
    return 0;
}

static int inflate_file(struct inflater *inflater, const char *path, uint64_t *ret,
                        struct wm_error *err)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) {
        if (file)
            (void)fclose(file);
        return wm_fail(err, WM_E_IO, "%s cannot be read", path);
    }
    long size = ftell(file);
    rewind(file);
    int status = size < 0 ? wm_fail(err, WM_E_IO, "%s has no size", path)
                          : grow(&inflater->in, &inflater->in_cap, (size_t)size + 1, err);
    if (!status && fread(inflater->in, 1, (size_t)size, file) != (size_t)size)
        status = wm_fail(err, WM_E_IO, "%s cannot be read", path);
    (void)fclose(file);
    return status ? status : inflate_members(inflater, (size_t)size, ret, err);
}

int bench_libdeflate(struct bench *bench, const struct subject *subject, struct wm_error *err)
{
    (void)subject;
    struct inflater inflater = {.codec = libdeflate_alloc_decompressor()};
    int status = inflater.codec ? grow(&inflater.out, &inflater.out_cap, MEMBER_FIRST, err)
                                : wm_fail_nomem(err, 64 << 10, "libdeflate");
    bench->bytes = 0;
    for (size_t i = 0; !status && i < bench->n_files; i++)
        status = inflate_file(&inflater, bench->files[i], &bench->bytes, err);
    if (inflater.codec)
        libdeflate_free_decompressor(inflater.codec);
    free(inflater.in);
    free(inflater.out);
    return status;
}

/* ---- programs ---- */

bool bench_has_program(const char *name)
{
    const char *path = getenv("PATH");
    struct wm_str rest = path ? wm_str_of(path) : WM_STR("");
    bool found = false;
    while (!found && rest.len) {
        const char *colon = memchr(rest.ptr, ':', rest.len);
        size_t n = colon ? (size_t)(colon - rest.ptr) : rest.len;
        char file[WM_PATH_MAX];
        int len = snprintf(file, sizeof file, "%.*s/%s", (int)n, rest.ptr, name);
        found = len > 0 && (size_t)len < sizeof file && access(file, X_OK) == 0;
        n += colon != NULL;
        rest = (struct wm_str){rest.ptr + n, rest.len - n};
    }
    return found;
}

static void become(char **arguments)
{
    int nowhere = open("/dev/null", O_WRONLY);
    if (nowhere >= 0 && dup2(nowhere, STDOUT_FILENO) >= 0)
        (void)execvp(arguments[0], arguments);
    _exit(127);
}

static int run_program(const char *const *arguments, struct wm_error *err)
{
    int result = 0;
    pid_t child = fork();
    if (child < 0)
        return wm_fail(err, WM_E_IO, "%s cannot be started", arguments[0]);
    if (child == 0)
        become((char **)(uintptr_t)arguments);
    while (waitpid(child, &result, 0) < 0)
        if (errno != EINTR)
            return wm_fail(err, WM_E_IO, "%s cannot be waited for", arguments[0]);
    if (WIFEXITED(result) && WEXITSTATUS(result) == 0)
        return 0;
    return wm_fail(err, WM_E_IO, "%s has failed", arguments[0]);
}

int bench_gzip(struct bench *bench, const struct subject *subject, struct wm_error *err)
{
    (void)subject;
    const char **arguments = calloc(bench->n_files + 3, sizeof *arguments);
    if (!arguments)
        return wm_fail_nomem(err, bench->n_files * sizeof *arguments, "arguments");
    arguments[0] = "gzip";
    arguments[1] = "-dc";
    memcpy(arguments + 2, bench->files, bench->n_files * sizeof *arguments);
    int status = run_program(arguments, err);
    free(arguments);
    return status;
}

int bench_fasttext(struct bench *bench, const struct subject *subject, struct wm_error *err)
{
    (void)subject;
    const char *const arguments[] = {"fasttext", "predict-prob", bench->language, bench->text,
                                     NULL};
    return run_program(arguments, err);
}
