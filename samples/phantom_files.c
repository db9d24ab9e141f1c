/* The two kinds of file that phantoms are: NIfTI-1 with gzip, and PNG. */
#include "samples/phantoms.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <zlib.h>

#define NIFTI_HEADER 352 /* 348 bytes and four that say: no extension */

/* Rotation by `turn` about an axis, applied to the columns of m. */
static void turn_about(double m[9], int axis, double turn)
{
    const int    a = (axis + 1) % 3, b = (axis + 2) % 3;
    const double c = cos(turn), s = sin(turn);

    for (int k = 0; k < 3; k++) {
        const double u = m[3 * a + k], v = m[3 * b + k];
        m[3 * a + k] = c * u - s * v;
        m[3 * b + k] = s * u + c * v;
    }
}

const char *ph_pose_name(ph_pose pose)
{
    static const char *const names[PH_N_POSES] = {"straight", "flipped", "oblique", "upside-down"};

    return names[pose];
}

ph_grid ph_grid_of(const int size[3], const double spacing[3], const double centre[3], ph_pose pose)
{
    ph_grid g = {.size = {size[0], size[1], size[2]}, .spacing = {spacing[0], spacing[1], spacing[2]}};
    double  r[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};

    if (pose == PH_FLIPPED) { /* as DICOM's axes come: to the left, to the back */
        r[0] = r[4] = -1;
    } else if (pose == PH_OBLIQUE) {
        turn_about(r, 0, 0.20);
        turn_about(r, 2, -0.12);
    } else if (pose == PH_UPSIDE_DOWN) { /* a mirrored grid, tilted a little */
        r[8] = -1;
        turn_about(r, 1, 0.10);
    }
    for (int i = 0; i < 3; i++) {
        g.affine[4 * i + 3] = centre[i];
        for (int k = 0; k < 3; k++) {
            g.affine[4 * i + k] = r[3 * i + k] * spacing[k];
            g.affine[4 * i + 3] -= g.affine[4 * i + k] * 0.5 * (size[k] - 1);
        }
    }
    for (int k = 0; k < 3; k++) { /* the inverse of a rotation is its transpose */
        g.inverse[4 * k + 3] = 0;
        for (int i = 0; i < 3; i++) {
            g.inverse[4 * k + i] = r[3 * i + k] / spacing[k];
            g.inverse[4 * k + 3] -= g.inverse[4 * k + i] * g.affine[4 * i + 3];
        }
    }
    return g;
}

ph_grid ph_picture_grid(const int size[3])
{
    static const double unit[3] = {1, 1, 1};
    const double        centre[3] = {0.5 * (size[0] - 1), 0.5 * (size[1] - 1), 0};

    return ph_grid_of(size, unit, centre, PH_STRAIGHT);
}

int64_t ph_voxels(const ph_grid *g)
{
    return (int64_t)g->size[0] * g->size[1] * g->size[2];
}

void ph_place(const double m[12], const double in[3], double out[3])
{
    for (int i = 0; i < 3; i++)
        out[i] = m[4 * i] * in[0] + m[4 * i + 1] * in[1] + m[4 * i + 2] * in[2] + m[4 * i + 3];
}

static void put16(uint8_t *at, int value)
{
    const int16_t v = GINT16_TO_LE((int16_t)value);
    memcpy(at, &v, 2);
}

static void put_float(uint8_t *at, double value)
{
    union {
        float    f;
        uint32_t u;
    } v = {.f = (float)value};

    v.u = GUINT32_TO_LE(v.u);
    memcpy(at, &v.u, 4);
}

/* The quaternion of the grid's directions and the sign that makes them a rotation (NIfTI's method 2). */
static void put_quaternion(uint8_t *header, const ph_grid *g)
{
    double r[9], q[4], best = -1;
    int    greatest = 0;

    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            r[3 * i + k] = g->affine[4 * i + k] / g->spacing[k];
    const double det = r[0] * (r[4] * r[8] - r[5] * r[7]) - r[1] * (r[3] * r[8] - r[5] * r[6]) + r[2] * (r[3] * r[7] - r[4] * r[6]);
    for (int i = 0; i < 3 && det < 0; i++)
        r[3 * i + 2] = -r[3 * i + 2];
    const double squares[4] = {1 + r[0] + r[4] + r[8], 1 + r[0] - r[4] - r[8], 1 - r[0] + r[4] - r[8], 1 - r[0] - r[4] + r[8]};
    for (int i = 0; i < 4; i++)
        if (squares[i] > best)
            best = squares[i], greatest = i;
    const double s = 2 * sqrt(best);
    const double rows[4][4] = {{s * s / 4, r[7] - r[5], r[2] - r[6], r[3] - r[1]},
                               {r[7] - r[5], s * s / 4, r[3] + r[1], r[2] + r[6]},
                               {r[2] - r[6], r[3] + r[1], s * s / 4, r[7] + r[5]},
                               {r[3] - r[1], r[2] + r[6], r[7] + r[5], s * s / 4}};
    for (int i = 0; i < 4; i++)
        q[i] = rows[greatest][i] / s;
    for (int i = 1; i < 4; i++)
        put_float(header + 252 + 4 * i, q[0] < 0 ? -q[i] : q[i]);
    put_float(header + 76, det < 0 ? -1 : 1); /* qfac stands in pixdim[0] */
}

static void fill_header(uint8_t header[NIFTI_HEADER], const ph_grid *g, ph_type type)
{
    memset(header, 0, NIFTI_HEADER);
    put16(header, 348);
    put16(header + 40, 3);
    for (int k = 0; k < 7; k++)
        put16(header + 42 + 2 * k, k < 3 ? g->size[k] : 1);
    put16(header + 70, type);
    put16(header + 72, type == PH_UINT8 ? 8 : 16);
    for (int k = 0; k < 3; k++)
        put_float(header + 80 + 4 * k, g->spacing[k]);
    put_float(header + 108, NIFTI_HEADER);
    put_float(header + 112, 1); /* scl_slope; scl_inter is 0 */
    header[123] = 2;            /* mm */
    put16(header + 252, 1);
    put16(header + 254, 1);
    put_quaternion(header, g);
    for (int k = 0; k < 3; k++)
        put_float(header + 268 + 4 * k, g->affine[4 * k + 3]);
    for (int k = 0; k < 12; k++)
        put_float(header + 280 + 4 * k, g->affine[k]);
    memcpy(header + 344, "n+1", 4);
}

static bool write_failed(const char *path, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_IO, "write %s: %s", path, g_strerror(errno));
    return false;
}

bool ph_write_nifti(const char *path, const ph_grid *g, ph_type type, const float *values, GError **error)
{
    const gsize         width = type == PH_UINT8 ? 1 : 2, n = (gsize)ph_voxels(g);
    const float         low = type == PH_UINT8 ? 0 : -32768, high = type == PH_UINT8 ? 255 : 32767;
    g_autofree uint8_t *bytes = g_malloc(NIFTI_HEADER + n * width);
    gzFile              file = gzopen(path, "wb6");

    if (file == NULL)
        return write_failed(path, error);
    fill_header(bytes, g, type);
    for (gsize i = 0; i < n; i++) {
        const int v = (int)lrintf(CLAMP(values[i], low, high));
        if (type == PH_UINT8)
            bytes[NIFTI_HEADER + i] = (uint8_t)v;
        else
            put16(bytes + NIFTI_HEADER + 2 * i, v);
    }
    const bool written = gzwrite(file, bytes, (unsigned)(NIFTI_HEADER + n * width)) > 0;
    return gzclose(file) == Z_OK && written ? true : write_failed(path, error);
}

static void put_chunk(GByteArray *file, const char *name, const uint8_t *data, gsize n)
{
    const uint32_t length = GUINT32_TO_BE((uint32_t)n);
    const gsize    start = file->len + 4;

    g_byte_array_append(file, (const uint8_t *)&length, 4);
    g_byte_array_append(file, (const uint8_t *)name, 4);
    if (n > 0)
        g_byte_array_append(file, data, (guint)n);
    const uint32_t crc = GUINT32_TO_BE((uint32_t)crc32(0, file->data + start, (uInt)(n + 4)));
    g_byte_array_append(file, (const uint8_t *)&crc, 4);
}

/* Rows of samples, big-endian, each after a byte that says: no filter. */
static uint8_t *samples_of(int width, int height, int channels, int bits, const float *values, gsize *n)
{
    const gsize row = (gsize)width * channels, wide = bits / 8;
    const float most = bits == 8 ? 255 : 65535;
    uint8_t    *out = g_malloc(*n = (row * wide + 1) * height);

    for (gsize y = 0; y < (gsize)height; y++) {
        uint8_t *at = out + y * (row * wide + 1);
        *at++ = 0;
        for (gsize k = 0; k < row; k++) {
            const unsigned v = (unsigned)lrintf(CLAMP(values[y * row + k], 0, 1) * most);
            if (wide == 2)
                *at++ = (uint8_t)(v >> 8);
            *at++ = (uint8_t)v;
        }
    }
    return out;
}

bool ph_write_png(const char *path, int width, int height, int channels, int bits, const float *values, GError **error)
{
    static const uint8_t magic[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    const uint32_t       edge[2] = {GUINT32_TO_BE((uint32_t)width), GUINT32_TO_BE((uint32_t)height)};
    uint8_t              head[13] = {[8] = (uint8_t)bits, [9] = channels == 3 ? 2 : 0};
    gsize                n = 0;
    g_autofree uint8_t  *raw = samples_of(width, height, channels, bits, values, &n);
    uLongf               packed_bytes = compressBound(n);
    g_autofree uint8_t  *packed = g_malloc(packed_bytes);
    g_autoptr(GByteArray) file = g_byte_array_new();

    memcpy(head, edge, 8);
    if (compress2(packed, &packed_bytes, raw, n, 6) != Z_OK) {
        g_set_error(error, MT_ERROR, MT_ERROR_MEMORY, "write %s: zlib has no memory", path);
        return false;
    }
    g_byte_array_append(file, magic, 8);
    put_chunk(file, "IHDR", head, 13);
    put_chunk(file, "IDAT", packed, packed_bytes);
    put_chunk(file, "IEND", NULL, 0);
    return g_file_set_contents(path, (const char *)file->data, file->len, error);
}
