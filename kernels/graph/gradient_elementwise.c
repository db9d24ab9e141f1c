/* Gradients of operators that work on each element.  x, z: inputs; y: output; dy: its gradient. */
#include "kernels/graph/gradient_rules.h"

#define X mt_node_input(node, 0)
#define Z mt_node_input(node, 1)
#define Y mt_node_output(node, 0)
#define OP2(op, a, b) REVERSE_OP(r, op, a, b)
#define NUMBER(v) mt_reverse_number(r, X, v)

static void of_add(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_reverse_give_narrowed(r, X, dy[0], Y);
    mt_reverse_give_narrowed(r, Z, dy[0], Y);
}

static void of_sub(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_reverse_give_narrowed(r, X, dy[0], Y);
    if (mt_reverse_wants(r, Z))
        mt_reverse_give_narrowed(r, Z, REVERSE_OP(r, "Neg", dy[0]), Y);
}

static void of_mul(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    if (mt_reverse_wants(r, X))
        mt_reverse_give_narrowed(r, X, OP2("Mul", dy[0], Z), Y);
    if (mt_reverse_wants(r, Z))
        mt_reverse_give_narrowed(r, Z, OP2("Mul", dy[0], X), Y);
}

static void of_div(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_value *scaled = OP2("Div", dy[0], Z);

    mt_reverse_give_narrowed(r, X, scaled, Y);
    if (mt_reverse_wants(r, Z))
        mt_reverse_give_narrowed(r, Z, REVERSE_OP(r, "Neg", OP2("Mul", scaled, Y)), Y);
}

/* Max and Min of two: the loss goes to the one that was taken, in halves where they are equal. */
static void of_extreme(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    if (node->inputs->len != 2) {
        mt_reverse_refuse(r, node, "two inputs are needed");
        return;
    }
    for (int i = 0; i < 2; i++) {
        mt_value *other = mt_node_input(node, 1 - i);
        mt_value *won = REVERSE_OP(r, "Cast", OP2("Equal", mt_node_input(node, i), Y));
        mt_value *lost = REVERSE_OP(r, "Cast", OP2("Equal", other, Y));

        mt_reverse_int(won, "to", X->dtype == MT_F64 ? 11 : 1);
        mt_reverse_int(lost, "to", X->dtype == MT_F64 ? 11 : 1);
        mt_reverse_give_narrowed(r, mt_node_input(node, i), OP2("Mul", dy[0], OP2("Div", won, OP2("Add", won, lost))), Y);
    }
}

/* x ^ p for a power that is no target. */
static void of_pow(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    if (mt_reverse_wants(r, Z)) {
        mt_reverse_refuse(r, node, "the power itself would be differentiated");
        return;
    }
    mt_value *slope = OP2("Mul", Z, OP2("Pow", X, OP2("Sub", Z, NUMBER(1))));
    mt_reverse_give_narrowed(r, X, OP2("Mul", dy[0], slope), Y);
}

static void of_where(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_value *a = mt_node_input(node, 1), *b = mt_node_input(node, 2), *zero = mt_reverse_number(r, a, 0);

    if (mt_reverse_wants(r, a))
        mt_reverse_give_narrowed(r, a, REVERSE_OP(r, "Where", X, dy[0], zero), Y);
    if (mt_reverse_wants(r, b))
        mt_reverse_give_narrowed(r, b, REVERSE_OP(r, "Where", X, zero, dy[0]), Y);
}

static void of_neg(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_reverse_give(r, X, REVERSE_OP(r, "Neg", dy[0]));
}

static void of_same(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_reverse_give(r, X, dy[0]);
}

/* One type of float to another. */
static void of_cast(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_value *back = REVERSE_OP(r, "Cast", dy[0]);

    mt_reverse_int(back, "to", X->dtype == MT_F64 ? 11 : 1);
    mt_reverse_give(r, X, back);
}

/* Sign of y: 1 above 0, and 0 at 0 as PyTorch takes it. */
static void of_relu(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_reverse_give(r, X, OP2("Mul", dy[0], REVERSE_OP(r, "Sign", Y)));
}

static void of_abs(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_reverse_give(r, X, OP2("Mul", dy[0], REVERSE_OP(r, "Sign", X)));
}

static void of_leaky_relu(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_value *steep = OP2("Mul", dy[0], NUMBER(mt_node_float(node, "alpha", 0.01)));

    mt_reverse_give(r, X, REVERSE_OP(r, "Where", OP2("Greater", X, NUMBER(0)), dy[0], steep));
}

static void of_tanh(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_reverse_give(r, X, OP2("Mul", dy[0], OP2("Sub", NUMBER(1), OP2("Mul", Y, Y))));
}

static void of_sigmoid(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_reverse_give(r, X, OP2("Mul", dy[0], OP2("Mul", Y, OP2("Sub", NUMBER(1), Y))));
}

static void of_softplus(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_reverse_give(r, X, OP2("Mul", dy[0], REVERSE_OP(r, "Sigmoid", X)));
}

static void of_exp(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_reverse_give(r, X, OP2("Mul", dy[0], Y));
}

static void of_log(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_reverse_give(r, X, OP2("Div", dy[0], X));
}

static void of_sqrt(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_reverse_give(r, X, OP2("Div", dy[0], OP2("Mul", NUMBER(2), Y)));
}

static void of_reciprocal(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_reverse_give(r, X, REVERSE_OP(r, "Neg", OP2("Mul", dy[0], OP2("Mul", Y, Y))));
}

/* exp(-x^2) times `scale` times dy. */
static mt_value *times_bell(mt_reverse *r, mt_value *x, mt_value *dy, double scale, double spread)
{
    mt_value *bell = REVERSE_OP(r, "Exp", OP2("Mul", OP2("Mul", x, x), mt_reverse_number(r, x, -spread)));

    return OP2("Mul", dy, OP2("Mul", bell, mt_reverse_number(r, x, scale)));
}

static void of_erf(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_reverse_give(r, X, times_bell(r, X, dy[0], 2 / 1.7724538509055160273, 1)); /* 2 / sqrt(pi) */
}

/* x Phi(x): Phi(x) + x phi(x).  The tanh form differs from it by less than 1e-3 and has a slope of its own: refused. */
static void of_gelu(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    const char *form = mt_node_string(node, "approximate", "none");
    mt_value   *erf, *phi;

    if (*form != 'n') {
        mt_reverse_refuse(r, node, "approximate is not 'none'");
        return;
    }
    erf = REVERSE_OP(r, "Erf", OP2("Mul", X, NUMBER(0.70710678118654752440)));
    phi = OP2("Mul", NUMBER(0.5), OP2("Add", NUMBER(1), erf));
    mt_reverse_give(r, X, OP2("Add", OP2("Mul", dy[0], phi), OP2("Mul", X, times_bell(r, X, dy[0], 0.39894228040143267794, 0.5))));
}

/* 0 outside the bounds, 1 inside and on them. */
static void of_clip(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_value *inside = REVERSE_OP(r, "Cast", OP2("Equal", X, Y));

    mt_reverse_int(inside, "to", X->dtype == MT_F64 ? 11 : 1);
    mt_reverse_give(r, X, OP2("Mul", dy[0], inside));
}

const mt_gradient_rule mt_gradients_elementwise[] = {
    {"Abs", of_abs},
    {"Add", of_add},
    {"Cast", of_cast},
    {"Clip", of_clip},
    {"Div", of_div},
    {"Dropout", of_same},
    {"Erf", of_erf},
    {"Exp", of_exp},
    {"Gelu", of_gelu},
    {"Identity", of_same},
    {"LeakyRelu", of_leaky_relu},
    {"Log", of_log},
    {"Max", of_extreme},
    {"Min", of_extreme},
    {"Mul", of_mul},
    {"Neg", of_neg},
    {"Pow", of_pow},
    {"Reciprocal", of_reciprocal},
    {"Relu", of_relu},
    {"Sigmoid", of_sigmoid},
    {"Softplus", of_softplus},
    {"Sqrt", of_sqrt},
    {"Sub", of_sub},
    {"Tanh", of_tanh},
    {"Where", of_where},
    {0},
};
