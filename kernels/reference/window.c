#include "kernels/reference/window.h"

#include "src/base/limits.h"

#include <string.h>

/* Past any real model, and small enough that products of two stay far from overflow. */
#define EXTENT_MAX (INT64_C(1) << 24)

static bool read_extents(const mt_node *node, const char *name, int n, int64_t least, int64_t fallback, int64_t *values, GError **error)
{
    int            given;
    const int64_t *list = mt_node_ints(node, name, &given);

    for (int i = 0; i < n; i++)
        values[i] = list != NULL && given == n ? list[i] : fallback;
    if (list != NULL && given != n) {
        mt_node_error(node, error, "attribute %s has %d entries, %d are needed", name, given, n);
        return false;
    }
    for (int i = 0; i < n; i++)
        if (values[i] < least || values[i] > EXTENT_MAX) {
            mt_node_error(node, error, "attribute %s: %" G_GINT64_FORMAT " is out of range", name, values[i]);
            return false;
        }
    return true;
}

static bool read_attributes(const mt_node *node, int dims, const int64_t *in, const int64_t *kernel, mt_window *w, GError **error)
{
    int64_t pads[2 * MT_WINDOW_DIMS];

    memset(w, 0, sizeof *w);
    w->dims = dims;
    if (kernel == NULL && mt_node_attr(node, "kernel_shape") == NULL) {
        mt_node_error(node, error, "attribute kernel_shape is missing");
        return false;
    }
    if (!read_extents(node, "kernel_shape", dims, 1, 1, w->kernel, error) || !read_extents(node, "strides", dims, 1, 1, w->stride, error) ||
        !read_extents(node, "dilations", dims, 1, 1, w->dilation, error) || !read_extents(node, "pads", 2 * dims, 0, 0, pads, error))
        return false;
    for (int i = 0; i < dims; i++) {
        if (kernel != NULL && kernel[i] >= 0 && mt_node_attr(node, "kernel_shape") != NULL && kernel[i] != w->kernel[i]) {
            mt_node_error(node, error, "kernel_shape and the weights disagree along dimension %d", i);
            return false;
        }
        if (kernel != NULL)
            w->kernel[i] = kernel[i];
        if (w->kernel[i] > EXTENT_MAX || w->kernel[i] == 0) {
            mt_node_error(node, error, "a kernel of %" G_GINT64_FORMAT " is out of range", w->kernel[i]);
            return false;
        }
        w->in[i] = in[i];
        w->pad[i] = pads[i];
        w->pad_end[i] = pads[dims + i];
    }
    return true;
}

/* SAME pads so that out = ceil(in / stride); the odd element goes behind (UPPER) or in front (LOWER). */
static void pad_same(mt_window *w, int i, bool lower)
{
    int64_t extent = (w->kernel[i] - 1) * w->dilation[i] + 1;

    w->out[i] = w->in[i] < 0 ? -1 : (w->in[i] + w->stride[i] - 1) / w->stride[i];
    if (w->in[i] < 0)
        return;
    int64_t total = MAX(0, (w->out[i] - 1) * w->stride[i] + extent - w->in[i]);
    w->pad[i] = lower ? total - total / 2 : total / 2;
    w->pad_end[i] = total - w->pad[i];
}

static bool size_output(const mt_node *node, mt_window *w, int i, bool ceil_mode, GError **error)
{
    int64_t room = w->in[i] + w->pad[i] + w->pad_end[i] - ((w->kernel[i] - 1) * w->dilation[i] + 1);

    if (w->in[i] < 0 || w->kernel[i] < 0) {
        w->out[i] = -1;
        return true;
    }
    if (room < 0) {
        mt_node_error(node, error,
                      "a window of %" G_GINT64_FORMAT " (dilation %" G_GINT64_FORMAT
                      ") is larger than the padded input of %" G_GINT64_FORMAT,
                      w->kernel[i], w->dilation[i], w->in[i] + w->pad[i] + w->pad_end[i]);
        return false;
    }
    w->out[i] = (room + (ceil_mode ? w->stride[i] - 1 : 0)) / w->stride[i] + 1;
    if (ceil_mode && (w->out[i] - 1) * w->stride[i] >= w->in[i] + w->pad[i]) /* a window wholly in the pad behind is none */
        w->out[i]--;
    return true;
}

bool mt_window_read(const mt_node *node, int dims, const int64_t *in, const int64_t *kernel, mt_window *w, GError **error)
{
    const char *auto_pad = mt_node_string(node, "auto_pad", "NOTSET");
    bool        same = g_str_has_prefix(auto_pad, "SAME_"), ceil_mode = mt_node_int(node, "ceil_mode", 0) != 0;

    if (!read_attributes(node, dims, in, kernel, w, error))
        return false;
    for (int i = 0; i < dims; i++) {
        if (strcmp(auto_pad, "VALID") == 0)
            w->pad[i] = w->pad_end[i] = 0;
        if (same)
            pad_same(w, i, strcmp(auto_pad, "SAME_LOWER") == 0);
        else if (!size_output(node, w, i, ceil_mode, error))
            return false;
    }
    return true;
}

/* With a wanted output the pads follow; the odd element goes behind except for SAME_LOWER. */
static bool fit_output(const mt_node *node, mt_window *w, int i, int64_t full, int64_t wanted, bool upper, GError **error)
{
    int64_t total = full - wanted;

    if (wanted < 1 || total < -EXTENT_MAX || total > EXTENT_MAX) {
        mt_node_error(node, error, "an output of %" G_GINT64_FORMAT " does not fit its input", wanted);
        return false;
    }
    total = MAX(total, 0);
    w->pad[i] = upper ? total / 2 : total - total / 2;
    w->pad_end[i] = total - w->pad[i];
    w->out[i] = wanted;
    return true;
}

bool mt_window_read_transposed(const mt_node *node, int dims, const int64_t *in, const int64_t *kernel, mt_window *w, GError **error)
{
    const char *auto_pad = mt_node_string(node, "auto_pad", "NOTSET");
    bool        upper = strcmp(auto_pad, "SAME_LOWER") != 0, has_shape = mt_node_attr(node, "output_shape") != NULL;
    int64_t     extra[MT_WINDOW_DIMS], shape[MT_WINDOW_DIMS];

    if (!read_attributes(node, dims, in, kernel, w, error) || !read_extents(node, "output_padding", dims, 0, 0, extra, error) ||
        !read_extents(node, "output_shape", dims, 1, 1, shape, error))
        return false;
    for (int i = 0; i < dims; i++) {
        if (strcmp(auto_pad, "VALID") == 0)
            w->pad[i] = w->pad_end[i] = 0;
        if (in[i] < 0 || kernel[i] < 0) {
            w->out[i] = has_shape ? shape[i] : -1;
            continue;
        }
        int64_t full = in[i] == 0 ? 0 : (in[i] - 1) * w->stride[i] + extra[i] + (kernel[i] - 1) * w->dilation[i] + 1;
        if (has_shape || g_str_has_prefix(auto_pad, "SAME_")) {
            if (!fit_output(node, w, i, full, has_shape ? shape[i] : in[i] * w->stride[i], upper, error))
                return false;
        } else if ((w->out[i] = full - w->pad[i] - w->pad_end[i]) < 0) {
            mt_node_error(node, error, "pads of %" G_GINT64_FORMAT " and %" G_GINT64_FORMAT " leave no output", w->pad[i], w->pad_end[i]);
            return false;
        }
    }
    return true;
}

void mt_window_widen(mt_window *w)
{
    for (; w->dims < MT_WINDOW_DIMS; w->dims++) {
        int64_t *const lists[] = {w->kernel, w->stride, w->dilation, w->in, w->out};

        for (size_t k = 0; k < G_N_ELEMENTS(lists); k++) {
            memmove(lists[k] + 1, lists[k], (MT_WINDOW_DIMS - 1) * sizeof(int64_t));
            lists[k][0] = 1;
        }
        memmove(w->pad + 1, w->pad, (MT_WINDOW_DIMS - 1) * sizeof(int64_t));
        memmove(w->pad_end + 1, w->pad_end, (MT_WINDOW_DIMS - 1) * sizeof(int64_t));
        w->pad[0] = w->pad_end[0] = 0;
    }
}

void mt_window_places(const mt_window *w, bool from_output, const int64_t *k, int64_t first, int n, int64_t *places)
{
    const int64_t *from = from_output ? w->out : w->in, *to = from_output ? w->in : w->out;
    int64_t        x = first % from[2], y = first / from[2] % from[1], z = first / (from[2] * from[1]);

    for (int done = 0; done < n; x = 0, y = y + 1 == from[1] ? z++, 0 : y + 1) {
        int64_t tz = z * w->stride[0] - w->pad[0] + k[0] * w->dilation[0], ty = y * w->stride[1] - w->pad[1] + k[1] * w->dilation[1];
        int64_t width = MIN(n - done, from[2] - x), shift = k[2] * w->dilation[2] - w->pad[2], line = (tz * to[1] + ty) * to[2];
        bool    inside = tz >= 0 && tz < to[0] && ty >= 0 && ty < to[1];

        for (int64_t i = 0; i < width; i++) {
            int64_t tx = (x + i) * w->stride[2] + shift;
            places[done + i] = inside && tx >= 0 && tx < to[2] ? line + tx : -1;
        }
        done += (int)width;
    }
}
