#include "src/result/box_decode.h"

#include <microtome/error.h>

#include <math.h>
#include <string.h>

typedef struct decoding {
    const mt_box_card *card;
    const int64_t     *input_px;
    int64_t            n_classes; /* of the graph, background with them */
    GArray            *boxes;
} decoding;

static bool refuse(const char *what, const mt_tensor *tensor, const char *wanted, GError **error)
{
    g_autofree char *shape = mt_shape_to_string(tensor->rank, tensor->shape);

    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read the detector's %s, %s %s: %s is wanted", what, mt_dtype_name(tensor->dtype), shape,
                wanted);
    return false;
}

static bool check_finite(const mt_tensor *tensor, const char *what, GError **error)
{
    const float *values = tensor->data;

    for (int64_t i = 0; i < mt_tensor_count(tensor); i++)
        if (!isfinite(values[i])) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read the detector's %s: value %" G_GINT64_FORMAT " is not finite", what, i);
            return false;
        }
    return true;
}

/* A box counts by the first class that is no background. */
static void add(const decoding *d, const double at[6], double score, int64_t graph_class)
{
    int          label = (int)graph_class - d->card->background;
    mt_found_box box = {.score = score, .label = label};

    if (label < 0 || !(score >= d->card->min_score))
        return;
    memcpy(box.at, at, sizeof box.at);
    g_array_append_val(d->boxes, box);
}

static void add_centre(const decoding *d, double x, double y, double w, double h, double score, int64_t graph_class)
{
    const double at[6] = {x - w / 2, y - h / 2, 0, x + w / 2, y + h / 2, 1};

    add(d, at, score, graph_class);
}

/* values[i * step], the largest of the classes; the first of equal ones. */
static int64_t best_class(const float *values, int64_t n, int64_t step)
{
    int64_t best = 0;

    for (int64_t i = 1; i < n; i++)
        if (values[i * step] > values[best * step])
            best = i;
    return best;
}

/* (1, rows, N) or (1, N, rows), told by the number of labels: the first where both fit. */
static bool decode_yolo(const decoding *d, const mt_tensor *out, int64_t objectness, GError **error)
{
    int64_t rows = 4 + objectness + d->n_classes;
    bool    ranks = out->dtype == MT_F32 && out->rank == 3 && out->shape[0] == 1;
    bool    columns = ranks && out->shape[objectness > 0 ? 2 : 1] == rows ? objectness > 0 : objectness == 0;

    if (!ranks || out->shape[columns ? 2 : 1] != rows) {
        g_autofree char *wanted = g_strdup_printf(
            "float32 1 x %" G_GINT64_FORMAT " x N or 1 x N x %" G_GINT64_FORMAT ", %" G_GINT64_FORMAT " labels,", rows, rows, d->n_classes);
        return refuse("output", out, wanted, error);
    }
    int64_t      n = out->shape[columns ? 1 : 2], step = columns ? 1 : n, stride = columns ? rows : 1;
    double       sx = d->card->share ? (double)d->input_px[0] : 1, sy = d->card->share ? (double)d->input_px[1] : 1;
    const float *values = out->data;
    for (int64_t i = 0; i < n; i++) {
        const float *v = values + i * stride, *classes = v + (4 + objectness) * step;
        int64_t      best = best_class(classes, d->n_classes, step);
        double       score = (double)classes[best * step] * (objectness > 0 ? v[4 * step] : 1);
        add_centre(d, v[0] * sx, v[step] * sy, v[2 * step] * sx, v[3 * step] * sy, score, best);
    }
    return true;
}

static double sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

/* One box a cell; the score is objectness^0.6 x class^0.4. */
static bool decode_fastestdet(const decoding *d, const mt_tensor *out, GError **error)
{
    int64_t rows = 5 + d->n_classes;

    if (out->dtype != MT_F32 || out->rank != 4 || out->shape[0] != 1 || out->shape[1] != rows) {
        g_autofree char *wanted =
            g_strdup_printf("float32 1 x %" G_GINT64_FORMAT " x h x w, %" G_GINT64_FORMAT " labels,", rows, d->n_classes);
        return refuse("output", out, wanted, error);
    }
    int64_t h = out->shape[2], w = out->shape[3], step = h * w;
    double  sx = (double)d->input_px[0], sy = (double)d->input_px[1];
    for (int64_t i = 0; i < step; i++) {
        const float *v = (const float *)out->data + i;
        int64_t      best = best_class(v + 5 * step, d->n_classes, step);
        double       score = pow(fmax(v[0], 0), 0.6) * pow(fmax(v[(5 + best) * step], 0), 0.4);
        double       x = (tanh(v[step]) + (double)(i % w)) / (double)w, y = (tanh(v[2 * step]) + (double)(i / w)) / (double)h;
        add_centre(d, x * sx, y * sy, sigmoid(v[3 * step]) * sx, sigmoid(v[4 * step]) * sy, score, best);
    }
    return true;
}

/* To x0, y0, z0, x1, y1, z1 in px. */
static void read_box(const decoding *d, const float *v, int axes, double at[6])
{
    static const int last[6] = {0, 1, 4, 2, 3, 5};
    double           low[3] = {0}, high[3] = {1, 1, 1};

    for (int axis = 0; axis < axes; axis++) {
        int    from = d->card->order == MT_BOX_CORNERS_YX ? axes - 1 - axis : axis;
        double scale = d->card->share ? (double)d->input_px[axis] : 1;
        bool   behind = d->card->order == MT_BOX_CORNERS_LAST && axes == 3;
        double a = v[behind ? last[axis] : from], b = v[behind ? last[axis + 3] : from + axes];
        low[axis] = (d->card->order == MT_BOX_CENTRE ? a - b / 2 : a) * scale;
        high[axis] = (d->card->order == MT_BOX_CENTRE ? a + b / 2 : b) * scale;
    }
    for (int axis = 0; axis < 3; axis++) {
        at[axis] = low[axis];
        at[axis + 3] = high[axis];
    }
}

/* Scores (N, C): each class by itself. */
static void add_classes(const decoding *d, const double at[6], const float *scores)
{
    double top = -INFINITY, sum = 0;

    for (int64_t c = 0; c < d->n_classes; c++)
        top = fmax(top, scores[c]);
    for (int64_t c = 0; c < d->n_classes; c++)
        sum += exp(scores[c] - top);
    for (int64_t c = 0; c < d->n_classes; c++)
        add(d, at,
            d->card->activation == MT_BOX_SIGMOID   ? sigmoid(scores[c])
            : d->card->activation == MT_BOX_SOFTMAX ? exp(scores[c] - top) / sum
                                                    : scores[c],
            c);
}

static bool read_class(const decoding *d, const mt_tensor *classes, int64_t i, int64_t *c, GError **error)
{
    const void *data = classes->data;
    double      value = classes->dtype == MT_I64   ? (double)((const int64_t *)data)[i]
                        : classes->dtype == MT_I32 ? (double)((const int32_t *)data)[i]
                                                   : (double)((const float *)data)[i];

    if (value >= 0 && value < (double)d->n_classes && value == floor(value)) {
        *c = (int64_t)value;
        return true;
    }
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read the detector's labels: label %g of a box, there are %" G_GINT64_FORMAT "%s", value,
                d->n_classes, d->card->background ? ", background with them" : "");
    return false;
}

/* Of a tensor whose leading 1 may be there or not. */
static int64_t rows_of(const mt_tensor *tensor, int rank, int64_t *width)
{
    int first = tensor->rank == rank + 1 && tensor->shape[0] == 1 ? 1 : 0;

    if (tensor->rank - first != rank)
        return -1;
    *width = rank == 2 ? tensor->shape[first + 1] : 1;
    return tensor->shape[first];
}

static bool check_classes(const mt_tensor *classes, int64_t n, GError **error)
{
    int64_t width;
    bool    type = classes->dtype == MT_I64 || classes->dtype == MT_I32 || classes->dtype == MT_F32;

    return (type && rows_of(classes, 1, &width) == n) || refuse("labels", classes, "a whole number for each box", error);
}

static bool decode_explicit(const decoding *d, const mt_tensor *const outputs[3], GError **error)
{
    const mt_tensor *boxes = outputs[0], *scores = outputs[1], *classes = outputs[2];
    int64_t          width = 0, columns = 0, n = rows_of(boxes, 2, &width), c = 0;
    int              axes = d->input_px[2] > 0 ? 3 : 2;

    if (boxes->dtype != MT_F32 || n < 0 || width != 2 * axes)
        return refuse("boxes", boxes, axes == 3 ? "float32 N x 6" : "float32 N x 4", error);
    bool matrix = classes == NULL && rows_of(scores, 2, &columns) == n && columns == d->n_classes;
    if (scores->dtype != MT_F32 || (!matrix && rows_of(scores, 1, &width) != n))
        return refuse("scores", scores, "float32, one number for each box or one for each class (background with them),", error);
    if ((classes != NULL && !check_classes(classes, n, error)) || !check_finite(scores, "scores", error))
        return false;
    for (int64_t i = 0; i < n; i++) {
        double at[6];
        read_box(d, (const float *)boxes->data + i * 2 * axes, axes, at);
        c = d->card->background; /* the first of the labels, where the graph names none */
        if (classes != NULL && !read_class(d, classes, i, &c, error))
            return false;
        if (matrix)
            add_classes(d, at, (const float *)scores->data + i * columns);
        else
            add(d, at, ((const float *)scores->data)[i], c);
    }
    return true;
}

bool mt_boxes_decode(const mt_box_card *card, const mt_tensor *const outputs[3], const int64_t input_px[3], GArray *boxes, GError **error)
{
    int64_t        n_classes = (int64_t)g_strv_length(card->labels) + card->background;
    const decoding d = {.card = card, .input_px = input_px, .n_classes = n_classes, .boxes = boxes};

    if (outputs[0]->dtype == MT_F32 && !check_finite(outputs[0], card->format == MT_BOX_EXPLICIT ? "boxes" : "output", error))
        return false;
    switch (card->format) {
    case MT_BOX_YOLOV8:
        return decode_yolo(&d, outputs[0], 0, error);
    case MT_BOX_YOLOV5:
        return decode_yolo(&d, outputs[0], 1, error);
    case MT_BOX_FASTESTDET:
        return decode_fastestdet(&d, outputs[0], error);
    case MT_BOX_EXPLICIT:
        break;
    }
    return decode_explicit(&d, outputs, error);
}
