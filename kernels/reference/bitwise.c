/* Bits of integers: and, or, exclusive or, not, shifts. */
#include "kernels/reference/broadcast.h"
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"

#include <string.h>

#define BITS(name, expression)                                                                                                             \
    static void name(int n, int64_t *const *x, const void *closure)                                                                        \
    {                                                                                                                                      \
        (void)closure;                                                                                                                     \
        for (int i = 0; i < n; i++) {                                                                                                      \
            uint64_t a = (uint64_t)x[0][i], b = (uint64_t)x[1][i];                                                                         \
            x[0][i] = (int64_t)(expression);                                                                                               \
        }                                                                                                                                  \
    }

BITS(and_bits, a &b)
BITS(or_bits, a | b)
BITS(xor_bits, a ^ b)
BITS(shift_left, b < 64 ? a << b : 0)
BITS(shift_right, b < 64 ? a >> b : 0)

static void not_bits(int n, int64_t *const *x, const void *closure)
{
    (void)closure;
    for (int i = 0; i < n; i++)
        x[0][i] = ~x[0][i];
}

static const struct {
    const char *name;
    mt_run_ints work;
} rules[] = {{"BitwiseAnd", and_bits}, {"BitwiseOr", or_bits}, {"BitwiseXor", xor_bits}};

static mt_run_ints work_of(const mt_node *node)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rules); i++)
        if (strcmp(rules[i].name, node->op) == 0)
            return rules[i].work;
    return strcmp(mt_node_string(node, "direction", ""), "LEFT") == 0 ? shift_left : shift_right;
}

static bool infer_bits(mt_node *node, GError **error)
{
    bool     shift = strcmp(node->op, "BitShift") == 0;
    unsigned types = shift ? MT_TYPES_UNSIGNED : MT_TYPES_INT;
    int64_t  shape[MT_MAX_RANK];
    int      rank = 0;

    if (!mt_want_inputs(node, 2, 2, error) || !mt_want_type(node, 0, types, error) || !mt_want_same_type(node, 0, 1, error))
        return false;
    const char *direction = mt_node_string(node, "direction", "");
    if (shift && strcmp(direction, "LEFT") != 0 && strcmp(direction, "RIGHT") != 0) {
        mt_node_error(node, error, "direction '%s' is not LEFT or RIGHT", direction);
        return false;
    }
    for (int i = 0; i < 2; i++)
        if (!mt_broadcast_join(node, mt_node_input(node, i), &rank, shape, error))
            return false;
    mt_set_output(node, 0, mt_node_input(node, 0)->dtype, rank, shape);
    return true;
}

static bool run_bits(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    mt_broadcast b;

    (void)error;
    mt_broadcast_begin(&b, outputs[0], inputs, 2);
    mt_broadcast_ints(&b, outputs[0], inputs, work_of(node), NULL);
    return true;
}

static bool infer_not(mt_node *node, GError **error)
{
    if (!mt_want_inputs(node, 1, 1, error) || !mt_want_type(node, 0, MT_TYPES_INT, error))
        return false;
    mt_set_like_input(node);
    return true;
}

static bool run_not(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    mt_broadcast b;

    (void)node, (void)error;
    mt_broadcast_begin(&b, outputs[0], inputs, 1);
    mt_broadcast_ints(&b, outputs[0], inputs, not_bits, NULL);
    return true;
}

const mt_operator mt_family_bitwise[] = {
    {"BitShift", 11, 21, infer_bits, run_bits},  {"BitwiseAnd", 18, 21, infer_bits, run_bits}, {"BitwiseNot", 18, 21, infer_not, run_not},
    {"BitwiseOr", 18, 21, infer_bits, run_bits}, {"BitwiseXor", 18, 21, infer_bits, run_bits}, {NULL, 0, 0, NULL, NULL},
};
