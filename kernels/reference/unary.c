/* Operators of one input that work on each element alone, in double, rounded once. */
#include "kernels/reference/element.h"
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"

#include <math.h>
#include <string.h>

typedef struct {
    const char *name;
    double (*of)(double x, double a, double b);
    unsigned    types;
    const char *attr_a, *attr_b; /* names of a and b, NULL when the function has none */
    double      a, b;            /* their defaults */
} unary_rule;

static double relu(double x, double a, double b)
{
    (void)a, (void)b;
    return x > 0 ? x : (isnan(x) ? x : 0);
}

static double leaky_relu(double x, double a, double b)
{
    (void)b;
    return x < 0 ? a * x : x;
}

static double elu(double x, double a, double b)
{
    (void)b;
    return x < 0 ? a * expm1(x) : x;
}

static double selu(double x, double a, double b)
{
    return x > 0 ? b * x : b * a * expm1(x);
}

static double celu(double x, double a, double b)
{
    (void)b;
    return fmax(0, x) + fmin(0, a * expm1(x / a));
}

static double sigmoid(double x, double a, double b)
{
    (void)a, (void)b;
    return 1 / (1 + exp(-x));
}

static double hard_sigmoid(double x, double a, double b)
{
    return isnan(x) ? x : fmax(0, fmin(1, a * x + b));
}

static double hard_swish(double x, double a, double b)
{
    return x * hard_sigmoid(x, a, b);
}

static double thresholded_relu(double x, double a, double b)
{
    (void)b;
    return x > a || isnan(x) ? x : 0;
}

static double softplus(double x, double a, double b)
{
    (void)a, (void)b;
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double softsign(double x, double a, double b)
{
    (void)a, (void)b;
    return x / (1 + fabs(x));
}

static double mish(double x, double a, double b)
{
    return x * tanh(softplus(x, a, b));
}

static double shrink(double x, double a, double b)
{
    return x < -a ? x + b : (x > a ? x - b : (isnan(x) ? x : 0));
}

static double gelu(double x, double a, double b)
{
    (void)a, (void)b;
    return 0.5 * x * (1 + erf(x * M_SQRT1_2));
}

static double gelu_tanh(double x, double a, double b)
{
    (void)a, (void)b;
    return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
}

#define PLAIN(function, expression)                                                                                                        \
    static double function(double x, double a, double b)                                                                                   \
    {                                                                                                                                      \
        (void)a, (void)b;                                                                                                                  \
        return expression;                                                                                                                 \
    }
PLAIN(tanh_of, tanh(x))
PLAIN(exp_of, exp(x))
PLAIN(log_of, log(x))
PLAIN(sqrt_of, sqrt(x))
PLAIN(reciprocal_of, 1 / x)
PLAIN(neg_of, -x)
PLAIN(abs_of, fabs(x))
PLAIN(erf_of, erf(x))
PLAIN(floor_of, floor(x))
PLAIN(ceil_of, ceil(x))
PLAIN(round_of, nearbyint(x))
PLAIN(sin_of, sin(x))
PLAIN(cos_of, cos(x))
PLAIN(tan_of, tan(x))
PLAIN(asin_of, asin(x))
PLAIN(acos_of, acos(x))
PLAIN(atan_of, atan(x))
PLAIN(sinh_of, sinh(x))
PLAIN(cosh_of, cosh(x))
PLAIN(asinh_of, asinh(x))
PLAIN(acosh_of, acosh(x))
PLAIN(atanh_of, atanh(x))
PLAIN(sign_of, isnan(x) ? x : (x > 0) - (x < 0))
PLAIN(not_of, x == 0)
PLAIN(same_of, x)
PLAIN(is_nan, isnan(x) ? 1 : 0)

static double is_inf(double x, double a, double b)
{
    return isinf(x) && (x > 0 ? b != 0 : a != 0);
}

static const unary_rule rules[] = {
    {"Relu", relu, MT_TYPES_NUMBER, NULL, NULL, 0, 0},
    {"LeakyRelu", leaky_relu, MT_TYPES_FLOAT, "alpha", NULL, 0.01, 0},
    {"Elu", elu, MT_TYPES_FLOAT, "alpha", NULL, 1, 0},
    {"Selu", selu, MT_TYPES_FLOAT, "alpha", "gamma", 1.67326319217681884765625, 1.05070102214813232421875},
    {"Celu", celu, MT_TYPES_FLOAT, "alpha", NULL, 1, 0},
    {"Sigmoid", sigmoid, MT_TYPES_FLOAT, NULL, NULL, 0, 0},
    {"HardSigmoid", hard_sigmoid, MT_TYPES_FLOAT, "alpha", "beta", 0.2, 0.5},
    {"HardSwish", hard_swish, MT_TYPES_FLOAT, NULL, NULL, 1.0 / 6, 0.5},
    {"ThresholdedRelu", thresholded_relu, MT_TYPES_FLOAT, "alpha", NULL, 1, 0},
    {"Softplus", softplus, MT_TYPES_FLOAT, NULL, NULL, 0, 0},
    {"Softsign", softsign, MT_TYPES_FLOAT, NULL, NULL, 0, 0},
    {"Mish", mish, MT_TYPES_FLOAT, NULL, NULL, 0, 0},
    {"Shrink", shrink, MT_TYPES_NUMBER, "lambd", "bias", 0.5, 0},
    {"Gelu", gelu, MT_TYPES_FLOAT, NULL, NULL, 0, 0},
    {"Tanh", tanh_of, MT_TYPES_FLOAT, NULL, NULL, 0, 0},
    {"Exp", exp_of, MT_TYPES_FLOAT, NULL, NULL, 0, 0},
    {"Log", log_of, MT_TYPES_FLOAT, NULL, NULL, 0, 0},
    {"Sqrt", sqrt_of, MT_TYPES_FLOAT, NULL, NULL, 0, 0},
    {"Reciprocal", reciprocal_of, MT_TYPES_FLOAT, NULL, NULL, 0, 0},
    {"Neg", neg_of, MT_TYPES_NUMBER, NULL, NULL, 0, 0},
    {"Abs", abs_of, MT_TYPES_NUMBER, NULL, NULL, 0, 0},
    {"Erf", erf_of, MT_TYPES_NUMBER, NULL, NULL, 0, 0},
    {"Floor", floor_of, MT_TYPES_FLOAT, NULL, NULL, 0, 0},
    {"Ceil", ceil_of, MT_TYPES_FLOAT, NULL, NULL, 0, 0},
    {"Round", round_of, MT_TYPES_FLOAT, NULL, NULL, 0, 0},
    {"Sin", sin_of, MT_TYPES_FLOAT, NULL, NULL, 0, 0},
    {"Cos", cos_of, MT_TYPES_FLOAT, NULL, NULL, 0, 0},
    {"Tan", tan_of, MT_TYPES_FLOAT, NULL, NULL, 0, 0},
    {"Asin", asin_of, MT_TYPES_FLOAT, NULL, NULL, 0, 0},
    {"Acos", acos_of, MT_TYPES_FLOAT, NULL, NULL, 0, 0},
    {"Atan", atan_of, MT_TYPES_FLOAT, NULL, NULL, 0, 0},
    {"Sinh", sinh_of, MT_TYPES_FLOAT, NULL, NULL, 0, 0},
    {"Cosh", cosh_of, MT_TYPES_FLOAT, NULL, NULL, 0, 0},
    {"Asinh", asinh_of, MT_TYPES_FLOAT, NULL, NULL, 0, 0},
    {"Acosh", acosh_of, MT_TYPES_FLOAT, NULL, NULL, 0, 0},
    {"Atanh", atanh_of, MT_TYPES_FLOAT, NULL, NULL, 0, 0},
    {"Sign", sign_of, MT_TYPES_NUMBER, NULL, NULL, 0, 0},
    {"Not", not_of, MT_TYPES_BOOL, NULL, NULL, 0, 0},
    {"Identity", same_of, MT_TYPES_ANY, NULL, NULL, 0, 0},
    {"IsNaN", is_nan, MT_TYPES_FLOAT, NULL, NULL, 0, 0},
    {"IsInf", is_inf, MT_TYPES_FLOAT, "detect_negative", "detect_positive", 1, 1},
};

static const unary_rule *find_rule(const mt_node *node)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rules); i++)
        if (strcmp(rules[i].name, node->op) == 0)
            return &rules[i];
    return NULL;
}

/* A float attribute, or an int one (IsInf's switches). */
static double parameter(const mt_node *node, const char *name, double fallback)
{
    return name == NULL ? fallback
                        : mt_node_float(node, name, (double)mt_node_int(node, name, 0) + (mt_node_attr(node, name) == NULL ? fallback : 0));
}

static bool infer_unary(mt_node *node, GError **error)
{
    if (!mt_want_inputs(node, 1, 1, error) || !mt_want_type(node, 0, find_rule(node)->types, error))
        return false;
    mt_set_like_input(node);
    if (g_str_has_prefix(node->op, "Is"))
        mt_node_output(node, 0)->dtype = MT_BOOL;
    return true;
}

static bool run_unary(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const unary_rule *rule = find_rule(node);
    int64_t           count = mt_tensor_count(outputs[0]);
    double            a = parameter(node, rule->attr_a, rule->a), b = parameter(node, rule->attr_b, rule->b), x[MT_RUN];
    double (*of)(double, double, double) = rule->of;

    (void)error;
    if (of == gelu && strcmp(mt_node_string(node, "approximate", "none"), "tanh") == 0)
        of = gelu_tanh;
    for (int64_t start = 0; start < count; start += MT_RUN) {
        int n = (int)MIN(MT_RUN, count - start);

        mt_load_doubles(inputs[0], start, 1, n, x);
        for (int i = 0; i < n; i++)
            x[i] = of(x[i], a, b);
        mt_store_doubles(outputs[0], start, n, x);
    }
    return true;
}

/* int64 does not fit a double: the few operators that shape arithmetic uses get a loop of their own. */
static bool run_exact(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    int64_t count = mt_tensor_count(outputs[0]);

    if (inputs[0]->dtype != MT_I64)
        return run_unary(node, inputs, outputs, error);
    const int64_t *x = inputs[0]->data;
    int64_t       *y = outputs[0]->data;
    bool           flips = strcmp(node->op, "Neg") == 0, sizes = strcmp(node->op, "Abs") == 0;
    for (int64_t i = 0; i < count; i++)
        if (flips || sizes)
            y[i] = flips || x[i] < 0 ? (int64_t)(0 - (uint64_t)x[i]) : x[i];
        else
            y[i] = (x[i] > 0) - (x[i] < 0);
    return true;
}

/* Bytes as they are: any type, and NaNs keep their bits. */
static bool run_identity(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    (void)node, (void)error;
    memcpy(outputs[0]->data, inputs[0]->data, mt_tensor_bytes(outputs[0]));
    return true;
}

/* A known share of nothing: torchvision's Swin exports its dropout of 0 in training mode. */
static bool drops_nothing(const mt_node *node)
{
    const mt_value *ratio = mt_node_input(node, 1);

    return ratio != NULL && ratio->constant != NULL && mt_tensor_count(ratio->constant) == 1 && mt_element_double(ratio->constant, 0) == 0;
}

/* Inference only: the first output is the input, the mask (opset 7 on) is all true. */
static bool infer_dropout(mt_node *node, GError **error)
{
    const mt_value *training = mt_node_input(node, 2);

    if (!mt_want_inputs(node, 1, 3, error) || !mt_want_type(node, 0, MT_TYPES_FLOAT, error))
        return false;
    if (training != NULL && !drops_nothing(node) && (training->constant == NULL || mt_element_int(training->constant, 0) != 0)) {
        mt_node_error(node, error, "training mode is not supported; export the model for inference");
        return false;
    }
    mt_set_like_input(node);
    const mt_value *input = mt_node_input(node, 0);
    mt_set_output(node, 1, MT_BOOL, input->rank, input->shape);
    return true;
}

static bool run_dropout(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    if (node->outputs->len > 1 && outputs[1] != NULL)
        memset(outputs[1]->data, 1, mt_tensor_bytes(outputs[1]));
    return outputs[0] == NULL || run_identity(node, inputs, outputs, error);
}

const mt_operator mt_family_unary[] = {
    {"Relu", 1, 21, infer_unary, run_unary},
    {"LeakyRelu", 6, 21, infer_unary, run_unary},
    {"Elu", 6, 21, infer_unary, run_unary},
    {"Selu", 6, 21, infer_unary, run_unary},
    {"Celu", 12, 21, infer_unary, run_unary},
    {"Sigmoid", 6, 21, infer_unary, run_unary},
    {"HardSigmoid", 6, 21, infer_unary, run_unary},
    {"HardSwish", 14, 21, infer_unary, run_unary},
    {"ThresholdedRelu", 10, 21, infer_unary, run_unary},
    {"Softplus", 1, 21, infer_unary, run_unary},
    {"Softsign", 1, 21, infer_unary, run_unary},
    {"Mish", 18, 21, infer_unary, run_unary},
    {"Shrink", 9, 21, infer_unary, run_unary},
    {"Gelu", 20, 21, infer_unary, run_unary},
    {"Tanh", 6, 21, infer_unary, run_unary},
    {"Exp", 6, 21, infer_unary, run_unary},
    {"Log", 6, 21, infer_unary, run_unary},
    {"Sqrt", 6, 21, infer_unary, run_unary},
    {"Reciprocal", 6, 21, infer_unary, run_unary},
    {"Neg", 6, 21, infer_unary, run_exact},
    {"Abs", 6, 21, infer_unary, run_exact},
    {"Erf", 9, 21, infer_unary, run_unary},
    {"Floor", 6, 21, infer_unary, run_unary},
    {"Ceil", 6, 21, infer_unary, run_unary},
    {"Round", 11, 21, infer_unary, run_unary},
    {"Sin", 7, 21, infer_unary, run_unary},
    {"Cos", 7, 21, infer_unary, run_unary},
    {"Tan", 7, 21, infer_unary, run_unary},
    {"Asin", 7, 21, infer_unary, run_unary},
    {"Acos", 7, 21, infer_unary, run_unary},
    {"Atan", 7, 21, infer_unary, run_unary},
    {"Sinh", 9, 21, infer_unary, run_unary},
    {"Cosh", 9, 21, infer_unary, run_unary},
    {"Asinh", 9, 21, infer_unary, run_unary},
    {"Acosh", 9, 21, infer_unary, run_unary},
    {"Atanh", 9, 21, infer_unary, run_unary},
    {"Sign", 9, 21, infer_unary, run_exact},
    {"Not", 1, 21, infer_unary, run_unary},
    {"Identity", 1, 21, infer_unary, run_identity},
    {"IsNaN", 9, 21, infer_unary, run_unary},
    {"IsInf", 10, 21, infer_unary, run_unary},
    {"Dropout", 7, 21, infer_dropout, run_dropout},
    {NULL, 0, 0, NULL, NULL},
};
