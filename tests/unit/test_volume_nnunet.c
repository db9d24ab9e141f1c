/* Cases made ready as nnU-Net makes them: read, cut, scaled, resampled; against a transcription (volume_nnunet_expected.py). */
#include "src/base/alloc.h"
#include "src/case/intensity_scheme.h"
#include "src/case/volume_crop.h"
#include "src/case/volume_read.h"
#include "src/case/volume_resample.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

static int64_t whole_at(json_t *entry, const char *key, size_t i)
{
    return json_integer_value(json_array_get(json_object_get(entry, key), i));
}

static mt_volume *make_ready(mt_case *c, json_t *entry)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_volume) v = mt_volume_read(c, MT_VOLUME_STORED, 0, 2, &error);
    mt_intensity_scheme s;
    double              wanted[3];
    int64_t             size[3];

    g_assert_no_error(error);
    uint8_t      *mask = mt_volume_nonzero_mask(v, NULL);
    mt_volume_box box = mt_volume_mask_box(mask, v->size);
    g_autoptr(mt_volume) part = mt_volume_crop(v, &box, NULL);
    uint8_t *part_mask = mt_alloc(mt_volume_voxels(part), 1, NULL);
    mt_volume_cut_labels(mask, v->size, &box, part_mask);
    for (size_t d = 0; d < 3; d++) {
        g_assert_cmpint(box.start[d], ==, whole_at(entry, "start", d));
        g_assert_cmpint(box.size[d], ==, whole_at(entry, "cut", d));
        wanted[d] = json_number_value(json_array_get(json_object_get(entry, "spacing"), d));
    }
    g_assert_true(mt_intensity_scheme_parse(json_string_value(json_object_get(entry, "scheme")), &s, NULL));
    g_assert_true(mt_intensity_scheme_apply(&s, part, 0, part_mask, 2, &error));
    mt_free(mask);
    mt_free(part_mask);
    /* the transcription takes the affine's word where the header names no unit */
    if (part->spacing_mm[0] == 0)
        for (int d = 0; d < 3; d++)
            for (int row = 0; row < 3; row++)
                part->spacing_mm[d] = hypot(part->spacing_mm[d], part->affine[4 * row + d]);
    g_assert_true(mt_regrid_size(part->size, part->spacing_mm, wanted, size, &error));
    return mt_volume_resample(part, size, 3, mt_regrid_separate(part->spacing_mm, wanted), 2, &error);
}

static void check_case(const char *dir, const char *name, json_t *entry)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_case) c = mt_case_open(path, NULL, &error);
    json_t *values = json_object_get(entry, "values");
    int64_t step = json_integer_value(json_object_get(entry, "step"));
    double  worst = 0;

    g_assert_no_error(error);
    g_autoptr(mt_volume) out = make_ready(c, entry);
    for (size_t d = 0; d < 3; d++)
        g_assert_cmpint(out->size[d], ==, whole_at(entry, "size", d));
    for (size_t i = 0; i < json_array_size(values); i++) {
        double off = fabs((double)out->data[(int64_t)i * step] - json_number_value(json_array_get(values, i)));

        g_assert_true(isfinite(off));
        worst = MAX(worst, off);
    }
    g_test_message("%s: %g", name, worst);
    g_assert_cmpfloat(worst, <=, 1e-5);
}

static void test_cases(void)
{
    const char      *dir = g_getenv("MICROTOME_TEST_DATA"), *name;
    g_autofree char *expected = g_test_build_filename(G_TEST_DIST, "unit", "volume_nnunet_expected.json", NULL);
    json_t          *root = json_load_file(expected, 0, NULL), *entry;

    g_assert_nonnull(root);
    if (dir == NULL)
        g_test_skip("MICROTOME_TEST_DATA is not set");
    json_object_foreach(dir != NULL ? root : NULL, name, entry)
    {
#ifndef MT_HAVE_DCMTK
        if (!g_str_has_prefix(name, "radiology/nifti"))
            continue;
#endif
        check_case(dir, name, entry);
    }
    json_decref(root);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/nnunet/cases", test_cases);
    return g_test_run();
}
