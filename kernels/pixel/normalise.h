/* Pixels to the planes a network reads: x = (clamp(v, low, high) - subtract) / divide, then (x - mean) / std, each step in float32 and
 * in this order, as torchvision's ToTensor and Normalize do with low = -inf, high = inf, subtract = 0, divide = 255.
 * The fast loops give the bits of this formula: for 8-bit pixels it is tabulated. */
#ifndef MT_NORMALISE_H
#define MT_NORMALISE_H

#include <microtome/api.h>

typedef enum mt_plane_order {
    MT_PLANES_RGB, /* 3 planes; gray pixels are repeated */
    MT_PLANES_BGR,
    MT_PLANES_GRAY, /* 1 plane; of RGB pixels Pillow's "L": (19595 R + 38470 G + 7471 B + 32768) >> 16 */
} mt_plane_order;

typedef struct mt_normalise {
    mt_plane_order order;
    float          low, high, subtract, divide;
    float          mean[3], std[3]; /* of plane 0, 1, 2 of the output */
    float          table[3][256];   /* filled by mt_normalise_init */
} mt_normalise;

/* A rectangle of pixels, and where it goes. */
typedef struct mt_normalise_area {
    int64_t width, height;
    int64_t src_stride; /* samples from one row to the next */
    int64_t dst_stride; /* floats from one row to the next */
    int64_t dst_plane;  /* floats from one plane to the next */
} mt_normalise_area;

int mt_plane_order_count(mt_plane_order order); /* 3 or 1 */
/* Fill the table once the other fields are set. */
void mt_normalise_init(mt_normalise *n);
/* src: interleaved, 1 or 3 channels.  mt_normalise_init comes first. */
void mt_normalise_u8(const mt_normalise *n, const uint8_t *src, int channels, const mt_normalise_area *area, float *dst);
/* One channel; NaN stays NaN. */
void mt_normalise_f32(const mt_normalise *n, const float *src, const mt_normalise_area *area, float *dst);
/* The planes' value where there is no pixel: x = 0 before mean and std, which is black for 8-bit RGB. */
void mt_normalise_fill(const mt_normalise *n, const mt_normalise_area *area, float *dst);

#endif
