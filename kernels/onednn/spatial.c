/* Attributes of convolutions and pooling. */
#include "kernels/onednn/lower.h"

#include <string.h>

/* A list of n numbers, `fallback` each when absent; false when it has another length. */
static bool read_list(const mt_node *node, const char *name, int n, int64_t fallback, int64_t *values)
{
    int            found = 0;
    const int64_t *list = mt_node_ints(node, name, &found);

    for (int i = 0; i < n; i++)
        values[i] = list == NULL ? fallback : i < found ? list[i] : 0;
    return list == NULL || found == n;
}

/* Padding that makes the output as large as the input over the stride. */
static void same_pads(const mt_node *node, int n, bool upper, mt_spatial *s)
{
    const mt_value *in = mt_node_input(node, 0);

    for (int i = 0; i < n; i++) {
        int64_t size = in->shape[2 + i], out = (size + s->strides[i] - 1) / s->strides[i];
        int64_t total = MAX(0, (out - 1) * s->strides[i] + (s->kernel[i] - 1) * s->dilations[i] + 1 - size);

        s->begin[i] = upper ? total / 2 : total - total / 2;
        s->end[i] = total - s->begin[i];
    }
}

bool mt_spatial_of(const mt_node *node, int n, const int64_t *kernel, mt_spatial *s)
{
    const char *rule = mt_node_string(node, "auto_pad", "NOTSET");
    int64_t     pads[8];

    *s = (mt_spatial){0};
    for (int i = 0; i < DNNL_MAX_NDIMS; i++)
        s->dilations[i] = 1;
    if (n < 1 || n > 3 || !read_list(node, "strides", n, 1, s->strides) || !read_list(node, "dilations", n, 1, s->dilations))
        return false;
    for (int i = 0; i < n; i++) {
        s->kernel[i] = kernel[i];
        if (kernel[i] < 1 || s->strides[i] < 1 || s->dilations[i] < 1)
            return false;
    }
    if (strcmp(rule, "SAME_UPPER") == 0 || strcmp(rule, "SAME_LOWER") == 0) {
        same_pads(node, n, strcmp(rule, "SAME_UPPER") == 0, s);
        return true;
    }
    if (!read_list(node, strcmp(rule, "VALID") == 0 ? "" : "pads", 2 * n, 0, pads))
        return false;
    for (int i = 0; i < n; i++) {
        s->begin[i] = pads[i];
        s->end[i] = pads[n + i];
        if (pads[i] < 0 || pads[n + i] < 0)
            return false;
    }
    return true;
}
