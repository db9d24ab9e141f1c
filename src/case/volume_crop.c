#include "src/case/volume_crop.h"

#include "src/base/alloc.h"

#include <string.h>

/* ---- holes ---- */

enum { UNSEEN, FOREGROUND, OUTSIDE };

/* Seeds of rows that are to be looked at: scanline filling, a row's run at a time. */
typedef struct fill {
    uint8_t       *mask;
    const int64_t *size;
    int64_t       *stack, n, room;
} fill;

#define FIRST_ROOM 4096

static bool push(fill *f, int64_t at, GError **error)
{
    if (f->n == f->room) {
        int64_t  room = MAX(FIRST_ROOM, 2 * f->room);
        int64_t *more = mt_alloc(room, sizeof *more, error);

        if (more == NULL)
            return false;
        if (f->n > 0)
            memcpy(more, f->stack, (size_t)f->n * sizeof *more);
        mt_free(f->stack);
        f->stack = more;
        f->room = room;
    }
    f->stack[f->n++] = at;
    return true;
}

/* One seed for each unseen run among n voxels from `at`. */
static bool push_runs(fill *f, int64_t at, int64_t n, GError **error)
{
    for (int64_t i = 0; i < n; i++)
        if (f->mask[at + i] == UNSEEN && (i == 0 || f->mask[at + i - 1] != UNSEEN) && !push(f, at + i, error))
            return false;
    return true;
}

/* The run around `at`, and seeds in the four rows beside it. */
static bool fill_run(fill *f, int64_t at, GError **error)
{
    int64_t nx = f->size[0], ny = f->size[1], row = at / nx * nx, y = at / nx % ny, z = at / nx / ny, left = at, right = at + 1;

    while (left > row && f->mask[left - 1] == UNSEEN)
        left--;
    while (right < row + nx && f->mask[right] == UNSEEN)
        right++;
    memset(f->mask + left, OUTSIDE, (size_t)(right - left));
    return (y == 0 || push_runs(f, left - nx, right - left, error)) && (y == ny - 1 || push_runs(f, left + nx, right - left, error)) &&
           (z == 0 || push_runs(f, left - nx * ny, right - left, error)) &&
           (z == f->size[2] - 1 || push_runs(f, left + nx * ny, right - left, error));
}

static bool fill_from(fill *f, int64_t at, int64_t n, GError **error)
{
    if (!push_runs(f, at, n, error))
        return false;
    while (f->n > 0) {
        int64_t seed = f->stack[--f->n];
        if (f->mask[seed] == UNSEEN && !fill_run(f, seed, error))
            return false;
    }
    return true;
}

static bool fill_border(fill *f, GError **error)
{
    int64_t nx = f->size[0], ny = f->size[1], nz = f->size[2];

    for (int64_t z = 0; z < nz; z++)
        for (int64_t y = 0; y < ny; y++) {
            bool    border = y == 0 || z == 0 || y == ny - 1 || z == nz - 1;
            int64_t row = (z * ny + y) * nx;

            if (border ? !fill_from(f, row, nx, error) : !fill_from(f, row, 1, error) || !fill_from(f, row + nx - 1, 1, error))
                return false;
        }
    return true;
}

uint8_t *mt_volume_nonzero_mask(const mt_volume *v, GError **error)
{
    int64_t  n = mt_volume_voxels(v);
    uint8_t *mask = mt_alloc(n, 1, error);
    fill     f = {.mask = mask, .size = v->size};

    if (mask == NULL)
        return NULL;
    for (int ch = 0; ch < v->channels; ch++)
        for (int64_t i = 0; i < n; i++)
            mask[i] |= v->data[ch * n + i] != 0;
    bool ok = fill_border(&f, error);
    mt_free(f.stack);
    for (int64_t i = 0; ok && i < n; i++)
        mask[i] = mask[i] != OUTSIDE;
    if (!ok)
        mt_free(mask);
    return ok ? mask : NULL;
}

/* ---- boxes ---- */

mt_volume_box mt_volume_mask_box(const uint8_t *mask, const int64_t size[3])
{
    int64_t low[3] = {size[0], size[1], size[2]}, high[3] = {-1, -1, -1}, at[3];

    for (at[2] = 0; at[2] < size[2]; at[2]++)
        for (at[1] = 0; at[1] < size[1]; at[1]++, mask += size[0]) {
            int64_t left = 0, right = size[0] - 1;

            while (left < size[0] && mask[left] == 0)
                left++;
            if (left == size[0])
                continue;
            while (mask[right] == 0)
                right--;
            low[0] = MIN(low[0], left);
            high[0] = MAX(high[0], right);
            for (int d = 1; d < 3; d++) {
                low[d] = MIN(low[d], at[d]);
                high[d] = MAX(high[d], at[d]);
            }
        }
    if (high[0] < 0)
        return (mt_volume_box){.size = {size[0], size[1], size[2]}};
    return (mt_volume_box){{low[0], low[1], low[2]}, {high[0] - low[0] + 1, high[1] - low[1] + 1, high[2] - low[2] + 1}};
}

/* Voxel 0 of `out` is at `start` of `v`, which may be before its own first. */
static void set_place(const mt_volume *v, const int64_t start[3], mt_volume *out)
{
    memcpy(out->spacing_mm, v->spacing_mm, sizeof out->spacing_mm);
    memcpy(out->affine, v->affine, sizeof out->affine);
    out->has_frame = v->has_frame;
    for (int row = 0; v->has_frame && row < 3; row++)
        for (int d = 0; d < 3; d++)
            out->affine[4 * row + 3] += v->affine[4 * row + d] * (double)start[d];
}

/* Rows of a box between two fields of `item` bytes a voxel. */
static void copy_box(const void *in, const int64_t in_size[3], const int64_t in_start[3], void *out, const int64_t out_size[3],
                     const int64_t out_start[3], const int64_t box[3], size_t item)
{
    for (int64_t z = 0; z < box[2]; z++)
        for (int64_t y = 0; y < box[1]; y++) {
            int64_t from = ((in_start[2] + z) * in_size[1] + in_start[1] + y) * in_size[0] + in_start[0];
            int64_t to = ((out_start[2] + z) * out_size[1] + out_start[1] + y) * out_size[0] + out_start[0];

            memcpy((uint8_t *)out + (size_t)to * item, (const uint8_t *)in + (size_t)from * item, (size_t)box[0] * item);
        }
}

static const int64_t origin[3];

mt_volume *mt_volume_crop(const mt_volume *v, const mt_volume_box *box, GError **error)
{
    bool fits = true;

    for (int d = 0; d < 3; d++)
        fits = fits && box->start[d] >= 0 && box->size[d] > 0 && box->size[d] <= v->size[d] && box->start[d] <= v->size[d] - box->size[d];
    if (!fits) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE,
                    "crop a volume of %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " voxels: %" G_GINT64_FORMAT
                    " x %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " at (%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT ", %" G_GINT64_FORMAT
                    ") is no box of it",
                    v->size[0], v->size[1], v->size[2], box->size[0], box->size[1], box->size[2], box->start[0], box->start[1],
                    box->start[2]);
        return NULL;
    }
    mt_volume *out = mt_volume_new(box->size, v->channels, error);
    if (out == NULL)
        return NULL;
    set_place(v, box->start, out);
    for (int ch = 0; ch < v->channels; ch++)
        copy_box(v->data + ch * mt_volume_voxels(v), v->size, box->start, out->data + ch * mt_volume_voxels(out), out->size, origin,
                 box->size, sizeof(float));
    return out;
}

mt_volume *mt_volume_pad(const mt_volume *v, const int64_t least[3], int64_t before[3], GError **error)
{
    int64_t size[3], start[3];

    for (int d = 0; d < 3; d++) {
        size[d] = MAX(v->size[d], least[d]);
        before[d] = (size[d] - v->size[d]) / 2;
        start[d] = -before[d];
    }
    mt_volume *out = mt_volume_new(size, v->channels, error);
    if (out == NULL)
        return NULL;
    set_place(v, start, out);
    for (int ch = 0; ch < v->channels; ch++)
        copy_box(v->data + ch * mt_volume_voxels(v), v->size, origin, out->data + ch * mt_volume_voxels(out), size, before, v->size,
                 sizeof(float));
    return out;
}

void mt_volume_cut_labels(const uint8_t *labels, const int64_t size[3], const mt_volume_box *box, uint8_t *out)
{
    copy_box(labels, size, box->start, out, box->size, origin, box->size, 1);
}

void mt_volume_paste_labels(const uint8_t *labels, const mt_volume_box *box, const int64_t size[3], uint8_t *out)
{
    memset(out, 0, (size_t)(size[0] * size[1] * size[2]));
    copy_box(labels, box->size, origin, out, size, box->start, box->size, 1);
}

void mt_volume_paste_values(const float *values, const mt_volume_box *box, const int64_t size[3], float outside, float *out)
{
    for (int64_t i = 0; i < size[0] * size[1] * size[2]; i++)
        out[i] = outside;
    copy_box(values, box->size, origin, out, size, box->start, box->size, sizeof(float));
}
