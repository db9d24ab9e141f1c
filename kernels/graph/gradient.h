/* Reverse-mode differentiation (Linnainmaa 1970; Griewank and Walther 2008): from a bound graph the graph that gives its gradients.
 * The second graph is an ordinary one: the same compiler runs it.  It takes the gradients of the first graph's outputs and the values of
 * the first graph that its rules need, so nothing is computed twice. */
#ifndef MT_GRADIENT_H
#define MT_GRADIENT_H

#include "kernels/graph/graph.h"

typedef struct mt_gradient {
    mt_graph
        *graph; /* inputs: a seed for each output of `forward`, of its shape, then one for each of `saved`; outputs: one for each wrt */
    GPtrArray *saved; /* mt_value * of `forward`, inputs of it or results of its nodes */
} mt_gradient;

/* `forward` has been bound and inferred, and must outlive `saved`.  wrt: n values of it, float32; one that no output depends on has the
 * gradient 0.  Only what lies between them and the outputs is differentiated.  MT_ERROR_MODEL names a node whose operator has no rule. */
mt_gradient *mt_gradient_new(const mt_graph *forward, mt_value *const *wrt, int n, GError **error);
void         mt_gradient_free(mt_gradient *gradient);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_gradient, mt_gradient_free)

#endif
