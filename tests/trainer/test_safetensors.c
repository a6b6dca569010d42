/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors come back as written; hostile headers are refused by name. */
#include "trainer/safetensors.h"

#include <unistd.h>

#include "test.h"

static struct wm_error err;

/* Element e of tensor i is 1000·i + e. */
static void fill(void *arg, size_t i, uint64_t first, size_t n, float *dst)
{
    (void)arg;
    for (size_t k = 0; k < n; k++)
        dst[k] = (float)(1000 * i + first + k);
}

static void check_round_trip(const char *path)
{
    static const struct wm_safetensors_entry entries[] = {
        {.name = "b.weight", .n_dims = 2, .shape = {3, 5}},
        {.name = "a.bias", .n_dims = 1, .shape = {7}},
        {.name = "large", .n_dims = 2, .shape = {300, 400}}};
    const struct wm_safetensors_pair notes[] = {{WM_STR("format"), WM_STR("pt")},
                                                {WM_STR("quoted"), WM_STR("\"\n\xC3\xA9")}};
    CHECK_OK(wm_safetensors_write(path, entries, 3, notes, 2, fill, NULL, NULL, &err), err);
    struct wm_safetensors file;
    CHECK_OK(wm_safetensors_open(path, &file, &err), err);
    CHECK_U64(file.n, 3);
    CHECK_U64(file.map.ptr[0] % 8, 0);
    CHECK_STR(wm_safetensors_note(&file, WM_STR("format")), WM_STR("pt"));
    CHECK_STR(wm_safetensors_note(&file, WM_STR("quoted")), WM_STR("\"\n\xC3\xA9"));
    CHECK(wm_safetensors_note(&file, WM_STR("none")).ptr == NULL);
    CHECK(wm_safetensors_find(&file, WM_STR("b.weigh")) == NULL);
    const struct wm_safetensor *t = wm_safetensors_find(&file, WM_STR("a.bias"));
    float floats[4];
    CHECK(t && t->n_dims == 1 && t->shape[0] == 7 && t->n == 7 && strcmp(t->dtype, "F32") == 0);
    if (t) {
        wm_safetensor_floats(t, 3, 4, floats);
        CHECK(floats[0] == 1003 && floats[3] == 1006);
    }
    t = wm_safetensors_find(&file, WM_STR("large"));
    CHECK(t && t->n == 120000);
    if (t) {
        wm_safetensor_floats(t, 119996, 4, floats);
        CHECK(floats[0] == 121996 && floats[3] == 121999);
    }
    wm_safetensors_close(&file);
}

/* A file of `header` and `data` zero bytes behind it, its length field moved by `lie`. */
static int parse(const char *header, size_t data, int64_t lie)
{
    struct wm_buf buf;
    struct wm_safetensors file;
    uint64_t len = strlen(header) + (uint64_t)lie;
    wm_buf_init(&buf, 1 << 20);
    int status = 0;
    for (int i = 0; i < 8; i++)
        status |= wm_buf_add(&buf, (unsigned char[]){(unsigned char)(len >> (8 * i))}, 1, &err);
    status |= wm_buf_add(&buf, header, strlen(header), &err);
    for (size_t i = 0; i < data; i++)
        status |= wm_buf_add(&buf, "", 1, &err);
    CHECK_U64(status, 0);
    status = wm_safetensors_parse(wm_buf_str(&buf), &file, &err);
    if (!status)
        wm_safetensors_close(&file);
    wm_buf_done(&buf);
    return status;
}

#define T(name, dtype, shape, begin, end)                                                        \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end \
    "]}"

static void check_accepted(void)
{
    CHECK_OK(parse("{}", 0, 0), err);
    CHECK_OK(parse("{\"__metadata__\":{}}   ", 0, 0), err);
    CHECK_OK(
        parse("{" T("a", "F32", "[2]", "4", "12") "," T("b", "BOOL", "[1,4]", "0", "4") "}", 12, 0),
        err);
    CHECK_OK(parse("{" T("scalar", "F64", "[]", "0", "8") "}", 8, 0), err);
    CHECK_OK(
        parse("{" T("none", "F32", "[0,5]", "0", "0") "," T("a", "U8", "[1]", "0", "1") "}", 1, 0),
        err);
}

static void check_header(void)
{
    struct wm_safetensors file;
    CHECK_FAILS(wm_safetensors_parse(WM_STR("1234567"), &file, &err), WM_E_FORMAT, err, "too few");
    CHECK_FAILS(parse("{}", 0, 1), WM_E_FORMAT, err, "cut short");
    CHECK_FAILS(parse("{}", 0, 100000000), WM_E_LIMIT, err, "over the limit of 100000000");
    CHECK_FAILS(parse("{}", 0, -3), WM_E_LIMIT, err, "18446744073709551615");
    CHECK_FAILS(parse("{} x", 0, 0), WM_E_FORMAT, err, "not JSON at byte 3");
    CHECK_FAILS(parse("[]", 0, 0), WM_E_FORMAT, err, "not JSON");
    CHECK_FAILS(parse("{\"__metadata__\":{\"a\":1}}", 0, 0), WM_E_FORMAT, err, "string");
    CHECK_FAILS(parse("{\"a\":{}}", 0, 0), WM_E_FORMAT, err, "tensor \"a\": dtype, shape or");
    CHECK_FAILS(parse("{\"a\":{\"what\":1}}", 0, 0), WM_E_FORMAT, err, "unknown or comes twice");
    CHECK_FAILS(parse("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 0, 0), WM_E_FORMAT, err,
                "comes twice");
    CHECK_FAILS(parse("{" T("a", "F33", "[1]", "0", "4") "}", 4, 0), WM_E_FORMAT, err, "\"F33\"");
    CHECK_FAILS(parse("{" T("a", "F32", "[1,1,1,1,1,1,1,1,1]", "0", "4") "}", 4, 0), WM_E_LIMIT,
                err, "more than 8 dimensions");
    CHECK_FAILS(parse("{" T("a", "F32", "[-1]", "0", "4") "}", 4, 0), WM_E_FORMAT, err, "");
}

static void check_places(void)
{
    CHECK_FAILS(parse("{" T("a", "F32", "[2]", "0", "4") "}", 4, 0), WM_E_FORMAT, err,
                "other than the 4 bytes");
    CHECK_FAILS(parse("{" T("a", "F32", "[4294967296,4294967296]", "0", "0") "}", 0, 0),
                WM_E_FORMAT, err, "more elements than");
    CHECK_FAILS(parse("{" T("a", "F32", "[4611686018427387904]", "0", "0") "}", 0, 0), WM_E_FORMAT,
                err, "other than");
    CHECK_FAILS(parse("{" T("a", "F32", "[1]", "4", "0") "}", 4, 0), WM_E_FORMAT, err,
                "begin <= end");
    CHECK_FAILS(parse("{\"a\":{\"data_offsets\":[1]}}", 0, 0), WM_E_FORMAT, err, "begin <= end");
    CHECK_FAILS(parse("{\"a\":{\"data_offsets\":[1,2,3]}}", 0, 0), WM_E_FORMAT, err,
                "more than two");
    CHECK_FAILS(
        parse("{" T("a", "F32", "[1]", "0", "4") "," T("b", "F32", "[1]", "2", "6") "}", 6, 0),
        WM_E_FORMAT, err, "overlapping tensors at byte 2");
    CHECK_FAILS(
        parse("{" T("a", "F32", "[1]", "0", "4") "," T("b", "F32", "[1]", "8", "12") "}", 12, 0),
        WM_E_FORMAT, err, "a hole at byte 4");
    CHECK_FAILS(parse("{" T("a", "F32", "[1]", "4", "8") "}", 8, 0), WM_E_FORMAT, err,
                "a hole at byte 0");
    CHECK_FAILS(parse("{" T("a", "F32", "[2]", "0", "8") "}", 7, 0), WM_E_FORMAT, err,
                "goes on to 8");
    CHECK_FAILS(parse("{" T("a", "F32", "[1]", "0", "4") "}", 5, 0), WM_E_FORMAT, err,
                "1 bytes behind");
    CHECK_FAILS(
        parse("{" T("a", "F32", "[1]", "0", "4") "," T("a", "F32", "[1]", "4", "8") "}", 8, 0),
        WM_E_FORMAT, err, "tensor \"a\" comes twice");
}

int main(void)
{
    char path[] = "/tmp/wm-safetensors-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0)
        SKIP("cannot make a file in /tmp");
    (void)close(fd);
    check_round_trip(path);
    (void)unlink(path);
    check_accepted();
    check_header();
    check_places();
    return test_summary();
}
