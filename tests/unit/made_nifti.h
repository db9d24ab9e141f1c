/* NIfTI-1 files of known truth for tests of volumes, written from the standard. */
#ifndef MADE_NIFTI_H
#define MADE_NIFTI_H

#include <glib.h>
#include <stdint.h>
#include <string.h>

typedef struct made_nifti {
    int16_t size[3];
    int16_t datatype;   /* 4: int16, 16: float32, 2: uint8 */
    char    unit;       /* 2: mm, 0: none */
    float   affine[12]; /* rows of the sform */
} made_nifti;

static inline void made_nifti_put(uint8_t *header, size_t at, const void *value, size_t n)
{
    memcpy(header + at, value, n);
}

/* `voxels`: bytes as they stand in the file. */
static inline void made_nifti_write(const char *path, const made_nifti *m, const void *voxels, size_t bytes)
{
    size_t   n = 352 + bytes;
    uint8_t *file = g_malloc0(n);
    int32_t  header_bytes = 348;
    int16_t  dim[8] = {3, m->size[0], m->size[1], m->size[2], 1, 1, 1, 1}, one = 1;
    int16_t  bits = m->datatype == 2 ? 8 : m->datatype == 4 ? 16 : 32;
    float    pixdim[8] = {1}, offset = 352, slope = 1;

    for (int d = 0; d < 3; d++) {
        double squares = 0;
        for (int row = 0; row < 3; row++)
            squares += (double)m->affine[4 * row + d] * (double)m->affine[4 * row + d];
        pixdim[d + 1] = (float)__builtin_sqrt(squares);
    }
    made_nifti_put(file, 0, &header_bytes, 4);
    made_nifti_put(file, 40, dim, sizeof dim);
    made_nifti_put(file, 70, &m->datatype, 2);
    made_nifti_put(file, 72, &bits, 2);
    made_nifti_put(file, 76, pixdim, sizeof pixdim);
    made_nifti_put(file, 108, &offset, 4);
    made_nifti_put(file, 112, &slope, 4);
    made_nifti_put(file, 123, &m->unit, 1);
    made_nifti_put(file, 254, &one, 2);
    made_nifti_put(file, 280, m->affine, sizeof m->affine);
    memcpy(file + 344, "n+1", 4);
    memcpy(file + 352, voxels, bytes);
    g_assert_true(g_file_set_contents(path, (const char *)file, (gssize)n, NULL));
    g_free(file);
}

#endif
