/* NonMaxSuppression: of boxes that overlap, the one with the best score stays. */
#include "kernels/reference/element.h"
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"
#include "src/base/alloc.h"

#include <stdlib.h>

typedef struct {
    float   low[2], high[2]; /* y, x */
    float   score;
    int64_t index;
} box;

typedef struct {
    const mt_tensor *boxes, *scores;
    int64_t          most; /* of one class of one image */
    float            overlap, least_score;
    bool             has_least_score, centred;
} suppress_plan;

/* boxes, scores, most per class, overlap threshold, score threshold; tensors, or the constants of the values. */
static suppress_plan read_plan(const mt_node *node, const mt_tensor *const *tensors)
{
    const mt_tensor *most = tensors[2], *overlap = tensors[3], *score = tensors[4];
    suppress_plan    p = {.boxes = tensors[0], .scores = tensors[1], .centred = mt_node_int(node, "center_point_box", 0) != 0};

    p.most = most != NULL && mt_tensor_count(most) > 0 ? MAX(0, mt_element_int(most, 0)) : 0;
    p.overlap = overlap != NULL && mt_tensor_count(overlap) > 0 ? (float)mt_element_double(overlap, 0) : 0;
    p.has_least_score = score != NULL && mt_tensor_count(score) > 0;
    p.least_score = p.has_least_score ? (float)mt_element_double(score, 0) : 0;
    return p;
}

static box read_box(const suppress_plan *p, int64_t image, int64_t i)
{
    int64_t at = (image * p->boxes->shape[1] + i) * 4;
    float   v[4];
    box     b = {.index = i};

    for (int k = 0; k < 4; k++)
        v[k] = (float)mt_element_double(p->boxes, at + k);
    for (int k = 0; k < 2; k++) { /* corners y1 x1 y2 x2 in any order, or centre x y, width, height */
        float centre = v[1 - k], half = v[3 - k] / 2;

        b.low[k] = p->centred ? centre - half : MIN(v[k], v[k + 2]);
        b.high[k] = p->centred ? centre + half : MAX(v[k], v[k + 2]);
    }
    return b;
}

static bool overlaps(const box *a, const box *b, float threshold)
{
    float inner = 1, area_a = 1, area_b = 1;

    for (int k = 0; k < 2; k++) {
        inner *= MAX(0, MIN(a->high[k], b->high[k]) - MAX(a->low[k], b->low[k]));
        area_a *= a->high[k] - a->low[k];
        area_b *= b->high[k] - b->low[k];
    }
    return area_a > 0 && area_b > 0 && inner / (area_a + area_b - inner) > threshold;
}

static int best_first(const void *a, const void *b)
{
    const box *x = a, *y = b;

    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* The boxes of one class of one image that stay, moved to the front of `list`. */
static int64_t select_class(const suppress_plan *p, int64_t image, int64_t class, box *list)
{
    int64_t n = p->boxes->shape[1], found = 0, kept = 0;

    for (int64_t i = 0; i < n; i++) {
        box b = read_box(p, image, i);

        b.score = (float)mt_element_double(p->scores, (image * p->scores->shape[1] + class) * n + i);
        if (b.score == b.score && (!p->has_least_score || b.score > p->least_score))
            list[found++] = b;
    }
    qsort(list, (size_t)found, sizeof *list, best_first);
    for (int64_t i = 0; i < found && kept < p->most; i++) {
        bool clear = true;

        for (int64_t k = 0; k < kept && clear; k++)
            clear = !overlaps(&list[k], &list[i], p->overlap);
        if (clear)
            list[kept++] = list[i];
    }
    return kept;
}

/* How many stay in all; their (image, class, box) go to `result` where that is wanted.  -1 when memory is refused. */
static int64_t select_all(const suppress_plan *p, mt_tensor *result, GError **error)
{
    box    *list = mt_alloc(p->boxes->shape[1], sizeof *list, error);
    int64_t total = 0;

    if (list == NULL)
        return -1;
    for (int64_t image = 0; image < p->boxes->shape[0]; image++)
        for (int64_t class = 0; class < p->scores->shape[1]; class ++) {
            int64_t kept = p->most > 0 ? select_class(p, image, class, list) : 0;

            for (int64_t i = 0; i < kept; i++, total++) {
                int64_t row[] = {image, class, list[i].index};
                if (result != NULL)
                    mt_store_ints(result, total * 3, 3, row);
            }
        }
    mt_free(list);
    return total;
}

/* Its shape is data, so it is known for constants only. */
static bool infer_suppress(mt_node *node, GError **error)
{
    const mt_value *boxes = mt_node_input(node, 0), *scores = mt_node_input(node, 1);
    int64_t         shape[] = {-1, 3};
    bool            known = true;

    if (!mt_want_inputs(node, 2, 5, error) || !mt_want_type(node, 0, MT_TYPE_BIT(MT_F32), error) ||
        !mt_want_type(node, 1, MT_TYPE_BIT(MT_F32), error) || !mt_want_rank(node, 0, 3, 3, error) || !mt_want_rank(node, 1, 3, 3, error) ||
        !mt_want_type(node, 2, MT_TYPE_BIT(MT_I64), error) || !mt_want_type(node, 3, MT_TYPE_BIT(MT_F32), error) ||
        !mt_want_type(node, 4, MT_TYPE_BIT(MT_F32), error))
        return false;
    bool fits = (boxes->shape[2] < 0 || boxes->shape[2] == 4) &&
                (boxes->shape[0] < 0 || scores->shape[0] < 0 || boxes->shape[0] == scores->shape[0]) &&
                (boxes->shape[1] < 0 || scores->shape[2] < 0 || boxes->shape[1] == scores->shape[2]);
    if (!fits) {
        g_autofree char *a = mt_shape_to_string(3, boxes->shape), *b = mt_shape_to_string(3, scores->shape);
        mt_node_error(node, error, "boxes %s and scores %s do not fit", a, b);
        return false;
    }
    const mt_tensor *tensors[5] = {NULL};
    for (int i = 0; i < 5; i++) {
        const mt_value *value = mt_node_input(node, i);

        known = known && (value == NULL || value->constant != NULL);
        tensors[i] = value != NULL ? value->constant : NULL;
    }
    if (known) {
        suppress_plan p = read_plan(node, tensors);
        shape[0] = select_all(&p, NULL, error);
    }
    mt_set_output(node, 0, MT_I64, 2, shape);
    return !known || shape[0] >= 0;
}

static bool run_suppress(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *tensors[5] = {NULL};

    for (guint i = 0; i < MIN(node->inputs->len, 5); i++)
        tensors[i] = inputs[i];
    suppress_plan p = read_plan(node, tensors);
    return select_all(&p, outputs[0], error) >= 0;
}

const mt_operator mt_family_suppress[] = {
    {"NonMaxSuppression", 10, 21, infer_suppress, run_suppress},
    {NULL, 0, 0, NULL, NULL},
};
