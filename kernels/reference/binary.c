/* Operators of several inputs that broadcast: arithmetic, comparison, logic, Where, PRelu, Clip.  Floats are worked on in
 * double and rounded once, integers in int64 (wrapping as their type does). */
#include "kernels/reference/broadcast.h"
#include "kernels/reference/element.h"
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"

#include <math.h>
#include <string.h>

#define ROW(name, type, expression)                                                                                                        \
    static void name(int n, type *const *x, const void *closure)                                                                           \
    {                                                                                                                                      \
        (void)closure;                                                                                                                     \
        for (int i = 0; i < n; i++) {                                                                                                      \
            type a = x[0][i], b = x[1][i];                                                                                                 \
            x[0][i] = expression;                                                                                                          \
        }                                                                                                                                  \
    }
#define WRAP(operation) (int64_t)((uint64_t)a operation(uint64_t) b)

static int64_t divide(int64_t a, int64_t b)
{
    if (b == 0)
        return 0;
    return b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}

/* Sign of the divisor, as Python's %. */
static int64_t modulo(int64_t a, int64_t b)
{
    int64_t rest = b == 0 || b == -1 ? 0 : a % b;

    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

static int64_t power(int64_t base, int64_t exponent)
{
    uint64_t result = 1, square = (uint64_t)base;

    if (exponent < 0)
        return base == 1 ? 1 : (base == -1 ? (exponent % 2 == 0 ? 1 : -1) : 0);
    for (; exponent > 0; exponent /= 2, square *= square)
        if (exponent % 2 == 1)
            result *= square;
    return (int64_t)result;
}

ROW(add_doubles, double, a + b)
ROW(sub_doubles, double, a - b)
ROW(mul_doubles, double, a *b)
ROW(div_doubles, double, a / b)
ROW(pow_doubles, double, pow(a, b))
ROW(fmod_doubles, double, fmod(a, b))
ROW(max_doubles, double, isnan(a) || a > b ? a : b)
ROW(min_doubles, double, isnan(a) || a < b ? a : b)
ROW(equal_doubles, double, a == b)
ROW(greater_doubles, double, a > b)
ROW(less_doubles, double, a < b)
ROW(greater_equal_doubles, double, a >= b)
ROW(less_equal_doubles, double, a <= b)
ROW(prelu_doubles, double, a < 0 ? a * b : a)

ROW(add_ints, int64_t, WRAP(+))
ROW(sub_ints, int64_t, WRAP(-))
ROW(mul_ints, int64_t, WRAP(*))
ROW(div_ints, int64_t, divide(a, b))
ROW(pow_ints, int64_t, power(a, b))
ROW(mod_ints, int64_t, modulo(a, b))
ROW(fmod_ints, int64_t, b == 0 || b == -1 ? 0 : a % b)
ROW(max_ints, int64_t, MAX(a, b))
ROW(min_ints, int64_t, MIN(a, b))
ROW(equal_ints, int64_t, a == b)
ROW(greater_ints, int64_t, a > b)
ROW(less_ints, int64_t, a < b)
ROW(greater_equal_ints, int64_t, a >= b)
ROW(less_equal_ints, int64_t, a <= b)
ROW(and_ints, int64_t, a != 0 && b != 0)
ROW(or_ints, int64_t, a != 0 || b != 0)
ROW(xor_ints, int64_t, (a != 0) != (b != 0))
/* uint64 shares its bits with int64, but not its order. */
ROW(div_unsigned, int64_t, b == 0 ? 0 : (int64_t)((uint64_t)a / (uint64_t)b))
ROW(mod_unsigned, int64_t, b == 0 ? 0 : (int64_t)((uint64_t)a % (uint64_t)b))
ROW(max_unsigned, int64_t, (int64_t)MAX((uint64_t)a, (uint64_t)b))
ROW(min_unsigned, int64_t, (int64_t)MIN((uint64_t)a, (uint64_t)b))
ROW(greater_unsigned, int64_t, (uint64_t)a > (uint64_t)b)
ROW(less_unsigned, int64_t, (uint64_t)a < (uint64_t)b)
ROW(greater_equal_unsigned, int64_t, (uint64_t)a >= (uint64_t)b)
ROW(less_equal_unsigned, int64_t, (uint64_t)a <= (uint64_t)b)
ROW(prelu_ints, int64_t, a < 0 ? WRAP(*) : a)

enum { SAME_TYPES = 1, GIVES_BOOL = 2, ONE_WAY = 4 };

typedef struct {
    const char    *name;
    mt_run_doubles doubles;
    mt_run_ints    ints;
    unsigned       types;
    int            flags;
} binary_rule;

static const binary_rule rules[] = {
    {"Add", add_doubles, add_ints, MT_TYPES_NUMBER, SAME_TYPES},
    {"Sub", sub_doubles, sub_ints, MT_TYPES_NUMBER, SAME_TYPES},
    {"Mul", mul_doubles, mul_ints, MT_TYPES_NUMBER, SAME_TYPES},
    {"Div", div_doubles, div_ints, MT_TYPES_NUMBER, SAME_TYPES},
    {"Pow", pow_doubles, pow_ints, MT_TYPES_NUMBER, 0},
    {"Mod", fmod_doubles, mod_ints, MT_TYPES_NUMBER, SAME_TYPES},
    {"Equal", equal_doubles, equal_ints, MT_TYPES_ANY, SAME_TYPES | GIVES_BOOL},
    {"Greater", greater_doubles, greater_ints, MT_TYPES_NUMBER, SAME_TYPES | GIVES_BOOL},
    {"Less", less_doubles, less_ints, MT_TYPES_NUMBER, SAME_TYPES | GIVES_BOOL},
    {"GreaterOrEqual", greater_equal_doubles, greater_equal_ints, MT_TYPES_NUMBER, SAME_TYPES | GIVES_BOOL},
    {"LessOrEqual", less_equal_doubles, less_equal_ints, MT_TYPES_NUMBER, SAME_TYPES | GIVES_BOOL},
    {"And", NULL, and_ints, MT_TYPES_BOOL, SAME_TYPES},
    {"Or", NULL, or_ints, MT_TYPES_BOOL, SAME_TYPES},
    {"Xor", NULL, xor_ints, MT_TYPES_BOOL, SAME_TYPES},
    {"PRelu", prelu_doubles, prelu_ints, MT_TYPES_NUMBER, SAME_TYPES | ONE_WAY},
    {"Max", max_doubles, max_ints, MT_TYPES_NUMBER, SAME_TYPES},
    {"Min", min_doubles, min_ints, MT_TYPES_NUMBER, SAME_TYPES},
    {"Sum", add_doubles, NULL, MT_TYPES_FLOAT, SAME_TYPES},
    {"Mean", add_doubles, NULL, MT_TYPES_FLOAT, SAME_TYPES},
};

static const binary_rule *find_rule(const mt_node *node)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rules); i++)
        if (strcmp(rules[i].name, node->op) == 0)
            return &rules[i];
    return NULL;
}

/* The rule's work on integers of the type. */
static mt_run_ints ints_for(mt_run_ints work, mt_dtype dtype)
{
    static const struct {
        mt_run_ints plain, as_unsigned;
    } pairs[] = {{div_ints, div_unsigned},
                 {mod_ints, mod_unsigned},
                 {fmod_ints, mod_unsigned},
                 {max_ints, max_unsigned},
                 {min_ints, min_unsigned},
                 {greater_ints, greater_unsigned},
                 {less_ints, less_unsigned},
                 {greater_equal_ints, greater_equal_unsigned},
                 {less_equal_ints, less_equal_unsigned}};

    for (size_t i = 0; dtype == MT_U64 && i < G_N_ELEMENTS(pairs); i++)
        if (pairs[i].plain == work)
            return pairs[i].as_unsigned;
    return work;
}

/* Output 0: the broadcast shape of inputs `first` on, the type given. */
static bool infer_broadcast(mt_node *node, int first, mt_dtype dtype, GError **error)
{
    int     rank = 0;
    int64_t shape[MT_MAX_RANK];

    for (guint i = (guint)first; i < node->inputs->len; i++)
        if (node->inputs->pdata[i] != NULL && !mt_broadcast_join(node, node->inputs->pdata[i], &rank, shape, error))
            return false;
    mt_set_output(node, 0, dtype, rank, shape);
    return true;
}

static bool infer_joined(mt_node *node, int most, GError **error)
{
    const binary_rule *rule = find_rule(node);

    for (int i = 0; i < (int)node->inputs->len; i++) {
        if (!mt_want_type(node, i, rule->types, error))
            return false;
        if ((rule->flags & SAME_TYPES) != 0 && !mt_want_same_type(node, 0, i, error))
            return false;
    }
    if (!mt_want_inputs(node, MAX(1, MIN(most, (int)node->inputs->len)), most, error))
        return false;
    mt_dtype dtype = (rule->flags & GIVES_BOOL) != 0 ? MT_BOOL : mt_node_input(node, 0)->dtype;
    return infer_broadcast(node, 0, dtype, error);
}

/* The slope broadcasts to the data, not the other way round. */
static bool keeps_shape(mt_node *node, GError **error)
{
    const mt_value *input = mt_node_input(node, 0), *output = mt_node_output(node, 0);

    if (input->rank == output->rank) {
        bool same = true;
        for (int i = 0; i < input->rank; i++)
            same = same && (input->shape[i] == output->shape[i] || input->shape[i] < 0 || output->shape[i] < 0);
        if (same)
            return true;
    }
    mt_node_error(node, error, "the slope does not broadcast to the shape of the data");
    return false;
}

static bool infer_binary(mt_node *node, GError **error)
{
    const binary_rule *rule = find_rule(node);

    if (!mt_want_inputs(node, 2, 2, error) || !infer_joined(node, 2, error))
        return false;
    return (rule->flags & ONE_WAY) == 0 || keeps_shape(node, error);
}

static bool infer_variadic(mt_node *node, GError **error)
{
    return infer_joined(node, G_MAXINT, error);
}

static bool run_binary(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const binary_rule *rule = find_rule(node);
    mt_run_ints        ints = rule->ints;
    mt_broadcast       b;

    (void)error;
    if (ints == mod_ints && mt_node_int(node, "fmod", 0) != 0)
        ints = fmod_ints;
    mt_broadcast_begin(&b, outputs[0], inputs, 2);
    if (mt_dtype_is_float(inputs[0]->dtype) || mt_dtype_is_float(inputs[1]->dtype))
        mt_broadcast_doubles(&b, outputs[0], inputs, rule->doubles, NULL);
    else
        mt_broadcast_ints(&b, outputs[0], inputs, ints_for(ints, inputs[0]->dtype), NULL);
    return true;
}

static void keep_doubles(int n, double *const *x, const void *closure)
{
    (void)n, (void)x, (void)closure;
}

static void keep_ints(int n, int64_t *const *x, const void *closure)
{
    (void)n, (void)x, (void)closure;
}

static void scale_doubles(int n, double *const *x, const void *closure)
{
    for (int i = 0; i < n; i++)
        x[0][i] *= *(const double *)closure;
}

/* The first input spread over the output, then each further one joined in: the output is also an operand, read before it is
 * written, run by run. */
static bool run_variadic(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const binary_rule *rule = find_rule(node);
    bool               floats = mt_dtype_is_float(outputs[0]->dtype);
    mt_broadcast       b;

    (void)error;
    mt_broadcast_begin(&b, outputs[0], inputs, 1);
    if (floats)
        mt_broadcast_doubles(&b, outputs[0], inputs, keep_doubles, NULL);
    else
        mt_broadcast_ints(&b, outputs[0], inputs, keep_ints, NULL);
    for (guint i = 1; i < node->inputs->len; i++) {
        const mt_tensor *pair[] = {outputs[0], inputs[i]};

        mt_broadcast_begin(&b, outputs[0], pair, 2);
        if (floats)
            mt_broadcast_doubles(&b, outputs[0], pair, rule->doubles, NULL);
        else
            mt_broadcast_ints(&b, outputs[0], pair, ints_for(rule->ints, outputs[0]->dtype), NULL);
    }
    if (strcmp(node->op, "Mean") == 0) {
        const mt_tensor *one[] = {outputs[0]};
        double           share = 1.0 / node->inputs->len;

        mt_broadcast_begin(&b, outputs[0], one, 1);
        mt_broadcast_doubles(&b, outputs[0], one, scale_doubles, &share);
    }
    return true;
}

static bool infer_where(mt_node *node, GError **error)
{
    if (!mt_want_inputs(node, 3, 3, error) || !mt_want_type(node, 0, MT_TYPES_BOOL, error) || !mt_want_same_type(node, 1, 2, error))
        return false;
    return infer_broadcast(node, 0, mt_node_input(node, 1)->dtype, error);
}

static void where_doubles(int n, double *const *x, const void *closure)
{
    (void)closure;
    for (int i = 0; i < n; i++)
        x[0][i] = x[0][i] != 0 ? x[1][i] : x[2][i];
}

static void where_ints(int n, int64_t *const *x, const void *closure)
{
    (void)closure;
    for (int i = 0; i < n; i++)
        x[0][i] = x[0][i] != 0 ? x[1][i] : x[2][i];
}

static bool run_where(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    mt_broadcast b;

    (void)node, (void)error;
    mt_broadcast_begin(&b, outputs[0], inputs, 3);
    if (mt_dtype_is_float(outputs[0]->dtype))
        mt_broadcast_doubles(&b, outputs[0], inputs, where_doubles, NULL);
    else
        mt_broadcast_ints(&b, outputs[0], inputs, where_ints, NULL);
    return true;
}

/* Bounds are attributes up to opset 10, scalar inputs from 11 on. */
static bool infer_clip(mt_node *node, GError **error)
{
    if (!mt_want_inputs(node, 1, 3, error) || !mt_want_type(node, 0, MT_TYPES_NUMBER, error))
        return false;
    for (int i = 1; i < 3; i++) {
        const mt_value *bound = mt_node_input(node, i);

        if (!mt_want_same_type(node, 0, i, error))
            return false;
        if (bound != NULL && mt_value_count(bound) != 1 && mt_value_count(bound) != -1) {
            mt_node_error(node, error, "bound '%s' is not a scalar", bound->name);
            return false;
        }
    }
    mt_set_like_input(node);
    return true;
}

static void clip_doubles(int n, double *const *x, const void *closure)
{
    const double *bounds = closure;

    for (int i = 0; i < n; i++)
        if (!isnan(x[0][i]))
            x[0][i] = fmin(fmax(x[0][i], bounds[0]), bounds[1]);
}

static void clip_ints(int n, int64_t *const *x, const void *closure)
{
    const int64_t *bounds = closure;

    for (int i = 0; i < n; i++)
        x[0][i] = MIN(MAX(x[0][i], bounds[0]), bounds[1]);
}

static bool run_clip(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *low = node->inputs->len > 1 ? inputs[1] : NULL, *high = node->inputs->len > 2 ? inputs[2] : NULL;
    mt_broadcast     b;

    (void)error;
    mt_broadcast_begin(&b, outputs[0], inputs, 1);
    if (mt_dtype_is_float(outputs[0]->dtype)) {
        double bounds[] = {low != NULL ? mt_element_double(low, 0) : mt_node_float(node, "min", -INFINITY),
                           high != NULL ? mt_element_double(high, 0) : mt_node_float(node, "max", INFINITY)};
        mt_broadcast_doubles(&b, outputs[0], inputs, clip_doubles, bounds);
    } else {
        int64_t bounds[] = {low != NULL ? mt_element_int(low, 0) : INT64_MIN, high != NULL ? mt_element_int(high, 0) : INT64_MAX};
        mt_broadcast_ints(&b, outputs[0], inputs, clip_ints, bounds);
    }
    return true;
}

const mt_operator mt_family_binary[] = {
    {"Add", 6, 21, infer_binary, run_binary},
    {"Sub", 6, 21, infer_binary, run_binary},
    {"Mul", 6, 21, infer_binary, run_binary},
    {"Div", 6, 21, infer_binary, run_binary},
    {"Pow", 6, 21, infer_binary, run_binary},
    {"Mod", 10, 21, infer_binary, run_binary},
    {"Equal", 7, 21, infer_binary, run_binary},
    {"Greater", 7, 21, infer_binary, run_binary},
    {"Less", 7, 21, infer_binary, run_binary},
    {"GreaterOrEqual", 12, 21, infer_binary, run_binary},
    {"LessOrEqual", 12, 21, infer_binary, run_binary},
    {"And", 7, 21, infer_binary, run_binary},
    {"Or", 7, 21, infer_binary, run_binary},
    {"Xor", 7, 21, infer_binary, run_binary},
    {"PRelu", 7, 21, infer_binary, run_binary},
    {"Max", 6, 21, infer_variadic, run_variadic},
    {"Min", 6, 21, infer_variadic, run_variadic},
    {"Sum", 6, 21, infer_variadic, run_variadic},
    {"Mean", 6, 21, infer_variadic, run_variadic},
    {"Where", 9, 21, infer_where, run_where},
    {"Clip", 6, 21, infer_clip, run_clip},
    {NULL, 0, 0, NULL, NULL},
};
