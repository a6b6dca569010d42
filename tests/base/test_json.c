/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_escape.h"
#include "test.h"

#include <jansson.h>
#include <math.h>

#include "wetmill/json.h"
#include "wetmill/utf8.h"

static struct wm_error err;
static struct wm_arena arena;

static uint64_t random_state = 88172645463325252u;
static uint64_t random64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static int read_all(struct wm_str text)
{
    struct wm_json r;
    wm_json_open(&r, text, &arena);
    int status = wm_json_skip(&r, NULL, &err);
    return status ? status : wm_json_finish(&r, &err);
}

static void test_document(void)
{
    static const char text[] =
        " {\"text\":\"a\\u00e9\\n\\\"\\\\\\/\\ud83d\\ude00z\" , \"n\": 18446744073709551615,"
        "\"plain\":\"caf\xC3\xA9\",\"list\":[1,-2.5e1,true,false,null,[],{}],\"k\\u0065y\":{\"a\":"
        "1}} ";
    struct wm_json r;
    struct wm_str key, s, raw;
    uint64_t n = 0;
    double d[2] = {0};
    bool b[2] = {false, true};
    wm_json_open(&r, wm_str_of(text), &arena);
    CHECK_U64(wm_json_peek(&r), WM_JSON_OBJECT);
    CHECK_OK(wm_json_object(&r, &err), err);
    CHECK(wm_json_key(&r, &key, &err) == 1);
    CHECK_STR(key, WM_STR("text"));
    CHECK_OK(wm_json_string(&r, &s, &err), err);
    CHECK_STR(s, WM_STR("a\xC3\xA9\n\"\\/\xF0\x9F\x98\x80z"));
    CHECK(wm_json_key(&r, &key, &err) == 1);
    CHECK_OK(wm_json_u64(&r, &n, &err), err);
    CHECK_U64(n, UINT64_MAX);
    CHECK(wm_json_key(&r, &key, &err) == 1);
    CHECK_OK(wm_json_string(&r, &s, &err), err);
    CHECK_STR(s, WM_STR("caf\xC3\xA9"));
    CHECK(s.ptr > text && s.ptr < text + sizeof text); /* borrowed */
    CHECK(wm_json_key(&r, &key, &err) == 1);
    CHECK_OK(wm_json_array(&r, &err), err);
    for (int i = 0; i < 2; i++) {
        CHECK(wm_json_item(&r, &err) == 1);
        CHECK_OK(wm_json_real(&r, &d[i], &err), err);
    }
    CHECK(d[0] == 1 && d[1] == -25);
    for (int i = 0; i < 2; i++) {
        CHECK(wm_json_item(&r, &err) == 1);
        CHECK_OK(wm_json_bool(&r, &b[i], &err), err);
    }
    CHECK(b[0] && !b[1]);
    CHECK(wm_json_item(&r, &err) == 1);
    CHECK_U64(wm_json_peek(&r), WM_JSON_NULL);
    CHECK_OK(wm_json_skip(&r, &raw, &err), err);
    CHECK_STR(raw, WM_STR("null"));
    CHECK(wm_json_item(&r, &err) == 1);
    CHECK_OK(wm_json_array(&r, &err), err);
    CHECK(wm_json_item(&r, &err) == 0);
    CHECK(wm_json_item(&r, &err) == 1);
    CHECK_OK(wm_json_object(&r, &err), err);
    CHECK(wm_json_key(&r, &key, &err) == 0);
    CHECK(wm_json_item(&r, &err) == 0);
    CHECK(wm_json_key(&r, &key, &err) == 1);
    CHECK_STR(key, WM_STR("key"));
    CHECK_OK(wm_json_skip(&r, &raw, &err), err);
    CHECK_STR(raw, WM_STR("{\"a\":1}"));
    CHECK(wm_json_key(&r, &key, &err) == 0);
    CHECK_OK(wm_json_finish(&r, &err), err);
}

static void test_accepts(void)
{
    static const char *const good[] = {
        "1",        "-0",       "0.5",    "1E+2",        "\"\"",
        " [ ] ",    "{\"\":0}", "[[[]]]", "\"\\u0000\"", "\"\\uD834\\uDD1E\"",
        "\"\x7F\"", "[1 , 2]",  "null",   "\t\r\n true"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int status = read_all(wm_str_of(good[i]));
        CHECK_(status == 0, "%s: %s", good[i], err.what);
    }
}

static void test_refuses(void)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "[",
                                      "{",
                                      "[1",
                                      "[1,]",
                                      "[,1]",
                                      "{\"a\":1,}",
                                      "{\"a\"}",
                                      "{\"a\" 1}",
                                      "{a:1}",
                                      "{1:1}",
                                      "01",
                                      "-",
                                      "+1",
                                      ".5",
                                      "1.",
                                      "1e",
                                      "1e+",
                                      "0x1",
                                      "NaN",
                                      "Infinity",
                                      "tru",
                                      "nul",
                                      "truefalse",
                                      "1 2",
                                      "\"",
                                      "\"\\\"",
                                      "\"\\x\"",
                                      "\"\\u12\"",
                                      "\"\\u12G4\"",
                                      "\"\\uD800\"",
                                      "\"\\uDC00\"",
                                      "\"\\uD800\\u0041\"",
                                      "\"\t\"",
                                      "\"\n\"",
                                      "\"\x80\"",
                                      "\"\xC3\"",
                                      "\"\xED\xA0\x80\"",
                                      "[1}",
                                      "{\"a\":1]",
                                      "[] []",
                                      "'a'",
                                      "[1 2]",
                                      "{\"a\":1 \"b\":2}",
                                      "// c\n1",
                                      "\xEF\xBB\xBF 1",
                                      "]",
                                      "}",
                                      "\"\\uD800\\uD800\"",
                                      "\"\\",
                                      "\"\\u",
                                      "\"\\uD83",
                                      "\"\\uD83D\\uDE0"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int status = read_all(wm_str_of(bad[i]));
        CHECK_(status == WM_E_FORMAT, "%s was taken (%d)", bad[i], status);
    }
    CHECK(read_all(WM_STR("1\0")) == WM_E_FORMAT);
    CHECK_FAILS(read_all(WM_STR("{\"a\":\"\x01\"}")), WM_E_FORMAT, err, "byte 6");

    struct wm_json r;
    uint64_t n;
    double d;
    bool b;
    struct wm_str s;
    static const char *const not_u64[] = {"-1", "1.0", "1e2", "18446744073709551616", "\"1\""};
    for (size_t i = 0; i < sizeof not_u64 / sizeof *not_u64; i++) {
        wm_json_open(&r, wm_str_of(not_u64[i]), &arena);
        CHECK(wm_json_u64(&r, &n, &err) == WM_E_FORMAT);
    }
    wm_json_open(&r, WM_STR("1e999"), &arena);
    CHECK(wm_json_real(&r, &d, &err) == WM_E_FORMAT);
    wm_json_open(&r, WM_STR("1"), &arena);
    CHECK(wm_json_bool(&r, &b, &err) == WM_E_FORMAT);
    CHECK(wm_json_string(&r, &s, &err) == WM_E_FORMAT);
    CHECK(wm_json_object(&r, &err) == WM_E_FORMAT);
    CHECK(wm_json_array(&r, &err) == WM_E_FORMAT);
    wm_json_open(&r, WM_STR("[1"), &arena);
    CHECK_OK(wm_json_array(&r, &err), err);
    CHECK(wm_json_finish(&r, &err) == WM_E_FORMAT);

    struct wm_arena none;
    wm_arena_init(&none, 0);
    wm_json_open(&r, WM_STR("\"a\\n\""), &none);
    CHECK(wm_json_string(&r, &s, &err) == WM_E_NOMEM);
}

/* What is cut short is an object nowhere but at its end. */
static void test_cut(void)
{
    const struct wm_str whole = WM_STR("{\"a\\n\":[1,{\"b\":null}],\"\\u00e9\":\"x\\\"y\"}\n");
    for (size_t len = 0; len + 1 < whole.len; len++)
        CHECK_FAILS(wm_json_check((struct wm_str){whole.ptr, len}, &err), WM_E_FORMAT, err, "");
    CHECK_OK(wm_json_check((struct wm_str){whole.ptr, whole.len - 1}, &err), err);
    CHECK_OK(wm_json_check(whole, &err), err);
    CHECK_FAILS(wm_json_check(WM_STR("{}{}"), &err), WM_E_FORMAT, err, "follows");
}

static void test_depth(void)
{
    char text[2 * WM_JSON_MAX_DEPTH + 3];
    for (size_t depth = WM_JSON_MAX_DEPTH; depth <= WM_JSON_MAX_DEPTH + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        int status = read_all((struct wm_str){text, 2 * depth});
        CHECK_(status == (depth > WM_JSON_MAX_DEPTH ? WM_E_FORMAT : 0), "depth %zu", depth);
    }
}

static void test_writer(void)
{
    struct wm_buf buf;
    struct wm_json_out w;
    wm_buf_init(&buf, 1 << 20);
    wm_json_out_open(&w, &buf, &err);
    wm_json_put_open(&w, '{');
    wm_json_put_key(&w, "text");
    wm_json_put_str(&w, WM_STR("a\"\\\n\r\t\b\f\x01\x1F\x7F/\xC3\xA9\xFF\xE2\x82|\0"));
    wm_json_put_key(&w, "n");
    wm_json_put_u64(&w, UINT64_MAX);
    wm_json_put_key(&w, "list");
    wm_json_put_open(&w, '[');
    wm_json_put_real(&w, 0.5, 3);
    wm_json_put_real(&w, 0.1, -1);
    wm_json_put_real(&w, NAN, -1);
    wm_json_put_real(&w, INFINITY, 2);
    wm_json_put_bool(&w, true);
    wm_json_put_bool(&w, false);
    wm_json_put_open(&w, '[');
    wm_json_put_close(&w, ']');
    wm_json_put_u64(&w, 0);
    wm_json_put_close(&w, ']');
    wm_json_member_text(&w, "none", NULL);
    wm_json_member_text(&w, "some", "\"");
    wm_json_member_str(&w, "bytes", WM_STR("a"));
    wm_json_member_u64(&w, "many", 7);
    wm_json_member_bool(&w, "flag", true);
    wm_json_put_members(&w, WM_STR(""));
    wm_json_put_members(&w, WM_STR("\"x\":1,\"y\":2"));
    wm_json_put_key(&w, "");
    wm_json_put_raw(&w, WM_STR("{}"));
    wm_json_put_close(&w, '}');
    CHECK_OK(w.status, err);
    CHECK_STR(wm_buf_str(&buf),
              WM_STR("{\"text\":\"a\\\"\\\\\\n\\r\\t\\b\\f\\u0001\\u001f\x7F/\xC3\xA9\xEF\xBF\xBD"
                     "\xEF\xBF\xBD|\\u0000\",\"n\":18446744073709551615,\"list\":[0.500,0.1,null,"
                     "null,true,false,[],0],\"none\":null,\"some\":\"\\\"\",\"bytes\":\"a\","
                     "\"many\":7,\"flag\":true,\"x\":1,\"y\":2,\"\":{}}"));
    CHECK_OK(read_all(wm_buf_str(&buf)), err);
    wm_buf_done(&buf);

    wm_buf_init(&buf, 8);
    wm_json_out_open(&w, &buf, &err);
    wm_json_put_str(&w, WM_STR("longer than eight"));
    wm_json_put_null(&w);
    CHECK(w.status == WM_E_LIMIT && buf.len <= 8);
    wm_buf_done(&buf);

    wm_buf_init(&buf, 4000); /* full to the last byte, whatever escapes might have taken */
    wm_json_out_open(&w, &buf, &err);
    char text[3997];
    memset(text, 'x', sizeof text);
    text[1000] = '\n';
    wm_json_put_str(&w, (struct wm_str){text, sizeof text});
    CHECK_OK(w.status, err);
    CHECK_U64(buf.len, 4000);
    wm_json_put_null(&w);
    CHECK(w.status == WM_E_LIMIT && buf.len == 4000);
    wm_buf_done(&buf);
}

/* Escaping by blocks is escaping byte by byte, and keeps to its room. */
static void test_escape(void)
{
    size_t wrong = 0, escaped = 0;
    for (int round = 0; round < 100000; round++) {
        char text[100], plain[600], out[600 + WM_JSON_SLACK + 1];
        size_t len = random64() % sizeof text, rare = 1 + random64() % 60;
        for (size_t i = 0; i < len; i++)
            text[i] = (char)(random64() % rare ? 'a' + random64() % 26 : random64());
        char *exact = malloc(len + 1); /* nothing behind it is read */
        memcpy(exact, text, len);
        size_t room = WM_JSON_ESCAPED * len + WM_JSON_SLACK;
        out[room] = '!';
        size_t want = wm_json_escape_plain(plain, text, len);
        wrong += wm_json_escape(out, exact, len) != want || memcmp(out, plain, want) != 0;
        wrong += out[room] != '!';
        escaped += want > len;
        free(exact);
    }
    CHECK_U64(wrong, 0);
    CHECK(escaped > 20000);
}

/* What we write is what we read, and what jansson reads. */
static void test_round_trip(void)
{
    struct wm_buf buf;
    size_t wrong = 0;
    wm_buf_init(&buf, 1 << 20);
    for (int round = 0; round < 30000; round++) {
        char text[120];
        size_t len = random64() % sizeof text, rare = 1 + random64() % 40;
        for (size_t i = 0; i < len; i++)
            text[i] = (char)(random64() % rare ? 'a' + random64() % 26 : random64());
        struct wm_json_out w;
        struct wm_json r;
        struct wm_str want, got;
        wm_arena_reset(&arena);
        buf.len = 0;
        wm_json_out_open(&w, &buf, &err);
        wm_json_put_str(&w, (struct wm_str){text, len});
        wrong += wm_utf8_repair((struct wm_str){text, len}, &arena, &want, NULL, &err) != 0;
        wm_json_open(&r, wm_buf_str(&buf), &arena);
        wrong += wm_json_string(&r, &got, &err) != 0 || !wm_str_eq(got, want);
        json_t *j = json_loadb(buf.ptr, buf.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        wrong +=
            !j || !wm_str_eq((struct wm_str){json_string_value(j), json_string_length(j)}, want);
        json_decref(j);
    }
    CHECK_U64(wrong, 0);
    wm_buf_done(&buf);
}

int main(void)
{
    wm_arena_init(&arena, 1 << 20);
    test_document();
    test_accepts();
    test_refuses();
    test_cut();
    test_depth();
    test_writer();
    test_escape();
    test_round_trip();
    wm_arena_done(&arena);
    return test_summary();
}
