/* TensorProto -> tensor, from every kind of storage ONNX knows. */
#ifndef MT_TENSOR_PROTO_H
#define MT_TENSOR_PROTO_H

#include "kernels/onnx/external_data.h"

#include <microtome/tensor.h>
#include <onnx.pb-c.h>

/* `raw`: its raw data when that was cut out of the message (a view into the file, used as it is when aligned), NULL else.
 * `external` NULL: external data is refused. */
mt_tensor *mt_tensor_from_proto(const Onnx__TensorProto *proto, GBytes *raw, mt_external_data *external, GError **error);

#endif
