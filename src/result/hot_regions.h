/* Where a heatmap is hot: outlines of what lies at or above a threshold, along the edges of its tiles or map pixels. */
#ifndef MT_HOT_REGIONS_H
#define MT_HOT_REGIONS_H

#include <microtome/heatmap.h>

typedef struct mt_hot_region {
    int64_t first_ring, n_rings; /* the outer one, then its holes */
    double  area;                /* level-0 px squared */
    double  mean, peak;          /* of the numbers in it; the mean by area */
    int64_t tiles;               /* 0: of a map */
} mt_hot_region;

typedef struct mt_hot_regions {
    int64_t        n, n_rings;
    mt_hot_region *regions; /* largest first, equal ones in reading order */
    int64_t       *offsets; /* n_rings + 1: ring i is points offsets[i] to offsets[i + 1] */
    double        *points;  /* pairs of level-0 px; outer rings turn from x to y, holes the other way */
} mt_hot_regions;

/* `threshold` in what is drawn, [0, 1].  Tiles of the heatmap's plane that share an edge are one region.  Edges of tiles within a px of
 * each other are one edge.  MT_ERROR_LIMIT for tiles at so many different places that no lattice holds them. */
mt_hot_regions *mt_hot_regions_new(const mt_heatmap *heatmap, double threshold, GError **error);
void            mt_hot_regions_free(mt_hot_regions *regions);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_hot_regions, mt_hot_regions_free)

#endif
