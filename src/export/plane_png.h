/* A plane of any samples as a PNG of 8 or 16 bits, with the size of its pixels where it is known. */
#ifndef MT_PLANE_PNG_H
#define MT_PLANE_PNG_H

#include "src/case/source.h"
#include "src/export/plane_feed.h"

typedef struct mt_plane_look {
    int            bits;
    bool           windowed;
    mt_case_window window;
    int            offset;
    bool           square;
} mt_plane_look;

/* The params as far as they concern pictures, held against the case.  MT_ERROR_USAGE, MT_ERROR_RANGE, MT_ERROR_INPUT. */
bool mt_plane_look_choose(const mt_plane_feed *feed, const mt_convert_params *params, mt_plane_look *look, GError **error);
/* Plane k as the bytes of a file, its size in pixels. */
GBytes *mt_plane_png(const mt_plane_feed *feed, const void *plane, int64_t k, const mt_plane_look *look, int64_t size[2], GError **error);

#endif
