/* Operators that move whole elements to another order: Transpose, DepthToSpace, SpaceToDepth. */
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"
#include "kernels/reference/strided.h"

#include <string.h>

static bool read_permutation(const mt_node *node, int rank, int *permutation, GError **error)
{
    int            n;
    unsigned       seen = 0;
    const int64_t *perm = mt_node_ints(node, "perm", &n);

    for (int i = 0; i < rank; i++)
        permutation[i] = rank - 1 - i;
    if (perm == NULL)
        return true;
    for (int i = 0; i < n && n == rank; i++) {
        if (perm[i] < 0 || perm[i] >= rank || (seen >> perm[i]) & 1)
            break;
        seen |= 1u << perm[i];
        permutation[i] = (int)perm[i];
    }
    if (n == rank && seen == (1u << rank) - 1)
        return true;
    mt_node_error(node, error, "perm is not an order of %d axes", rank);
    return false;
}

static bool infer_transpose(mt_node *node, GError **error)
{
    const mt_value *input = mt_node_input(node, 0);
    int             permutation[MT_MAX_RANK];
    int64_t         shape[MT_MAX_RANK];

    if (!mt_want_inputs(node, 1, 1, error) || !read_permutation(node, input->rank, permutation, error))
        return false;
    for (int i = 0; i < input->rank; i++)
        shape[i] = input->shape[permutation[i]];
    mt_set_output(node, 0, input->dtype, input->rank, shape);
    return true;
}

static bool run_transpose(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0];
    int              permutation[MT_MAX_RANK];
    int64_t          stride[MT_MAX_RANK], moved[MT_MAX_RANK];

    if (!read_permutation(node, x->rank, permutation, error))
        return false;
    mt_contiguous_strides(x->rank, x->shape, stride);
    for (int i = 0; i < x->rank; i++)
        moved[i] = stride[permutation[i]];
    mt_copy_strided(outputs[0]->data, x->data, mt_dtype_size(x->dtype), x->rank, outputs[0]->shape, 0, moved);
    return true;
}

static bool read_block(const mt_node *node, int64_t *block, GError **error)
{
    *block = mt_node_int(node, "blocksize", 0);
    if (*block >= 1 && *block <= 65536)
        return true;
    mt_node_error(node, error, "blocksize %" G_GINT64_FORMAT " is out of range", *block);
    return false;
}

static bool infer_depth_to_space(mt_node *node, GError **error)
{
    int64_t block, shape[4];

    if (!mt_want_inputs(node, 1, 1, error) || !mt_want_rank(node, 0, 4, 4, error) || !read_block(node, &block, error))
        return false;
    const mt_value *x = mt_node_input(node, 0);
    if (x->shape[1] >= 0 && x->shape[1] % (block * block) != 0) {
        mt_node_error(node, error, "%" G_GINT64_FORMAT " channels do not divide into blocks of %" G_GINT64_FORMAT, x->shape[1],
                      block * block);
        return false;
    }
    shape[0] = x->shape[0];
    shape[1] = x->shape[1] < 0 ? -1 : x->shape[1] / (block * block);
    shape[2] = x->shape[2] < 0 ? -1 : x->shape[2] * block;
    shape[3] = x->shape[3] < 0 ? -1 : x->shape[3] * block;
    mt_set_output(node, 0, x->dtype, 4, shape);
    return true;
}

/* The output seen as (n, c, h, by, w, bx); the input as (n, by, bx, c, h, w) in DCR mode, (n, c, by, bx, h, w) in CRD. */
static bool run_depth_to_space(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const int64_t *in = inputs[0]->shape;
    int64_t        b, plane = in[2] * in[3];

    if (!read_block(node, &b, error))
        return false;
    bool    crd = strcmp(mt_node_string(node, "mode", "DCR"), "CRD") == 0;
    int64_t c = in[1] / (b * b), channel = crd ? b * b * plane : plane, cell = crd ? plane : c * plane;
    int64_t shape[] = {in[0], c, in[2], b, in[3], b};
    int64_t stride[] = {in[1] * plane, channel, in[3], b * cell, 1, cell};
    mt_copy_strided(outputs[0]->data, inputs[0]->data, mt_dtype_size(inputs[0]->dtype), 6, shape, 0, stride);
    return true;
}

static bool infer_space_to_depth(mt_node *node, GError **error)
{
    int64_t block, shape[4];

    if (!mt_want_inputs(node, 1, 1, error) || !mt_want_rank(node, 0, 4, 4, error) || !read_block(node, &block, error))
        return false;
    const mt_value *x = mt_node_input(node, 0);
    for (int i = 2; i < 4; i++)
        if (x->shape[i] >= 0 && x->shape[i] % block != 0) {
            mt_node_error(node, error, "an edge of %" G_GINT64_FORMAT " does not divide into blocks of %" G_GINT64_FORMAT, x->shape[i],
                          block);
            return false;
        }
    shape[0] = x->shape[0];
    shape[1] = x->shape[1] < 0 ? -1 : x->shape[1] * block * block;
    shape[2] = x->shape[2] < 0 ? -1 : x->shape[2] / block;
    shape[3] = x->shape[3] < 0 ? -1 : x->shape[3] / block;
    mt_set_output(node, 0, x->dtype, 4, shape);
    return true;
}

/* The output seen as (n, by, bx, c, h, w). */
static bool run_space_to_depth(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const int64_t *in = inputs[0]->shape;
    int64_t        b, plane = in[2] * in[3];

    if (!read_block(node, &b, error))
        return false;
    int64_t shape[] = {in[0], b, b, in[1], in[2] / b, in[3] / b};
    int64_t stride[] = {in[1] * plane, in[3], 1, plane, b * in[3], b};
    mt_copy_strided(outputs[0]->data, inputs[0]->data, mt_dtype_size(inputs[0]->dtype), 6, shape, 0, stride);
    return true;
}

const mt_operator mt_family_transpose[] = {
    {"Transpose", 1, 21, infer_transpose, run_transpose},
    {"DepthToSpace", 1, 21, infer_depth_to_space, run_depth_to_space},
    {"SpaceToDepth", 1, 21, infer_space_to_depth, run_space_to_depth},
    {NULL, 0, 0, NULL, NULL},
};
