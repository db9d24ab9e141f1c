/* What the fusing passes hang on a node: functions and element-wise operations on its result, applied in order. */
#ifndef MT_FUSED_H
#define MT_FUSED_H

#include "kernels/graph/activation.h"
#include "kernels/graph/quantised.h"
#include "kernels/graph/uses.h"

#define MT_POSTS_MAX 6

typedef enum mt_post_kind {
    MT_POST_ACTIVATION,
    MT_POST_ADD,
    MT_POST_MUL,
    MT_POST_QUANTISE, /* the last one: the result is stored as bytes */
} mt_post_kind;

typedef struct mt_post {
    mt_post_kind  kind;
    mt_activation activation; /* MT_POST_ACTIVATION */
    int           input;      /* MT_POST_ADD, _MUL: the node's input that holds the other operand */
    mt_quant      quant;      /* MT_POST_QUANTISE */
} mt_post;

typedef struct mt_fused {
    int     n_inputs; /* of the operator itself; later inputs are operands of posts */
    int     n;
    mt_post posts[MT_POSTS_MAX];
} mt_fused;

/* NULL when nothing is fused. */
const mt_fused *mt_node_fused(const mt_node *node);
/* Inputs of the operator itself, without operands of posts. */
guint mt_node_own_inputs(const mt_node *node);
/* Room for n more posts? */
bool mt_node_can_fuse(const mt_node *node, int n);
/* Room for n functions, and none of them twice with other parameters: oneDNN 2.6 and 3.x keep one table for each function of a primitive, and
 * compute the second with the parameters of the first.  Linear functions that follow each other are one. */
bool mt_node_can_fuse_functions(const mt_node *node, const mt_activation *functions, int n);
void mt_node_fuse_activation(mt_node *node, const mt_activation *activation);
void mt_node_fuse_quantise(mt_node *node, const mt_quant *quant);
/* The number of posts before MT_POST_QUANTISE. */
int mt_node_float_posts(const mt_node *node);
/* `operand` becomes an input of `node`. */
void mt_node_fuse_operand(mt_node *node, mt_post_kind kind, mt_value *operand, mt_uses *uses);
/* `user`, the only user of `node`'s result, has become part of `node`: its result is `node`'s. */
void mt_node_absorb(mt_node *node, mt_node *user, mt_uses *uses);

#endif
