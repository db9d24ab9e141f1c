/* Saturation of 8-bit RGB as OpenCV's HSV has it, and the saturation of a whole plane at low resolution. */
#ifndef MT_SATURATION_H
#define MT_SATURATION_H

#include "tiling/overview.h"

/* S = ((max - min) * round(255 * 4096 / max) + 2048) >> 12, and 0 where max is 0.  With `dark` not NULL, pixels whose maximum
 * is below `dark_below` get S = 0 and are counted there. */
void mt_saturation_row(const uint8_t *rgb, int64_t count, uint8_t *saturation, int dark_below, int64_t *dark);

/* Rectangles of an overview that could not be decoded: neither glass nor tissue is known there. */
typedef struct mt_unread_area {
    GArray *rects; /* int64_t[4]: x, y, width, height; NULL: none */
} mt_unread_area;

void mt_unread_area_clear(mt_unread_area *area);
/* Foreground (255) there, so that its tiles are tried and counted as what they are. */
void mt_unread_area_mark(const mt_unread_area *area, uint8_t *mask, int64_t width);

/* The saturation of a plane, overview->width x overview->height, mt_free; 0 where it could not be decoded, which `unread` holds
 * (initialise with zeros).  MT_ERROR_INPUT for a case that is not 8-bit RGB (`doing` begins the message) or of which nothing can
 * be decoded. */
uint8_t *mt_saturation_read(mt_case *c, const mt_overview *overview, int dark_below, int64_t *dark, mt_unread_area *unread,
                            const char *doing, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(mt_unread_area, mt_unread_area_clear)

#endif
