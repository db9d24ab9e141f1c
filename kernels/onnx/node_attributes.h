/* AttributeProto -> the attributes of a node. */
#ifndef MT_NODE_ATTRIBUTES_H
#define MT_NODE_ATTRIBUTES_H

#include "kernels/graph/graph.h"

#include <onnx.pb-c.h>

/* MT_ERROR_MODEL for subgraphs and other kinds that no supported operator takes; names the attribute. */
bool mt_node_read_attributes(mt_node *node, const Onnx__NodeProto *proto, GError **error);
/* The value of a Constant node in any of its forms. */
mt_tensor *mt_constant_from_attributes(const Onnx__NodeProto *proto, GError **error);

#endif
