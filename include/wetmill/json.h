/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file json.h
 * A pull reader for one JSON text in memory (a JSONL line) and a writer into a wm_buf.
 * Small machine files (config.json, tokenizer.json, commit records) are read with jansson instead.
 *
 * The reader is strict RFC 8259: depth ≤ WM_JSON_MAX_DEPTH, strings valid UTF-8 and lone
 * surrogates refused. Errors are WM_E_FORMAT with the byte offset within the text. One thread.
 *
 *     wm_json_open(&r, line, &arena);
 *     int more = wm_json_object(&r, err);                   // '{'
 *     while (!more && (more = wm_json_key(&r, &key, err)) > 0) { ... read one value ... more = 0; }
 *     wm_json_finish(&r, err);                              // only white space left
 */
#ifndef WETMILL_JSON_H
#define WETMILL_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "wetmill/arena.h"
#include "wetmill/buf.h"
#include "wetmill/error.h"
#include "wetmill/str.h"

enum { WM_JSON_MAX_DEPTH = 64 };

enum wm_json_type {
    WM_JSON_NONE, /**< End of text or a byte no value starts with. */
    WM_JSON_OBJECT,
    WM_JSON_ARRAY,
    WM_JSON_STRING,
    WM_JSON_NUMBER,
    WM_JSON_TRUE,
    WM_JSON_FALSE,
    WM_JSON_NULL,
};

struct wm_json {
    const char *start, *at, *end;
    struct wm_arena *arena; /**< Unescaped strings; those without escapes are borrowed. */
    unsigned depth;
    bool first; /**< No comma before the next key or item. */
};

void wm_json_open(struct wm_json *r, struct wm_str text, struct wm_arena *arena);

/** Type of the next value, white space skipped. */
enum wm_json_type wm_json_peek(struct wm_json *r);

/** Enter an object or array. */
int wm_json_object(struct wm_json *r, struct wm_error *err);
int wm_json_array(struct wm_json *r, struct wm_error *err);

/** Next key of the object: 1 and `*ret_key`, 0 at its end (which is consumed), < 0 on error. */
int wm_json_key(struct wm_json *r, struct wm_str *ret_key, struct wm_error *err);

/** 1 if the array has another item (read it next), 0 at its end (consumed), < 0 on error. */
int wm_json_item(struct wm_json *r, struct wm_error *err);

/** Read one value of the type. A number that does not fit is WM_E_FORMAT. */
int wm_json_string(struct wm_json *r, struct wm_str *ret, struct wm_error *err);
int wm_json_u64(struct wm_json *r, uint64_t *ret, struct wm_error *err);
int wm_json_real(struct wm_json *r, double *ret, struct wm_error *err);
int wm_json_bool(struct wm_json *r, bool *ret, struct wm_error *err);

/** Check and skip one value of any type; `*ret_raw` (may be NULL) is its verbatim text. */
int wm_json_skip(struct wm_json *r, struct wm_str *ret_raw, struct wm_error *err);

/** WM_E_FORMAT unless only white space is left. */
int wm_json_finish(struct wm_json *r, struct wm_error *err);

/** WM_E_FORMAT unless `text` is one value and white space: what is cut short never is an object. */
int wm_json_check(struct wm_str text, struct wm_error *err);

/** Writer: no spaces, keys in call order, non-ASCII unescaped, invalid UTF-8 as U+FFFD. */
struct wm_json_out {
    struct wm_buf *buf;
    struct wm_error *err;
    int status;  /**< First failure; later calls do nothing. */
    bool comma;  /**< A comma is due before the next key or item. */
};

void wm_json_out_open(struct wm_json_out *w, struct wm_buf *buf, struct wm_error *err);
void wm_json_put_open(struct wm_json_out *w, char bracket);  /**< '{' or '[' */
void wm_json_put_close(struct wm_json_out *w, char bracket); /**< '}' or ']' */
void wm_json_put_key(struct wm_json_out *w, const char *key);
void wm_json_put_str(struct wm_json_out *w, struct wm_str s);
void wm_json_put_u64(struct wm_json_out *w, uint64_t v);
/** Fixed decimals (0–17), or shortest text that reads back equal with decimals < 0. NaN, Inf → null. */
void wm_json_put_real(struct wm_json_out *w, double v, int decimals);
void wm_json_put_bool(struct wm_json_out *w, bool v);
void wm_json_put_null(struct wm_json_out *w);
void wm_json_put_raw(struct wm_json_out *w, struct wm_str json); /**< Verbatim value. */
/** Key and value: a C string (null if NULL), bytes, a number, a flag. */
void wm_json_member_text(struct wm_json_out *w, const char *key, const char *value);
void wm_json_member_str(struct wm_json_out *w, const char *key, struct wm_str value);
void wm_json_member_u64(struct wm_json_out *w, const char *key, uint64_t value);
void wm_json_member_bool(struct wm_json_out *w, const char *key, bool value);
/** Verbatim members `"a":1,"b":2` inside an object; nothing if empty. */
void wm_json_put_members(struct wm_json_out *w, struct wm_str members);

#endif /* WETMILL_JSON_H */
