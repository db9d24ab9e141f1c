#include "src/case/volume_sample.h"

#include <math.h>

typedef struct between {
    int64_t low, high;
    float   share; /* of the high one */
} between;

static between place(const mt_volume *v, int axis, double centre, double step, int64_t n, int64_t i)
{
    double  last = (double)(v->size[axis] - 1), at = CLAMP(centre + ((double)i - (double)(n - 1) / 2) * step, 0, last);
    int64_t low = (int64_t)floor(at);

    return (between){low, MIN(low + 1, v->size[axis] - 1), (float)(at - (double)low)};
}

static float mix(float a, float b, float share)
{
    return a + (b - a) * share;
}

static float value_at(const float *data, const int64_t size[3], const between at[3])
{
    float planes[2];

    for (int k = 0; k < 2; k++) {
        const float *plane = data + (k == 0 ? at[2].low : at[2].high) * size[0] * size[1];
        const float *low = plane + at[1].low * size[0], *high = plane + at[1].high * size[0];
        planes[k] =
            mix(mix(low[at[0].low], low[at[0].high], at[0].share), mix(high[at[0].low], high[at[0].high], at[0].share), at[1].share);
    }
    return mix(planes[0], planes[1], at[2].share);
}

void mt_volume_sample(const mt_volume *v, const double centre[3], const double step[3], const int64_t size[3], float *out)
{
    between at[3];

    for (int c = 0; c < v->channels; c++)
        for (int64_t z = 0; z < size[2]; z++) {
            at[2] = place(v, 2, centre[2], step[2], size[2], z);
            for (int64_t y = 0; y < size[1]; y++) {
                at[1] = place(v, 1, centre[1], step[1], size[1], y);
                for (int64_t x = 0; x < size[0]; x++) {
                    at[0] = place(v, 0, centre[0], step[0], size[0], x);
                    *out++ = value_at(v->data + c * mt_volume_voxels(v), v->size, at);
                }
            }
        }
}
