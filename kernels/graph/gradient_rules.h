/* What the rules of the reverse graph work with: one rule an operator, in tables by family. */
#ifndef MT_GRADIENT_RULES_H
#define MT_GRADIENT_RULES_H

#include "kernels/graph/graph.h"

/* One run of the reverse pass.  The first failure stays; after it every call does nothing, so that rules need no checks. */
typedef struct mt_reverse {
    mt_graph   *graph;
    GHashTable *sums;   /* value -> its gradient so far */
    GHashTable *active; /* the values that depend on a target */
    GError     *error;
} mt_reverse;

typedef struct mt_gradient_rule {
    const char *op;
    /* dy: the gradients of the outputs, NULL where the loss does not depend on one; at least one is there. */
    void (*reverse)(mt_reverse *r, const mt_node *node, mt_value *const *dy);
} mt_gradient_rule;

/* Each ends with an entry without a name. */
extern const mt_gradient_rule mt_gradients_elementwise[], mt_gradients_product[], mt_gradients_reduce[], mt_gradients_views[],
    mt_gradients_spatial[];

/* Whether anything asks for the gradient of this input; false for NULL. */
bool mt_reverse_wants(const mt_reverse *r, const mt_value *value);
/* Adds to the gradient of `value`, whose shape `gradient` has. */
void mt_reverse_give(mt_reverse *r, mt_value *value, mt_value *gradient);
/* The same for a gradient of `wide`'s shape, to which `value` was broadcast. */
void mt_reverse_give_narrowed(mt_reverse *r, mt_value *value, mt_value *gradient, const mt_value *wide);
/* For what a rule cannot do: "gradient of Softmax is not known: node 'x': why". */
void mt_reverse_refuse(mt_reverse *r, const mt_node *node, const char *why);

/* The first output of a new node; NULL after a failure. */
mt_value *mt_reverse_op(mt_reverse *r, const char *op, int n, mt_value *const *inputs);
#define REVERSE_OP(r, op, ...) mt_reverse_op(r, op, (int)G_N_ELEMENTS(((mt_value *[]){__VA_ARGS__})), (mt_value *const[]){__VA_ARGS__})
/* Attributes of the node behind a new value; nothing for NULL. */
void mt_reverse_int(mt_value *value, const char *name, int64_t number);
void mt_reverse_ints(mt_value *value, const char *name, const int64_t *numbers, int n);
/* A scalar of the type of `like`; a list of int64. */
mt_value *mt_reverse_number(mt_reverse *r, const mt_value *like, double number);
mt_value *mt_reverse_list(mt_reverse *r, const int64_t *numbers, int n);

mt_value *mt_reverse_sum(mt_reverse *r, mt_value *value, const int64_t *axes, int n_axes); /* keeps the axes, of 1 */
mt_value *mt_reverse_reshape(mt_reverse *r, mt_value *value, int rank, const int64_t *shape);
mt_value *mt_reverse_expand(mt_reverse *r, mt_value *value, const mt_value *like);
mt_value *mt_reverse_permute(mt_reverse *r, mt_value *value, int rank, const int64_t *perm);
mt_value *mt_reverse_zeros(mt_reverse *r, const mt_value *like);
/* An axis of the node's attribute or of its own, counted from the front. */
int64_t mt_reverse_axis(const mt_value *value, int64_t axis);

#endif
