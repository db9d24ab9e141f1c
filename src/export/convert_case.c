#include <microtome/convert.h>

#include "src/base/alloc.h"
#include "src/export/npy_file.h"
#include "src/export/plane_folder.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *ending;
} FORMATS[] = {[MT_CONVERT_NIFTI] = {"nii"}, [MT_CONVERT_NIFTI_GZ] = {"nii.gz"}, [MT_CONVERT_NPY] = {"npy"}, [MT_CONVERT_PNG] = {"png"}};

bool mt_convert_format_parse(const char *text, mt_convert_format *format)
{
    for (size_t i = 0; i < G_N_ELEMENTS(FORMATS); i++)
        if (strcmp(text, FORMATS[i].ending) == 0) {
            *format = (mt_convert_format)i;
            return true;
        }
    return false;
}

const char *mt_convert_format_ending(mt_convert_format format)
{
    return FORMATS[format].ending;
}

bool mt_convert_format_of(const char *path, mt_convert_format *format)
{
    g_autofree char *name = g_path_get_basename(path);

    for (size_t i = 0; i < G_N_ELEMENTS(FORMATS); i++) {
        size_t n = strlen(name), e = strlen(FORMATS[i].ending);

        if (n > e + 1 && name[n - e - 1] == '.' && strcmp(name + n - e, FORMATS[i].ending) == 0) {
            *format = (mt_convert_format)i;
            return true;
        }
    }
    return false;
}

/* What is seen of the planes on their way. */
typedef struct watch {
    const mt_convert_params *params;
    const mt_plane_feed     *feed;
    int64_t                  not_finite;
} watch;

static void see_plane(void *user, const void *plane, int64_t k)
{
    watch  *w = user;
    int64_t n = w->feed->size[0] * w->feed->size[1] * w->feed->channels;

    for (int64_t i = 0; w->feed->dtype == MT_F32 && i < n; i++)
        w->not_finite += !isfinite(((const float *)plane)[i]);
    if (w->params->progress != NULL)
        w->params->progress(w->params->user, k + 1, w->feed->size[2]);
}

static bool refuse_existing(const char *path, bool replace, GError **error)
{
    if (replace || !g_file_test(path, G_FILE_TEST_EXISTS))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "write %s: it exists already: take another name, or --force to write over it", path);
    return false;
}

static bool check(const mt_case *c, const char *path, const mt_convert_params *p, GError **error)
{
    g_autofree char *sidecar = mt_npy_file_sidecar(path);

    if (mt_case_get_kind(c) == MT_CASE_SLIDE) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "it is a slide: `microtome tile` cuts it into pictures");
        return false;
    }
    return refuse_existing(path, p->replace, error) && (p->format != MT_CONVERT_NPY || refuse_existing(sidecar, p->replace, error));
}

static bool write_format(mt_plane_feed *f, const char *path, const mt_convert_params *p, watch *w, mt_convert_facts *facts, GError **error)
{
    switch (p->format) {
    case MT_CONVERT_PNG:
        return mt_plane_folder_write(f, path, p, facts, error);
    case MT_CONVERT_NPY:
        return mt_npy_file_write(f, path, facts->hounsfield, p->order == MT_CONVERT_STORED, p->replace, see_plane, w, error);
    default:
        return mt_nifti_file_write(f, path, p->format == MT_CONVERT_NIFTI_GZ, p->replace, see_plane, w, error);
    }
}

static void take_facts(const mt_plane_feed *f, mt_convert_facts *facts)
{
    memcpy(facts->size, f->size, sizeof facts->size);
    facts->channels = f->channels;
    facts->dtype = f->dtype;
    for (int d = 0; d < 3; d++)
        facts->spacing_mm[d] = f->unit_mm ? f->spacing_mm[d] : 0;
    facts->hounsfield = f->channels == 1 && strcmp(mt_case_modality(f->c), "CT") == 0 && strcmp(mt_case_backend(f->c), "dicom") == 0;
}

bool mt_convert_write(mt_case *c, const char *path, const mt_convert_params *p, mt_convert_facts *facts, GError **error)
{
    mt_convert_facts own;
    bool             ok = check(c, path, p, error);
    g_autoptr(mt_plane_feed) f = ok ? mt_plane_feed_new(c, p, error) : NULL;
    watch w = {.params = p, .feed = f};

    if (facts == NULL)
        facts = &own;
    *facts = (mt_convert_facts){0};
    if (f != NULL)
        take_facts(f, facts);
    ok = f != NULL && write_format(f, path, p, &w, facts, error);
    facts->not_finite = w.not_finite;
    if (!ok)
        g_prefix_error(error, "convert %s: ", mt_case_path(c));
    return ok;
}
