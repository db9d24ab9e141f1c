/* ModelProto -> graph. */
#ifndef MT_IMPORT_H
#define MT_IMPORT_H

#include "kernels/onnx/external_data.h"
#include "kernels/onnx/model_private.h"

/* The oldest and newest opset of the default domain that are understood. */
#define MT_OPSET_MIN 1
#define MT_OPSET_MAX 21

/* Fills graph, ports, opset, counts and metadata of `model` from the bytes of a file. */
bool mt_import(mt_model *model, GBytes *bytes, mt_external_data *external, GError **error);

#endif
