/* The window of convolutions and pools: kernel, strides, dilations, pads, for 1 to 3 spatial dimensions. */
#ifndef MT_WINDOW_H
#define MT_WINDOW_H

#include "kernels/reference/operator.h"

#define MT_WINDOW_DIMS 3

typedef struct mt_window {
    int     dims;
    int64_t kernel[MT_WINDOW_DIMS], stride[MT_WINDOW_DIMS], dilation[MT_WINDOW_DIMS];
    int64_t pad[MT_WINDOW_DIMS]; /* before */
    int64_t pad_end[MT_WINDOW_DIMS];
    int64_t in[MT_WINDOW_DIMS], out[MT_WINDOW_DIMS]; /* -1: open */
} mt_window;

/* Reads strides, dilations, pads, auto_pad and ceil_mode and sets `out`.  `in`: the spatial shape.  `kernel` NULL: read
 * kernel_shape. */
bool mt_window_read(const mt_node *node, int dims, const int64_t *in, const int64_t *kernel, mt_window *window, GError **error);
/* The same for a transposed convolution, where `out` grows: output_padding and output_shape count too. */
bool mt_window_read_transposed(const mt_node *node, int dims, const int64_t *in, const int64_t *kernel, mt_window *window, GError **error);

/* Fills missing dimensions in front with 1, so that loops can always be three deep. */
void mt_window_widen(mt_window *window);

#endif
