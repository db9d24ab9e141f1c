/* What the files of the resampler share: the weights of one axis, and the two passes. */
#ifndef MT_RESAMPLE_PRIVATE_H
#define MT_RESAMPLE_PRIVATE_H

#include "kernels/pixel/resample.h"

#define MT_RESAMPLE_BITS 22       /* Pillow's PRECISION_BITS = 32 - 8 - 2 */
#define MT_RESAMPLE_SPLIT 15      /* bits of the low half of a split weight */
#define MT_RESAMPLE_BLOCK_ROWS 64 /* rows turned at a time: two turned blocks of a 256 px RGB tile stay in the second-level cache */

typedef struct mt_axis {
    int64_t  src, dst;
    float    low, high;  /* the box along this axis; float32 as in Pillow */
    bool     needed;     /* false: this pass changes nothing */
    int64_t  taps;       /* weights kept for each output, zero behind the last used */
    int64_t *first;      /* first source index of each output; nearest: the index, -1 outside */
    int64_t *count;      /* taps used by each output */
    double  *weight;     /* dst x taps */
    int32_t *fixed;      /* the same x 2^22, rounded */
    int32_t *packed;     /* dst x (taps + 1): for each two taps the low halves, then the high halves, as two 16-bit words */
    int64_t  begin, end; /* source indices that any output uses */
} mt_axis;

typedef enum mt_resample_way { MT_WAY_CROP, MT_WAY_NEAREST, MT_WAY_FILTER } mt_resample_way;

struct mt_resample {
    mt_resample_way way;
    mt_axis         x, y;
    int             channels;  /* that the scratch was made for */
    uint8_t        *scratch;   /* turned blocks of the horizontal pass */
    uint8_t        *between;   /* rows between the passes */
    float          *between_f; /* the same for float images */
    bool            portable;  /* tests: the portable loops also where there are faster ones */
};

/* MT_ERROR_MEMORY or MT_ERROR_LIMIT; clear it in any case. */
bool mt_axis_init(mt_axis *axis, int64_t src, int64_t dst, float low, float high, mt_filter filter, GError **error);
void mt_axis_clear(mt_axis *axis);

/* Crop or nearest: pixels are moved whole, whatever their type.  False when the way is filtering. */
bool mt_resample_move(const mt_resample *r, const void *src, size_t pixel_bytes, void *dst);

/* Horizontal pass: `rows` rows of axis->src pixels become rows of axis->dst pixels.  Scratch: see mt_resample_horizontal_scratch. */
void    mt_resample_horizontal(const mt_axis *axis, const uint8_t *src, int64_t rows, int channels, bool portable, uint8_t *scratch,
                               uint8_t *dst);
int64_t mt_resample_horizontal_scratch(const mt_axis *axis, int channels);
/* The two inner loops for processors that have AVX2, for rows of at least so many columns. */
bool mt_resample_has_avx2(int64_t columns);
void mt_resample_columns_avx2(const mt_axis *axis, const uint8_t *turned, int channels, uint8_t *out);
void mt_resample_rows_avx2(const mt_axis *axis, const uint8_t *src, int64_t columns, uint8_t *dst);

/* Vertical pass: `columns` bytes a row; the first row of src is row axis->begin of the image. */
void mt_resample_vertical(const mt_axis *axis, const uint8_t *src, int64_t columns, bool portable, uint8_t *dst);

#endif
