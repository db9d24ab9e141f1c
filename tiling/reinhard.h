/* Reinhard's colour transfer: mean and standard deviation in CIE L*a*b* of one slide become another's.
 * E. Reinhard et al., Color transfer between images, IEEE Computer Graphics and Applications 21(5), 2001, in CIE L*a*b* (sRGB,
 * D65, 2 degrees, as scikit-image converts), as in StainTools, torchstain and histolab. */
#ifndef MT_REINHARD_H
#define MT_REINHARD_H

#include <microtome/error.h>

#define MT_REINHARD_LIGHTS 16384 /* steps of light: one is 0.2 levels where sRGB is steepest */

typedef struct mt_reinhard {
    double mean[3], std[3]; /* of L*, a*, b* */
} mt_reinhard;

/* What a pixel goes through. */
typedef struct mt_reinhard_map {
    float   linear[256];                /* sRGB levels to light */
    uint8_t levels[MT_REINHARD_LIGHTS]; /* light to sRGB levels */
    float   scale[3], offset[3];        /* of the three functions that L*, a* and b* are made of */
    float   to_xyz[3][3];               /* of light, relative to white */
    float   from_xyz[3][3];
} mt_reinhard_map;

/* rgb: n pixels; population standard deviation.  MT_ERROR_INPUT for too few pixels, or of one colour. */
bool mt_reinhard_fit(const uint8_t *rgb, int64_t n, mt_reinhard *fit, GError **error);
void mt_reinhard_map_init(mt_reinhard_map *map, const mt_reinhard *from, const mt_reinhard *to);
/* n pixels in place, rounded to the nearest level; what leaves sRGB is clipped. */
void mt_reinhard_map_apply(const mt_reinhard_map *map, uint8_t *rgb, int64_t n);

#endif
