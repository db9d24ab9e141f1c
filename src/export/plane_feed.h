/* The planes of a case one after the other, their axes as a file wants them: swapped and flipped, nothing interpolated. */
#ifndef MT_PLANE_FEED_H
#define MT_PLANE_FEED_H

#include "src/case/volume_turn.h"

#include <microtome/convert.h>

typedef struct mt_plane_feed {
    mt_case *c; /* NULL: planes come from `read`, as they are to be written */
    bool (*read)(void *user, int64_t k, void *out, GError **error);
    void          *user;
    const char    *frame; /* of those: the frame of reference's name; NULL: the scanner's */
    mt_volume_turn turn;  /* planes as the case gives them to planes as written */
    int64_t        size[3];
    int            channels;
    mt_dtype       dtype;
    size_t         sample_bytes;
    bool           has_frame;
    double         affine[16];    /* (x, y, plane) as written to RAS */
    double         spacing_mm[3]; /* 0: unknown; in the file's own unit where unit_mm is false */
    bool           unit_mm;       /* affine and spacing are in mm */
    uint8_t       *raw;
} mt_plane_feed;

/* The case has to be opened with mt_convert_axis.  MT_ERROR_MEMORY. */
mt_plane_feed *mt_plane_feed_new(mt_case *c, const mt_convert_params *params, GError **error);
void           mt_plane_feed_free(mt_plane_feed *feed);
size_t         mt_plane_feed_bytes(const mt_plane_feed *feed);
/* Plane k as written, size[1] x size[0] x channels. */
bool mt_plane_feed_read(mt_plane_feed *feed, int64_t k, void *out, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_plane_feed, mt_plane_feed_free)

#endif
