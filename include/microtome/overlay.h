/* <microtome/overlay.h>  The picture of one result: slide, heat, legend and what was decided. */
#ifndef MICROTOME_OVERLAY_H
#define MICROTOME_OVERLAY_H

#include <microtome/colormap.h>
#include <microtome/heatmap.h>

G_BEGIN_DECLS

/* Draw `heatmap` over the thumbnail of `result` into `path` (PNG, at least 1,200 px wide, replaced when there).
 * colormap NULL: the default.  MT_ERROR_INTERNAL where text cannot be drawn: a picture without its legend is never written. */
MT_PUBLIC bool mt_overlay_png_write(const mt_result *result, const mt_heatmap *heatmap, const mt_colormap *colormap, const char *path,
                                    GError **error);

G_END_DECLS

#endif
