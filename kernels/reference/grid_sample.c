/* GridSample of images (4 dimensions): nearest, linear, cubic; zeros, border or reflection outside. */
#include "kernels/reference/element.h"
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"

#include <math.h>
#include <string.h>

typedef enum { SAMPLE_LINEAR, SAMPLE_NEAREST, SAMPLE_CUBIC } sample_mode;
typedef enum { OUTSIDE_ZEROS, OUTSIDE_BORDER, OUTSIDE_REFLECTION } outside_mode;

typedef struct {
    sample_mode      mode;
    outside_mode     outside;
    bool             corners;
    const mt_tensor *x;
    int64_t          h, w;
} sampler;

static bool read_modes(const mt_node *node, sampler *s, GError **error)
{
    const char *mode = mt_node_string(node, "mode", "linear"), *outside = mt_node_string(node, "padding_mode", "zeros");

    s->corners = mt_node_int(node, "align_corners", 0) != 0;
    s->mode = strstr(mode, "linear") != NULL ? SAMPLE_LINEAR : (strcmp(mode, "nearest") == 0 ? SAMPLE_NEAREST : SAMPLE_CUBIC);
    s->outside = strcmp(outside, "zeros") == 0 ? OUTSIDE_ZEROS : (strcmp(outside, "border") == 0 ? OUTSIDE_BORDER : OUTSIDE_REFLECTION);
    if ((s->mode != SAMPLE_CUBIC || strstr(mode, "cubic") != NULL) &&
        (s->outside != OUTSIDE_REFLECTION || strcmp(outside, "reflection") == 0))
        return true;
    mt_node_error(node, error, "mode '%s' with padding '%s' is not supported", mode, outside);
    return false;
}

static bool infer_grid_sample(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0), *grid = mt_node_input(node, 1);
    sampler         s;

    if (!mt_want_inputs(node, 2, 2, error) || !mt_want_type(node, 0, MT_TYPES_FLOAT, error) ||
        !mt_want_type(node, 1, MT_TYPES_FLOAT, error) || !mt_want_rank(node, 0, 4, 4, error) || !mt_want_rank(node, 1, 4, 4, error) ||
        !read_modes(node, &s, error))
        return false;
    if ((grid->shape[3] >= 0 && grid->shape[3] != 2) || (x->shape[0] >= 0 && grid->shape[0] >= 0 && x->shape[0] != grid->shape[0])) {
        mt_node_error(node, error, "the grid does not fit the data");
        return false;
    }
    int64_t shape[] = {x->shape[0], x->shape[1], grid->shape[1], grid->shape[2]};
    mt_set_output(node, 0, x->dtype, 4, shape);
    return true;
}

/* [-1, 1] to elements: corner centres or outer edges stand at the ends. */
static double to_elements(double place, int64_t size, bool corners)
{
    return corners ? (place + 1) / 2 * (double)(size - 1) : ((place + 1) * (double)size - 1) / 2;
}

static double reflect(double at, double low, double high)
{
    double range = high - low;

    if (range <= 0)
        return 0;
    double rest = fmod(fabs(at - low), 2 * range);
    return low + (rest > range ? 2 * range - rest : rest);
}

static double settle(const sampler *s, double at, int64_t size)
{
    if (s->outside == OUTSIDE_REFLECTION)
        at = s->corners ? reflect(at, 0, (double)size - 1) : reflect(at, -0.5, (double)size - 0.5);
    return s->outside == OUTSIDE_ZEROS ? at : CLAMP(at, 0, (double)size - 1);
}

/* One element; outside by the rule, for cubic's neighbours too. */
static double element(const sampler *s, int64_t plane, double y, double x)
{
    if (s->outside != OUTSIDE_ZEROS) {
        y = settle(s, y, s->h);
        x = settle(s, x, s->w);
    }
    if (!(y >= 0 && x >= 0 && y <= (double)s->h - 1 && x <= (double)s->w - 1))
        return 0;
    return mt_element_double(s->x, (plane * s->h + (int64_t)y) * s->w + (int64_t)x);
}

static void cubic_weights(double t, double *w)
{
    const double a = -0.75;

    for (int i = 0; i < 4; i++) {
        double d = fabs(t - (i - 1));
        w[i] = d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
    }
}

static double sample(const sampler *s, int64_t plane, double y, double x)
{
    double wy[4] = {0}, wx[4] = {0}, sum = 0;

    if (s->mode != SAMPLE_CUBIC) {
        y = settle(s, y, s->h);
        x = settle(s, x, s->w);
    }
    if (s->mode == SAMPLE_NEAREST)
        return element(s, plane, nearbyint(y), nearbyint(x));
    double y0 = floor(y), x0 = floor(x);
    if (s->mode == SAMPLE_CUBIC) {
        cubic_weights(y - y0, wy);
        cubic_weights(x - x0, wx);
    } else {
        wy[1] = 1 - (wy[2] = y - y0);
        wx[1] = 1 - (wx[2] = x - x0);
    }
    for (int j = 0; j < 4; j++)
        for (int i = 0; i < 4; i++)
            if (wy[j] != 0 && wx[i] != 0)
                sum += wy[j] * wx[i] * element(s, plane, y0 + j - 1, x0 + i - 1);
    return sum;
}

static bool run_grid_sample(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0], *grid = inputs[1];
    sampler          s = {.x = x, .h = x->shape[2], .w = x->shape[3]};
    int64_t          channels = x->shape[1], points = grid->shape[1] * grid->shape[2];

    if (!read_modes(node, &s, error))
        return false;
    for (int64_t n = 0; n < x->shape[0]; n++)
        for (int64_t p = 0; p < points; p++) {
            double gx = to_elements(mt_element_double(grid, 2 * (n * points + p)), s.w, s.corners);
            double gy = to_elements(mt_element_double(grid, 2 * (n * points + p) + 1), s.h, s.corners);

            for (int64_t c = 0; c < channels; c++) {
                double value = isfinite(gx) && isfinite(gy) ? sample(&s, n * channels + c, gy, gx) : 0;
                mt_store_doubles(outputs[0], (n * channels + c) * points + p, 1, &value);
            }
        }
    return true;
}

const mt_operator mt_family_grid_sample[] = {
    {"GridSample", 16, 21, infer_grid_sample, run_grid_sample},
    {NULL, 0, 0, NULL, NULL},
};
