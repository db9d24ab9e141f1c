/* A case as a dense network wants it: read whole, axes in the network's order, cut, scaled, at its spacing; and what is needed to bring its answers back. */
#ifndef MT_DENSE_INPUT_H
#define MT_DENSE_INPUT_H

#include "src/case/volume_crop.h"
#include "src/case/volume_read.h"
#include "src/encoder/dense_card.h"

typedef struct mt_dense_input {
    mt_volume_order order;        /* in which the case was read */
    int64_t         case_size[3]; /* in that order */
    int             axes[3];      /* axis of that order which is the network's x, y, z */
    int64_t         size[3];      /* axes swapped */
    mt_volume_box   box;          /* of it: what was cut out */
    double          box_mm[3];    /* spacing there */
    int             separate;     /* axis that is resampled by itself; -1: none */
    mt_volume      *volume;       /* at the network's spacing, scaled */
} mt_dense_input;

/* Memory: twice the volume, once more while it is resampled; limit_bytes as mt_volume_read has it.  MT_ERROR_SPACING where a spacing is
 * wanted and the case has none; MT_ERROR_INPUT where channels or values do not fit the card. */
bool mt_dense_input_read(mt_case *c, const mt_dense_card *card, mt_volume_order order, int64_t limit_bytes, int threads,
                         mt_dense_input *input, GError **error);
void mt_dense_input_clear(mt_dense_input *input);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(mt_dense_input, mt_dense_input_clear)

#endif
