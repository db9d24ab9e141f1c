/* Operators written for float32, run on other float types through converted copies. */
#ifndef MT_WIDEN_H
#define MT_WIDEN_H

#include "kernels/reference/operator.h"

typedef bool (*mt_operator_run)(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error);

/* `run` when all float tensors are float32 already; else converted there and back, other types as they are. */
bool mt_run_widened(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, mt_operator_run run, GError **error);

#endif
