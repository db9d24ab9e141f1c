/* The order of the passes.  Patterns of several nodes come first: once their parts are fused elsewhere they are gone. */
#include "kernels/graph/passes.h"

typedef int (*pass)(mt_graph *graph, GError **error);

static bool run_passes(mt_graph *graph, const pass *passes, size_t n, int *rewrites, GError **error)
{
    for (size_t i = 0; i < n; i++) {
        int count = passes[i](graph, error);

        if (count < 0)
            return false;
        *rewrites += count;
    }
    return true;
}

bool mt_passes_of_model(mt_graph *graph, bool bytes, GError **error)
{
    static const pass passes[] = {mt_pass_widen_half, mt_pass_simplify, mt_pass_merge_equal, mt_pass_fold_pad, mt_pass_fold_batch_norm};
    int               rewrites = 0;

    if (bytes && mt_pass_read_quantised(graph, error) < 0)
        return false;
    return run_passes(graph, passes, G_N_ELEMENTS(passes), &rewrites, error);
}

bool mt_passes_of_session(mt_graph *graph, bool bytes, GError **error)
{
    static const pass patterns[] = {
        mt_pass_simplify,        mt_pass_merge_equal,    mt_pass_expand_einsum,   mt_pass_expand_depth_to_space,
        mt_pass_fuse_gelu,       mt_pass_fuse_gate,      mt_pass_fuse_layer_norm, mt_pass_fuse_rms_norm,
        mt_pass_fuse_group_norm, mt_pass_fuse_attention, mt_pass_sink_transposes,
    };
    static const pass chains[] = {mt_pass_fuse_bias, mt_pass_fuse_residual, mt_pass_fuse_activation};
    int               rewrites = 0;

    if (!run_passes(graph, patterns, G_N_ELEMENTS(patterns), &rewrites, error))
        return false;
    do { /* Conv + Add + Relu takes two rounds */
        rewrites = 0;
        if (!run_passes(graph, chains, G_N_ELEMENTS(chains), &rewrites, error))
            return false;
    } while (rewrites > 0);
    return !bytes || mt_pass_fuse_quantise(graph, error) >= 0;
}
