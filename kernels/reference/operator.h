/* The operator table: shape inference and the plain definition of every operator we know.
 * Each family is one file (conv.c, pool.c, norm.c, elementwise.c, ...) that exports a zero-terminated array of
 * mt_operator; operator.c joins them. */
#ifndef MT_OPERATOR_H
#define MT_OPERATOR_H

#include "kernels/graph/graph.h"

struct mt_operator {
    const char *name;      /* ONNX name; ours that ONNX lacks live in no domain and begin with "mt." */
    int         opset_min; /* first and last opset whose meaning `run` implements; 0, 0: any */
    int         opset_max;
    /* Set dtype, rank and shape of the node's outputs from its inputs (and their constants).  A dimension may be -1
     * while the graph is not bound. */
    bool (*infer)(mt_node *node, GError **error);
    /* Compute.  inputs[i] is NULL when omitted; outputs are allocated with the inferred shapes (NULL when not wanted).
     * Must not alias.  Any thread, no state. */
    bool (*run)(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error);
};

/* NULL when unknown. */
const mt_operator *mt_operator_find(const char *name);

/* Entry i of the table, in no order; NULL past the last one. */
const mt_operator *mt_operator_at(size_t i);

/* For infer functions: "node X (Conv, opset 14): ..." */
void mt_node_error(const mt_node *node, GError **error, const char *format, ...) G_GNUC_PRINTF(3, 4);

#endif
