/* Rewrites of a graph that keep its meaning, one file each.  Each returns how many times its pattern was rewritten and
 * sweeps what became dead; -1 with the error set. */
#ifndef MT_PASSES_H
#define MT_PASSES_H

#include "kernels/graph/graph.h"

/* Passes that make new weights or need no shapes: once per model, on its unbound graph. */
int mt_pass_widen_half(mt_graph *graph, GError **error);
int mt_pass_simplify(mt_graph *graph, GError **error);
int mt_pass_merge_equal(mt_graph *graph, GError **error);
int mt_pass_fold_pad(mt_graph *graph, GError **error);
int mt_pass_fold_batch_norm(mt_graph *graph, GError **error);
/* For sessions in int8. */
int mt_pass_read_quantised(mt_graph *graph, GError **error);

/* Passes over a bound graph. */
int mt_pass_expand_einsum(mt_graph *graph, GError **error);
int mt_pass_expand_depth_to_space(mt_graph *graph, GError **error);
int mt_pass_fuse_gelu(mt_graph *graph, GError **error);
int mt_pass_fuse_gate(mt_graph *graph, GError **error);
int mt_pass_fuse_layer_norm(mt_graph *graph, GError **error);
int mt_pass_fuse_rms_norm(mt_graph *graph, GError **error);
int mt_pass_fuse_group_norm(mt_graph *graph, GError **error);
int mt_pass_fuse_attention(mt_graph *graph, GError **error);
int mt_pass_sink_transposes(mt_graph *graph, GError **error);
/* These attach mt_fused to nodes. */
int mt_pass_fuse_activation(mt_graph *graph, GError **error);
int mt_pass_fuse_bias(mt_graph *graph, GError **error);
int mt_pass_fuse_residual(mt_graph *graph, GError **error);
/* For sessions in int8, after the others. */
int mt_pass_fuse_quantise(mt_graph *graph, GError **error);

/* All of the first kind; all of the second. */
bool mt_passes_of_model(mt_graph *graph, bool bytes, GError **error);
bool mt_passes_of_session(mt_graph *graph, bool bytes, GError **error);

#endif
