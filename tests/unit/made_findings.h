/* Results with objects of our choosing, for the tests of what reads them. */
#ifndef MADE_FINDINGS_H
#define MADE_FINDINGS_H

#include "src/result/measures.h"
#include "src/store/schema.h"

#include <glib/gstdio.h>
#include <math.h>

typedef struct made_object {
    int    label; /* of `made_labels` */
    double at[3]; /* mm */
    double longest, volume;
} made_object;

static const char *const made_labels[] = {"nodule", "cyst", NULL};

typedef struct made_case {
    const made_object *objects;
    int                n;
    const double      *affine; /* NULL: a picture of 0.5 mm a pixel */
    const char        *frame;
    double             ratio; /* cup to disc; NAN: not measured */
    const char        *bad;   /* a column written with one number too few */
} made_case;

static mt_objects *made_list(const made_case *c)
{
    mt_objects_frame frame = {.size = {100, 100, c->affine != NULL ? 50 : 1}, .spacing_mm = {0.5, 0.5, 2}, .affine = c->affine};
    mt_objects      *objects = mt_objects_new(&frame, (char *const *)(uintptr_t)made_labels);

    for (int i = 0; i < c->n; i++) {
        const made_object *m = &c->objects[i];
        double             r = m->longest / 2, box[6];
        for (int d = 0; d < 3; d++) {
            double mm = c->affine != NULL ? c->affine[5 * d] : d < 2 ? 0.5 : 1, reach = c->affine != NULL || d < 2 ? r / fabs(mm) : 0.5;
            double middle = (m->at[d] - (c->affine != NULL ? c->affine[4 * d + 3] : 0)) / mm;
            box[d] = middle - reach;
            box[3 + d] = middle + reach;
        }
        mt_object *o = mt_objects_add_box(objects, m->label, box, 0.9);
        for (int d = 0; d < 3 && c->affine != NULL; d++)
            o->centre_mm[d] = m->at[d];
        o->kind = MT_OBJECT_MASK;
        o->longest_mm = m->longest;
        o->volume_mm3 = m->volume;
        o->voxels = m->volume > 0 ? (int64_t)(m->volume * 2) : 0;
    }
    return objects;
}

static void made_result(const char *path, const made_case *c)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_store) store = mt_store_create(path, &error);
    g_autoptr(mt_objects) objects = made_list(c);
    mt_geometry    geometry = {.affine = c->affine, .size = {100, 100, c->affine != NULL ? 50 : 1}, .frame_of_reference = c->frame};
    mt_measurement ratio = {
        (char *)(uintptr_t) "cup_to_disc", c->ratio, (char *)(uintptr_t) "", NAN, NAN, (char *)(uintptr_t) "ratio_vertical(nodule, cyst)"};
    double  one[1] = {1};
    int64_t shape[1] = {1};

    g_assert_no_error(error);
    g_assert_true(mt_objects_store(objects, store, &error));
    g_assert_true(mt_schema_write_geometry(store, &geometry, &error));
    if (!isnan(c->ratio))
        g_assert_true(mt_measurements_store(&ratio, 1, store, &error));
    if (c->bad != NULL) {
        g_autoptr(mt_tensor) tensor = mt_tensor_new_view(MT_F64, 1, shape, one, NULL);
        g_assert_true(mt_store_write(store, c->bad, tensor, &error));
    }
    g_remove(path);
    g_assert_true(mt_store_publish(store, "{\"schema\":1,\"id\":\"a\",\"status\":\"ok\",\"model_sha256\":\"ab\"}", &error));
    g_assert_no_error(error);
}

#endif
