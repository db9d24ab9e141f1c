/* Which input of an ONNX head is what, and what each is given.  By name: `coords` where "coord" is in it, the tile's edge where it
 * begins with "patch_size", the features where it is another.  Names tell apart no more than these: a further input is refused. */
#ifndef MT_ONNX_INPUTS_H
#define MT_ONNX_INPUTS_H

#include <microtome/bag.h>
#include <microtome/model.h>

typedef enum mt_head_input { MT_HEAD_FEATURES, MT_HEAD_COORDS, MT_HEAD_PATCH_SIZE, MT_HEAD_INPUTS } mt_head_input;

typedef struct mt_head_inputs {
    int            n;                     /* inputs of the graph */
    int            index[MT_HEAD_INPUTS]; /* -1: none */
    const mt_port *port[MT_HEAD_INPUTS];  /* the model's */
    int64_t        dim;                   /* of the features */
    int            coords_width;          /* 2: x, y; 3: x, y, plane; 0: none */
} mt_head_inputs;

/* MT_ERROR_MODEL for an input of another name, type or shape, by its name. */
bool mt_head_inputs_choose(const mt_model *model, mt_head_inputs *inputs, GError **error);
/* Their ports for a bag of n tiles, in the model's order; room for MT_HEAD_INPUTS. */
void mt_head_inputs_bind(const mt_head_inputs *inputs, int64_t n, mt_port *ports);
/* MT_ERROR_INPUT where the bag does not know what the graph wants. */
bool mt_head_inputs_check(const mt_head_inputs *inputs, const mt_bag *bag, GError **error);
/* What the bag gives each, in the model's order: arrays from mt_alloc, freed by mt_head_inputs_clear, after a failure too.
 * MT_ERROR_RANGE for a place that the input's type cannot hold. */
bool mt_head_inputs_read(const mt_head_inputs *inputs, const mt_bag *bag, void *values[MT_HEAD_INPUTS], GError **error);
void mt_head_inputs_clear(void *values[MT_HEAD_INPUTS]);
/* Bytes of these arrays for one tile. */
double mt_head_inputs_bytes(const mt_head_inputs *inputs);

#endif
