/* A layer's weights and graphs (nystrom.c), and how they run over a bag (nystrom_run.c). */
#ifndef MT_NYSTROM_PRIVATE_H
#define MT_NYSTROM_PRIVATE_H

#include "mil/nystrom.h"

/* H heads of width d, m landmarks, rows of H d values. */
struct mt_nystrom {
    int64_t       dim, heads, width, landmarks;
    mt_layer_norm norm;
    mt_tensor    *qkv[3]; /* (dim, dim) each, q scaled */
    mt_tensor    *conv;   /* (H, 1, taps, 1) */
    mt_linear     out;
    mt_model     *project; /* h (-1,dim) -> q, k, v */
    mt_model     *invert;  /* q~, k~ (m,dim) -> A2+ (H,m,m) */
    mt_model     *gather;  /* q~, k, v (-1,dim) -> largest score (H,m,1), sum of exp (H,m,1), sum of exp x v (H,m,d) */
    mt_model     *spread;  /* q (-1,dim), k~, A2+ A3 v (H,m,d), convolution (-1,dim), h (-1,dim) -> h (-1,dim) */
    mt_model     *look;    /* q~, k (-1,dim), largest score (H,m,1), weights (H,1,m) -> (H,1,-1) */
};

#endif
