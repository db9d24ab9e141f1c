/* The series of a study from its files: what belongs together, what it is, what is no candidate. */
#include "src/case/study.h"

#include "src/base/hash.h"
#include "src/base/limits.h"
#include "src/case/dicom_series.h"

#include <math.h>
#include <string.h>

#define SAME_DIRECTION 1e-3
/* cos of 37 degrees: brains are cut along a line through them, and that is axial to everybody */
#define NEAR_AXIS 0.8

/* Files of one series that point one way, until all of the study have been read. */
typedef struct group {
    GPtrArray *files; /* mt_dicom_file, owned */
} group;

static void group_free(void *data)
{
    group *g = data;

    g_ptr_array_unref(g->files);
    g_free(g);
}

static bool is_one_of(const char *text, const char *const *list)
{
    return text != NULL && g_strv_contains(list, text);
}

/* A picture by each shot: a series of them is several exams of one kind. */
static bool is_picture(const mt_dicom_file *f)
{
    static const char *const shots[] = {"CR", "DX", "MG", "IO", "PX", "RG", "OP", "XC", NULL};

    return f->rows > 0 && !f->places[0].has_position && is_one_of(f->modality, shots);
}

static bool has_type(const mt_dicom_file *f, const char *value)
{
    g_auto(GStrv) values = g_strsplit(f->image_type != NULL ? f->image_type : "", "\\", -1);

    for (char **v = values; *v != NULL; v++)
        if (g_ascii_strcasecmp(g_strstrip(*v), value) == 0)
            return true;
    return false;
}

static bool one_direction(const mt_dicom_file *a, const mt_dicom_file *b)
{
    const mt_dicom_place *p = a->places, *q = b->places;

    if (p->has_orientation != q->has_orientation)
        return false;
    for (int i = 0; p->has_orientation && i < 3; i++)
        if (fabs(p->row[i] - q->row[i]) > SAME_DIRECTION || fabs(p->column[i] - q->column[i]) > SAME_DIRECTION)
            return false;
    return true;
}

/* Sizes that differ are no reason to part them: the reader refuses such a series, for it may be one of two put together. */
static bool belong_together(const mt_dicom_file *a, const mt_dicom_file *b)
{
    if (g_strcmp0(a->series, b->series) != 0 || g_strcmp0(a->modality, b->modality) != 0 || (a->rows == 0) != (b->rows == 0))
        return false;
    if (a->rows == 0)
        return g_strcmp0(a->sop_class, b->sop_class) == 0;
    return !is_picture(a) && !is_picture(b) && has_type(a, "LOCALIZER") == has_type(b, "LOCALIZER") && one_direction(a, b);
}

static void add_file(GPtrArray *groups, mt_dicom_file *file)
{
    /* the last one first: files of a series mostly stand together */
    for (guint i = groups->len; i-- > 0;) {
        group *g = g_ptr_array_index(groups, i);
        if (belong_together(g_ptr_array_index(g->files, 0), file)) {
            g_ptr_array_add(g->files, file);
            return;
        }
    }
    group *g = g_new0(group, 1);
    g->files = g_ptr_array_new_with_free_func((GDestroyNotify)mt_dicom_file_free);
    g_ptr_array_add(g->files, file);
    g_ptr_array_add(groups, g);
}

static bool normal_of(const mt_dicom_place *p, double n[3])
{
    for (int i = 0; i < 3; i++)
        n[i] = p->row[(i + 1) % 3] * p->column[(i + 2) % 3] - p->row[(i + 2) % 3] * p->column[(i + 1) % 3];
    return p->has_orientation;
}

static const char *orientation_of(const mt_dicom_place *p)
{
    static const char *const names[] = {"sagittal", "coronal", "axial"};
    double                   n[3];

    if (!normal_of(p, n))
        return NULL;
    for (int i = 0; i < 3; i++)
        if (fabs(n[i]) >= NEAR_AXIS)
            return names[i];
    return "oblique";
}

/* The way between slices, from the places of the first and the last. */
static double spacing_of(const GPtrArray *files, int64_t images)
{
    const mt_dicom_file *first = files->pdata[0];
    double               n[3], low = INFINITY, high = -INFINITY;

    if (first->places[0].between > 0)
        return first->places[0].between;
    if (!normal_of(first->places, n) || images < 2)
        return 0;
    for (guint i = 0; i < files->len; i++) {
        const mt_dicom_file *f = files->pdata[i];
        for (int64_t k = 0; k < f->frames; k++) {
            const mt_dicom_place *p = &f->places[k];
            double                along = p->position[0] * n[0] + p->position[1] * n[1] + p->position[2] * n[2];
            low = p->has_position ? MIN(low, along) : low;
            high = p->has_position ? MAX(high, along) : high;
        }
    }
    return high > low ? (high - low) / (double)(images - 1) : 0;
}

/* Of the words where the attribute is absent: "CHEST PA". */
static char *view_of(const mt_dicom_file *f, const mt_series *s)
{
    static const char *const words[] = {"pa", "ap", "lateral", "lat", NULL};
    const char              *found = NULL;

    if (f->exam.view != NULL)
        return g_ascii_strup(f->exam.view, -1);
    g_autofree char *text = is_picture(f) ? mt_series_words(s) : NULL;
    for (int i = 0; text != NULL && words[i] != NULL; i++)
        if (mt_series_has_word(text, words[i])) {
            if (found != NULL) /* "PA and lateral" */
                return NULL;
            found = words[i];
        }
    return found != NULL ? g_ascii_strup(found[0] == 'l' ? "lateral" : found, -1) : NULL;
}

/* Kinds of objects without pixels, by the beginning of their class. */
static const char *kind_without_image(const mt_dicom_file *f)
{
    static const struct {
        const char *class, *kind;
    } kinds[] = {{"1.2.840.10008.5.1.4.1.1.88.67", "a dose report"},
                 {"1.2.840.10008.5.1.4.1.1.88.59", "a selection of key objects"},
                 {"1.2.840.10008.5.1.4.1.1.88.", "a structured report"},
                 {"1.2.840.10008.5.1.4.1.1.11.", "a presentation state"},
                 {"1.2.840.10008.5.1.4.1.1.481.3", "contours"},
                 {"1.2.840.10008.5.1.4.1.1.481.5", "a treatment plan"},
                 {"1.2.840.10008.5.1.4.1.1.104.", "an encapsulated document"}};

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (f->sop_class != NULL && g_str_has_prefix(f->sop_class, kinds[i].class))
            return kinds[i].kind;
    return "it holds no image";
}

static bool says_scout(const mt_series *s)
{
    static const char *const words[] = {"scout", "localizer", "localiser", "topogram", "surview", "scanogram", "survey"};
    g_autofree char         *text = mt_series_words(s);

    for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
        if (mt_series_has_word(text, words[i]))
            return true;
    return false;
}

static void set_skip(mt_series *s, mt_series_skip skip, const char *reason)
{
    s->skip = skip;
    s->reason = g_strdup(reason);
}

/* A radiograph is DERIVED when it was made ready to be looked at; slices are when they were computed from others. */
static void judge(mt_series *s, const mt_dicom_file *f)
{
    static const char *const slices[] = {"CT", "MR", "PT", "NM", NULL}, *const drawn[] = {"SEG", "RTSTRUCT", "PR", "KO", "SR", NULL};
    static const char *const computed[] = {"MPR", "REFORMATTED", "PROJECTION IMAGE", "MIP", "MINIP", "MAX_IP", "MAXIMUM"};
    bool                     captured = f->sop_class != NULL && g_str_has_prefix(f->sop_class, "1.2.840.10008.5.1.4.1.1.7");

    if (s->images == 0) {
        set_skip(s, MT_SERIES_NO_IMAGE, kind_without_image(f));
        return;
    }
    if (is_one_of(s->modality, drawn) || f->segments > 0)
        set_skip(s, MT_SERIES_NO_IMAGE, "a segmentation");
    else if (has_type(f, "LOCALIZER") || says_scout(s))
        set_skip(s, MT_SERIES_TYPE, "a scout");
    else if (captured || has_type(f, "SCREEN SAVE") || has_type(f, "DOSE_INFO"))
        set_skip(s, MT_SERIES_TYPE, "a screenshot (secondary capture)");
    for (size_t i = 0; s->reason == NULL && is_one_of(s->modality, slices) && i < G_N_ELEMENTS(computed); i++)
        if (has_type(f, computed[i])) {
            g_autofree char *reason = g_strdup_printf("derived (%s)", computed[i]);
            set_skip(s, MT_SERIES_TYPE, reason);
        }
    if (s->reason == NULL && is_one_of(s->modality, slices) && has_type(f, "DERIVED"))
        set_skip(s, MT_SERIES_TYPE, "derived");
    if (s->reason == NULL && is_one_of(s->modality, slices) && s->images == 1)
        set_skip(s, MT_SERIES_ALONE, "one slice alone");
}

static gint by_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void take_files(mt_series *s, const GPtrArray *files)
{
    GPtrArray *paths = g_ptr_array_new();

    for (guint i = 0; i < files->len; i++) {
        const mt_dicom_file *f = files->pdata[i];
        g_ptr_array_add(paths, g_strdup(f->layout->path));
        s->images += f->rows > 0 ? f->frames : 0;
    }
    g_ptr_array_sort(paths, by_text);
    g_ptr_array_add(paths, NULL);
    s->files = (char **)g_ptr_array_free(paths, FALSE);
}

static mt_series *series_of(const GPtrArray *files)
{
    const mt_dicom_file *f = files->pdata[0];
    mt_series           *s = g_new0(mt_series, 1);

    s->modality = g_strdup(f->modality);
    s->body_part = g_strdup(f->body_part);
    s->laterality = g_strdup(f->exam.laterality);
    s->description = g_strdup(f->description);
    s->protocol = g_strdup(f->exam.protocol);
    s->image_type = g_strdup(f->image_type);
    s->scanning = g_strdup(f->exam.scanning);
    s->repetition_ms = f->exam.repetition_ms;
    s->echo_ms = f->exam.echo_ms;
    s->inversion_ms = f->exam.inversion_ms;
    s->b_value = f->exam.b_value;
    s->series_number = f->exam.series_number;
    s->acquisition = f->exam.acquisition;
    if (f->frame_of_reference != NULL) {
        s->frame = mt_hash_bytes(f->frame_of_reference, strlen(f->frame_of_reference));
        s->frame[16] = '\0';
    }
    take_files(s, files);
    if (s->images > 0) {
        s->columns = f->columns;
        s->rows = f->rows;
        s->orientation = orientation_of(f->places);
        s->thickness_mm = f->places[0].thickness;
        s->spacing_mm = spacing_of(files, s->images);
        s->view = view_of(f, s);
        s->contrast = mt_series_contrast_of(s, f->exam.contrast);
    }
    judge(s, f);
    return s;
}

/* As the scanner numbered them, then by what they are: the order of files on a disk says nothing. */
static gint by_number(gconstpointer a, gconstpointer b)
{
    const mt_series *x = *(const mt_series *const *)a, *y = *(const mt_series *const *)b;

    if (x->series_number != y->series_number)
        return (x->series_number > y->series_number) - (x->series_number < y->series_number);
    if (x->acquisition != y->acquisition)
        return (x->acquisition > y->acquisition) - (x->acquisition < y->acquisition);
    return strcmp(x->files[0], y->files[0]);
}

static void note_damaged(mt_study *study, const char *path, const GError *reason)
{
    g_autofree char *name = g_path_get_basename(path);

    g_ptr_array_add(study->damaged, g_strdup_printf("%s: %s", name, reason->message));
    g_ptr_array_add(study->broken, g_strdup(path));
}

/* Memory that is short is no fault of the file. */
static bool read_one(mt_study *study, GPtrArray *groups, const char *path, GError **error)
{
    g_autoptr(GError) reason = NULL;
    g_autofree char *name = g_path_get_basename(path);

    if (!mt_dicom_layout_file_matches(path) || strcmp(name, "DICOMDIR") == 0)
        return true;
    mt_dicom_file *file = mt_dicom_file_read(path, &reason);
    if (file != NULL) {
        add_file(groups, file);
        return true;
    }
    if (g_error_matches(reason, MT_ERROR, MT_ERROR_INPUT) || g_error_matches(reason, MT_ERROR, MT_ERROR_LIMIT)) {
        note_damaged(study, path, reason);
        return true;
    }
    g_propagate_prefixed_error(error, g_steal_pointer(&reason), "its file %s: ", name);
    return false;
}

bool mt_study_matches(const char *path)
{
    g_autofree char *name = g_path_get_basename(path);

    return strcmp(name, "DICOMDIR") == 0 ||
           (g_file_test(path, G_FILE_TEST_IS_DIR) ? mt_dicom_folder_matches(path) : mt_dicom_layout_file_matches(path));
}

char *mt_study_of_file(const char *path)
{
    g_autoptr(mt_dicom_file) file = mt_dicom_layout_file_matches(path) ? mt_dicom_file_read(path, NULL) : NULL;

    return file != NULL && file->study != NULL ? mt_hash_bytes(file->study, strlen(file->study)) : NULL;
}

bool mt_study_read(mt_study *study, GError **error)
{
    g_autoptr(GPtrArray) paths = mt_dicom_folder_paths(study->path), groups = g_ptr_array_new_with_free_func(group_free);

    if (paths->len > MT_LIMIT_DICOM_FILES) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "the folder has more than %d files", MT_LIMIT_DICOM_FILES);
        return false;
    }
    if (paths->len == 0 && !g_file_test(study->path, G_FILE_TEST_IS_DIR))
        g_ptr_array_add(paths, g_strdup(study->path));
    for (guint i = 0; i < paths->len; i++)
        if (!read_one(study, groups, paths->pdata[i], error))
            return false;
    for (guint i = 0; i < groups->len; i++)
        g_ptr_array_add(study->series, series_of(((group *)groups->pdata[i])->files));
    g_ptr_array_sort(study->series, by_number);
    for (guint i = 0; i < study->series->len; i++)
        ((mt_series *)study->series->pdata[i])->number = (int)i + 1;
    if (study->series->len > 0 || study->damaged->len > 0)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "none of its %u files is DICOM", paths->len);
    return false;
}
