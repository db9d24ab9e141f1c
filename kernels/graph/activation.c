#include "kernels/graph/activation.h"

#include <math.h>
#include <string.h>

bool mt_value_scalar(const mt_value *value, double *number)
{
    const mt_tensor *t = value == NULL ? NULL : value->constant;

    if (t == NULL || mt_tensor_count(t) != 1)
        return false;
    if (t->dtype == MT_F32) {
        float f;
        memcpy(&f, t->data, sizeof f);
        *number = f;
    } else if (t->dtype == MT_F64) {
        memcpy(number, t->data, sizeof *number);
    } else {
        return false;
    }
    return true;
}

void mt_node_set_activation(mt_node *node, mt_function function, double alpha, double beta)
{
    mt_node_set_int(node, "function", function);
    mt_node_set_float(node, "alpha", alpha);
    mt_node_set_float(node, "beta", beta);
}

static double sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static double softplus(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static double apply_smooth(const mt_activation *a, double x)
{
    switch (a->function) {
    case MT_FN_SIGMOID:
        return sigmoid(x);
    case MT_FN_TANH:
        return tanh(x);
    case MT_FN_ELU:
        return x > 0 ? x : a->alpha * expm1(x);
    case MT_FN_SWISH:
        return x * sigmoid(a->alpha * x);
    case MT_FN_GELU_ERF:
        return 0.5 * x * (1 + erf(x * M_SQRT1_2));
    case MT_FN_GELU_TANH:
        return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case MT_FN_MISH:
        return x * tanh(softplus(x));
    case MT_FN_SOFTPLUS:
        return softplus(x);
    case MT_FN_EXP:
        return exp(x);
    case MT_FN_LOG:
        return log(x);
    case MT_FN_SQRT:
        return sqrt(x);
    default:
        return a->alpha * pow(x, a->beta); /* MT_FN_POW */
    }
}

double mt_activation_apply(const mt_activation *a, double x)
{
    if (isnan(x))
        return x;
    switch (a->function) {
    case MT_FN_RELU:
        return x > 0 ? x : a->alpha == 0 ? 0 : a->alpha * x;
    case MT_FN_LINEAR:
        return a->alpha * x + a->beta;
    case MT_FN_CLIP:
        return fmin(fmax(x, a->alpha), a->beta);
    case MT_FN_HARDSWISH:
        return x * fmin(fmax(x / 6 + 0.5, 0), 1);
    case MT_FN_ABS:
        return fabs(x);
    case MT_FN_SQUARE:
        return x * x;
    default:
        return apply_smooth(a, x);
    }
}

static const struct {
    const char   *op;
    mt_activation function;
} simple[] = {
    {"Relu", {MT_FN_RELU, 0, 0}},   {"Sigmoid", {MT_FN_SIGMOID, 0, 0}},
    {"Tanh", {MT_FN_TANH, 0, 0}},   {"HardSwish", {MT_FN_HARDSWISH, 0, 0}},
    {"Mish", {MT_FN_MISH, 0, 0}},   {"Softplus", {MT_FN_SOFTPLUS, 0, 0}},
    {"Exp", {MT_FN_EXP, 0, 0}},     {"Log", {MT_FN_LOG, 0, 0}},
    {"Sqrt", {MT_FN_SQRT, 0, 0}},   {"Abs", {MT_FN_ABS, 0, 0}},
    {"Neg", {MT_FN_LINEAR, -1, 0}}, {"Reciprocal", {MT_FN_POW, 1, -1}},
};

static bool is_op(const mt_node *node, const char *op)
{
    return strcmp(node->op, op) == 0;
}

/* Operators with parameters in attributes. */
static int from_attributes(const mt_node *node, mt_activation *f)
{
    if (is_op(node, "LeakyRelu")) {
        f[0] = (mt_activation){MT_FN_RELU, mt_node_float(node, "alpha", 0.01), 0};
        return 1;
    }
    if (is_op(node, "Elu")) {
        f[0] = (mt_activation){MT_FN_ELU, mt_node_float(node, "alpha", 1), 0};
        return 1;
    }
    if (is_op(node, "Selu")) {
        f[0] = (mt_activation){MT_FN_ELU, mt_node_float(node, "alpha", 1.67326319217681884765625), 0};
        f[1] = (mt_activation){MT_FN_LINEAR, mt_node_float(node, "gamma", 1.05070102214813232421875), 0};
        return 2;
    }
    if (is_op(node, "HardSigmoid")) {
        f[0] = (mt_activation){MT_FN_LINEAR, mt_node_float(node, "alpha", 0.2), mt_node_float(node, "beta", 0.5)};
        f[1] = (mt_activation){MT_FN_CLIP, 0, 1};
        return 2;
    }
    if (is_op(node, "Gelu")) {
        bool tanh_form = strcmp(mt_node_string(node, "approximate", "none"), "tanh") == 0;
        f[0] = (mt_activation){tanh_form ? MT_FN_GELU_TANH : MT_FN_GELU_ERF, 0, 0};
        return 1;
    }
    if (is_op(node, "mt.Activation")) {
        f[0] =
            (mt_activation){(mt_function)mt_node_int(node, "function", 0), mt_node_float(node, "alpha", 0), mt_node_float(node, "beta", 0)};
        return 1;
    }
    return 0;
}

/* A bound of Clip: an input from opset 11 on, an attribute before; absent is infinite. */
static bool clip_bound(const mt_node *node, int input, const char *attr, double fallback, double *bound)
{
    *bound = mt_node_float(node, attr, fallback);
    return mt_node_input(node, input) == NULL || mt_value_scalar(mt_node_input(node, input), bound);
}

static int from_clip(const mt_node *node, mt_activation *f)
{
    f[0].function = MT_FN_CLIP;
    return clip_bound(node, 1, "min", -INFINITY, &f[0].alpha) && clip_bound(node, 2, "max", INFINITY, &f[0].beta) &&
           f[0].alpha <= f[0].beta;
}

static bool same_shape(const mt_value *a, const mt_value *b)
{
    if (a == NULL || b == NULL || a->rank != b->rank || a->rank < 0)
        return false;
    return memcmp(a->shape, b->shape, (size_t)a->rank * sizeof a->shape[0]) == 0;
}

/* x + c, c - x, x c, x / c, c / x, x^c with a constant number c; *input says which one is x. */
static int from_binary(const mt_node *node, mt_activation *f, int *input)
{
    double c;

    *input = mt_value_scalar(mt_node_input(node, 1), &c) ? 0 : 1;
    if (*input == 1 && !mt_value_scalar(mt_node_input(node, 0), &c))
        return 0;
    if (!same_shape(mt_node_input(node, *input), mt_node_output(node, 0)))
        return 0;
    if (is_op(node, "Add"))
        f[0] = (mt_activation){MT_FN_LINEAR, 1, c};
    else if (is_op(node, "Sub"))
        f[0] = *input == 0 ? (mt_activation){MT_FN_LINEAR, 1, -c} : (mt_activation){MT_FN_LINEAR, -1, c};
    else if (is_op(node, "Mul"))
        f[0] = (mt_activation){MT_FN_LINEAR, c, 0};
    else if (is_op(node, "Div") && (*input == 1 || c != 0))
        f[0] = *input == 0 ? (mt_activation){MT_FN_LINEAR, 1 / c, 0} : (mt_activation){MT_FN_POW, c, -1};
    else if (is_op(node, "Pow") && *input == 0)
        f[0] = c == 2     ? (mt_activation){MT_FN_SQUARE, 0, 0}
               : c == 0.5 ? (mt_activation){MT_FN_SQRT, 0, 0}
                          : (mt_activation){MT_FN_POW, 1, c};
    else
        return 0;
    return 1;
}

static int from_prelu(const mt_node *node, mt_activation *f)
{
    f[0].function = MT_FN_RELU;
    return mt_value_scalar(mt_node_input(node, 1), &f[0].alpha) && same_shape(mt_node_input(node, 0), mt_node_output(node, 0));
}

int mt_node_activations(const mt_node *node, mt_activation *functions, int *input)
{
    *input = 0;
    functions[0] = (mt_activation){0};
    for (size_t i = 0; i < G_N_ELEMENTS(simple); i++)
        if (is_op(node, simple[i].op)) {
            functions[0] = simple[i].function;
            return 1;
        }
    if (is_op(node, "Clip"))
        return from_clip(node, functions);
    if (is_op(node, "PRelu"))
        return from_prelu(node, functions);
    if (is_op(node, "Add") || is_op(node, "Sub") || is_op(node, "Mul") || is_op(node, "Div") || is_op(node, "Pow"))
        return from_binary(node, functions, input);
    return from_attributes(node, functions);
}
