/* <microtome/bag.h>  The features of one case as a reader, never a matrix in memory. */
#ifndef MICROTOME_BAG_H
#define MICROTOME_BAG_H

#include <microtome/api.h>

G_BEGIN_DECLS

typedef struct mt_bag {
    int64_t n;   /* rows: the valid tiles */
    int64_t dim; /* floats per row */
    /* Rows first .. first+count-1 into out (count x dim).  Called from one thread.  NULL: `user` is the n x dim floats. */
    bool (*read)(void *user, int64_t first, int64_t count, float *out, GError **error);
    void *user;
    /* The places of the same rows into xy (count x coords_width): level-0 px, top left.  NULL: not known. */
    bool (*read_coords)(void *user, int64_t first, int64_t count, int64_t *xy, GError **error);
    int    coords_width; /* 2: x, y; 3: x, y, plane */
    double tile_level0;  /* edge of a tile along x in level-0 px; 0: not known, or not that of all tiles */
    double mpp[2];       /* µm per level-0 px along x and y; 0: not known, or not that of all tiles */
    /* Places in µm (count x 2), of bags whose tiles come from cases of several spacings.  NULL: read_coords times mpp. */
    bool (*read_um)(void *user, int64_t first, int64_t count, double *um, GError **error);
} mt_bag;

/* A bag over n x dim floats that the caller keeps alive; it knows no places. */
MT_PUBLIC mt_bag mt_bag_from_memory(const float *features, int64_t n, int64_t dim);
/* Rows first .. first+count-1 into out (count x dim), whatever is behind the bag.  MT_ERROR_RANGE for rows it has not,
 * MT_ERROR_MODEL for a feature that is NaN or infinite. */
MT_PUBLIC bool mt_bag_read(const mt_bag *bag, int64_t first, int64_t count, float *out, GError **error);
/* The same rows where they are: in the memory behind the bag, else read into scratch (count x dim).  NULL on error. */
MT_PUBLIC const float *mt_bag_rows(const mt_bag *bag, int64_t first, int64_t count, float *scratch, GError **error);
/* Their places into out (count x width): x, y for 2, x, y, plane for 3.  MT_ERROR_RANGE for rows it has not, MT_ERROR_INPUT for a
 * bag that knows no places, or no planes where they are wanted. */
MT_PUBLIC bool mt_bag_read_coords(const mt_bag *bag, int64_t first, int64_t count, int width, int64_t *out, GError **error);
/* Their places on a slide in µm into out (count x 2).  The same errors, and MT_ERROR_SPACING for a bag that knows no spacing,
 * MT_ERROR_INPUT for one of a volume. */
MT_PUBLIC bool mt_bag_read_um(const mt_bag *bag, int64_t first, int64_t count, double *out, GError **error);

G_END_DECLS

#endif
