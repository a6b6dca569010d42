/* SPDX-License-Identifier: Apache-2.0 */
/* Writing all or nothing: a temporary file beside the target, hashed as it is written, renamed into
 * place once it is on the disk. */
#include "base/file_open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wetmill/state.h"

enum { OUT_BUFFER = 64 << 10, TRIES = 1000 };

struct wm_out {
    int fd;
    char *path;  /* target, symbolic links resolved */
    char *tmp;   /* NULL: written directly */
    bool stream; /* standard output: nothing is held back */
    bool rewritten;
    bool scratch;
    bool saved; /* tmp is PATH.part and stays */
    XXH3_state_t *hash;
    uint64_t size; /* bytes handed to us */
    size_t held;   /* of them still in `buffer` */
    unsigned char buffer[OUT_BUFFER];
};

static const char *shown(const struct wm_out *out)
{
    return out->stream ? "standard output" : out->path;
}

static void out_free(struct wm_out *out)
{
    if (out->fd >= 0 && !out->stream)
        (void)close(out->fd);
    (void)XXH3_freeState(out->hash);
    free(out->tmp);
    free(out->path);
    free(out);
}

void wm_out_abandon(struct wm_out *out)
{
    if (!out)
        return;
    if (out->tmp && out->fd >= 0 && !out->saved)
        (void)unlink(out->tmp);
    out_free(out);
}

static int parent_of(char dir[WM_PATH_MAX], const char *path, struct wm_error *err)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (len >= WM_PATH_MAX)
        return wm_fail(err, WM_E_LIMIT, "the path is longer than %d bytes", WM_PATH_MAX - 1);
    (void)snprintf(dir, WM_PATH_MAX, "%.*s", (int)len, path);
    if (!len)
        (void)snprintf(dir, WM_PATH_MAX, slash ? "/" : ".");
    return 0;
}

/* Another process number space, or a crash, may have left the same name: count on. */
static int open_temporary(struct wm_out *out, struct wm_error *err)
{
    static atomic_uint serial;
    size_t size = strlen(out->path) + 48;
    out->tmp = malloc(size);
    if (!out->tmp)
        return wm_fail_nomem(err, size, "file name");
    for (int i = 0; i < TRIES; i++) {
        (void)snprintf(out->tmp, size, "%s.tmp.%ld.%u", out->path, (long)getpid(),
                       atomic_fetch_add(&serial, 1));
        out->fd = open(out->tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (out->fd >= 0)
            return 0;
        if (errno != EEXIST && errno != EINTR)
            break;
    }
    return wm_fail_errno(err, "create", out->path);
}

static int open_target(struct wm_out *out, const char *path, struct wm_error *err)
{
    struct stat st;
    if (!*path)
        return wm_fail(err, WM_E_IO, "an empty file name cannot be written");
    if (stat(path, &st) == 0) {
        out->path = realpath(path, NULL);
        if (!out->path)
            return wm_fail_errno(err, "create", path);
        if (S_ISREG(st.st_mode))
            return open_temporary(out, err);
        out->fd = wm_open(out->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        return out->fd < 0 ? wm_fail_errno(err, "write", path) : 0;
    }
    char dir[WM_PATH_MAX];
    int status = parent_of(dir, path, err);
    if (!status)
        status = wm_mkdirs(dir, err);
    if (status)
        return status;
    out->path = strdup(path);
    return out->path ? open_temporary(out, err) : wm_fail_nomem(err, strlen(path), "file name");
}

int wm_out_open(const char *path, struct wm_out **ret, struct wm_error *err)
{
    struct wm_out *out = calloc(1, sizeof *out);
    if (!out)
        return wm_fail_nomem(err, sizeof *out, "writing a file");
    out->fd = -1;
    out->hash = XXH3_createState();
    int status = 0;
    if (!out->hash) {
        status = wm_fail_nomem(err, sizeof *out, "hashing a file");
    } else if (strcmp(path, "-") == 0) {
        out->stream = true;
        out->fd = STDOUT_FILENO;
    } else {
        status = open_target(out, path, err);
    }
    if (status) {
        wm_out_abandon(out);
        return status;
    }
    (void)XXH3_128bits_reset(out->hash);
    *ret = out;
    return 0;
}

static int put(struct wm_out *out, const unsigned char *bytes, size_t len, struct wm_error *err)
{
    static const size_t most = 1u << 30;
    (void)XXH3_128bits_update(out->hash, bytes, len);
    for (size_t done = 0; done < len;) {
        size_t want = len - done < most ? len - done : most;
        ssize_t n = write(out->fd, bytes + done, want);
        if (n >= 0) {
            done += (size_t)n;
        } else if (errno == EPIPE) {
            wm_fail(err, WM_E_PIPE, "whoever read this has stopped");
            return wm_error_where(err, "%s", shown(out));
        } else if (errno != EINTR) {
            return wm_fail_errno(err, "write", shown(out));
        }
    }
    return 0;
}

static int flush(struct wm_out *out, struct wm_error *err)
{
    size_t held = out->held;
    out->held = 0;
    return held ? put(out, out->buffer, held, err) : 0;
}

int wm_out_write(struct wm_out *out, const void *bytes, size_t len, struct wm_error *err)
{
    if (!out->stream && len <= OUT_BUFFER - out->held) {
        if (len)
            memcpy(out->buffer + out->held, bytes, len);
        out->held += len;
        out->size += len;
        return 0;
    }
    int status = flush(out, err);
    if (!status)
        status = put(out, bytes, len, err);
    if (!status)
        out->size += len;
    return status;
}

void wm_out_scratch(struct wm_out *out)
{
    out->scratch = true;
}

uint64_t wm_out_size(const struct wm_out *out)
{
    return out->size;
}

int wm_out_pwrite(struct wm_out *out, const void *bytes, size_t len, uint64_t offset,
                  struct wm_error *err)
{
    if (!out->tmp) {
        errno = ESPIPE;
        return wm_fail_errno(err, "rewrite part of", shown(out));
    }
    if (offset > out->size || len > out->size - offset) {
        wm_fail(err, WM_E_LIMIT, "bytes that were not written yet cannot be rewritten");
        return wm_error_where(err, "%s", out->path);
    }
    int status = flush(out, err);
    if (status)
        return status;
    out->rewritten = true;
    for (size_t done = 0; done < len;) {
        ssize_t n = pwrite(out->fd, (const unsigned char *)bytes + done, len - done,
                           (off_t)(offset + done));
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            return wm_fail_errno(err, "write", out->path);
    }
    return 0;
}

/* Of the first `size` bytes; more may stand behind them that were written after a save. */
static int rehash(struct wm_out *out, struct wm_error *err)
{
    (void)XXH3_128bits_reset(out->hash);
    for (uint64_t at = 0; at < out->size;) {
        size_t want = out->size - at < OUT_BUFFER ? (size_t)(out->size - at) : OUT_BUFFER;
        ssize_t n = pread(out->fd, out->buffer, want, (off_t)at);
        if (n == 0)
            errno = EIO;
        if (n == 0 || (n < 0 && errno != EINTR))
            return wm_fail_errno(err, "read back", out->path);
        if (n > 0) {
            (void)XXH3_128bits_update(out->hash, out->buffer, (size_t)n);
            at += (uint64_t)n;
        }
    }
    return 0;
}

static int sync_parent(const char *path, struct wm_error *err)
{
    char dir[WM_PATH_MAX];
    int status = parent_of(dir, path, err);
    return status ? status : wm_sync_dir(dir, err);
}

static int put_in_place(struct wm_out *out, struct wm_error *err)
{
    if (!out->scratch && fsync(out->fd) != 0)
        return wm_fail_errno(err, "write", out->path);
    int fd = out->fd;
    out->fd = -1;
    bool done = close(fd) == 0;
    done = done && rename(out->tmp, out->path) == 0;
    if (!done) {
        int status = wm_fail_errno(err, "write", out->path);
        if (!out->saved)
            (void)unlink(out->tmp);
        return status;
    }
    free(out->tmp);
    out->tmp = NULL;
    return out->scratch ? 0 : sync_parent(out->path, err);
}

int wm_out_commit(struct wm_out *out, struct wm_digest *ret, struct wm_error *err)
{
    int status = flush(out, err);
    if (!status)
        status = wm_map_check(err); /* what was written may come from there */
    if (!status && out->rewritten)
        status = rehash(out, err);
    struct wm_digest digest = {out->size, XXH3_128bits_digest(out->hash)};
    if (!status && out->tmp)
        status = put_in_place(out, err);
    if (status) {
        wm_out_abandon(out);
        return status;
    }
    out_free(out);
    if (ret)
        *ret = digest;
    return 0;
}

/* ---- going on with a file ---- */

/* From its first save on, the file goes by a name that another process finds. */
static int name_part(struct wm_out *out, struct wm_error *err)
{
    size_t size = strlen(out->path) + sizeof WM_OUT_PART;
    char *part = malloc(size);
    if (!part)
        return wm_fail_nomem(err, size, "file name");
    (void)snprintf(part, size, "%s" WM_OUT_PART, out->path);
    if (rename(out->tmp, part) != 0) {
        free(part);
        return wm_fail_errno(err, "write", out->path);
    }
    free(out->tmp);
    out->tmp = part;
    out->saved = true;
    return sync_parent(out->path, err);
}

int wm_out_save(struct wm_out *out, struct wm_state_out *state, struct wm_error *err)
{
    if (!out->tmp || out->rewritten)
        return wm_fail(err, WM_E_CONFIG, "internal: this file cannot be gone on with");
    int status = flush(out, err);
    if (!status && fsync(out->fd) != 0)
        status = wm_fail_errno(err, "write", out->path);
    if (!status && !out->saved)
        status = name_part(out, err);
    if (status)
        return status;
    wm_state_put(state, out->size);
    wm_state_put_hash(state, XXH3_128bits_digest(out->hash));
    wm_state_put_name(state, out->path);
    return 0;
}

/* The task that wrote it may have come as far as to put it in place. */
static int take_back(struct wm_out *out, struct wm_error *err)
{
    if (access(out->tmp, F_OK) != 0 && rename(out->path, out->tmp) != 0)
        return wm_state_mismatch(err, "a file that was being written is gone");
    out->fd = open(out->tmp, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    return out->fd < 0 ? wm_fail_errno(err, "write", out->path) : 0;
}

static int cut_back(struct wm_out *out, XXH128_hash_t want, struct wm_error *err)
{
    struct stat st;
    if (fstat(out->fd, &st) != 0)
        return wm_fail_errno(err, "write", out->path);
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < out->size)
        return wm_state_mismatch(err, "a file that was being written is too short");
    int status = rehash(out, err);
    if (status)
        return status;
    if (!XXH128_isEqual(XXH3_128bits_digest(out->hash), want))
        return wm_state_mismatch(err, "a file that was being written has changed");
    if (ftruncate(out->fd, (off_t)out->size) != 0 || lseek(out->fd, (off_t)out->size, SEEK_SET) < 0)
        return wm_fail_errno(err, "write", out->path);
    return 0;
}

int wm_out_load(const char *path, struct wm_state_in *state, struct wm_out **ret,
                struct wm_error *err)
{
    uint64_t size = wm_state_get(state);
    XXH128_hash_t hash = wm_state_get_hash(state);
    int status = wm_state_in_status(state, err);
    struct wm_out *out = status ? NULL : calloc(1, sizeof *out);
    if (status)
        return status;
    if (!out)
        return wm_fail_nomem(err, sizeof *out, "writing a file");
    size_t room = strlen(path) + sizeof WM_OUT_PART;
    *out = (struct wm_out){.fd = -1, .saved = true, .size = size};
    out->hash = XXH3_createState();
    out->path = strdup(path);
    out->tmp = malloc(room);
    if (out->hash && out->path && out->tmp) {
        (void)snprintf(out->tmp, room, "%s" WM_OUT_PART, path);
        status = take_back(out, err);
        if (!status)
            status = cut_back(out, hash, err);
        if (status)
            (void)wm_error_where(err, "%s", out->tmp);
    } else {
        status = wm_fail_nomem(err, room, "writing a file");
    }
    if (status)
        wm_out_abandon(out);
    else
        *ret = out;
    return status;
}

int wm_file_sync(const char *path, struct wm_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return wm_fail_errno(err, "open", path);
    int status = fsync(fd) != 0 ? wm_fail_errno(err, "write", path) : 0;
    (void)close(fd);
    return status ? status : sync_parent(path, err);
}

int wm_file_store(const char *path, struct wm_str bytes, struct wm_error *err)
{
    struct wm_out *out;
    int status = wm_out_open(path, &out, err);
    if (status)
        return status;
    status = wm_out_write(out, bytes.ptr, bytes.len, err);
    if (status) {
        wm_out_abandon(out);
        return status;
    }
    return wm_out_commit(out, NULL, err);
}

void wm_hex128(XXH128_hash_t hash, char out[WM_HEX128])
{
    static const char digits[] = "0123456789abcdef";
    XXH128_canonical_t bytes;
    XXH128_canonicalFromHash(&bytes, hash);
    for (size_t i = 0; i < sizeof bytes.digest; i++) {
        out[2 * i] = digits[bytes.digest[i] >> 4];
        out[2 * i + 1] = digits[bytes.digest[i] & 15];
    }
    out[WM_HEX128 - 1] = '\0';
}

static int nibble(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool wm_unhex128(const char *hex, XXH128_hash_t *ret)
{
    XXH128_canonical_t bytes;
    for (size_t i = 0; i < sizeof bytes.digest; i++) {
        int high = nibble(hex[2 * i]);
        int low = high < 0 ? -1 : nibble(hex[2 * i + 1]);
        if (low < 0)
            return false;
        bytes.digest[i] = (unsigned char)(high << 4 | low);
    }
    if (hex[WM_HEX128 - 1])
        return false;
    *ret = XXH128_hashFromCanonical(&bytes);
    return true;
}

int wm_move(const char *from, const char *to, struct wm_error *err)
{
    if (rename(from, to) != 0)
        return wm_fail_errno(err, "move", from);
    return sync_parent(to, err);
}

/* Not removed where it stands: a stop would leave half of a result in its place. */
int wm_replace_dir(const char *from, const char *to, struct wm_error *err)
{
    char old[WM_PATH_MAX];
    int n = snprintf(old, sizeof old, "%s.old", from);
    if (n < 0 || (size_t)n >= sizeof old)
        return wm_fail(err, WM_E_LIMIT, "the path is longer than %d bytes", WM_PATH_MAX - 1);
    int status = wm_remove_tree(old, err);
    if (status)
        return status;
    if ((rename(to, old) != 0 && errno != ENOENT) || rename(from, to) != 0)
        return wm_fail_errno(err, "put in place", to);
    status = sync_parent(to, err);
    return status ? status : wm_remove_tree(old, err);
}
