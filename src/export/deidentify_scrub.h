/* Comments inside compressed pictures: overwritten with zeros, so that nothing changes its place. */
#ifndef MT_DEIDENTIFY_SCRUB_H
#define MT_DEIDENTIFY_SCRUB_H

#include <stddef.h>
#include <stdint.h>

/* JPEG (baseline, progressive, lossless), JPEG-LS and JPEG 2000 codestreams: payloads of COM, and of APPn but for JFIF, Adobe and the colour transform of
 * JPEG-LS.  Returns how many bytes were overwritten; bytes of another kind stay. */
size_t mt_scrub_picture(uint8_t *bytes, size_t n);

#endif
