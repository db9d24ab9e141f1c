/* Products of bytes: what is known of a Conv, MatMul or Gemm whose source is stored as bytes and whose weights are int8 behind
 * DequantizeLinear.  With s the scales and z the zero point of the source, the result is
 *   s_x s_w[c] * (sum x w - z sum w[c]) + bias[c], then the posts, then perhaps bytes again. */
#ifndef MT_QUANTISED_PRODUCT_H
#define MT_QUANTISED_PRODUCT_H

#include "kernels/onednn/lower.h"

typedef struct mt_quantised {
    bool             is; /* else all the rest is void */
    mt_quant         in, out;
    bool             to_bytes; /* the result is stored as `out` says */
    const mt_tensor *weights;  /* int8 */
    const mt_value  *bias;     /* NULL: none */
    int64_t          channels;
    int              axis;     /* of the channels in the weights */
    const float     *w_scales; /* one or one a channel */
    bool             w_each;
    bool             folds_zero; /* the zero point of the source is part of the bias */
    int64_t         *sums;       /* of the weights of each channel, where that needs them */
    bool             grouped;
    float            unit;    /* the posts see results divided by this */
    float            shift;   /* what the bias takes over from the zero point of an operand */
    mt_place         numbers; /* the bias as the primitive wants it, then the scales */
} mt_quantised;

/* Fills `q`; q->is tells. `axis` is the weights' dimension of the results, `bias` float32 constants or NULL. */
void mt_quantised_of(mt_quantised *q, const mt_node *node, int axis, int64_t channels, const mt_value *bias, bool padded);
/* Storage of the result. */
mt_dtype mt_quantised_result(const mt_quantised *q, const mt_lowering *l, const mt_node *node);
/* As mt_posts_init, with scales; also makes the numbers of the bias for this choice of posts.  *fits is false when these posts
 * cannot be attributes. */
bool mt_quantised_posts(mt_posts *posts, mt_quantised *q, mt_lowering *l, const mt_node *node, int first, const mt_md *dst,
                        const mt_view *view, const mt_buffer *source, bool sum, bool *fits, GError **error);
/* The bias, and where they are an argument the scales. */
void mt_quantised_bind(const mt_quantised *q, mt_lowering *l, mt_primitive *p, int bias_rank);

#endif
