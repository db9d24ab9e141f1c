/* Slices in the order in which they stand: along the normal of their planes, never by their numbers. */
#include "src/case/dicom_series.h"

#include "src/base/refuse.h"

#include <math.h>
#include <string.h>

#define DIRECTION_TOLERANCE 1e-3 /* of a unit vector */
#define SPACING_TOLERANCE 1e-3   /* relative */
#define SAME_PLACE_MM 1e-3
#define GAP_TOLERANCE 0.01 /* relative, but not less than */
#define GAP_TOLERANCE_MM 0.01
#define SIDEWAYS_TOLERANCE_MM 0.1
#define MAX_TILT_DEGREES 45.0
#define SHOWN_TILT_DEGREES 0.05

static const mt_dicom_place *place_of(const mt_dicom_slice *s)
{
    return &s->file->places[s->frame];
}

static mt_dicom_slice *slice_at(const mt_dicom_stack *stack, guint i)
{
    return &g_array_index(stack->slices, mt_dicom_slice, i);
}

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static void find_normal(const mt_dicom_place *p, double n[3])
{
    for (int i = 0; i < 3; i++)
        n[i] = p->row[(i + 1) % 3] * p->column[(i + 2) % 3] - p->row[(i + 2) % 3] * p->column[(i + 1) % 3];
}

static bool same_kind(const mt_dicom_file *a, const mt_dicom_file *b, GError **error)
{
    if (a->rows != b->rows || a->columns != b->columns)
        return mt_refuse(error, MT_ERROR_INPUT,
                         "the series has images of two sizes, %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " and %" G_GINT64_FORMAT
                         " x %" G_GINT64_FORMAT ": take out those that do not belong to it",
                         a->columns, a->rows, b->columns, b->rows);
    if (a->layout->pixels != b->layout->pixels || a->colour != b->colour || a->is_signed != b->is_signed || a->samples != b->samples ||
        (a->segments > 0) != (b->segments > 0) || (a->lut == NULL) != (b->lut == NULL))
        return mt_refuse(error, MT_ERROR_INPUT, "the series has images of two kinds of samples: take out those that do not belong to it");
    return true;
}

static bool near_vectors(const double a[3], const double b[3])
{
    return fabs(a[0] - b[0]) < DIRECTION_TOLERANCE && fabs(a[1] - b[1]) < DIRECTION_TOLERANCE && fabs(a[2] - b[2]) < DIRECTION_TOLERANCE;
}

static bool near_spacing(double a, double b)
{
    return fabs(a - b) <= SPACING_TOLERANCE * MAX(fabs(a), fabs(b));
}

/* All on parallel planes with equal pixels. */
static bool check_planes(const mt_dicom_stack *stack, GError **error)
{
    const mt_dicom_place *first = place_of(slice_at(stack, 0));

    for (guint i = 1; i < stack->slices->len; i++) {
        const mt_dicom_place *p = place_of(slice_at(stack, i));

        if (!near_vectors(first->row, p->row) || !near_vectors(first->column, p->column))
            return mt_refuse(
                error, MT_ERROR_INPUT,
                "its slices point in different directions (ImageOrientationPatient): it is no volume; give each orientation a folder");
        if (!near_spacing(first->spacing[0], p->spacing[0]) || !near_spacing(first->spacing[1], p->spacing[1]))
            return mt_refuse(error, MT_ERROR_INPUT, "its slices have pixels of two sizes, %g x %g and %g x %g mm", first->spacing[0],
                             first->spacing[1], p->spacing[0], p->spacing[1]);
    }
    return true;
}

static int compare_slices(gconstpointer a, gconstpointer b)
{
    const mt_dicom_slice *x = a, *y = b;

    if (x->along != y->along)
        return (x->along > y->along) - (x->along < y->along);
    int order = g_strcmp0(x->file->sop_instance, y->file->sop_instance);
    if (order == 0)
        order = strcmp(x->file->layout->path, y->file->layout->path);
    return order != 0 ? order : (x->frame > y->frame) - (x->frame < y->frame);
}

/* Twice the same instance: a file that was copied twice into the folder. */
static bool is_copy(const mt_dicom_slice *a, const mt_dicom_slice *b)
{
    return a->file != b->file && a->file->sop_instance != NULL && g_strcmp0(a->file->sop_instance, b->file->sop_instance) == 0 &&
           a->frame == b->frame && a->file->layout->pixel_bytes == b->file->layout->pixel_bytes;
}

static bool drop_copies(mt_dicom_stack *stack, GError **error)
{
    guint shared = 0, at_one = 1, most = 1;

    for (guint i = 1; i < stack->slices->len;) {
        if (fabs(slice_at(stack, i)->along - slice_at(stack, i - 1)->along) > SAME_PLACE_MM) {
            at_one = 1;
            i++;
        } else if (is_copy(slice_at(stack, i - 1), slice_at(stack, i))) {
            g_array_remove_index(stack->slices, i);
            stack->copies++;
        } else {
            shared += at_one == 1;
            at_one++;
            most = MAX(most, at_one);
            i++;
        }
    }
    if (shared == 0)
        return true;
    return mt_refuse(
        error, MT_ERROR_INPUT,
        "%u position%s hold%s up to %u images each (echoes, phases, segments or duplicates): give the folder one image a position", shared,
        shared == 1 ? "" : "s", shared == 1 ? "s" : "", most);
}

static int compare_doubles(gconstpointer a, gconstpointer b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median_gap(const mt_dicom_stack *stack)
{
    g_autoptr(GArray) gaps = g_array_new(FALSE, FALSE, sizeof(double));

    for (guint i = 1; i < stack->slices->len; i++) {
        double gap = slice_at(stack, i)->along - slice_at(stack, i - 1)->along;
        g_array_append_val(gaps, gap);
    }
    g_array_sort(gaps, compare_doubles);
    return g_array_index(gaps, double, (gaps->len - 1) / 2);
}

static bool check_gaps(const mt_dicom_stack *stack, GError **error)
{
    double usual = median_gap(stack), tolerance = MAX(GAP_TOLERANCE * usual, GAP_TOLERANCE_MM);
    double low = usual, high = usual;
    guint  missing = 0, where = 0;

    for (guint i = 1; i < stack->slices->len; i++) {
        double gap = slice_at(stack, i)->along - slice_at(stack, i - 1)->along, times = round(gap / usual);

        low = MIN(low, gap);
        high = MAX(high, gap);
        if (fabs(gap - usual) <= tolerance)
            continue;
        if (times < 2 || times > 1000 || fabs(gap - times * usual) > tolerance * times)
            missing = G_MAXUINT;
        else if (missing != G_MAXUINT)
            missing += (guint)times - 1;
        where = where == 0 ? i : where;
    }
    if (where == 0)
        return true;
    if (missing != G_MAXUINT)
        return mt_refuse(
            error, MT_ERROR_INPUT,
            "%u of its slices %s missing, the first after slice %u in space (gap of %.6g mm where %.6g is usual): bring the series whole",
            missing, missing == 1 ? "is" : "are", where, slice_at(stack, where)->along - slice_at(stack, where - 1)->along, usual);
    return mt_refuse(error, MT_ERROR_INPUT, "its slices are unevenly spaced, %.6g to %.6g mm: resample them to even gaps", low, high);
}

/* The way from slice to slice, sideways too; all slices on one line. */
static bool find_step(mt_dicom_stack *stack, const double normal[3], double step[3], GError **error)
{
    guint                 last = stack->slices->len - 1;
    const mt_dicom_place *first = place_of(slice_at(stack, 0)), *end = place_of(slice_at(stack, last));
    double                sideways = 0;

    for (int k = 0; k < 3; k++)
        step[k] = (end->position[k] - first->position[k]) / last;
    stack->step = dot(step, normal);
    for (int k = 0; k < 3; k++)
        sideways += pow(step[k] - stack->step * normal[k], 2);
    stack->tilt = atan2(sqrt(sideways), stack->step) * 180 / G_PI;
    if (stack->tilt < SHOWN_TILT_DEGREES)
        stack->tilt = 0;
    if (stack->tilt > MAX_TILT_DEGREES)
        return mt_refuse(error, MT_ERROR_INPUT, "its slices are displaced sideways by %.1f degrees: it is no volume", stack->tilt);
    for (guint i = 0; i <= last; i++) {
        const mt_dicom_place *p = place_of(slice_at(stack, i));
        double                off = 0;

        for (int k = 0; k < 3; k++)
            off += pow(p->position[k] - first->position[k] - i * step[k], 2);
        if (sqrt(off) > MAX(SIDEWAYS_TOLERANCE_MM, 2 * GAP_TOLERANCE * stack->step))
            return mt_refuse(error, MT_ERROR_INPUT, "slice %u of %u in space stands %.3g mm beside the line of the others: it is no volume",
                             i + 1, last + 1, sqrt(off));
    }
    return true;
}

/* DICOM counts to the left and to the back, a case to the right and to the front. */
static void set_affine(mt_dicom_stack *stack, const double step[3])
{
    const mt_dicom_place *p = place_of(slice_at(stack, 0));

    memset(stack->affine, 0, sizeof stack->affine);
    for (int k = 0; k < 3; k++) {
        double sign = k < 2 ? -1 : 1;

        stack->affine[4 * k + 0] = sign * p->row[k] * (p->spacing[0] > 0 ? p->spacing[0] : 1);
        stack->affine[4 * k + 1] = sign * p->column[k] * (p->spacing[1] > 0 ? p->spacing[1] : 1);
        stack->affine[4 * k + 2] = sign * step[k];
        stack->affine[4 * k + 3] = sign * p->position[k];
    }
    stack->affine[15] = 1;
    stack->has_frame = true;
}

static bool stand_alone(mt_dicom_stack *stack)
{
    const mt_dicom_place *p = place_of(slice_at(stack, 0));
    double                normal[3], depth = p->between > 0 ? p->between : p->thickness > 0 ? p->thickness : 1;

    if (!p->has_position || !p->has_orientation)
        return true;
    find_normal(p, normal);
    for (int k = 0; k < 3; k++)
        normal[k] *= depth;
    set_affine(stack, normal);
    return true;
}

static bool order_slices(mt_dicom_stack *stack, GError **error)
{
    double normal[3], step[3];

    if (!check_planes(stack, error))
        return false;
    find_normal(place_of(slice_at(stack, 0)), normal);
    for (guint i = 0; i < stack->slices->len; i++)
        slice_at(stack, i)->along = dot(place_of(slice_at(stack, i))->position, normal);
    g_array_sort(stack->slices, compare_slices);
    if (!drop_copies(stack, error))
        return false;
    if (stack->slices->len == 1)
        return stand_alone(stack);
    if (!check_gaps(stack, error) || !find_step(stack, normal, step, error))
        return false;
    set_affine(stack, step);
    return true;
}

/* Parts of one file: all of them have to be here, each once. */
static bool check_parts(const mt_dicom_series *series, GError **error)
{
    const mt_dicom_file *first = g_ptr_array_index(series->files, 0);
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);

    for (guint i = 0; i < series->files->len; i++) {
        const mt_dicom_file *f = g_ptr_array_index(series->files, i);

        if (f->many_stacks)
            return mt_refuse(error, MT_ERROR_INPUT,
                             "its frames belong to several stacks (StackID): a case is one of them, give each a file of its own");
        if (g_strcmp0(f->concatenation, first->concatenation) != 0)
            return mt_refuse(error, MT_ERROR_INPUT, "its files are parts of several concatenations: give each a folder");
        g_hash_table_add(seen, GSIZE_TO_POINTER((gsize)f->concatenation_part));
    }
    if (first->concatenation == NULL)
        return true;
    if (first->concatenation_parts == 0)
        return mt_refuse(error, MT_ERROR_INPUT, "it is part of a concatenation that does not say how many files it has: join them");
    if (g_hash_table_size(seen) == (guint64)first->concatenation_parts)
        return true;
    return mt_refuse(error, MT_ERROR_INPUT, "it is a concatenation of %" G_GINT64_FORMAT " files and %u of them %s here: bring them all",
                     first->concatenation_parts, g_hash_table_size(seen), g_hash_table_size(seen) == 1 ? "is" : "are");
}

static bool gather_slices(mt_dicom_stack *stack, const mt_dicom_series *series, guint *placed, GError **error)
{
    const mt_dicom_file *first = g_ptr_array_index(series->files, 0);

    *placed = 0;
    for (guint i = 0; i < series->files->len; i++) {
        const mt_dicom_file *file = g_ptr_array_index(series->files, i);

        if (!same_kind(first, file, error))
            return false;
        for (int64_t k = 0; k < file->frames; k++) {
            mt_dicom_slice slice = {.file = file, .frame = k};

            *placed += file->places[k].has_position && file->places[k].has_orientation;
            g_array_append_val(stack->slices, slice);
        }
    }
    return true;
}

mt_dicom_stack *mt_dicom_stack_new(const mt_dicom_series *series, GError **error)
{
    g_autoptr(mt_dicom_stack) stack = g_new0(mt_dicom_stack, 1);
    guint placed;
    bool  ok;

    stack->slices = g_array_new(FALSE, TRUE, sizeof(mt_dicom_slice));
    if (!check_parts(series, error) || !gather_slices(stack, series, &placed, error))
        return NULL;
    if (stack->slices->len == 1)
        ok = stand_alone(stack);
    else if (placed == stack->slices->len)
        ok = order_slices(stack, error);
    else if (series->files->len == 1 && placed <= 1)
        ok = true; /* frames of one file without places: in their stored order, without a patient frame */
    else
        ok = mt_refuse(error, MT_ERROR_INPUT, "%u of its %u images have no position in the patient: name one file, or take them out",
                       stack->slices->len - placed, stack->slices->len);
    return ok ? g_steal_pointer(&stack) : NULL;
}

void mt_dicom_stack_free(mt_dicom_stack *stack)
{
    if (stack == NULL)
        return;
    g_array_unref(stack->slices);
    g_free(stack);
}
