/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file warc_digest.h
 * What WARC-Block-Digest says of a record (ISO 28500): SHA-1 in base 32, as crawlers write it, or in
 * hexadecimal digits. A pure function.
 */
#ifndef WETMILL_PIPELINE_WARC_DIGEST_H
#define WETMILL_PIPELINE_WARC_DIGEST_H

#include "wetmill/str.h"

/** 1 = `digest` is that of `block`, 0 = it is not, -1 = it is none that is known. */
int wm_warc_digest_agrees(struct wm_str digest, struct wm_str block);

#endif /* WETMILL_PIPELINE_WARC_DIGEST_H */
