/* RoiAlign: regions of a feature map averaged (or their maximum taken) over bins, sampled bilinearly. */
#include "kernels/reference/element.h"
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"

#include <math.h>
#include <string.h>

typedef struct {
    int64_t height, width; /* bins */
    int64_t samples;       /* along each axis of a bin; 0: as many as it has elements */
    double  scale, shift;
    bool    maximum;
} roi_rule;

static bool read_rule(const mt_node *node, roi_rule *rule, GError **error)
{
    const char *mode = mt_node_string(node, "mode", "avg");
    const char *corners = mt_node_string(node, "coordinate_transformation_mode", node->opset < 16 ? "output_half_pixel" : "half_pixel");

    *rule = (roi_rule){.height = mt_node_int(node, "output_height", 1),
                       .width = mt_node_int(node, "output_width", 1),
                       .samples = mt_node_int(node, "sampling_ratio", 0),
                       .scale = mt_node_float(node, "spatial_scale", 1),
                       .shift = strcmp(corners, "half_pixel") == 0 ? 0.5 : 0,
                       .maximum = strcmp(mode, "max") == 0};
    bool fits = rule->height >= 1 && rule->width >= 1 && rule->height < 1 << 24 && rule->width < 1 << 24 && rule->samples >= 0 &&
                rule->samples < 1 << 12 && isfinite(rule->scale);
    if (fits && (rule->maximum || strcmp(mode, "avg") == 0) && (rule->shift > 0 || strcmp(corners, "output_half_pixel") == 0))
        return true;
    mt_node_error(node, error, "mode '%s', coordinates '%s' or the sizes are not supported", mode, corners);
    return false;
}

static bool infer_roi_align(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0), *rois = mt_node_input(node, 1), *batch = mt_node_input(node, 2);
    roi_rule        rule;

    if (!mt_want_inputs(node, 3, 3, error) || !mt_want_type(node, 0, MT_TYPES_FLOAT, error) || !mt_want_same_type(node, 0, 1, error) ||
        !mt_want_type(node, 2, MT_TYPE_BIT(MT_I64), error) || !mt_want_rank(node, 0, 4, 4, error) || !mt_want_rank(node, 1, 2, 2, error) ||
        !mt_want_rank(node, 2, 1, 1, error) || !read_rule(node, &rule, error))
        return false;
    if ((rois->shape[1] >= 0 && rois->shape[1] != 4) ||
        (rois->shape[0] >= 0 && batch->shape[0] >= 0 && rois->shape[0] != batch->shape[0])) {
        mt_node_error(node, error, "regions and their images do not fit");
        return false;
    }
    int64_t shape[] = {rois->shape[0], x->shape[1], rule.height, rule.width};
    mt_set_output(node, 0, x->dtype, 4, shape);
    return true;
}

/* Up to four neighbours and their weights; none for a place outside the map. */
static void neighbours(double y, double x, int64_t h, int64_t w, int64_t *at, double *weight)
{
    memset(weight, 0, 4 * sizeof *weight);
    memset(at, 0, 4 * sizeof *at);
    if (!(y >= -1 && y <= (double)h && x >= -1 && x <= (double)w))
        return;
    y = CLAMP(y, 0, (double)h - 1);
    x = CLAMP(x, 0, (double)w - 1);
    int64_t y0 = (int64_t)y, x0 = (int64_t)x, y1 = MIN(y0 + 1, h - 1), x1 = MIN(x0 + 1, w - 1);
    double  fy = y - (double)y0, fx = x - (double)x0;
    int64_t places[] = {y0 * w + x0, y0 * w + x1, y1 * w + x0, y1 * w + x1};
    double  weights[] = {(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx};
    memcpy(at, places, sizeof places);
    memcpy(weight, weights, sizeof weights);
}

typedef struct {
    double  start[2], bin[2]; /* y, x */
    int64_t grid[2];          /* samples in a bin */
} roi_box;

static double pool_bin(const roi_rule *rule, const roi_box *box, const mt_tensor *x, int64_t plane, int64_t by, int64_t bx)
{
    int64_t h = x->shape[2], w = x->shape[3], at[4];
    double  sum = 0, weight[4];
    bool    first = true;

    for (int64_t j = 0; j < box->grid[0]; j++)
        for (int64_t i = 0; i < box->grid[1]; i++) {
            double sy = box->start[0] + ((double)by + ((double)j + 0.5) / (double)box->grid[0]) * box->bin[0];
            double sx = box->start[1] + ((double)bx + ((double)i + 0.5) / (double)box->grid[1]) * box->bin[1];

            neighbours(sy, sx, h, w, at, weight);
            for (int k = 0; k < 4; k++) {
                double value = weight[k] * mt_element_double(x, plane * h * w + at[k]);

                sum = rule->maximum ? (first || value > sum ? value : sum) : sum + value;
                first = false;
            }
        }
    return rule->maximum ? sum : sum / (double)MAX(1, box->grid[0] * box->grid[1]);
}

static roi_box read_box(const roi_rule *rule, const mt_tensor *rois, int64_t r)
{
    roi_box box;
    int64_t bins[] = {rule->height, rule->width};

    for (int k = 0; k < 2; k++) { /* the region is x1 y1 x2 y2 */
        double low = mt_element_double(rois, 4 * r + 1 - k) * rule->scale - rule->shift;
        double size = mt_element_double(rois, 4 * r + 3 - k) * rule->scale - rule->shift - low;

        size = rule->shift > 0 ? size : fmax(size, 1);
        box.start[k] = low;
        box.bin[k] = size / (double)bins[k];
        box.grid[k] = rule->samples > 0 ? rule->samples : (int64_t)CLAMP(ceil(box.bin[k]), 0, 4096);
    }
    return box;
}

static bool run_roi_align(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0];
    int64_t          at = 0;
    roi_rule         rule;

    if (!read_rule(node, &rule, error))
        return false;
    for (int64_t r = 0; r < inputs[1]->shape[0]; r++) {
        int64_t image = mt_pick_index(node, inputs[2], r, x->shape[0], error);
        roi_box box = read_box(&rule, inputs[1], r);

        if (image < 0)
            return false;
        if (!isfinite(box.start[0] + box.start[1] + box.bin[0] + box.bin[1]) || x->shape[2] < 1 || x->shape[3] < 1) {
            mt_node_error(node, error, "region %" G_GINT64_FORMAT " is not finite, or the data is empty", r);
            return false;
        }
        for (int64_t c = 0; c < x->shape[1]; c++)
            for (int64_t by = 0; by < rule.height; by++)
                for (int64_t bx = 0; bx < rule.width; bx++) {
                    double value = pool_bin(&rule, &box, x, image * x->shape[1] + c, by, bx);
                    mt_store_doubles(outputs[0], at++, 1, &value);
                }
    }
    return true;
}

const mt_operator mt_family_roi_align[] = {
    {"RoiAlign", 10, 21, infer_roi_align, run_roi_align},
    {NULL, 0, 0, NULL, NULL},
};
