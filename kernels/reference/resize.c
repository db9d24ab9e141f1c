/* Resize (opset 10 on) and Upsample: axis by axis, each output element a weighted sum of a few inputs.  Sums are double. */
#include "kernels/reference/element.h"
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"
#include "src/base/alloc.h"
#include "src/base/limits.h"

#include <math.h>
#include <string.h>

typedef struct {
    int64_t in, out;
    double  scale;
    double  roi_start, roi_end;
    bool    touched; /* named by the lists; others keep their size */
} resize_axis;

typedef struct {
    const char *mode, *coordinates, *nearest;
    double      cubic, extrapolation;
    bool        exclude_outside, antialias;
} resize_rule;

static resize_rule read_rule(const mt_node *node)
{
    bool        old = node->opset < 11 || strcmp(node->op, "Upsample") == 0; /* these know no other coordinates */
    resize_rule rule = {
        .mode = mt_node_string(node, "mode", "nearest"),
        .coordinates = old ? "asymmetric" : mt_node_string(node, "coordinate_transformation_mode", "half_pixel"),
        .nearest = old ? "floor" : mt_node_string(node, "nearest_mode", "round_prefer_floor"),
        .cubic = mt_node_float(node, "cubic_coeff_a", -0.75),
        .extrapolation = mt_node_float(node, "extrapolation_value", 0),
        .exclude_outside = mt_node_int(node, "exclude_outside", 0) != 0,
        .antialias = mt_node_int(node, "antialias", 0) != 0,
    };

    return rule;
}

static bool check_name(const mt_node *node, const char *what, const char *name, const char *const *known, GError **error)
{
    if (g_strv_contains(known, name))
        return true;
    mt_node_error(node, error, "%s '%s' is not supported", what, name);
    return false;
}

static bool check_rule(const mt_node *node, const resize_rule *rule, GError **error)
{
    static const char *const modes[] = {"nearest", "linear", "bilinear", "cubic", NULL};
    static const char *const coordinates[] = {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
                                              "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize", NULL};
    static const char *const nearest[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil", NULL};

    return check_name(node, "mode", rule->mode, modes, error) && check_name(node, "coordinates", rule->coordinates, coordinates, error) &&
           check_name(node, "nearest_mode", rule->nearest, nearest, error);
}

/* n numbers of an input or, for Upsample of opset 7, of an attribute.  False when they are not known yet. */
static bool known_floats(const mt_node *node, int input, double *values, int *n)
{
    const mt_value *value = mt_node_input(node, input);
    const mt_attr  *attr = input < 0 ? mt_node_attr(node, "scales") : NULL;

    *n = 0;
    if (attr != NULL && attr->type == MT_ATTR_FLOATS)
        for (*n = 0; *n < MIN(attr->n, 2 * MT_MAX_RANK); ++*n)
            values[*n] = attr->floats[*n];
    if (input < 0 || value == NULL)
        return true;
    if (value->constant == NULL)
        return mt_value_count(value) == 0; /* an empty input says as much as none */
    *n = (int)MIN(mt_tensor_count(value->constant), 2 * MT_MAX_RANK);
    mt_load_doubles(value->constant, 0, 1, *n, values);
    return true;
}

static bool refuse_lists(const mt_node *node, GError **error)
{
    mt_node_error(node, error, "scales, sizes, roi and axes do not fit the input");
    return false;
}

static bool apply_scales(const mt_node *node, resize_axis *axes, const int *map, int n, const double *scales, GError **error)
{
    for (int i = 0; i < n; i++) {
        resize_axis *axis = &axes[map[i]];
        double       out = floor((double)axis->in * scales[i]);

        if (!(scales[i] > 0) || out > (double)MT_LIMIT_TENSOR_BYTES) {
            mt_node_error(node, error, "a scale of %g is out of range", scales[i]);
            return false;
        }
        axis->scale = scales[i];
        axis->out = axis->in < 0 ? -1 : (int64_t)out;
        axis->touched = scales[i] != 1;
    }
    return true;
}

static bool apply_sizes(const mt_node *node, resize_axis *axes, const int *map, int n, const double *sizes, GError **error)
{
    const char *policy = mt_node_string(node, "keep_aspect_ratio_policy", "stretch");
    bool        larger = strcmp(policy, "not_smaller") == 0, stretch = strcmp(policy, "stretch") == 0;
    double      common = larger ? 0 : INFINITY;

    for (int i = 0; i < n; i++) {
        double scale = sizes[i] / (double)axes[map[i]].in;
        common = larger ? MAX(common, scale) : MIN(common, scale);
    }
    for (int i = 0; i < n; i++) {
        resize_axis *axis = &axes[map[i]];
        double       out = stretch ? sizes[i] : floor(common * (double)axis->in + 0.5);

        if (!(out >= 0 && out <= (double)MT_LIMIT_TENSOR_BYTES)) {
            mt_node_error(node, error, "a size of %g is out of range", sizes[i]);
            return false;
        }
        axis->out = !stretch && axis->in < 0 ? -1 : (int64_t)out;
        axis->scale = stretch ? (double)(float)out / (double)axis->in : common;
        axis->touched = axis->out != axis->in;
    }
    return true;
}

/* Where each kind of list stands among the inputs. */
static void input_places(const mt_node *node, int *roi, int *scales, int *sizes)
{
    bool upsample = strcmp(node->op, "Upsample") == 0;

    *roi = !upsample && node->opset >= 11 ? 1 : G_MAXINT;
    *scales = upsample && node->opset < 9 ? -1 : (upsample || node->opset < 11 ? 1 : 2);
    *sizes = !upsample && node->opset >= 11 ? 3 : G_MAXINT;
}

/* The axes of the input and what happens to them.  *open when lists or dimensions are not known yet. */
static bool read_axes(const mt_node *node, int rank, const int64_t *shape, resize_axis *axes, bool *open, GError **error)
{
    double  scales[2 * MT_MAX_RANK], sizes[2 * MT_MAX_RANK], roi[2 * MT_MAX_RANK];
    int64_t list[MT_MAX_RANK];
    int     map[MT_MAX_RANK], n = rank, n_scales, n_sizes, n_roi, at_roi, at_scales, at_sizes;

    input_places(node, &at_roi, &at_scales, &at_sizes);
    bool scales_known = known_floats(node, at_scales, scales, &n_scales), sizes_known = known_floats(node, at_sizes, sizes, &n_sizes);
    bool roi_known = known_floats(node, at_roi, roi, &n_roi);
    *open = !scales_known || !sizes_known || !roi_known;
    mt_list_state state = node->opset < 18 ? MT_LIST_ABSENT : mt_node_axes(node, NULL, -1, rank, list, &n, error);
    if (state == MT_LIST_BAD)
        return false;
    n = state == MT_LIST_ABSENT ? rank : n;
    for (int i = 0; i < rank; i++)
        axes[i] = (resize_axis){.in = shape[i], .out = shape[i], .scale = 1, .roi_end = 1};
    for (int i = 0; i < n; i++)
        map[i] = state == MT_LIST_ABSENT ? i : (int)list[i];
    if (*open)
        return true;
    if ((n_scales > 0) == (n_sizes > 0) || MAX(n_scales, n_sizes) != n || (n_roi > 0 && n_roi != 2 * n))
        return refuse_lists(node, error);
    for (int i = 0; i < n && n_roi > 0; i++) {
        axes[map[i]].roi_start = roi[i];
        axes[map[i]].roi_end = roi[n + i];
    }
    return n_scales > 0 ? apply_scales(node, axes, map, n, scales, error) : apply_sizes(node, axes, map, n, sizes, error);
}

static bool infer_resize(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0);
    resize_rule     rule = read_rule(node);
    resize_axis     axes[MT_MAX_RANK];
    int64_t         shape[MT_MAX_RANK];
    bool            open;

    if (!mt_want_inputs(node, 1, 4, error) || !mt_want_type(node, 0, MT_TYPES_FLOAT | MT_TYPES_BYTE | MT_TYPE_BIT(MT_I32), error) ||
        !check_rule(node, &rule, error) || !read_axes(node, x->rank, x->shape, axes, &open, error))
        return false;
    for (int i = 0; i < x->rank; i++) {
        shape[i] = open ? -1 : axes[i].out;
        if (x->shape[i] == 0 && shape[i] > 0)
            return refuse_lists(node, error);
    }
    mt_set_output(node, 0, x->dtype, x->rank, shape);
    return true;
}

/* The place in the input of output `o`, in elements.  Steps are rounded to float32, as other engines take them: for "nearest"
 * that decides which neighbour a place half-way between two belongs to. */
static double source_place(const resize_axis *axis, const char *mode, float o)
{
    float in = (float)axis->in, out = (float)axis->out, scale = (float)axis->scale;

    if (strcmp(mode, "asymmetric") == 0)
        return o / scale;
    if (strcmp(mode, "align_corners") == 0)
        return axis->out > 1 ? o * (in - 1) / (out - 1) : 0;
    if (strcmp(mode, "tf_half_pixel_for_nn") == 0)
        return (o + 0.5F) / scale;
    if (strcmp(mode, "pytorch_half_pixel") == 0)
        return axis->out > 1 ? (o + 0.5F) / scale - 0.5F : 0;
    if (strcmp(mode, "tf_crop_and_resize") == 0) {
        float from = (float)axis->roi_start, to = (float)axis->roi_end;
        return axis->out > 1 ? from * (in - 1) + o * (to - from) * (in - 1) / (out - 1) : 0.5F * (from + to) * (in - 1);
    }
    float place = (o + 0.5F) / scale - 0.5F;
    if (strcmp(mode, "half_pixel_symmetric") == 0) /* the centre of both stays where it is, though out was rounded down */
        place += in / 2 * (1 - out / (scale * in));
    return place;
}

static int64_t nearest_of(double place, const char *mode)
{
    if (strcmp(mode, "floor") == 0)
        return (int64_t)floor(place);
    if (strcmp(mode, "ceil") == 0)
        return (int64_t)ceil(place);
    return (int64_t)(strcmp(mode, "round_prefer_ceil") == 0 ? floor(place + 0.5) : ceil(place - 0.5));
}

static double cubic_weight(double distance, double a)
{
    double d = fabs(distance);

    if (d <= 1)
        return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/* The weights of one output: entry k belongs to input first + k, clamped to the input. */
typedef struct {
    int64_t *first;
    double  *weights; /* `taps` for each output */
    bool    *outside; /* takes the extrapolation value */
    int      taps;
} tap_table;

static void fill_taps(const resize_rule *rule, const resize_axis *axis, tap_table *table, int64_t o)
{
    double place = source_place(axis, rule->coordinates, (float)o), sum = 0, *w = table->weights + o * table->taps;
    bool   cubic = strcmp(rule->mode, "cubic") == 0, crop = strcmp(rule->coordinates, "tf_crop_and_resize") == 0;
    double shrink = rule->antialias ? MIN(1, axis->scale) : 1, reach = (cubic ? 2 : 1) / shrink;

    table->outside[o] = crop && (place < 0 || place > (double)axis->in - 1);
    if (strcmp(rule->mode, "nearest") == 0) {
        table->first[o] = nearest_of(CLAMP(place, -1, (double)axis->in), rule->nearest);
        w[0] = 1;
        return;
    }
    if (!cubic && !rule->antialias)
        place = CLAMP(place, 0, (double)axis->in - 1);
    table->first[o] = (int64_t)floor(CLAMP(place, -4e9, 4e11)) - (int64_t)ceil(reach) + 1;
    for (int k = 0; k < table->taps; k++) {
        int64_t at = table->first[o] + k;
        double  distance = ((double)at - place) * shrink;

        w[k] = cubic ? cubic_weight(distance, rule->cubic) : MAX(0, 1 - fabs(distance));
        if (rule->exclude_outside && (at < 0 || at >= axis->in))
            w[k] = 0;
        sum += w[k];
    }
    for (int k = 0; k < table->taps && sum != 0 && (rule->exclude_outside || rule->antialias); k++)
        w[k] /= sum;
}

static void free_taps(tap_table *table)
{
    mt_free(table->first);
    mt_free(table->weights);
    mt_free(table->outside);
}

static bool make_taps(const mt_node *node, const resize_rule *rule, const resize_axis *axis, tap_table *table, GError **error)
{
    bool   cubic = strcmp(rule->mode, "cubic") == 0;
    double shrink = rule->antialias ? MIN(1, axis->scale) : 1, taps = 2 * ceil((cubic ? 2 : 1) / shrink);

    if (taps > 1 << 20) {
        mt_node_error(node, error, "a scale of %g is out of range", axis->scale);
        return false;
    }
    table->taps = strcmp(rule->mode, "nearest") == 0 ? 1 : (int)taps;
    table->first = mt_alloc(axis->out, sizeof *table->first, error);
    table->weights = table->first == NULL ? NULL : mt_alloc(axis->out, (size_t)table->taps * sizeof *table->weights, error);
    table->outside = table->weights == NULL ? NULL : mt_alloc(axis->out, sizeof *table->outside, error);
    for (int64_t o = 0; o < axis->out && table->outside != NULL; o++)
        fill_taps(rule, axis, table, o);
    if (table->outside == NULL)
        free_taps(table);
    return table->outside != NULL;
}

/* (outer, in, inner) -> (outer, out, inner) */
static void resize_along(const double *x, double *y, int64_t outer, const resize_axis *axis, int64_t inner, const tap_table *table,
                         double extrapolation)
{
    memset(y, 0, (size_t)(outer * axis->out * inner) * sizeof *y);
    for (int64_t r = 0; r < outer * axis->out; r++) {
        int64_t       o = r % axis->out;
        const double *source = x + r / axis->out * axis->in * inner, *w = table->weights + o * table->taps;
        double       *target = y + r * inner;

        for (int k = 0; k < table->taps && !table->outside[o]; k++) {
            const double *line = source + CLAMP(table->first[o] + k, 0, axis->in - 1) * inner;

            for (int64_t i = 0; w[k] != 0 && i < inner; i++)
                target[i] += w[k] * line[i];
        }
        for (int64_t i = 0; table->outside[o] && i < inner; i++)
            target[i] = extrapolation;
    }
}

static double *load_all(const mt_tensor *x, GError **error)
{
    int64_t count = mt_tensor_count(x);
    double *data = mt_alloc(count, sizeof *data, error);

    for (int64_t at = 0; at < count && data != NULL; at += MT_RUN)
        mt_load_doubles(x, at, 1, (int)MIN(MT_RUN, count - at), data + at);
    return data;
}

/* One axis done: `data` is freed and replaced; NULL on failure. */
static double *step_along(const mt_node *node, const resize_rule *rule, const resize_axis *axis, double *data, int64_t outer, int64_t inner,
                          GError **error)
{
    tap_table table = {0};
    double   *next = NULL;

    if (make_taps(node, rule, axis, &table, error)) {
        next = mt_alloc(outer * axis->out * inner, sizeof *next, error);
        if (next != NULL)
            resize_along(data, next, outer, axis, inner, &table, rule->extrapolation);
        free_taps(&table);
    }
    mt_free(data);
    return next;
}

static bool run_resize(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0];
    mt_tensor       *y = outputs[0];
    resize_rule      rule = read_rule(node);
    bool             crop = strcmp(rule.coordinates, "tf_crop_and_resize") == 0, open;
    resize_axis      axes[MT_MAX_RANK];
    int64_t          shape[MT_MAX_RANK], count = mt_tensor_count(y);

    if (!read_axes(node, x->rank, x->shape, axes, &open, error))
        return false;
    if (count == 0)
        return true;
    double *data = load_all(x, error);
    memcpy(shape, x->shape, sizeof shape);
    for (int i = 0; i < x->rank && data != NULL; i++) {
        if (!axes[i].touched && !(crop && (axes[i].roi_start != 0 || axes[i].roi_end != 1)))
            continue;
        data = step_along(node, &rule, &axes[i], data, mt_product_of(shape, 0, i), mt_product_of(shape, i + 1, x->rank), error);
        shape[i] = axes[i].out;
    }
    if (data == NULL)
        return false;
    for (int64_t at = 0; at < count; at += MT_RUN)
        mt_store_doubles(y, at, (int)MIN(MT_RUN, count - at), data + at);
    mt_free(data);
    return true;
}

const mt_operator mt_family_resize[] = {
    {"Resize", 10, 21, infer_resize, run_resize},
    {"Upsample", 7, 9, infer_resize, run_resize},
    {NULL, 0, 0, NULL, NULL},
};
