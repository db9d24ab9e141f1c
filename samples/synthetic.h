/* Synthetic H&E slides with known truth: a plan of the whole slide at 16 µm a cell, and pixels made from it on demand.
 * Everything is a function of the seed and of coordinates, so that any rectangle can be rendered alone, by any thread.
 * Lengths inside are in units of 0.5 µm ("u"), whatever the slide's own µm/px. */
#ifndef SYNTHETIC_H
#define SYNTHETIC_H

#include <microtome/error.h>

#define SYN_UNIT_UM 0.5
#define SYN_CELL_UM 16.0
#define SYN_CELL 32.0f   /* u */
#define SYN_TEXTURE 1024 /* edge of a texture, a power of two: textures wrap around */
#define SYN_LUT_PER_OD 256
#define SYN_LUT_ENTRIES (4 * SYN_LUT_PER_OD)

/* --- noise ------------------------------------------------------------------------------------------------------- */

uint32_t syn_hash(uint32_t seed, int32_t x, int32_t y, uint32_t salt);
/* [0, 1) from a hash; draw k of the same hash with another k. */
float syn_uniform(uint32_t hash, uint32_t k);
/* Fractal value noise in about [-1, 1]; `size` is the largest feature in u. */
float syn_fractal(uint32_t seed, float x, float y, float size, int octaves);

typedef struct syn_textures {
    uint8_t *fibre; /* wavy collagen along x */
    uint8_t *cloud; /* features of 16 to 128 texels */
    uint8_t *grain; /* features of 3 to 6 texels */
    uint8_t *white; /* independent texels */
} syn_textures;

syn_textures *syn_textures_new(void);
void          syn_textures_free(syn_textures *textures);

static inline uint8_t syn_texel(const uint8_t *texture, float x, float y)
{
    const int32_t ix = (int32_t)x & (SYN_TEXTURE - 1), iy = (int32_t)y & (SYN_TEXTURE - 1);

    return texture[iy * SYN_TEXTURE + ix];
}

/* Bilinear, where steps would show. */
static inline float syn_smooth_texel(const uint8_t *texture, float x, float y)
{
    const int32_t ix = (int32_t)x, iy = (int32_t)y, n = SYN_TEXTURE, m = SYN_TEXTURE - 1;
    const float   fx = x - (float)ix, fy = y - (float)iy;
    const float   a = texture[(iy & m) * n + (ix & m)], b = texture[(iy & m) * n + ((ix + 1) & m)];
    const float   c = texture[((iy + 1) & m) * n + (ix & m)], d = texture[((iy + 1) & m) * n + ((ix + 1) & m)];
    const float   top = a + (b - a) * fx;

    return top + (c + (d - c) * fx - top) * fy;
}

/* --- plan -------------------------------------------------------------------------------------------------------- */

typedef struct syn_params {
    uint32_t seed;
    int64_t  width, height; /* pixels */
    double   mpp;
    double   tumour_share; /* of the tissue, [0, 0.9] */
    bool     blank;        /* glass, pen and nothing else */
} syn_params;

/* Fields over cells of 16 µm; positive is inside, in u from the edge as far as that is defined. */
typedef enum syn_field { SYN_TISSUE, SYN_TUMOUR, SYN_LYMPH, SYN_GLAND, SYN_FOLD, SYN_PEN, SYN_N_FIELDS } syn_field;

typedef struct syn_plan {
    int    width, height; /* cells */
    float *field[SYN_N_FIELDS];
    bool   has_fold, has_pen;
} syn_plan;

syn_plan *syn_plan_new(const syn_params *params);
void      syn_plan_free(syn_plan *plan);
/* Bilinear, at a point in u. */
float syn_plan_at(const syn_plan *plan, syn_field field, float x, float y);
/* Greatest value over the cells that touch a rectangle in u. */
float syn_plan_greatest(const syn_plan *plan, syn_field field, float x0, float y0, float x1, float y1);
bool  syn_plan_is_tissue(const syn_plan *plan, int64_t cell);
bool  syn_plan_is_tumour(const syn_plan *plan, int64_t cell);

/* --- slide ------------------------------------------------------------------------------------------------------- */

typedef struct syn_stain {
    float   h[3], e[3];       /* optical density per channel of one unit of stain */
    float   h_scale, e_scale; /* strength of this slide */
    float   pen[3];           /* optical density of the pen */
    float   tumour_density;   /* share of the grid's places that hold a nucleus */
    float   fibre_cos, fibre_sin;
    uint8_t lut[3][SYN_LUT_ENTRIES]; /* light through an optical density */
} syn_stain;

typedef struct syn_slide {
    syn_params          params;
    float               u_per_px;
    syn_plan           *plan;
    const syn_textures *textures;
    syn_stain           stain;
} syn_slide;

/* The textures are the caller's and outlive the slide. */
syn_slide *syn_slide_new(const syn_params *params, const syn_textures *textures);
void       syn_slide_free(syn_slide *slide);
/* An mt_pyramid_render. */
bool syn_slide_render(void *slide, int64_t x, int64_t y, int64_t width, int64_t height, uint8_t *rgb, GError **error);

/* --- cells, glands: drawn into the layers of one rectangle --------------------------------------------------------- */

typedef struct syn_layers {
    const syn_slide *slide;
    int64_t          x, y; /* pixel of the top left */
    int              width, height;
    float            x0, y0, x1, y1;     /* the same rectangle in u */
    float           *nucleus;            /* haematoxylin of the nucleus that covers a pixel, 0: none */
    uint8_t         *lumen, *epithelium; /* 0..255 */
    bool             has_tumour, has_lymph;
} syn_layers;

void syn_draw_cells(syn_layers *layers);

#endif
