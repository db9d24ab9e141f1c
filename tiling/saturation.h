/* Saturation of 8-bit RGB as OpenCV's HSV has it, and the saturation of a whole plane at low resolution. */
#ifndef MT_SATURATION_H
#define MT_SATURATION_H

#include "tiling/overview.h"

/* S = ((max - min) * round(255 * 4096 / max) + 2048) >> 12, and 0 where max is 0.  With `dark` not NULL, pixels whose maximum
 * is below `dark_below` get S = 0 and are counted there. */
void mt_saturation_row(const uint8_t *rgb, int64_t count, uint8_t *saturation, int dark_below, int64_t *dark);

/* The saturation of a plane, overview->width x overview->height, mt_free.  MT_ERROR_INPUT for a case that is not 8-bit RGB
 * (`doing` begins the message). */
uint8_t *mt_saturation_read(mt_case *c, const mt_overview *overview, int dark_below, int64_t *dark, const char *doing, GError **error);

#endif
