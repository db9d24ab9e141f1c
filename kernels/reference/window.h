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

/* The places that position k of the kernel joins, of a window widened to three dimensions: for elements [first, first + n) of the
 * output their places in the input (from_output), or the other way round for what works in the opposite direction; -1 outside. */
void mt_window_places(const mt_window *window, bool from_output, const int64_t *k, int64_t first, int n, int64_t *places);

#endif
