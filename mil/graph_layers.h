/* Layers of a transformer as nodes of a graph.  Every function gives NULL for an input that is NULL, so that layers chain and the
 * first error is looked at once, at the end. */
#ifndef MT_GRAPH_LAYERS_H
#define MT_GRAPH_LAYERS_H

#include "kernels/graph/graph.h"
#include "mil/state_dict.h"

#define MT_LAYERS_OPSET 20
#define MT_LAYERS_NORM_EPSILON 1e-5 /* PyTorch's */

/* Scale and shift of a layer normalisation over the last dimension. */
typedef struct mt_layer_norm {
    mt_tensor *weight, *bias;
} mt_layer_norm;

void mt_layer_norm_clear(mt_layer_norm *norm);
/* KEY.weight and KEY.bias, `width` values each. */
bool mt_layer_norm_take(mt_state_dict *dict, const char *key, int64_t width, mt_layer_norm *norm, GError **error);

/* op(a) and op(a, b). */
mt_value *mt_layers_unary(mt_graph *graph, const char *op, mt_value *a, GError **error);
mt_value *mt_layers_binary(mt_graph *graph, const char *op, mt_value *a, mt_value *b, GError **error);
/* W x + b of each row, W stored (out, in); `bias` may be NULL. */
mt_value *mt_layers_linear(mt_graph *graph, mt_tensor *weight, mt_tensor *bias, mt_value *x, GError **error);
mt_value *mt_layers_norm(mt_graph *graph, const mt_layer_norm *norm, mt_value *x, GError **error);
mt_value *mt_layers_softmax(mt_graph *graph, mt_value *x, GError **error); /* over the last dimension */
mt_value *mt_layers_reshape(mt_graph *graph, mt_value *x, int rank, const int64_t *shape, GError **error);
mt_value *mt_layers_transpose(mt_graph *graph, mt_value *x, int rank, const int64_t *order, GError **error);
/* "ReduceSum", "ReduceMax" over `axis`, kept as 1; all axes for axis < 0. */
mt_value *mt_layers_reduce(mt_graph *graph, const char *op, mt_value *x, int64_t axis, GError **error);
/* Heads side by side in rows (n, H d) to (H, n, d), or with `flipped` to (H, d, n). */
mt_value *mt_layers_split_heads(mt_graph *graph, mt_value *rows, int64_t heads, int64_t width, bool flipped, GError **error);
/* (H, n, d) to (n, H d). */
mt_value *mt_layers_join_heads(mt_graph *graph, mt_value *x, int64_t heads, int64_t width, GError **error);
/* a beside b, and n columns of a matrix. */
mt_value *mt_layers_join(mt_graph *graph, mt_value *a, mt_value *b, GError **error);
mt_value *mt_layers_columns(mt_graph *graph, mt_value *x, int64_t first, int64_t n, GError **error);
mt_value *mt_layers_number(mt_graph *graph, float value, GError **error);

/* A copy of rows first .. first+n-1 of a matrix or vector, times `scale`. */
mt_tensor *mt_layers_rows(const mt_tensor *tensor, int64_t first, int64_t n, double scale, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(mt_layer_norm, mt_layer_norm_clear)

#endif
