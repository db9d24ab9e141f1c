/* The surface of what was segmented, as binary STL in the patient's frame (LPS, mm): the faces between voxels, which close round every object and
 * hold its volume exactly, then smoothed (Taubin 1995) as far as each label's volume stays within 1 %.  The attribute of a triangle is its label's value. */
#include "src/base/refuse.h"
#include "src/export/dicom_frames.h"
#include "src/export/published_stream.h"
#include "src/export/result_volume.h"

#include "src/base/alloc.h"

#include <math.h>
#include <string.h>

#define ROUNDS 10
#define SHRINK 0.5
#define GROW (-0.53)
#define MOST_LOSS 0.01
#define MOST_VOXELS (INT64_C(1) << 31)

typedef struct mesh {
    const mt_result_volume *v;
    const uint8_t          *map;
    GHashTable             *at;    /* corner of the grid + 1 -> vertex + 1 */
    GArray                 *xyz;   /* float[3]: voxels, a voxel's centre is whole */
    GArray                 *faces; /* guint[4]: corners, the outside to the right hand's thumb */
} mesh;

static guint vertex(mesh *m, int64_t x, int64_t y, int64_t z)
{
    int64_t  key = (z * (m->v->size[1] + 1) + y) * (m->v->size[0] + 1) + x + 1;
    gpointer found = g_hash_table_lookup(m->at, (gpointer)(intptr_t)key);
    float    place[3] = {(float)x - 0.5F, (float)y - 0.5F, (float)z - 0.5F};

    if (found != NULL)
        return GPOINTER_TO_UINT(found) - 1;
    g_array_append_vals(m->xyz, place, 1);
    g_hash_table_insert(m->at, (gpointer)(intptr_t)key, GUINT_TO_POINTER(m->xyz->len));
    return m->xyz->len - 1;
}

static bool is_in(const mesh *m, const uint8_t *members, int64_t x, int64_t y, int64_t z)
{
    const int64_t *n = m->v->size;

    return x >= 0 && y >= 0 && z >= 0 && x < n[0] && y < n[1] && z < n[2] && members[m->map[(z * n[1] + y) * n[0] + x]];
}

/* The face of a voxel towards `axis`, its far side or its near one. */
static void put_face(mesh *m, const int64_t at[3], int axis, bool far)
{
    guint face[4];
    int   u = (axis + 1) % 3, v = (axis + 2) % 3;

    for (int i = 0; i < 4; i++) {
        int64_t corner[3] = {at[0], at[1], at[2]};
        int     k = far ? i : 3 - i;
        corner[axis] += far;
        corner[u] += k == 1 || k == 2;
        corner[v] += k >= 2;
        face[i] = vertex(m, corner[0], corner[1], corner[2]);
    }
    g_array_append_vals(m->faces, face, 1);
}

static int64_t find_faces(mesh *m, const uint8_t *members)
{
    const int64_t *n = m->v->size;
    int64_t        voxels = 0, at[3];

    for (at[2] = 0; at[2] < n[2]; at[2]++)
        for (at[1] = 0; at[1] < n[1]; at[1]++)
            for (at[0] = 0; at[0] < n[0]; at[0]++) {
                if (!members[m->map[(at[2] * n[1] + at[1]) * n[0] + at[0]]])
                    continue;
                voxels++;
                for (int axis = 0; axis < 3; axis++)
                    for (int far = 0; far < 2; far++) {
                        int64_t to[3] = {at[0], at[1], at[2]};
                        to[axis] += far ? 1 : -1;
                        if (!is_in(m, members, to[0], to[1], to[2]))
                            put_face(m, at, axis, far);
                    }
            }
    return voxels;
}

/* Of the closed surface, in voxels. */
static double volume_of(const mesh *m, const float *xyz)
{
    double sum = 0;

    for (guint i = 0; i < m->faces->len; i++) {
        const guint *f = &g_array_index(m->faces, guint, 4 * i);
        for (int t = 0; t < 2; t++) {
            const float *a = xyz + 3 * f[0], *b = xyz + 3 * f[1 + t], *c = xyz + 3 * f[2 + t];
            sum += (double)a[0] * ((double)b[1] * (double)c[2] - (double)b[2] * (double)c[1]) -
                   (double)a[1] * ((double)b[0] * (double)c[2] - (double)b[2] * (double)c[0]) +
                   (double)a[2] * ((double)b[0] * (double)c[1] - (double)b[1] * (double)c[0]);
        }
    }
    return sum / 6;
}

/* Each vertex towards the mean of its neighbours along the faces' edges. */
static void smooth(const mesh *m, float *xyz, double *sums, double factor)
{
    guint n = m->xyz->len;

    memset(sums, 0, (size_t)n * 4 * sizeof *sums);
    for (guint i = 0; i < m->faces->len; i++) {
        const guint *f = &g_array_index(m->faces, guint, 4 * i);
        for (int e = 0; e < 4; e++)
            for (int way = 0; way < 2; way++) {
                guint a = f[(e + way) % 4], b = f[(e + 1 - way) % 4];
                for (int d = 0; d < 3; d++)
                    sums[4 * a + (guint)d] += (double)xyz[3 * b + (guint)d];
                sums[4 * a + 3]++;
            }
    }
    for (guint i = 0; i < n; i++)
        for (guint d = 0; d < 3 && sums[4 * i + 3] > 0; d++)
            xyz[3 * i + d] = (float)((double)xyz[3 * i + d] + factor * (sums[4 * i + d] / sums[4 * i + 3] - (double)xyz[3 * i + d]));
}

/* The corners as they are drawn: smoothed while the volume holds. */
static float *shape(const mesh *m, int64_t voxels, GError **error)
{
    size_t bytes = (size_t)m->xyz->len * 3 * sizeof(float);
    float *best = mt_alloc((int64_t)m->xyz->len * 3, sizeof(float), error),
          *trial = best != NULL ? mt_alloc((int64_t)m->xyz->len * 3, sizeof(float), error) : NULL;
    double *sums = trial != NULL ? mt_alloc((int64_t)m->xyz->len * 4, sizeof(double), error) : NULL;

    if (sums == NULL) {
        mt_free(best);
        mt_free(trial);
        return NULL;
    }
    memcpy(best, m->xyz->data, bytes);
    memcpy(trial, best, bytes);
    for (int round = 0; round < ROUNDS; round++) {
        smooth(m, trial, sums, SHRINK);
        smooth(m, trial, sums, GROW);
        if (fabs(volume_of(m, trial) - (double)voxels) > MOST_LOSS * (double)voxels)
            break;
        memcpy(best, trial, bytes);
    }
    mt_free(trial);
    mt_free(sums);
    return best;
}

/* Voxels to LPS mm. */
static void place(const mt_result_volume *v, const float *voxel, float *mm)
{
    for (int r = 0; r < 3; r++) {
        double sum = v->affine[4 * r + 3];
        for (int d = 0; d < 3; d++)
            sum += v->affine[4 * r + d] * (double)voxel[d];
        mm[r] = (float)(r < 2 ? -sum : sum);
    }
}

static void put_triangle(FILE *out, const float corners[3][3], uint16_t label)
{
    float  a[3], b[3], record[12] = {0};
    double length = 0;

    for (int d = 0; d < 3; d++) {
        a[d] = corners[1][d] - corners[0][d];
        b[d] = corners[2][d] - corners[0][d];
    }
    for (int d = 0; d < 3; d++) {
        record[d] = a[(d + 1) % 3] * b[(d + 2) % 3] - a[(d + 2) % 3] * b[(d + 1) % 3];
        length += (double)record[d] * (double)record[d];
    }
    for (int d = 0; d < 3 && length > 0; d++)
        record[d] = (float)((double)record[d] / sqrt(length));
    memcpy(record + 3, corners, 9 * sizeof(float));
    label = GUINT16_TO_LE(label);
    fwrite(record, sizeof record, 1, out); /* little endian, as all our machines are */
    fwrite(&label, sizeof label, 1, out);
}

static double handedness(const double *a)
{
    return a[0] * (a[5] * a[10] - a[6] * a[9]) - a[1] * (a[4] * a[10] - a[6] * a[8]) + a[2] * (a[4] * a[9] - a[5] * a[8]);
}

static bool put_label(mesh *m, const mt_dicom_segment *segment, uint16_t label, FILE *out, uint32_t *triangles, GError **error)
{
    bool mirrored = handedness(m->v->affine) < 0; /* RAS to LPS turns and does not mirror */

    g_hash_table_remove_all(m->at);
    g_array_set_size(m->xyz, 0);
    g_array_set_size(m->faces, 0);
    int64_t voxels = find_faces(m, segment->members);
    float  *xyz = voxels > 0 ? shape(m, voxels, error) : NULL;
    if (xyz == NULL)
        return voxels == 0;
    for (guint i = 0; i < m->faces->len; i++) {
        const guint *f = &g_array_index(m->faces, guint, 4 * i);
        for (int t = 0; t < 2; t++) {
            float corners[3][3];
            place(m->v, xyz + 3 * f[0], corners[0]);
            place(m->v, xyz + 3 * f[mirrored ? 2 + t : 1 + t], corners[1]);
            place(m->v, xyz + 3 * f[mirrored ? 1 + t : 2 + t], corners[2]);
            put_triangle(out, (const float(*)[3])corners, label);
            (*triangles)++;
        }
    }
    mt_free(xyz);
    return true;
}

static bool put_labels(mesh *m, const mt_handover_case *c, FILE *out, GError **error)
{
    g_autoptr(GPtrArray) segments = mt_dicom_segments(c->result);
    char     header[80] = {0};
    uint32_t triangles = 0;

    g_snprintf(header, sizeof header, "microtome; SPACE=LPS; mm; attribute: number of the label");
    fwrite(header, sizeof header, 1, out);
    fwrite(&triangles, sizeof triangles, 1, out);
    for (guint k = 0; k < segments->len; k++)
        if (!put_label(m, segments->pdata[k], (uint16_t)(k + 1), out, &triangles, error))
            return false;
    if (triangles == 0)
        return mt_refuse(error, MT_ERROR_INPUT, "nothing was segmented: there is no surface");
    triangles = GUINT32_TO_LE(triangles);
    return fseek(out, sizeof header, SEEK_SET) == 0 && fwrite(&triangles, sizeof triangles, 1, out) == 1 && fseek(out, 0, SEEK_END) == 0;
}

bool mt_mask_stl_write(const mt_handover_case *c, const char *path, GError **error)
{
    mt_result_volume    v;
    mt_published_stream stream;

    if (!mt_result_volume_init(&v, c, error))
        return false;
    int64_t  plane = v.size[0] * v.size[1];
    uint8_t *map = plane * v.size[2] <= MOST_VOXELS ? mt_alloc(plane * v.size[2], 1, error) : NULL;
    bool     ok =
        map != NULL || (error != NULL && *error != NULL ? false : mt_refuse(error, MT_ERROR_INPUT, "its map is too large for a surface"));
    for (int64_t k = 0; ok && k < v.size[2]; k++)
        ok = mt_result_volume_read(&v, k, map + k * plane, error);
    if (ok && (ok = mt_published_stream_begin(&stream, path, error))) {
        mesh m = {&v, map, g_hash_table_new(NULL, NULL), g_array_new(FALSE, FALSE, 3 * sizeof(float)),
                  g_array_new(FALSE, FALSE, 4 * sizeof(guint))};
        ok = put_labels(&m, c, stream.out, error);
        ok = mt_published_stream_end(&stream, path, c->replace, ok, error);
        g_hash_table_unref(m.at);
        g_array_unref(m.xyz);
        g_array_unref(m.faces);
    }
    mt_free(map);
    mt_result_volume_clear(&v);
    return ok;
}
