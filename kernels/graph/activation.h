/* Functions of one element, as passes attach them and backends lower them. */
#ifndef MT_ACTIVATION_H
#define MT_ACTIVATION_H

#include "kernels/graph/graph.h"

typedef enum mt_function {
    MT_FN_RELU,   /* x > 0 ? x : alpha x */
    MT_FN_LINEAR, /* alpha x + beta */
    MT_FN_CLIP,   /* min(max(x, alpha), beta) */
    MT_FN_SIGMOID,
    MT_FN_TANH,
    MT_FN_ELU,       /* x > 0 ? x : alpha (e^x - 1) */
    MT_FN_SWISH,     /* x sigmoid(alpha x) */
    MT_FN_HARDSWISH, /* x min(max(x/6 + 1/2, 0), 1) */
    MT_FN_GELU_ERF,
    MT_FN_GELU_TANH,
    MT_FN_MISH, /* x tanh(log(1 + e^x)) */
    MT_FN_SOFTPLUS,
    MT_FN_EXP,
    MT_FN_LOG,
    MT_FN_SQRT,
    MT_FN_ABS,
    MT_FN_SQUARE,
    MT_FN_POW, /* alpha x^beta */
} mt_function;

typedef struct mt_activation {
    mt_function function;
    double      alpha, beta;
} mt_activation;

#define MT_ACTIVATIONS_MAX 2

/* The functions, applied in order, that `node` computes of its input *input; 0 when it is no function of one element with
 * known parameters.  Both the ONNX operators and our own "mt.Activation" are understood. */
int    mt_node_activations(const mt_node *node, mt_activation *functions, int *input);
double mt_activation_apply(const mt_activation *activation, double x);
/* Describe an activation in an "mt.Activation" node. */
void mt_node_set_activation(mt_node *node, mt_function function, double alpha, double beta);
/* The number in a constant of one element of a float type. */
bool mt_value_scalar(const mt_value *value, double *number);

#endif
