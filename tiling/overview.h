/* A plane at low resolution, read block by block: a level as it is, or a finer level averaged down.  Memory is bounded by the
 * block, never by the plane, so a slide without a pyramid is read, not refused. */
#ifndef MT_OVERVIEW_H
#define MT_OVERVIEW_H

#include <microtome/case.h>

typedef struct mt_overview {
    int     level;
    int64_t width, height; /* of the overview; equal to the level's: pixels of the level, untouched */
} mt_overview;

/* `count` pixels of row y from x on, ascending in y within a block.  u8 samples (rounded means) for an 8-bit case, float for
 * every other type; as many channels as the case has.  Called from several threads at once, each pixel once. */
typedef void (*mt_overview_row)(void *user, int64_t x, int64_t y, int64_t count, const void *samples);

/* The level nearest to `downsample` (in octaves); where that one is finer by half or more, the average of round(downsample /
 * its own) pixels per axis. */
mt_overview mt_overview_near(const mt_case *c, double downsample);
/* `level`, averaged down until it holds no more than max_px pixels per side. */
mt_overview mt_overview_within(const mt_case *c, int level, int64_t max_px);
/* What could not be decoded: a rectangle of the overview, which also had its rows, of mid-grey (0 where not 8-bit).  Called
 * from one thread, after all rows; rectangles may overlap. */
typedef void (*mt_overview_unread)(void *user, int64_t x, int64_t y, int64_t width, int64_t height);

/* Every overview pixel is the mean of exactly the area width_l / width x height_l / height that it covers: integer weights for
 * pixels that straddle two of them.  MT_ERROR_INPUT when pixels cannot be decoded: with `unread` NULL at the first, else only when
 * none can, of this level and of all finer ones, which are tried in its stead. */
bool mt_overview_read(mt_case *c, int64_t plane, const mt_overview *overview, mt_overview_row row, mt_overview_unread unread, void *user,
                      GError **error);

#endif
