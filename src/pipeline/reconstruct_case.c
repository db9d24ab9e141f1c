#include "src/pipeline/reconstruct_case.h"

#include "src/base/alloc.h"
#include "src/case/volume_resample.h"
#include "src/result/headline.h"
#include "src/store/schema.h"

#include <microtome/result.h>

#include <math.h>
#include <string.h>

static int ascending(const void *a, const void *b)
{
    const double *p = a, *q = b;

    return (*p > *q) - (*p < *q);
}

static bool read_one(const char *path, const char *model_sha256, GArray *values, GError **error)
{
    g_autofree char *line = mt_result_headline(path, error);
    g_autoptr(mt_headline) headline = line != NULL ? mt_headline_parse(line, path, error) : NULL;
    g_autoptr(mt_result) result = headline != NULL ? mt_result_open(path, error) : NULL;
    double mean;

    if (result == NULL)
        return false;
    if (g_strcmp0(headline->model_sha256, model_sha256) != 0 || !mt_result_attr(result, MT_OBJECT_ERROR_MAP, "mean", &mean, 1)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read normal cases: %s is of another network or task", path);
        return false;
    }
    g_array_append_vals(values, &mean, 1);
    return true;
}

bool mt_normal_errors_read(const char *out, const char *model_sha256, mt_normal_errors *normal, GError **error)
{
    g_autofree char *folder = g_build_filename(out, "cases", NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    g_autoptr(GArray) values = g_array_new(FALSE, FALSE, sizeof(double));
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        if (*name != '.' && g_str_has_suffix(name, ".h5") && !read_one(path, model_sha256, values, error))
            return false;
    }
    if (values->len == 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING,
                    "read normal cases: no result in %s: run the recipe without a reference over them first", folder);
        return false;
    }
    normal->n = (int)values->len;
    normal->values = (double *)(void *)g_array_free(g_steal_pointer(&values), FALSE);
    qsort(normal->values, (size_t)normal->n, sizeof *normal->values, ascending);
    return true;
}

void mt_normal_errors_clear(mt_normal_errors *normal)
{
    g_clear_pointer(&normal->values, g_free);
    normal->n = 0;
}

double mt_normal_errors_rank(const mt_normal_errors *normal, double mean)
{
    double below = 0;

    for (int i = 0; i < normal->n; i++)
        below += normal->values[i] < mean ? 1 : normal->values[i] > mean ? 0 : 0.5;
    return below / normal->n;
}

bool mt_error_slabs_take(void *user, int64_t z0, int64_t count, const float *output, GError **error)
{
    mt_error_slabs  *slabs = user;
    const mt_volume *v = slabs->volume;
    int64_t          plane = v->size[0] * v->size[1], voxels = mt_volume_voxels(v);

    (void)error;
    for (int64_t i = 0; i < count * plane; i++) {
        float sum = 0;
        for (int c = 0; c < v->channels; c++)
            sum += fabsf(v->data[c * voxels + z0 * plane + i] - output[c * count * plane + i]);
        slabs->errors[z0 * plane + i] = sum / (float)v->channels;
    }
    return true;
}

double mt_error_mean(const mt_error_slabs *slabs)
{
    int64_t n = mt_volume_voxels(slabs->volume);
    double  sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += (double)slabs->errors[i];
    return sum / (double)n;
}

/* The box, in the network's axes, to its place in the volume. */
static void put_box(const mt_dense_frame *frame, const int axes[3], const float *box, float *out)
{
    int64_t at[3], stride[3] = {1, frame->size[0], frame->size[0] * frame->size[1]};

    for (int64_t z = 0; z < frame->from[2]; z++)
        for (int64_t y = 0; y < frame->from[1]; y++)
            for (int64_t x = 0; x < frame->from[0]; x++) {
                at[axes[0]] = x;
                at[axes[1]] = y;
                at[axes[2]] = z;
                int64_t to = 0;
                for (int d = 0; d < 3; d++)
                    to += (frame->box.start[d] + at[d]) * stride[d];
                out[to] = *box++;
            }
}

bool mt_errors_back(const mt_dense_frame *frame, const mt_dense_card *card, const float *errors, int threads, float *out, GError **error)
{
    mt_regrid regrid = {.order = 1, .separate = frame->logits_apart};
    float    *box;

    if (memcmp(frame->grid, frame->from, sizeof frame->grid) == 0) {
        put_box(frame, card->axes, errors, out);
        return true;
    }
    memcpy(regrid.from, frame->grid, sizeof regrid.from);
    memcpy(regrid.to, frame->from, sizeof regrid.to);
    box = mt_alloc(frame->from[0] * frame->from[1] * frame->from[2], sizeof *box, error);
    bool ok = box != NULL && mt_regrid_field(&regrid, errors, box, threads, error);
    if (ok)
        put_box(frame, card->axes, box, out);
    mt_free(box);
    return ok;
}
