/* Findings over the picture of a case: outlines of masks, frames of boxes, numbers as in the list beside it. */
#ifndef MT_FINDING_PICTURE_H
#define MT_FINDING_PICTURE_H

#include "src/export/canvas.h"

#include <microtome/findings.h>

/* The first `n` of `order` over the thumbnail, which shows the whole plane; numbers from 1.  NULL where there is no picture. */
mt_canvas *mt_finding_picture(const mt_result *result, const mt_tensor *thumbnail, const mt_finding_list *list,
                              const mt_finding *const *order, int n, int side, GError **error);

#endif
