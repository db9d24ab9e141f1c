#include "src/export/dicom_identity.h"

#include "src/base/refuse.h"
#include "src/case/case_files.h"
#include "src/case/dicom_series.h"
#include "src/case/orientation.h"
#include "src/case/volume_affine.h"
#include "src/store/schema.h"

#include <math.h>
#include <microtome/study.h>
#include <stdlib.h>
#include <string.h>

#define UID_BYTES 64
#define UM_PER_MM 1000

/* What the result says of its frame. */
typedef struct stored_frame {
    int64_t       size[3];
    bool          slide, has_affine;
    double        affine[16], mpp[2];
    mt_plane_axis planes;
} stored_frame;

static void free_instance(void *data)
{
    mt_dicom_instance *i = data;

    g_free(i->sop_class);
    g_free(i->sop_instance);
    g_free(i->series);
    g_free(i);
}

void mt_dicom_identity_free(mt_dicom_identity *d)
{
    if (d == NULL)
        return;
    char *texts[] = {d->patient_name, d->patient_id,        d->patient_id_issuer, d->birth_date,         d->sex,
                     d->study_uid,    d->study_id,          d->study_date,        d->study_time,         d->accession,
                     d->referring,    d->study_description, d->frame_uid,         d->position_reference, d->series_uid,
                     d->modality,     d->body_part,         d->laterality,        d->container};
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(texts[i]);
    g_ptr_array_unref(d->instances);
    g_free(d);
}

static void add_instance(mt_dicom_identity *d, const char *sop_class, const char *sop_instance, const char *series, int64_t frame,
                         const double position[3])
{
    mt_dicom_instance *i = g_new0(mt_dicom_instance, 1);

    *i = (mt_dicom_instance){g_strdup(sop_class), g_strdup(sop_instance), g_strdup(series), frame, {0}};
    if (position != NULL)
        memcpy(i->position, position, sizeof i->position);
    g_ptr_array_add(d->instances, i);
}

/* A result without a geometry is read as a picture of no known size. */
static void read_frame(const mt_result *result, stored_frame *f)
{
    static const char *const axes[] = {"axial", "coronal", "sagittal"};

    *f = (stored_frame){0};
    f->slide = mt_result_has(result, MT_OBJECT_BOUNDS);
    g_autoptr(mt_tensor) size = mt_result_has(result, MT_OBJECT_SIZE) ? mt_result_read(result, MT_OBJECT_SIZE, NULL) : NULL;
    g_autoptr(mt_tensor) affine = mt_result_has(result, MT_OBJECT_AFFINE) ? mt_result_read(result, MT_OBJECT_AFFINE, NULL) : NULL;
    g_autofree char *axis = mt_result_has(result, MT_OBJECT_AXIS) ? mt_result_read_string(result, MT_OBJECT_AXIS, NULL) : NULL;
    for (int a = 0; axis != NULL && a < 3; a++)
        f->planes = strcmp(axis, axes[a]) == 0 ? (mt_plane_axis)a : f->planes;
    if (size != NULL && size->dtype == MT_I64 && size->rank == 1 && size->shape[0] == 3)
        memcpy(f->size, size->data, sizeof f->size);
    f->has_affine = affine != NULL && affine->dtype == MT_F64 && affine->rank == 2 && affine->shape[0] == 4 && affine->shape[1] == 4;
    if (f->has_affine)
        memcpy(f->affine, affine->data, sizeof f->affine);
    mt_result_attr(result, MT_OBJECT_COORDS, MT_ATTR_MPP_X, &f->mpp[0], 1);
    mt_result_attr(result, MT_OBJECT_COORDS, MT_ATTR_MPP_Y, &f->mpp[1], 1);
}

static bool is_uid(const char *text)
{
    size_t n = strlen(text);

    if (n == 0 || n > UID_BYTES || strspn(text, "0123456789.") != n || *text == '.' || text[n - 1] == '.' || strstr(text, "..") != NULL)
        return false;
    for (const char *c = text; *c != '\0'; c++) /* no part begins with 0 but 0 itself */
        if (*c == '0' && (c == text || c[-1] == '.') && g_ascii_isdigit(c[1]))
            return false;
    return true;
}

#ifdef MT_HAVE_DCMTK
/* The lines of /input/series that were chosen name their series by its number in the study; all are candidates where there are no lines. */
static bool was_chosen(const mt_result *result, int number)
{
    g_auto(GStrv) lines = mt_result_has(result, MT_OBJECT_SERIES) ? mt_result_read_strings(result, MT_OBJECT_SERIES, NULL) : NULL;

    for (char **line = lines; line != NULL && *line != NULL; line++) {
        g_auto(GStrv) cells = g_strsplit(*line, "\t", 3);
        if (g_strv_length(cells) >= 2 && atoi(cells[0]) == number)
            return strcmp(cells[1], "-") != 0;
    }
    return lines == NULL;
}

/* The stack lies as the result says: the same size and place of every voxel. */
static bool fits(const mt_dicom_stack *stack, const mt_dicom_file *file, const stored_frame *f, mt_orientation *o)
{
    int64_t size[3] = {file->columns, file->rows, stack->slices->len};

    if (stack->has_frame != f->has_affine)
        return false;
    if (!mt_orientation_choose(stack->has_frame ? stack->affine : NULL, size, stack->has_frame ? f->planes : MT_AXIS_AXIAL, o))
        return false;
    return memcmp(o->size, f->size, sizeof f->size) == 0 && (!f->has_affine || mt_affine_equal(o->affine, f->affine));
}

static void take_stack(mt_dicom_identity *d, const mt_dicom_stack *stack, const mt_orientation *o)
{
    for (guint k = 0; k < stack->slices->len; k++) {
        const mt_dicom_slice *s = &g_array_index(stack->slices, mt_dicom_slice, k);
        const mt_dicom_file  *f = s->file;
        const mt_dicom_place *p = &f->places[s->frame];

        if (k == 0) {
            memcpy(d->row, p->row, sizeof d->row);
            memcpy(d->column, p->column, sizeof d->column);
            memcpy(d->spacing, p->spacing, sizeof p->spacing);
            d->thickness = p->thickness;
            d->size[0] = f->columns;
            d->size[1] = f->rows;
            /* slices may be shifted against each other (a tilted gantry): along the normal */
            d->spacing[2] = stack->step > 0 ? stack->step : p->thickness > 0 ? p->thickness : p->between;
        }
        add_instance(d, f->sop_class, f->sop_instance, f->series, f->frames > 1 ? s->frame + 1 : 0, p->position);
    }
    d->geometry = stack->has_frame && d->spacing[0] > 0 && d->spacing[1] > 0 ? MT_DICOM_VOLUME : MT_DICOM_PICTURE;
    d->size[2] = stack->slices->len;
    memcpy(d->axis, o->axis, sizeof d->axis);
    memcpy(d->flip, o->flip, sizeof d->flip);
}

static bool take_slide(mt_dicom_identity *d, const mt_dicom_series *series, const stored_frame *f)
{
    for (guint i = 0; i < series->files->len; i++) {
        const mt_dicom_file *file = series->files->pdata[i];
        if (file->matrix_columns != f->size[0] || file->matrix_rows != f->size[1])
            continue;
        if (d->instances->len == 0)
            memcpy(d->spacing, file->places[0].spacing, 2 * sizeof *d->spacing);
        add_instance(d, file->sop_class, file->sop_instance, file->series, 0, NULL);
    }
    d->size[0] = f->size[0];
    d->size[1] = f->size[1];
    d->size[2] = 1;
    d->geometry = d->spacing[0] > 0 && d->spacing[1] > 0 ? MT_DICOM_SLIDE : MT_DICOM_NOWHERE;
    return d->instances->len > 0;
}

/* The path of the series' first file when it is the one that the result lies on. */
static const char *take_series(mt_dicom_identity *d, const mt_dicom_series *series, const stored_frame *f)
{
    const mt_dicom_file *first = series->files->pdata[0];
    mt_orientation       o;

    if (f->slide) {
        if (!take_slide(d, series, f))
            return NULL;
        for (guint i = 0; i < series->files->len; i++) {
            const mt_dicom_file     *file = series->files->pdata[i];
            const mt_dicom_instance *used = d->instances->pdata[0];
            if (g_strcmp0(file->sop_instance, used->sop_instance) == 0)
                return file->layout->path;
        }
        return NULL;
    }
    g_autoptr(mt_dicom_stack) stack = mt_dicom_stack_new(series, NULL);
    if (stack == NULL || !fits(stack, first, f, &o))
        return NULL;
    take_stack(d, stack, &o);
    return g_array_index(stack->slices, mt_dicom_slice, 0).file->layout->path;
}

/* A folder of one series, or of many among which a recipe chose; *path is of a file of the series, NULL: none fits. */
static bool find_series(mt_dicom_identity *d, const mt_result *result, const char *source, const stored_frame *f, char **path,
                        GError **error)
{
    *path = NULL;
    if (!mt_result_has(result, MT_OBJECT_SERIES)) {
        g_autoptr(mt_dicom_folder) folder = mt_dicom_folder_read(source, error);
        for (guint i = 0; folder != NULL && i < folder->series->len && *path == NULL; i++)
            *path = g_strdup(take_series(d, folder->series->pdata[i], f));
        return folder != NULL;
    }
    g_autoptr(mt_study) study = mt_study_open(source, error);
    for (int i = 0; study != NULL && i < mt_study_count(study) && *path == NULL; i++) {
        const mt_series *series = mt_study_get(study, i);
        if (series->files == NULL || !was_chosen(result, series->number))
            continue;
        g_autoptr(mt_dicom_folder) folder = mt_dicom_folder_of((const char *const *)series->files, NULL);
        if (folder != NULL && folder->series->len > 0)
            *path = g_strdup(take_series(d, folder->series->pdata[0], f));
    }
    return study != NULL;
}

static bool read_dicom(mt_dicom_identity *d, const mt_result *result, const char *source, const stored_frame *f, GError **error)
{
    g_autofree char *path = NULL, *name = g_path_get_basename(source);

    if (!find_series(d, result, source, f, &path, error)) {
        g_prefix_error(error, "read the identity of %s: ", name);
        return false;
    }
    if (path == NULL)
        return mt_refuse(error, MT_ERROR_INPUT,
                         "%s: no series of it has the size and the place in the patient that the result has: it is another source", name);
    d->is_dicom = true;
    /* a volume's directions are its slices' */
    double row[3], column[3];
    memcpy(row, d->row, sizeof row);
    memcpy(column, d->column, sizeof column);
    if (!mt_dicom_patient_read(path, d, error))
        return false;
    if (d->geometry == MT_DICOM_VOLUME) {
        memcpy(d->row, row, sizeof row);
        memcpy(d->column, column, sizeof column);
    }
    /* one that is no UID cannot be handed on: the caller makes one */
    if (d->frame_uid != NULL && !is_uid(d->frame_uid))
        g_clear_pointer(&d->frame_uid, g_free);
    return (d->study_uid != NULL && d->series_uid != NULL) ||
           mt_refuse(error, MT_ERROR_INPUT, "%s: it has no StudyInstanceUID or SeriesInstanceUID", name);
}
#endif

static void unit(const double affine[16], int column, double out[3], double *length)
{
    const double v[3] = {-affine[column], -affine[4 + column], affine[8 + column]}; /* RAS to LPS */

    *length = sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
    for (int i = 0; i < 3; i++)
        out[i] = *length > 0 ? v[i] / *length : 0;
}

/* The planes of a volume that is no DICOM, in their own order. */
static void place_volume(mt_dicom_identity *d, const stored_frame *f)
{
    double normal[3], dot = 0;

    unit(f->affine, 0, d->row, &d->spacing[0]);
    unit(f->affine, 1, d->column, &d->spacing[1]);
    unit(f->affine, 2, normal, &d->spacing[2]);
    for (int i = 0; i < 3; i++)
        dot += d->row[i] * d->column[i];
    if (!(d->spacing[0] > 0 && d->spacing[1] > 0 && d->spacing[2] > 0) || fabs(dot) > 1e-3)
        return; /* NOWHERE: rows and columns of an image stand at right angles */
    for (int64_t k = 0; k < f->size[2]; k++) {
        double at[3] = {0, 0, (double)k};
        mt_affine_apply(f->affine, at, at);
        add_instance(d, NULL, NULL, NULL, 0, (const double[3]){-at[0], -at[1], at[2]});
    }
    d->geometry = MT_DICOM_VOLUME;
}

mt_dicom_identity *mt_dicom_identity_planes(const mt_dicom_identity *identity, const mt_result *result)
{
    mt_dicom_identity *d = g_memdup2(identity, sizeof *identity);
    stored_frame       f;

    read_frame(result, &f);
    d->instances = g_ptr_array_new_with_free_func(free_instance);
    d->is_dicom = false;
    d->geometry = MT_DICOM_NOWHERE;
    d->thickness = 0;
    memcpy(d->size, f.size, sizeof d->size);
    for (int a = 0; a < 3; a++) {
        d->axis[a] = a;
        d->flip[a] = false;
    }
    place_volume(d, &f);
    return d;
}

void mt_dicom_identity_free_planes(mt_dicom_identity *planes)
{
    if (planes != NULL)
        g_ptr_array_unref(planes->instances);
    g_free(planes);
}

/* The geometry of what is no DICOM. */
static void place_other(mt_dicom_identity *d, const stored_frame *f)
{
    memcpy(d->size, f->size, sizeof d->size);
    if (f->slide && f->mpp[0] > 0 && f->mpp[1] > 0) {
        const double usual[6] = {0, -1, 0, -1, 0, 0};
        memcpy(d->row, usual, sizeof d->row);
        memcpy(d->column, usual + 3, sizeof d->column);
        d->spacing[0] = f->mpp[0] / UM_PER_MM;
        d->spacing[1] = f->mpp[1] / UM_PER_MM;
        d->geometry = MT_DICOM_SLIDE;
    } else if (!f->slide && f->has_affine) {
        place_volume(d, f);
    }
}

static bool read_manifest(mt_dicom_identity *d, const mt_handover_source *source, const stored_frame *f, GError **error)
{
    if (source->patient == NULL || *source->patient == '\0' || source->study_uid == NULL || *source->study_uid == '\0')
        return mt_refuse(error, MT_ERROR_INPUT,
                         "nobody says whose it is: name its DICOM files by --sources, or give the columns patient and study_uid (and "
                         "accession) of a manifest by --manifest");
    if (!is_uid(source->study_uid))
        return mt_refuse(error, MT_ERROR_INPUT, "study_uid '%s' of its manifest is no UID: digits and dots, at most 64", source->study_uid);
    d->patient_id = g_strdup(source->patient);
    d->study_uid = g_strdup(source->study_uid);
    d->accession = source->accession != NULL && *source->accession != '\0' ? g_strdup(source->accession) : NULL;
    place_other(d, f);
    return true;
}

static bool check_input(const char *input_sha256, const char *path, GError **error)
{
    g_autofree char *name = g_path_get_basename(path), *found = NULL;

    if (input_sha256 == NULL)
        return mt_refuse(error, MT_ERROR_INPUT, "the result does not say what it was made from, so that %s cannot be held against it",
                         name);
    found = mt_case_identity(path, error);
    if (found == NULL || strcmp(found, input_sha256) == 0)
        return found != NULL;
    return mt_refuse(
        error, MT_ERROR_INPUT,
        "%s has the hash %.12s, and the result was made from %.12s: it is another source, or was changed since: name the right one", name,
        found, input_sha256);
}

mt_dicom_identity *mt_dicom_identity_read(const mt_result *result, const char *input_sha256, const mt_handover_source *source,
                                          GError **error)
{
    g_autoptr(mt_dicom_identity) d = g_new0(mt_dicom_identity, 1);
    stored_frame f;
    bool         ok;

    d->instances = g_ptr_array_new_with_free_func(free_instance);
    for (int a = 0; a < 3; a++)
        d->axis[a] = a;
    read_frame(result, &f);
    if (source->path != NULL && !check_input(input_sha256, source->path, error))
        return NULL;
#ifdef MT_HAVE_DCMTK
    if (source->path != NULL && mt_study_matches(source->path))
        ok = read_dicom(d, result, source->path, &f, error);
    else
#endif
        ok = read_manifest(d, source, &f, error);
    return ok ? g_steal_pointer(&d) : NULL;
}

void mt_dicom_identity_to_stored(const mt_dicom_identity *d, const int64_t voxel[3], int64_t stored[3])
{
    for (int a = 0; a < 3; a++)
        stored[d->axis[a]] = d->flip[a] ? d->size[d->axis[a]] - 1 - voxel[a] : voxel[a];
}

void mt_dicom_identity_from_stored(const mt_dicom_identity *d, const int64_t stored[3], int64_t voxel[3])
{
    for (int a = 0; a < 3; a++)
        voxel[a] = d->flip[a] ? d->size[d->axis[a]] - 1 - stored[d->axis[a]] : stored[d->axis[a]];
}
