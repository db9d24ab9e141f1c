/* Connected components of a raster as runs: memory grows with the outlines, not with the area. */
#ifndef MT_COMPONENTS_H
#define MT_COMPONENTS_H

#include <microtome/error.h>

typedef struct mt_run {
    int32_t x0, x1; /* pixels x0 <= x < x1 of its row */
    int32_t label;  /* 0..n-1, in row-major order of the components' first pixels */
} mt_run;

typedef struct mt_components {
    int64_t  width, height;
    int64_t  n; /* components */
    mt_run  *runs;
    int64_t *row_first; /* height + 1: runs row_first[y] .. row_first[y + 1] - 1 are row y's */
} mt_components;

/* Components of the pixels that are not 0 (foreground) or are 0; connectivity 4 or 8. */
mt_components *mt_components_new(const uint8_t *pixels, int64_t width, int64_t height, bool foreground, int connectivity, GError **error);
void           mt_components_free(mt_components *components);
/* Label of a pixel, -1 when it is in no run. */
int32_t mt_components_label(const mt_components *components, int64_t x, int64_t y);

/* Set the pixels of every component whose entry in `wanted` is not 0. */
void mt_components_paint(const mt_components *components, const uint8_t *wanted, uint8_t *pixels, uint8_t value);

/* Keep the largest 8-connected component (the first of equals) and fill its holes. */
bool mt_components_keep_largest_filled(uint8_t *pixels, int64_t width, int64_t height, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_components, mt_components_free)

#endif
