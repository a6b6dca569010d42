/* SPDX-License-Identifier: Apache-2.0 */
/* In-place radix sort from the most significant byte ("American flag sort": McIlroy, Bostic,
 * McIlroy, Engineering Radix Sort, 1993): for records whose hashes are not evenly spread, and so
 * not for the bins of records_bins.c. */
#include "base/records_file.h"

enum {
    SMALL = 24,         /* records that insertion sorts faster */
    DEEPEST_SPLIT = 40, /* nested calls, each with 4 KiB of counters, before heap sort takes over */
};

static void swap(unsigned char *a, unsigned char *b, size_t size)
{
    unsigned char keep[WM_RECORD_MAX];
    memcpy(keep, a, size);
    memcpy(a, b, size);
    memcpy(b, keep, size);
}

static void sort_small(unsigned char *records, size_t n, size_t size, size_t byte)
{
    unsigned char keep[WM_RECORD_MAX];
    for (size_t i = 1; i < n; i++) {
        const unsigned char *r = records + i * size;
        size_t to = i;
        while (to && memcmp(records + (to - 1) * size + byte, r + byte, size - byte) > 0)
            to--;
        if (to == i)
            continue;
        memcpy(keep, r, size);
        memmove(records + (to + 1) * size, records + to * size, (i - to) * size);
        memcpy(records + to * size, keep, size);
    }
}

static void sift(unsigned char *records, size_t at, size_t n, size_t size)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && memcmp(records + child * size, records + (child + 1) * size, size) < 0)
            child++;
        if (memcmp(records + at * size, records + child * size, size) >= 0)
            return;
        swap(records + at * size, records + child * size, size);
    }
}

static void sort_heap(unsigned char *records, size_t n, size_t size)
{
    for (size_t i = n / 2; i-- > 0;)
        sift(records, i, n, size);
    for (size_t i = n; i-- > 1;) {
        swap(records, records + i * size, size);
        sift(records, 0, i, size);
    }
}

/* Put every record into the bucket of its `byte`; ends[b] becomes the end of bucket b. */
static void split(unsigned char *records, size_t n, size_t size, size_t byte, size_t ends[256])
{
    size_t at[256], count[256] = {0};
    for (size_t i = 0; i < n; i++)
        count[records[i * size + byte]]++;
    size_t sum = 0;
    for (unsigned b = 0; b < 256; b++) {
        at[b] = sum;
        sum += count[b];
        ends[b] = sum;
    }
    for (unsigned b = 0; b < 256; b++)
        while (at[b] < ends[b]) {
            unsigned char *r = records + at[b] * size;
            unsigned home = r[byte];
            if (home == b)
                at[b]++;
            else
                swap(r, records + at[home]++ * size, size);
        }
}

static void sort_from(unsigned char *records, size_t n, size_t size, size_t byte, unsigned calls)
{
    if (n <= SMALL) {
        sort_small(records, n, size, byte);
        return;
    }
    if (calls == DEEPEST_SPLIT) {
        sort_heap(records, n, size);
        return;
    }
    while (byte < size) { /* bytes that are the same everywhere need no call */
        size_t i = 1;
        while (i < n && records[i * size + byte] == records[byte])
            i++;
        if (i < n)
            break;
        byte++;
    }
    if (byte == size)
        return;
    size_t ends[256];
    split(records, n, size, byte, ends);
    for (size_t b = 0, begin = 0; b < 256; begin = ends[b++])
        if (ends[b] - begin > 1)
            sort_from(records + begin * size, ends[b] - begin, size, byte + 1, calls + 1);
}

void wm_records_sort(unsigned char *records, size_t n, size_t size)
{
    if (n > 1)
        sort_from(records, n, size, 0, 0);
}
