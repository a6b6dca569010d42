/* SPDX-License-Identifier: Apache-2.0 */
/* covers: pipeline/members_gzip.c */
#include "reading_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_read(data, size, WM_CODEC_GZIP, WM_FRAMING_WARC);
}
