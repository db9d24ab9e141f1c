/* Nodes that passes insert into a bound graph, their results' types and shapes set.  Each stands before `before`, is entered
 * into `uses`, and is computed at once where its inputs are constants (up to a few MiB); NULL with the error set else. */
#ifndef MT_INSERT_H
#define MT_INSERT_H

#include "kernels/graph/uses.h"

typedef struct mt_inserter {
    mt_graph *graph;
    mt_uses  *uses;
    mt_node  *before;
} mt_inserter;

mt_value *mt_insert_transpose(const mt_inserter *at, mt_value *x, const int64_t *perm, GError **error);
mt_value *mt_insert_reshape(const mt_inserter *at, mt_value *x, int rank, const int64_t *shape, GError **error);
/* Any operator of two inputs without attributes: MatMul, Add, Mul, .. */
mt_value *mt_insert_binary(const mt_inserter *at, const char *op, mt_value *a, mt_value *b, GError **error);
mt_value *mt_insert_concat(const mt_inserter *at, mt_value *const *values, int n, int64_t axis, GError **error);
/* The start of any other: set its attributes, then have it finished. */
mt_node  *mt_insert_node(const mt_inserter *at, const char *op, mt_value *const *inputs, int n, GError **error);
mt_value *mt_insert_finish(const mt_inserter *at, mt_node *node, GError **error);
/* A constant list of whole numbers. */
mt_value *mt_insert_list(const mt_inserter *at, const int64_t *values, int n, GError **error);
/* `value` takes the place of `old`, whose producer ends with it. */
void mt_insert_replace(const mt_inserter *at, mt_value *old, mt_value *value);

#endif
