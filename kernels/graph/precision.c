/* The precisions a session can compute in, by name and by what the CPU has. */
#include <microtome/model.h>

#include "kernels/onnx/model_private.h"

#include <string.h>

static const char *const names[] = {[MT_PRECISION_FP32] = "fp32", [MT_PRECISION_BF16] = "bf16", [MT_PRECISION_INT8] = "int8"};

const char *mt_precision_name(mt_precision precision)
{
    return names[precision];
}

bool mt_precision_parse(const char *name, mt_precision *precision)
{
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (strcmp(names[i], name) == 0) {
            *precision = (mt_precision)i;
            return true;
        }
    return false;
}

bool mt_precision_is_native(mt_precision precision)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (precision == MT_PRECISION_BF16)
        return __builtin_cpu_supports("avx512bf16");
    if (precision == MT_PRECISION_INT8)
        return __builtin_cpu_supports("avx512vnni");
#endif
    return precision == MT_PRECISION_FP32;
}

bool mt_model_is_quantized(const mt_model *model)
{
    for (guint i = 0; i < model->graph->nodes->len; i++)
        if (strcmp(((const mt_node *)model->graph->nodes->pdata[i])->op, "QuantizeLinear") == 0)
            return true;
    return false;
}
