/* GridSample of images and volumes: nearest, linear, cubic (images); zeros, border or reflection outside.  AffineGrid, which
 * makes such grids. */
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
    int              dims;
    int64_t          size[3]; /* z y x; 1 in front for images */
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
    int64_t         shape[5];
    sampler         s;

    if (!mt_want_inputs(node, 2, 2, error) || !mt_want_type(node, 0, MT_TYPES_FLOAT, error) ||
        !mt_want_type(node, 1, MT_TYPES_FLOAT, error) || !mt_want_rank(node, 0, 4, node->opset < 20 ? 4 : 5, error) ||
        !mt_want_rank(node, 1, x->rank, x->rank, error) || !read_modes(node, &s, error))
        return false;
    int64_t last = grid->shape[x->rank - 1];
    if ((last >= 0 && last != x->rank - 2) || (x->shape[0] >= 0 && grid->shape[0] >= 0 && x->shape[0] != grid->shape[0])) {
        mt_node_error(node, error, "the grid does not fit the data");
        return false;
    }
    if (x->rank == 5 && s.mode == SAMPLE_CUBIC) {
        mt_node_error(node, error, "cubic samples of volumes are not defined");
        return false;
    }
    shape[0] = x->shape[0];
    shape[1] = x->shape[1];
    for (int i = 2; i < x->rank; i++)
        shape[i] = grid->shape[i - 1];
    mt_set_output(node, 0, x->dtype, x->rank, shape);
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

/* One element at (z, y, x); outside by the rule, for cubic's neighbours too. */
static double element(const sampler *s, int64_t plane, const double *at)
{
    int64_t place = plane;

    for (int i = 0; i < 3; i++) {
        double p = s->outside != OUTSIDE_ZEROS ? settle(s, at[i], s->size[i]) : at[i];

        if (!(p >= 0 && p <= (double)s->size[i] - 1))
            return 0;
        place = place * s->size[i] + (int64_t)p;
    }
    return mt_element_double(s->x, place);
}

static void cubic_weights(double t, double *w)
{
    const double a = -0.75;

    for (int i = 0; i < 4; i++) {
        double d = fabs(t - (i - 1));
        w[i] = d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
    }
}

/* Weights of the four elements from floor - 1 on along one axis. */
static void axis_weights(const sampler *s, double place, double *w)
{
    double part = place - floor(place);

    memset(w, 0, 4 * sizeof *w);
    if (s->mode == SAMPLE_CUBIC) {
        cubic_weights(part, w);
        return;
    }
    w[1] = 1 - part;
    w[2] = part;
}

static double sample(const sampler *s, int64_t plane, const double *given)
{
    double at[3], w[3][4] = {{0, 1, 0, 0}}, sum = 0;

    for (int i = 0; i < 3; i++) {
        at[i] = s->mode == SAMPLE_CUBIC || i < 3 - s->dims ? given[i] : settle(s, given[i], s->size[i]);
        if (s->mode == SAMPLE_NEAREST)
            at[i] = nearbyint(at[i]);
    }
    if (s->mode == SAMPLE_NEAREST)
        return element(s, plane, at);
    for (int i = 3 - s->dims; i < 3; i++)
        axis_weights(s, at[i], w[i]);
    for (int t = 0; t < 64; t++) {
        int    k[] = {t / 16, t / 4 % 4, t % 4};
        double weight = w[0][k[0]] * w[1][k[1]] * w[2][k[2]], place[3];

        for (int i = 0; i < 3; i++)
            place[i] = floor(at[i]) + k[i] - 1;
        if (weight != 0)
            sum += weight * element(s, plane, place);
    }
    return sum;
}

/* The grid's point p in elements, z y x; false when it is not finite. */
static bool read_point(const sampler *s, const mt_tensor *grid, int64_t p, double *at)
{
    bool finite = true;

    at[0] = 0;
    for (int i = 0; i < s->dims; i++) { /* a point is x y, or x y z */
        at[2 - i] = to_elements(mt_element_double(grid, s->dims * p + i), s->size[2 - i], s->corners);
        finite = finite && isfinite(at[2 - i]);
    }
    return finite;
}

static bool run_grid_sample(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0], *grid = inputs[1];
    sampler          s = {.x = x, .dims = x->rank - 2, .size = {1, 1, 1}};
    int64_t          channels = x->shape[1], points = mt_product_of(grid->shape, 1, grid->rank - 1);

    if (!read_modes(node, &s, error))
        return false;
    for (int i = 0; i < s.dims; i++)
        s.size[3 - s.dims + i] = x->shape[i + 2];
    for (int64_t n = 0; n < x->shape[0]; n++)
        for (int64_t p = 0; p < points; p++) {
            double at[3];
            bool   finite = read_point(&s, grid, n * points + p, at);

            for (int64_t c = 0; c < channels; c++) {
                double value = finite ? sample(&s, n * channels + c, at) : 0;
                mt_store_doubles(outputs[0], (n * channels + c) * points + p, 1, &value);
            }
        }
    return true;
}

static bool infer_affine_grid(mt_node *node, GError **error)
{
    const mt_value *theta = mt_node_input(node, 0);
    int64_t         size[5], shape[5] = {-1, -1, -1, -1, -1};
    int             n;

    if (!mt_want_inputs(node, 2, 2, error) || !mt_want_type(node, 0, MT_TYPES_FLOAT, error) || !mt_want_rank(node, 0, 3, 3, error))
        return false;
    mt_list_state state = mt_node_list(node, NULL, 1, NULL, size, 5, &n, error);
    if (state == MT_LIST_BAD)
        return false;
    if (state == MT_LIST_OPEN && n < 0)
        return true;
    bool fits =
        (n == 4 || n == 5) && (theta->shape[1] < 0 || theta->shape[1] == n - 2) && (theta->shape[2] < 0 || theta->shape[2] == n - 1);
    for (int i = 0; i < n && fits && state == MT_LIST_KNOWN; i++)
        fits = size[i] > 0 && (i > 0 || theta->shape[0] < 0 || theta->shape[0] == size[0]);
    if (!fits) {
        mt_node_error(node, error, "theta and size do not fit: (N, 2, 3) with four sizes, or (N, 3, 4) with five");
        return false;
    }
    for (int i = 0; i < n - 1 && state == MT_LIST_KNOWN; i++)
        shape[i] = size[i == 0 ? 0 : i + 1];
    shape[n - 1] = n - 2;
    mt_set_output(node, 0, theta->dtype, n, shape);
    return true;
}

static bool run_affine_grid(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *y = outputs[0];
    int              dims = y->rank - 2;
    bool             corners = mt_node_int(node, "align_corners", 0) != 0;
    int64_t          points = mt_product_of(y->shape, 1, dims + 1), count = y->shape[0] * points;

    (void)error;
    for (int64_t i = 0; i < count; i++) {
        double  at[4] = {0, 0, 0, 0};
        int64_t rest = i % points, theta = i / points * dims * (dims + 1);

        at[dims] = 1;
        for (int k = 0; k < dims; k++) { /* x first */
            int64_t size = y->shape[dims - k], index = rest % size;

            at[k] = corners ? (size > 1 ? 2.0 * (double)index / (double)(size - 1) - 1 : 0) : (2.0 * (double)index + 1) / (double)size - 1;
            rest /= size;
        }
        for (int k = 0; k < dims; k++) {
            double value = 0;

            for (int j = 0; j <= dims; j++)
                value += at[j] * mt_element_double(inputs[0], theta + k * (dims + 1) + j);
            mt_store_doubles(outputs[0], i * dims + k, 1, &value);
        }
    }
    return true;
}

const mt_operator mt_family_grid_sample[] = {
    {"AffineGrid", 20, 21, infer_affine_grid, run_affine_grid},
    {"GridSample", 16, 21, infer_grid_sample, run_grid_sample},
    {NULL, 0, 0, NULL, NULL},
};
