/* Small pictures inside a page. */
#ifndef MT_SMALL_PICTURE_H
#define MT_SMALL_PICTURE_H

#include "src/export/canvas.h"

#include <microtome/tensor.h>

/* A thumbnail, u8 (h,w,3), at most `side` px on its long side. */
mt_canvas *mt_small_picture(const mt_tensor *thumbnail, int side, GError **error);
/* The same, enlarged where it is smaller. */
mt_canvas *mt_fitted_picture(const mt_tensor *thumbnail, int side, GError **error);
/* <img> with the picture inside it as JPEG. */
bool mt_html_picture(GString *html, const mt_canvas *canvas, const char *name, int quality, GError **error);

#endif
