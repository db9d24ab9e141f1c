/* From a case's volume to what a dense network is slid over, and what it takes to come back: cut to what is not zero, intensities, axes,
 * spacing; in the order of nnU-Net's DefaultPreprocessor. */
#ifndef MT_DENSE_FRAME_H
#define MT_DENSE_FRAME_H

#include "src/case/volume_crop.h"
#include "src/encoder/dense.h"
#include "tiling/label_slabs.h"

typedef struct mt_dense_frame {
    int64_t       size[3];                   /* of the case's volume */
    mt_volume_box box;                       /* what of it was kept, in its own axes */
    int64_t       from[3];                   /* the box in the network's axes */
    int64_t       grid[3];                   /* at the network's spacing */
    int           image_apart, logits_apart; /* axis of the network that goes by itself on the way there and back; -1: none */
} mt_dense_frame;

/* Where the box of a case with these spacings (mm, in the case's axes; 0: unknown) comes to lie.  MT_ERROR_SPACING when the card wants a
 * spacing and the case has none. */
bool mt_dense_frame_init(mt_dense_frame *frame, const mt_dense_card *card, const int64_t size[3], const mt_volume_box *box,
                         const double spacing_mm[3], GError **error);
/* `v`, read in the card's order, is taken and gives the network's volume.  facts: of the case, to refuse intensities that it cannot have;
 * NULL: not checked.  MT_ERROR_INPUT for other channels than the card's or values that do not fit its schemes. */
mt_volume *mt_dense_frame_bring(mt_dense_frame *frame, const mt_dense_card *card, mt_volume *v, const mt_intensity_facts *facts,
                                int threads, GError **error);
/* The way back: to a label map of the case's volume. */
mt_label_slabs_params mt_dense_frame_back(const mt_dense_frame *frame, const mt_dense_card *card, int map_label);

/* Axis a of the answer is axis axes[a] of `v`; affine and spacing follow. */
mt_volume *mt_volume_turned(const mt_volume *v, const int axes[3], GError **error);

#endif
