/* A bag through a model that computes each tile by itself: the caller's thread reads, a team computes. */
#ifndef MT_BAG_ROWS_H
#define MT_BAG_ROWS_H

#include "mil/graph_layers.h"

#include <microtome/bag.h>
#include <microtome/model.h>

/* `model` takes (-1, bag->dim) and gives (-1, width); `out` has room for n x width. */
bool mt_bag_rows_run(mt_model *model, const mt_bag *bag, int64_t width, int threads, float *out, GError **error);
/* Bytes of what is read at once. */
double mt_bag_rows_bytes(int64_t dim, int threads);
/* The model act(W x + b) of a layer; `activation` NULL: none. */
mt_model *mt_bag_rows_model(const mt_linear *linear, const char *activation, GError **error);

#endif
