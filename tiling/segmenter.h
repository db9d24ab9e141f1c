/* A segmentation network as a mask method: FILE.onnx with FILE.card, run tile by tile over a plane at the card's µm/px. */
#ifndef MT_SEGMENTER_H
#define MT_SEGMENTER_H

#include "tiling/mask_private.h"
#include "tiling/segmenter_card.h"

typedef struct mt_segmenter mt_segmenter;

/* MT_ERROR_MISSING; MT_ERROR_MODEL without a card, or for a graph that contradicts it. */
mt_segmenter            *mt_segmenter_load(const char *path, GError **error);
void                     mt_segmenter_free(mt_segmenter *segmenter);
const char              *mt_segmenter_sha256(const mt_segmenter *segmenter);
const mt_segmenter_card *mt_segmenter_get_card(const mt_segmenter *segmenter);

/* The foreground of a plane.  Tiles lie on the grid of a run without a mask, from (0, 0); where they overlap, each pixel is decided by
 * the tile in which it lies deeper.  A mask pixel is foreground where more than half of the model's pixels whose centres it holds are.
 * The raster is near that of mt_tissue_overview, never finer than the model's pixels.  Bit-equal for any number of threads.
 * Memory: a session and a tile a thread, and 2 bytes a mask pixel.  MT_ERROR_SPACING when µm/px is unknown or coarser than the
 * card's by more than a tenth; MT_ERROR_MODEL for outputs that are not finite. */
bool mt_segmenter_find(mt_segmenter *segmenter, mt_case *c, mt_foreground *found, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_segmenter, mt_segmenter_free)

#endif
