/* A tile or a plane as the card wants it: resized as Pillow does, cropped as torchvision does, scaled, normalised, in planes. */
#ifndef MT_PREPROCESS_H
#define MT_PREPROCESS_H

#include <microtome/encoder.h>
#include <microtome/error.h>

/* One thread at a time: it owns the scratch memory. */
typedef struct mt_preprocess mt_preprocess;

/* `card` is complete and outlives it. */
mt_preprocess *mt_preprocess_new(const mt_card *card);
void           mt_preprocess_free(mt_preprocess *p);
/* Before the first picture when the card's value is percentile or zscore. */
void mt_preprocess_set_intensity(mt_preprocess *p, const mt_intensity *intensity);
/* Planes of the model's input: 1 for gray, else 3. */
int mt_preprocess_planes(const mt_preprocess *p);
/* planes: mt_preprocess_planes x size_px x size_px floats.
 * fit=tiles: a square, resized to resize_px, centre-cropped.  stretch: resized to size_px x size_px.  pad: the long side to size_px,
 * centred, the rest 0 before mean and std (black).  crop: the short side to resize_px, centre-cropped.
 * MT_ERROR_INPUT when the pixels do not fit the card: rgb8 and hu name one type each, percentile and zscore one channel; NaN. */
bool mt_preprocess_run(mt_preprocess *p, const mt_tile_pixels *pixels, float *planes, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_preprocess, mt_preprocess_free)

/* Where a picture of width x height lies in the network's square: picture px = (network px - offset) * scale, edges of pixels. */
void mt_preprocess_frame(const mt_card *card, int64_t width, int64_t height, double offset[2], double scale[2]);

#endif
