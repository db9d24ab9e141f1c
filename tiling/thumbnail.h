/* A small picture of a plane of a case, as RGB. */
#ifndef MT_THUMBNAIL_H
#define MT_THUMBNAIL_H

#include <microtome/case.h>

/* u8 (h,w,3), the longer side at most `max_px`.  Samples that are not 8-bit are scaled from their least to their
 * greatest.  MT_ERROR_INPUT when pixels cannot be decoded. */
mt_tensor *mt_thumbnail_new(mt_case *c, int64_t plane, int64_t max_px, GError **error);

#endif
