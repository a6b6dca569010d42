/* SPDX-License-Identifier: Apache-2.0 */
#include "wetmill/jansson.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What the system refuses comes from here, once. It only has to last until the call that notices
 * has come to its end; blocks of it are not used again. */
enum { RESERVE = 256 << 10, ALIGNMENT = 16 };

static struct {
    _Alignas(ALIGNMENT) unsigned char bytes[RESERVE];
    atomic_size_t used;
    json_malloc_t allocate;
    json_free_t release;
} reserve;

static _Thread_local bool refused;

static void *allocate(size_t size)
{
    void *block = reserve.allocate(size);
    if (block || !size)
        return block;
    refused = true;
    if (size > RESERVE)
        return NULL;
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    const size_t at = atomic_fetch_add(&reserve.used, size);
    if (at <= RESERVE && size <= RESERVE - at)
        return reserve.bytes + at;
    atomic_fetch_sub(&reserve.used, size);
    return NULL;
}

static void release(void *block)
{
    const uintptr_t at = (uintptr_t)block, start = (uintptr_t)reserve.bytes;
    if (at < start || at >= start + RESERVE)
        reserve.release(block);
}

static void install(void)
{
    json_get_alloc_funcs(&reserve.allocate, &reserve.release);
    json_set_alloc_funcs(allocate, release);
}

static void begin(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, install);
    refused = false;
}

int wm_json_ok(const void *value, struct wm_error *err)
{
    return value ? 0 : wm_fail_nomem(err, 0, "JSON");
}

int wm_json_parse(struct wm_str text, json_t **ret, json_error_t *why, struct wm_error *err)
{
    json_error_t ignored;
    begin();
    *ret = json_loadb(text.len ? text.ptr : "", text.len, JSON_REJECT_DUPLICATES,
                      why ? why : &ignored);
    if (!refused)
        return 0;
    json_decref(*ret);
    *ret = NULL;
    return wm_json_ok(NULL, err);
}

struct output {
    struct wm_buf *buf;
    struct wm_error *err;
    int status;
};

static int take(const char *bytes, size_t len, void *arg)
{
    struct output *out = arg;
    if (!out->status)
        out->status = wm_buf_add(out->buf, bytes, len, out->err);
    return out->status ? -1 : 0;
}

int wm_json_text(const json_t *value, size_t flags, struct wm_buf *out, struct wm_error *err)
{
    struct output output = {.buf = out, .err = err};
    begin();
    const int failed = json_dump_callback(value, take, &output, flags);
    if (output.status)
        return output.status;
    return failed || refused ? wm_json_ok(NULL, err) : 0;
}
