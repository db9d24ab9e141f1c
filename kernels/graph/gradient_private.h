/* What the rules of gradient_rules.c are given. */
#ifndef MT_GRADIENT_PRIVATE_H
#define MT_GRADIENT_PRIVATE_H

#include "kernels/graph/gradient.h"

typedef struct mt_reverse {
    const mt_graph *forward;
    mt_gradient    *gradient;
    GHashTable     *mirrors; /* value of forward -> the same in the gradient's graph */
    GHashTable     *slopes;  /* value of forward -> its gradient so far */
    GHashTable     *wanted;  /* values of forward that depend on a wrt */
    GError        **error;
} mt_reverse;

/* Rules return false after an error; `slope` is the gradient of the node's only output. */
typedef bool (*mt_gradient_rule)(mt_reverse *r, const mt_node *node, mt_value *slope);
/* NULL: none is known. */
mt_gradient_rule mt_gradient_find_rule(const char *op);
mt_gradient_rule mt_gradient_find_select_rule(const char *op);  /* gradient_select.c */
mt_gradient_rule mt_gradient_find_picture_rule(const char *op); /* gradient_picture.c */
mt_gradient_rule mt_gradient_find_window_rule(const char *op);  /* gradient_window.c */
mt_gradient_rule mt_gradient_find_smooth_rule(const char *op);  /* gradient_smooth.c */
/* Add to the gradient of the input of a Split what its output i has. */
bool mt_gradient_reverse_split(mt_reverse *r, const mt_node *node, int i, mt_value *slope);

/* The value of the first graph inside the second. */
mt_value *mt_reverse_mirror(mt_reverse *r, mt_value *value);
/* Whether input i of the node has a gradient to be found. */
bool mt_reverse_wants(const mt_reverse *r, const mt_node *node, int i);
/* Add to the gradient of input i; `part` NULL: false, an error was set. */
bool mt_reverse_add(mt_reverse *r, const mt_node *node, int i, mt_value *part);
/* A node of the second graph with one output; an input that is NULL: NULL, an error was set. */
mt_value *mt_reverse_op(mt_reverse *r, const char *op, mt_value *a, mt_value *b);
/* The same with two inputs; one that is NULL: NULL. */
mt_value *mt_reverse_two(mt_reverse *r, const char *op, mt_value *a, mt_value *b);
mt_value *mt_reverse_sum(mt_reverse *r, mt_value *x, const int64_t *axes, int n, bool keep);
mt_value *mt_reverse_scalar(mt_reverse *r, double value);
mt_value *mt_reverse_list(mt_reverse *r, const int64_t *values, int n);
mt_value *mt_reverse_reshape(mt_reverse *r, mt_value *x, const mt_value *like);

#endif
