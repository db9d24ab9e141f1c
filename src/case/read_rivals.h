/* What reading tiles is measured against: libjpeg-turbo alone over the same stored tiles in memory, and OpenSlide. */
#ifndef MT_READ_RIVALS_H
#define MT_READ_RIVALS_H

#include "src/case/source.h"

/* Pixels of level 0 of a rectangle; many threads share a rival. */
typedef struct mt_rival mt_rival;

/* The stored JPEG tiles under the rectangles, held in memory.  NULL and MT_ERROR_INPUT where level 0 is not of JPEG tiles. */
mt_rival *mt_rival_codec_new(const char *path, const mt_rect *rects, int64_t n, GError **error);
/* One OpenSlide handle, as its API is meant to be used; ARGB as it comes. */
mt_rival *mt_rival_openslide_new(const char *path, const mt_rect *rects, int64_t n, GError **error);
void      mt_rival_free(mt_rival *rival);
/* Do all of it once with a team of threads.  *seconds: wall time; *pixels: how many were decoded or read. */
bool mt_rival_run(mt_rival *rival, int threads, double *seconds, int64_t *pixels, GError **error);

/* Stored tiles or rectangles of one run. */
int64_t mt_rival_items(const mt_rival *rival);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_rival, mt_rival_free)

#endif
