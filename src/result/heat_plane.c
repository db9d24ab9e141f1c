#include "src/result/heat_plane.h"

#include "src/base/alloc.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#define BAND_PX (INT64_C(1) << 22) /* map px in memory at once */

struct mt_heat_plane {
    const mt_result *result;
    char            *object;
    int64_t          plane, width, height;
    double           px[2]; /* level-0 px of a map px */
    bool             labels;
    uint8_t          members[256];
    pthread_mutex_t  lock;
};

bool mt_heat_plane_shape(const mt_result *result, const char *object, int64_t shape[3])
{
    int64_t stored[MT_MAX_RANK];

    if (!mt_result_has(result, object) || mt_result_shape(result, object, stored, NULL) != 3)
        return false;
    memcpy(shape, stored, 3 * sizeof *shape);
    return shape[0] > 0 && shape[1] > 0 && shape[2] > 0;
}

mt_heat_plane *mt_heat_plane_new(const mt_result *result, const char *object, int64_t plane, const uint8_t *members, const double size0[2],
                                 GError **error)
{
    int64_t shape[3];

    if (!mt_heat_plane_shape(result, object, shape) || plane < 0 || plane >= shape[0]) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "draw a heatmap of %s: %s has no plane %" G_GINT64_FORMAT, mt_result_path(result),
                    object, plane);
        return NULL;
    }
    mt_heat_plane *p = g_new0(mt_heat_plane, 1);
    *p = (mt_heat_plane){.result = result,
                         .object = g_strdup(object),
                         .plane = plane,
                         .width = shape[2],
                         .height = shape[1],
                         .px = {size0[0] / (double)shape[2], size0[1] / (double)shape[1]},
                         .labels = members != NULL};
    if (members != NULL)
        memcpy(p->members, members, sizeof p->members);
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

void mt_heat_plane_free(mt_heat_plane *p)
{
    if (p == NULL)
        return;
    pthread_mutex_destroy(&p->lock);
    g_free(p->object);
    g_free(p);
}

void mt_heat_plane_size(const mt_heat_plane *p, int64_t size[2])
{
    size[0] = p->width;
    size[1] = p->height;
}

/* Rows y0 to y1 and columns x0 to x1 of the map as numbers. */
static float *read_part(mt_heat_plane *p, int64_t x0, int64_t y0, int64_t x1, int64_t y1, GError **error)
{
    const int64_t first[3] = {p->plane, y0, x0}, count[3] = {1, y1 - y0, x1 - x0};
    int64_t       n = count[1] * count[2];
    float        *out = mt_alloc(n, sizeof *out, error);
    bool          ok = out != NULL;

    pthread_mutex_lock(&p->lock);
    g_autoptr(mt_tensor) block = ok ? mt_result_read_block(p->result, p->object, first, count, error) : NULL;
    pthread_mutex_unlock(&p->lock);
    if (block != NULL && block->dtype != (p->labels ? MT_U8 : MT_F32)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "draw a heatmap of %s: %s is %s", mt_result_path(p->result), p->object,
                    mt_dtype_name(block->dtype));
        ok = false;
    }
    ok = ok && block != NULL;
    for (int64_t i = 0; ok && i < n; i++) {
        out[i] = p->labels ? p->members[((const uint8_t *)block->data)[i]] : ((const float *)block->data)[i];
        if (isfinite(out[i]))
            continue;
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "draw a heatmap of %s: %s has values that are not numbers", mt_result_path(p->result),
                    p->object);
        ok = false;
    }
    if (!ok)
        g_clear_pointer(&out, mt_free);
    return out;
}

bool mt_heat_plane_statistics(mt_heat_plane *p, double *largest, double *mean, GError **error)
{
    int64_t rows = MAX(1, BAND_PX / p->width);
    double  sum = 0;

    *largest = -HUGE_VAL;
    for (int64_t y = 0; y < p->height; y += rows) {
        int64_t end = MIN(y + rows, p->height);
        float  *part = read_part(p, 0, y, p->width, end, error);
        if (part == NULL)
            return false;
        for (int64_t i = 0; i < (end - y) * p->width; i++) {
            *largest = MAX(*largest, (double)part[i]);
            sum += (double)part[i];
        }
        mt_free(part);
    }
    *mean = sum / ((double)p->width * (double)p->height);
    return true;
}

/* Which map px the drawn ones from `first` on cover along an axis, clipped to the map. */
static void covered(double first, double n, double per_px, int64_t size, int64_t *from, int64_t *to)
{
    *from = (int64_t)CLAMP(floor(first * per_px), 0, (double)size);
    *to = (int64_t)CLAMP(ceil((first + n) * per_px), 0, (double)size);
}

/* Mean by area of the part (from part_x, part_y on, part_width wide) under one drawn px; *weight is what lies inside the map. */
static double mean_under(const float *part, int64_t part_x, int64_t part_y, int64_t part_width, const double at[4], double *weight)
{
    double sum = 0;

    *weight = 0;
    for (int64_t y = (int64_t)at[1]; (double)y < at[3]; y++) {
        double rows = MIN(at[3], (double)(y + 1)) - MAX(at[1], (double)y);
        for (int64_t x = (int64_t)at[0]; (double)x < at[2]; x++) {
            double share = rows * (MIN(at[2], (double)(x + 1)) - MAX(at[0], (double)x));
            sum += share * (double)part[(y - part_y) * part_width + x - part_x];
            *weight += share;
        }
    }
    return *weight > 0 ? sum / *weight : 0;
}

/* Rows of the view from `row` on, `n` of them. */
static bool render_band(mt_heat_plane *p, const mt_heat_view *view, int64_t row, int64_t n, const double range[2], float *values,
                        uint8_t *states, GError **error)
{
    double  per_x = 1 / (view->scale_x * p->px[0]), per_y = 1 / (view->scale_y * p->px[1]);
    int64_t x0, y0, x1, y1;

    covered((double)view->first_x, (double)view->width, per_x, p->width, &x0, &x1);
    covered((double)(view->first_y + row), (double)n, per_y, p->height, &y0, &y1);
    float *part = x1 > x0 && y1 > y0 ? read_part(p, x0, y0, x1, y1, error) : NULL;
    if (part == NULL && x1 > x0 && y1 > y0)
        return false;
    for (int64_t y = row; y < row + n; y++)
        for (int64_t x = 0; x < view->width; x++) {
            double at[4] = {(double)(view->first_x + x) * per_x, (double)(view->first_y + y) * per_y};
            double weight = 0, value;
            at[2] = MIN(at[0] + per_x, (double)p->width);
            at[3] = MIN(at[1] + per_y, (double)p->height);
            value = part != NULL && at[0] >= 0 && at[1] >= 0 ? mean_under(part, x0, y0, x1 - x0, at, &weight) : 0;
            states[y * view->width + x] = weight > 0 ? MT_HEAT_VALUE : MT_HEAT_NONE;
            values[y * view->width + x] = weight > 0 ? (float)CLAMP((value - range[0]) / (range[1] - range[0]), 0, 1) : 0;
        }
    mt_free(part);
    return true;
}

bool mt_heat_plane_render(mt_heat_plane *p, const mt_heat_view *view, const double range[2], float *values, uint8_t *states, GError **error)
{
    double  map_rows = 1 / (view->scale_y * p->px[1]), map_width = (double)view->width / (view->scale_x * p->px[0]);
    int64_t rows = (int64_t)CLAMP((double)BAND_PX / MAX(map_width * map_rows, 1), 1, (double)view->height);

    for (int64_t y = 0; y < view->height; y += rows)
        if (!render_band(p, view, y, MIN(rows, view->height - y), range, values, states, error))
            return false;
    return true;
}
