/* What written-out normalisations are made of: means over some dimensions, roots of them, scales and shifts. */
#ifndef MT_NORM_PATTERN_H
#define MT_NORM_PATTERN_H

#include "kernels/graph/match.h"

/* The dimensions that a reduction goes over, a bit each; false when they are not given or not known. */
bool mt_reduced_axes(const mt_node *node, unsigned *axes);
/* The value whose mean over dimensions `*axes` (a bit each), kept as 1, `value` is; NULL when it is none. */
mt_value *mt_mean_of(const mt_value *value, unsigned *axes);
/* v of v^2, as Pow or as Mul. */
mt_value *mt_square_of(const mt_value *value);
/* r = d / sqrt(mean(d^2) + epsilon), as a quotient, or a product with the reciprocal root in any of its forms: d. */
mt_value *mt_rms_normalised(const mt_node *node, unsigned *axes, double *epsilon);
/* d, when `div` divides anything by sqrt(mean(d^2) + epsilon). */
mt_value *mt_rms_divisor(const mt_node *div, unsigned *axes, double *epsilon);
/* A constant operand of `node`, beside `value`, whose elements lie along dimensions `axes` of `value`, all others being 1. */
mt_value *mt_operand_along(const mt_node *node, const mt_value *value, unsigned axes);
/* The same elements as a vector; NULL with the error set. */
mt_value *mt_as_vector(mt_graph *graph, mt_value *constant, GError **error);
/* `count` times `number`. */
mt_value *mt_constant_vector(mt_graph *graph, int64_t count, float number, GError **error);

#endif
