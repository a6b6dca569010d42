/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file file.h
 * The file layer: the only place that knows of file descriptors. Local files now; other backends
 * go behind struct wm_file later. All functions retry EINTR and short reads and writes. Paths in
 * errors are as given. Different objects may be used by different threads at once.
 */
#ifndef WETMILL_FILE_H
#define WETMILL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xxhash.h>

#include "wetmill/arena.h"
#include "wetmill/buf.h"
#include "wetmill/cancel.h"
#include "wetmill/error.h"

enum {
    WM_PATH_MAX = 4096,     /**< Longest path, bytes with NUL. */
    WM_TREE_DEPTH = 64,     /**< Deepest directory tree that wm_remove_tree removes. */
    WM_NAMES_MAX = 1 << 24, /**< Most names in one directory. */
};

/* ---- reading ---- */

struct wm_file;

/** Open for reading; "-" is standard input. A directory is an error. WM_E_NOMEM also where too many
 *  files are open. A named pipe is opened at once; the first read waits until somebody writes. */
int wm_file_open(const char *path, struct wm_file **ret, struct wm_error *err);
void wm_file_close(struct wm_file *file);

/**
 * From now on whoever reads what may keep him waiting (a pipe, a terminal) looks at `cancel`
 * meanwhile: reading fails with WM_E_CANCELLED within a fraction of a second, and what was read in
 * part is lost. NULL, as at first: reading waits for ever. A matter of programs, not of libraries.
 * Any thread; `cancel` is borrowed.
 */
void wm_file_heed(struct wm_cancel *cancel);

/** Read up to `size` bytes in sequence, fewer only at the end; `*ret_len` 0 = end. */
int wm_file_read(struct wm_file *file, void *dst, size_t size, size_t *ret_len,
                 struct wm_error *err);

/** As wm_file_read, but of a pipe what is there, once there is something. */
int wm_file_read_some(struct wm_file *file, void *dst, size_t size, size_t *ret_len,
                      struct wm_error *err);

/** Read at a position (seekable files); `*ret_len` < size only at the end. Thread-safe. */
int wm_file_pread(struct wm_file *file, void *dst, size_t size, uint64_t offset, size_t *ret_len,
                  struct wm_error *err);

/** Continue wm_file_read at `offset` (seekable files). Only regular files are seekable, never "-".
 */
int wm_file_seek(struct wm_file *file, uint64_t offset, struct wm_error *err);

/** Reading came to the end of the file at byte `end`: WM_E_CHANGED if a regular file has become shorter
 *  than it was when it was opened, and that is why. */
int wm_file_check_end(const struct wm_file *file, uint64_t end, struct wm_error *err);

bool wm_file_seekable(const struct wm_file *file);
const char *wm_file_path(const struct wm_file *file);

/** What a path is, without opening it. Times in nanoseconds since the epoch. */
struct wm_stat {
    uint64_t size;
    int64_t mtime_ns, ctime_ns;
    uint64_t device, inode;
    bool is_dir, is_regular;
};
int wm_stat(const char *path, struct wm_stat *ret, struct wm_error *err);
/** Is there anything? Only where a wrong "no" does no harm: what cannot be looked at is taken as
 *  absent. */
bool wm_exists(const char *path);
/** The same, with an error if the system does not say. */
int wm_is_there(const char *path, bool *ret, struct wm_error *err);
/** Do both exist, and are one file or directory? */
bool wm_same_path(const char *a, const char *b);

/** The whole file ("-" too) into `buf` (appended; its maximum bounds the size: WM_E_LIMIT). WM_E_CHANGED
 *  if somebody cut it meanwhile. */
int wm_file_load(const char *path, struct wm_buf *buf, struct wm_error *err);

/* ---- mapping (read only; not counted in --memory) ---- */

struct wm_map {
    const unsigned char *ptr;
    size_t len;
};
/** Map a regular file; an empty one gives a valid `ptr` and `len` 0. */
int wm_map_open(const char *path, struct wm_map *ret, struct wm_error *err);
/** Ask for large pages, before anything of it is read: fewer misses where it is read in any order. */
void wm_map_want_large_pages(const struct wm_map *map);
/**
 * Let the system forget what it holds of a file that was written. It holds that in small pages,
 * also for those who map it later; read anew, it is held in large ones if they are wanted. Only a
 * wish: nothing happens if the file is not there, or not yet on the disk.
 */
void wm_file_forget(const char *path);
void wm_map_close(struct wm_map *map); /**< Safe on a zeroed one. */
/**
 * From now on a mapped file that somebody cuts short does not end the process with SIGBUS: what is
 * gone reads as zeros, wm_map_check says so, and wm_out_commit commits nothing any more. Takes over
 * the handler of SIGBUS (signals that are none of ours go to the one before): a matter of programs,
 * not of libraries. Once, before there are threads.
 */
void wm_map_guard(void);
/** WM_E_CHANGED if a mapped file was found cut short since the process began. Any thread. */
int wm_map_check(struct wm_error *err);

/* ---- writing: all or nothing ---- */

/** What was written: enters commit records and manifest. */
struct wm_digest {
    uint64_t size;
    XXH128_hash_t hash; /**< XXH3-128 of all bytes. */
};
enum { WM_HEX128 = 33 };
/** 32 lower-case hex digits (canonical, big-endian) and NUL. */
void wm_hex128(XXH128_hash_t hash, char out[WM_HEX128]);
bool wm_unhex128(const char *hex, XXH128_hash_t *ret);

struct wm_out;

/**
 * Write to PATH.tmp.PID.N, beside `path`; missing parent directories are made. A leftover of a
 * crash is stepped over (wm_remove_leftovers clears them). If `path` is a symbolic link to a file,
 * the file behind it is replaced. What cannot be renamed is written directly: "-" (standard
 * output), devices and named pipes; writes to "-" are not held back. WM_E_PIPE if the reader of a
 * pipe has gone (SIGPIPE must be ignored).
 */
int wm_out_open(const char *path, struct wm_out **ret, struct wm_error *err);
int wm_out_write(struct wm_out *out, const void *bytes, size_t len, struct wm_error *err);
/** The file is scratch that need not survive a crash: commit will not wait for the disk. */
void wm_out_scratch(struct wm_out *out);
/** Bytes written so far. */
uint64_t wm_out_size(const struct wm_out *out);
/** Overwrite bytes already written (a header known only at the end); the digest is then taken by
 *  reading the file again. Not for "-". */
int wm_out_pwrite(struct wm_out *out, const void *bytes, size_t len, uint64_t offset,
                  struct wm_error *err);
/** fsync, rename to `path`, fsync the directory; nothing of it if a mapped file was cut short
 *  (WM_E_CHANGED). `ret` may be NULL. Frees `out` in any case. */
int wm_out_commit(struct wm_out *out, struct wm_digest *ret, struct wm_error *err);
/** Remove the temporary file and free. Safe on NULL. */
void wm_out_abandon(struct wm_out *out);

/** wm_out_open + write + commit. */
int wm_file_store(const char *path, struct wm_str bytes, struct wm_error *err);

/** Size and hash of a file's bytes by reading it. WM_E_CHANGED as wm_file_load. WM_E_CONFIG, without
 *  opening it, for what can be read once only: "-", pipes, devices. */
int wm_file_digest(const char *path, struct wm_digest *ret, struct wm_error *err);

/* ---- writing what others read meanwhile ---- */

/**
 * A file that grows under its own name, for people and programs that watch it: not all or nothing,
 * and nothing waits for the disk. What stood there stays until it is written over, so those who have
 * read the beginning see no change where the same bytes come again.
 */
struct wm_append;
/** Write from the beginning of `path` on; made if absent. Only a regular file. */
int wm_append_open(const char *path, struct wm_append **ret, struct wm_error *err);
/** Others see the bytes at once. */
int wm_append_write(struct wm_append *append, const void *bytes, size_t len, struct wm_error *err);
/** The file ends behind what was written. */
int wm_append_cut(struct wm_append *append, struct wm_error *err);
void wm_append_close(struct wm_append *append); /**< Safe on NULL. */

/* ---- paths and directories ---- */

/** "dir/name" into `out`; WM_E_LIMIT if longer than WM_PATH_MAX. An absolute `name` stands alone.
 */
int wm_path_join(char out[WM_PATH_MAX], const char *dir, const char *name, struct wm_error *err);
/** Make a directory and its parents, and fsync what each is made in; there already is fine. */
int wm_mkdirs(const char *path, struct wm_error *err);
/** fsync a directory: the names in it are on the disk. */
int wm_sync_dir(const char *dir, struct wm_error *err);
/** Remove the temporary files that crashed writers left in `dir`; absent is fine. The caller must
 *  know that no writer is at work there (it holds the run's lock). */
int wm_remove_leftovers(const char *dir, struct wm_error *err);
/** Remove one file; absent is fine. */
int wm_remove(const char *path, struct wm_error *err);
/** Rename a file or directory on its file system, and fsync what holds it. In the place of a directory
 *  there may be an empty one. */
int wm_move(const char *from, const char *to, struct wm_error *err);
/** Remove a directory and all in it; symbolic links are removed, not followed; absent is fine.
 *  WM_E_LIMIT deeper than WM_TREE_DEPTH. */
int wm_remove_tree(const char *path, struct wm_error *err);
/** Before a directory in which half-done work is kept is removed: WM_E_CONFIG if `dir` is none, or holds
 *  a name that is neither like one of `ours` (patterns as of fnmatch, NULL behind the last) nor a
 *  leftover's; absent is fine. */
int wm_check_work_dir(const char *dir, const char *const *ours, struct wm_error *err);
/** Put the directory `from` in the place of `to`, fsync what holds it, and remove what was at `to`
 *  before (until then it is FROM.old). An interruption leaves `from` whole, or the result in place. */
int wm_replace_dir(const char *from, const char *to, struct wm_error *err);
/** Names in a directory (not . and ..), sorted by bytes, in `arena`. WM_E_LIMIT over WM_NAMES_MAX.
 */
int wm_list_dir(const char *path, struct wm_arena *arena, const char ***ret_names, size_t *ret_n,
                struct wm_error *err);
/** Free bytes on the file system of `path` (or of its nearest existing parent). */
int wm_disk_free(const char *path, uint64_t *ret_bytes, struct wm_error *err);

#endif /* WETMILL_FILE_H */
