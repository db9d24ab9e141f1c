#include "kernels/reference/strided.h"

#include <string.h>

void mt_contiguous_strides(int rank, const int64_t *shape, int64_t *stride)
{
    int64_t step = 1;

    for (int i = rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= shape[i];
    }
}

#define COPY(type)                                                                                                                         \
    for (int64_t i = 0; i < n; i++)                                                                                                        \
    ((type *)target)[i] = ((const type *)source)[start + i * stride]

static void copy_row(void *target, const void *source, size_t size, int64_t start, int64_t n, int64_t stride)
{
    if (stride == 1) {
        memcpy(target, (const char *)source + start * (int64_t)size, (size_t)n * size);
        return;
    }
    switch (size) {
    case 1:
        COPY(uint8_t);
        break;
    case 2:
        COPY(uint16_t);
        break;
    case 4:
        COPY(uint32_t);
        break;
    default:
        COPY(uint64_t);
    }
}

void mt_copy_strided(void *target, const void *source, size_t size, int rank, const int64_t *shape, int64_t start, const int64_t *stride)
{
    int64_t index[MT_MAX_RANK] = {0}, at = start, width = rank > 0 ? shape[rank - 1] : 1, rows = 1;
    char   *out = target;

    for (int i = 0; i < rank - 1; i++)
        rows *= shape[i];
    if (width == 0)
        return;
    for (int64_t row = 0; row < rows; row++, out += width * (int64_t)size) {
        copy_row(out, source, size, at, width, rank > 0 ? stride[rank - 1] : 1);
        for (int i = rank - 2; i >= 0; i--) {
            at += stride[i];
            if (++index[i] < shape[i])
                break;
            at -= stride[i] * shape[i];
            index[i] = 0;
        }
    }
}
