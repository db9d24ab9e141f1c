/* Planes of volumes and of pictures of more than 8 bits as their own numbers, for a page with a window of its own; masks. */
#include "src/serve/reader_private.h"

#include "src/base/alloc.h"
#include "src/base/refuse.h"
#include "src/case/source.h"
#include "src/store/schema.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SIDE_PX 4096 /* of what is sent; a larger plane is thinned out */
#define SAMPLED 4096

static double sample(const void *data, mt_dtype dtype, int64_t i)
{
    switch (dtype) {
    case MT_U8:
        return ((const uint8_t *)data)[i];
    case MT_U16:
        return ((const uint16_t *)data)[i];
    case MT_I16:
        return ((const int16_t *)data)[i];
    default:
        return (double)((const float *)data)[i];
    }
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* The file's own window, soft tissue of a CT, else the middle 98 % of the plane. */
static void find_window(const mt_case *c, const void *data, int64_t n, double window[2])
{
    mt_case_window own;
    double         some[SAMPLED];
    int64_t        count = 0, step = MAX(1, n / SAMPLED);

    if (mt_case_own_window(c, &own) && own.width > 0) {
        window[0] = own.centre, window[1] = own.width;
        return;
    }
    if (strcmp(mt_case_modality(c), "CT") == 0) {
        window[0] = 40, window[1] = 400;
        return;
    }
    for (int64_t i = 0; i < n && count < SAMPLED; i += step) {
        double value = sample(data, mt_case_dtype(c), i);
        if (isfinite(value))
            some[count++] = value;
    }
    qsort(some, (size_t)count, sizeof *some, compare_doubles);
    double low = count > 0 ? some[count / 100] : 0, high = count > 0 ? some[count - 1 - count / 100] : 1;
    window[0] = (low + high) / 2, window[1] = MAX(high - low, 1e-6);
}

static const char *dtype_name(mt_dtype dtype)
{
    return dtype == MT_U8 ? "uint8" : dtype == MT_U16 ? "uint16" : dtype == MT_I16 ? "int16" : "float32";
}

/* Every step-th sample of each axis, in place. */
static void thin_out(uint8_t *data, int64_t width, int64_t height, size_t bytes, int64_t step)
{
    uint8_t *to = data;

    for (int64_t y = 0; y < height; y += step)
        for (int64_t x = 0; x < width; x += step, to += bytes)
            memmove(to, data + (size_t)(y * width + x) * bytes, bytes);
}

/* Planes of a volume stand in canonical RAS order (mt_case_read): axial unless it was opened otherwise. */
static void put_sides(const mt_case *c, json_t *line)
{
    double affine[16];

    if (mt_case_get_kind(c) != MT_CASE_VOLUME || !mt_case_affine(c, affine))
        return;
    json_object_set_new(line, "edges", json_pack("[s,s,s,s]", "L", "R", "P", "A"));
    json_object_set_new(line, "flip", json_pack("[b,b]", true, true));
}

bool mt_reader_plane(mt_reader *reader, const json_t *ask, mt_reader_answer *answer, GError **error)
{
    int64_t  plane = mt_reader_number(ask, "plane", -1);
    mt_case *c = mt_reader_slide(reader, ask, error);

    if (c == NULL)
        return false;
    if (plane < 0 || plane >= mt_case_planes(c))
        return mt_refuse(error, MT_ERROR_MISSING, "there is no plane %" G_GINT64_FORMAT, plane);
    const mt_level *l = mt_case_level(c, 0);
    size_t          bytes = mt_source_sample_bytes(mt_case_dtype(c)) * (size_t)mt_case_channels(c);
    int64_t         step = MAX(1, (MAX(l->width, l->height) + SIDE_PX - 1) / SIDE_PX);
    if (l->width > 8 * SIDE_PX || l->height > 8 * SIDE_PX)
        return mt_refuse(error, MT_ERROR_LIMIT, "a plane of %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " px is not sent whole", l->width,
                         l->height);
    uint8_t *data = mt_alloc(l->width * l->height, bytes, error);
    double   window[2], mpp[2] = {0, 0};
    bool     ok = data != NULL && mt_case_read(c, plane, 0, 0, 0, l->width, l->height, data, error);
    if (ok)
        find_window(c, data, l->width * l->height * mt_case_channels(c), window);
    if (ok && step > 1)
        thin_out(data, l->width, l->height, bytes, step);
    int64_t width = (l->width + step - 1) / step, height = (l->height + step - 1) / step;
    GBytes *packed = ok ? mt_reader_deflate(data, (size_t)(width * height) * bytes, error) : NULL;
    mt_free(data);
    if (packed == NULL)
        return false;
    json_t *line =
        json_pack("{s:I s:I s:s s:i s:[f,f] s:f s:f s:s}", "width", (json_int_t)width, "height", (json_int_t)height, "dtype",
                  dtype_name(mt_case_dtype(c)), "channels", mt_case_channels(c), "window", window[0], window[1], "scale_x",
                  (double)width / (double)l->width, "scale_y", (double)height / (double)l->height, "modality", mt_case_modality(c));
    if (mt_case_mpp(c, &mpp[0], &mpp[1]))
        json_object_set_new(line, "mm", json_pack("[f,f]", mpp[0] * (double)step / 1000, mpp[1] * (double)step / 1000));
    put_sides(c, line);
    return mt_reader_packed(answer, line, packed);
}

bool mt_reader_mask(mt_reader *reader, const json_t *ask, mt_reader_answer *answer, GError **error)
{
    int64_t    shape[MT_MAX_RANK], first[3] = {mt_reader_number(ask, "plane", -1), 0, 0}, count[3] = {1, 0, 0};
    mt_result *result = mt_reader_result(reader, ask, error);

    if (result == NULL)
        return false;
    if (!mt_result_has(result, MT_OBJECT_SEGMENTATION))
        return mt_refuse(error, MT_ERROR_MISSING, "this result has no mask");
    if (mt_result_shape(result, MT_OBJECT_SEGMENTATION, shape, error) != 3 || first[0] < 0 || first[0] >= shape[0])
        return mt_refuse(error != NULL && *error != NULL ? NULL : error, MT_ERROR_MISSING, "there is no such plane of the mask");
    count[1] = shape[1], count[2] = shape[2];
    if (count[1] > 8 * SIDE_PX || count[2] > 8 * SIDE_PX)
        return mt_refuse(error, MT_ERROR_LIMIT, "a mask of %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " px is not sent whole", count[2],
                         count[1]);
    g_autoptr(mt_tensor) t = mt_result_read_block(result, MT_OBJECT_SEGMENTATION, first, count, error);
    if (t == NULL)
        return false;
    if (t->dtype != MT_U8)
        return mt_refuse(error, MT_ERROR_INPUT, "the mask of this result is not of 8 bits");
    GBytes *packed = mt_reader_deflate(t->data, (size_t)(count[1] * count[2]), error);
    g_auto(GStrv) labels = mt_result_attr_strings(result, MT_OBJECT_SEGMENTATION, "labels");
    if (packed == NULL)
        return false;
    json_t *names = json_array();
    for (int i = 0; labels != NULL && labels[i] != NULL; i++)
        json_array_append_new(names, json_string(labels[i]));
    return mt_reader_packed(
        answer, json_pack("{s:I s:I s:o}", "width", (json_int_t)count[2], "height", (json_int_t)count[1], "labels", names), packed);
}
