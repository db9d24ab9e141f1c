/* A mask from a file: whole numbers on a grid, 0 outside.  NIfTI, PNG, TIFF, or the map of a result. */
#ifndef MT_LABEL_MAP_H
#define MT_LABEL_MAP_H

#include <microtome/error.h>

typedef struct mt_label_map {
    char     *path;
    int64_t   width, height, depth;
    uint16_t *labels;         /* [depth][height][width] */
    double    spacing_mm[3];  /* along width, height, depth; 0: unknown */
    char     *spacing_reason; /* why it is unknown */
    bool      has_affine;
    double    affine[16]; /* voxel to RAS mm, row-major */
} mt_label_map;

/* mpp: µm per pixel where the file does not say, 0: none given.  MT_ERROR_MISSING; MT_ERROR_INPUT: colour, values that are no whole numbers
 * of 0..65535; MT_ERROR_LIMIT, MT_ERROR_MEMORY. */
mt_label_map *mt_label_map_read(const char *path, const double mpp[2], GError **error);
void          mt_label_map_free(mt_label_map *map);
/* Two masks of one grid: equal size, spacing within 1 %, corners within a tenth of a voxel.  MT_ERROR_INPUT names what differs. */
bool mt_label_map_same_grid(const mt_label_map *a, const mt_label_map *b, GError **error);
/* The spacing along all axes that it has; MT_ERROR_SPACING. */
bool mt_label_map_need_spacing(const mt_label_map *map, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_label_map, mt_label_map_free)

#endif
