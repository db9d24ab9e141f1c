/* The pictures of one result that can be drawn without its source: for secondary captures and pages. */
#ifndef MT_RESULT_PICTURES_H
#define MT_RESULT_PICTURES_H

#include "src/export/canvas.h"

#include <microtome/result.h>

typedef struct mt_result_picture {
    mt_canvas *canvas;
    bool       lettered; /* it has text drawn into it */
} mt_result_picture;

/* The overlay with its legend, what was found over the stored picture, the stored picture itself: as far as the result has them.  Elements are
 * mt_result_picture.  MT_ERROR_INTERNAL where text cannot be drawn. */
GPtrArray *mt_result_pictures(const mt_result *result, GError **error);

#endif
