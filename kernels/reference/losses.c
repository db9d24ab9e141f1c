/* The two losses of the default domain: negative log likelihood, and softmax cross entropy, which is a log softmax before it. */
#include "kernels/reference/element.h"
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"

#include <math.h>
#include <string.h>

typedef enum { REDUCE_MEAN, REDUCE_SUM, REDUCE_NONE } reduction;

static bool read_reduction(const mt_node *node, reduction *result, GError **error)
{
    static const char *const names[] = {"mean", "sum", "none"};
    const char              *given = mt_node_string(node, "reduction", "mean");

    for (int i = 0; i < 3; i++)
        if (strcmp(names[i], given) == 0) {
            *result = (reduction)i;
            return true;
        }
    mt_node_error(node, error, "reduction '%s' is not mean, sum or none", given);
    return false;
}

/* Scores (N, C, d1, ..), targets (N, d1, ..), perhaps one weight a class. */
static bool infer_loss(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0), *target = mt_node_input(node, 1), *weight = mt_node_input(node, 2);
    reduction       reduce;

    if (!mt_want_inputs(node, 2, 3, error) || !mt_want_type(node, 0, MT_TYPES_FLOAT, error) || !mt_want_rank(node, 0, 2, 8, error) ||
        !mt_want_type(node, 1, MT_TYPES_INDEX, error) || !mt_want_rank(node, 2, 1, 1, error) || !mt_want_same_type(node, 0, 2, error) ||
        !read_reduction(node, &reduce, error))
        return false;
    bool fits = target->rank == x->rank - 1;
    for (int i = 0; i < target->rank && fits; i++) {
        int64_t a = x->shape[i == 0 ? 0 : i + 1], b = target->shape[i];
        fits = a < 0 || b < 0 || a == b;
    }
    fits = fits && (weight == NULL || weight->shape[0] < 0 || x->shape[1] < 0 || weight->shape[0] == x->shape[1]);
    if (!fits) {
        g_autofree char *scores = mt_shape_to_string(x->rank, x->shape), *labels = mt_shape_to_string(target->rank, target->shape);
        mt_node_error(node, error, "scores %s, targets %s and weights do not fit", scores, labels);
        return false;
    }
    mt_set_output(node, 0, x->dtype, reduce == REDUCE_NONE ? target->rank : 0, target->shape);
    mt_set_output(node, 1, x->dtype, x->rank, x->shape); /* log probabilities of the softmax loss */
    return true;
}

typedef struct {
    const mt_tensor *x, *target, *weight;
    mt_tensor       *log_probabilities;
    int64_t          classes, inner;
    bool             softmax, has_ignored;
    int64_t          ignored;
} loss_plan;

/* log of the sum of exponentials over the classes of one place. */
static double log_sum(const loss_plan *p, int64_t start)
{
    double top = -INFINITY, sum = 0;

    for (int64_t c = 0; c < p->classes; c++)
        top = fmax(top, mt_element_double(p->x, start + c * p->inner));
    top = isfinite(top) ? top : 0;
    for (int64_t c = 0; c < p->classes; c++)
        sum += exp(mt_element_double(p->x, start + c * p->inner) - top);
    return top + log(sum);
}

/* The loss at one place and the weight it counts with; false for a class that is not there. */
static bool loss_at(const loss_plan *p, int64_t place, double *loss, double *weight)
{
    int64_t start = place / p->inner * p->classes * p->inner + place % p->inner, class = mt_element_int(p->target, place);
    double  shift = p->softmax ? log_sum(p, start) : 0;

    for (int64_t c = 0; p->log_probabilities != NULL && c < p->classes; c++) {
        double value = mt_element_double(p->x, start + c * p->inner) - shift;
        mt_store_doubles(p->log_probabilities, start + c * p->inner, 1, &value);
    }
    *loss = *weight = 0;
    if (p->has_ignored && class == p->ignored)
        return true;
    if (class < 0 || class >= p->classes)
        return false;
    *weight = p->weight != NULL ? mt_element_double(p->weight, class) : 1;
    *loss = -(mt_element_double(p->x, start + class * p->inner) - shift) * *weight;
    return true;
}

static bool run_loss(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0];
    loss_plan        p = {.x = x,
                          .target = inputs[1],
                          .weight = node->inputs->len > 2 ? inputs[2] : NULL,
                          .log_probabilities = node->outputs->len > 1 ? outputs[1] : NULL,
                          .classes = x->shape[1],
                          .inner = mt_product_of(x->shape, 2, x->rank),
                          .softmax = strcmp(node->op, "SoftmaxCrossEntropyLoss") == 0,
                          .has_ignored = mt_node_attr(node, "ignore_index") != NULL,
                          .ignored = mt_node_int(node, "ignore_index", 0)};
    int64_t          count = mt_tensor_count(inputs[1]);
    double           sum = 0, weights = 0, loss, weight;
    reduction        reduce;

    if (!read_reduction(node, &reduce, error))
        return false;
    for (int64_t i = 0; i < count; i++) {
        if (!loss_at(&p, i, &loss, &weight)) {
            mt_node_error(node, error, "target %" G_GINT64_FORMAT " is not one of %" G_GINT64_FORMAT " classes",
                          mt_element_int(inputs[1], i), p.classes);
            return false;
        }
        sum += loss;
        weights += weight;
        if (reduce == REDUCE_NONE && outputs[0] != NULL)
            mt_store_doubles(outputs[0], i, 1, &loss);
    }
    sum = reduce == REDUCE_MEAN ? sum / weights : sum;
    if (reduce != REDUCE_NONE && outputs[0] != NULL)
        mt_store_doubles(outputs[0], 0, 1, &sum);
    return true;
}

const mt_operator mt_family_losses[] = {
    {"NegativeLogLikelihoodLoss", 12, 21, infer_loss, run_loss},
    {"SoftmaxCrossEntropyLoss", 12, 21, infer_loss, run_loss},
    {NULL, 0, 0, NULL, NULL},
};
