#include "src/result/objects.h"

#include "src/base/alloc.h"
#include "src/result/object_size.h"
#include "src/store/schema.h"

#include <math.h>
#include <string.h>

static void object_free(gpointer data)
{
    mt_object *object = data;

    g_free(object->location);
    g_free(object->finding);
    g_free(object);
}

mt_objects *mt_objects_new(const mt_objects_frame *frame, char *const *labels)
{
    mt_objects *objects = g_new0(mt_objects, 1);

    objects->frame = *frame;
    if (frame->affine != NULL) {
        memcpy(objects->affine, frame->affine, sizeof objects->affine);
        objects->frame.affine = objects->affine;
    }
    objects->map_voxel = 1;
    objects->labels = g_strdupv((char **)(uintptr_t)labels);
    objects->list = g_ptr_array_new_with_free_func(object_free);
    return objects;
}

void mt_objects_free(mt_objects *objects)
{
    if (objects == NULL)
        return;
    g_strfreev(objects->labels);
    g_ptr_array_unref(objects->list);
    g_free(objects);
}

static bool is_flat(const mt_objects *objects)
{
    return objects->frame.size[2] == 1;
}

static bool lengths_known(const mt_objects *objects)
{
    const double *mm = objects->frame.spacing_mm;

    return mm[0] > 0 && mm[1] > 0 && (is_flat(objects) || mm[2] > 0);
}

double mt_objects_voxel_size(const mt_objects_frame *frame)
{
    const double *mm = frame->spacing_mm, *m = frame->affine;
    bool          flat = frame->size[2] == 1;

    if (!(mm[0] > 0 && mm[1] > 0 && (flat || mm[2] > 0)))
        return NAN;
    if (flat || m == NULL)
        return mm[0] * mm[1] * (flat ? 1 : mm[2]);
    return fabs(m[0] * (m[5] * m[10] - m[6] * m[9]) - m[1] * (m[4] * m[10] - m[6] * m[8]) + m[2] * (m[4] * m[9] - m[5] * m[8]));
}

/* Of voxel (x, y, z) in RAS mm; NaN without a frame. */
static void to_mm(const mt_objects *objects, const double voxel[3], double mm[3])
{
    const double *m = objects->frame.affine;

    for (int row = 0; row < 3; row++)
        mm[row] = m != NULL ? m[4 * row] * voxel[0] + m[4 * row + 1] * voxel[1] + m[4 * row + 2] * voxel[2] + m[4 * row + 3] : (double)NAN;
}

/* Side and height within the case: thirds of its extent along the axis that runs to the head; of a picture without a frame nothing is said,
 * for pictures are drawn from both sides. */
static void find_place(const mt_objects *objects, mt_object *object)
{
    static const char *const thirds[] = {"lower third", "middle third", "upper third"};
    double                   low = INFINITY, high = -INFINITY, middle[3], voxel[3];

    if (objects->frame.affine == NULL || is_flat(objects))
        return;
    for (int d = 0; d < 3; d++)
        voxel[d] = (double)(objects->frame.size[d] - 1) / 2;
    to_mm(objects, voxel, middle);
    for (int corner = 0; corner < 8; corner++) {
        double at[3];
        for (int d = 0; d < 3; d++)
            voxel[d] = corner >> d & 1 ? (double)objects->frame.size[d] - 0.5 : -0.5;
        to_mm(objects, voxel, at);
        low = fmin(low, at[2]);
        high = fmax(high, at[2]);
    }
    int third = (int)CLAMP(floor(3 * (object->centre_mm[2] - low) / (high - low)), 0, 2);
    object->location = g_strdup_printf("%s, %s", object->centre_mm[0] >= middle[0] ? "right" : "left", thirds[third]);
}

static void measure(const mt_objects *objects, const mt_voxel_run *runs, int64_t n, mt_object *object)
{
    const double *mm = objects->frame.spacing_mm;
    bool          known = lengths_known(objects);

    double size = (double)object->voxels * mt_objects_voxel_size(&objects->frame);

    object->area_mm2 = is_flat(objects) ? size : (double)NAN;
    object->volume_mm3 = is_flat(objects) ? (double)NAN : size;
    object->longest_mm = object->perpendicular_mm = NAN;
    if (known) {
        mt_measuring_plane plane = mt_measuring_plane_of(mm, objects->frame.affine, objects->frame.size[2]);
        mt_object_diameters(runs, n, object->box, &plane, &object->longest_mm, &object->perpendicular_mm);
    }
}

static void survey_runs(const mt_objects *objects, const mt_voxel_run *runs, int64_t n, const float *probability, mt_object *object)
{
    const int64_t *size = objects->frame.size;
    double         sums[3] = {0}, score = 0;

    for (int d = 0; d < 3; d++)
        object->box[d] = INT64_MAX;
    for (int64_t i = 0; i < n; i++) {
        const mt_voxel_run *r = &runs[i];
        int64_t             start[3] = {r->x0, r->y, r->z}, end[3] = {r->x1, r->y + 1, r->z + 1}, count = r->x1 - r->x0;
        for (int d = 0; d < 3; d++) {
            object->box[d] = MIN(object->box[d], start[d]);
            object->box[3 + d] = MAX(object->box[3 + d], end[d]);
        }
        object->voxels += count;
        sums[0] += (double)count * (double)(r->x0 + r->x1 - 1) / 2;
        sums[1] += (double)count * (double)r->y;
        sums[2] += (double)count * (double)r->z;
        for (int64_t x = r->x0; probability != NULL && x < r->x1; x++)
            score += (double)probability[(r->z * size[1] + r->y) * size[0] + x];
    }
    for (int d = 0; d < 3; d++)
        object->centre[d] = sums[d] / (double)object->voxels;
    object->score = probability != NULL ? score / (double)object->voxels : (double)NAN;
}

static void add_component(mt_objects *objects, int label, const mt_voxel_run *runs, int64_t n, const float *probability, int64_t min_voxels)
{
    mt_object *object = g_new0(mt_object, 1);

    object->label = label;
    object->stage = 1;
    object->finding_score = NAN;
    survey_runs(objects, runs, n, probability, object);
    if (object->voxels < min_voxels) {
        object_free(object);
        return;
    }
    to_mm(objects, object->centre, object->centre_mm);
    measure(objects, runs, n, object);
    find_place(objects, object);
    g_ptr_array_add(objects->list, object);
}

/* Runs sorted by component, their order within kept; first[i] is where component i begins.  NULL with an error. */
static mt_voxel_run *group_runs(const mt_volume_components *components, int64_t **first, GError **error)
{
    mt_voxel_run *grouped = mt_alloc(components->n_runs, sizeof *grouped, error);
    int64_t      *next = mt_alloc(components->n + 2, sizeof *next, error);

    if (grouped == NULL || next == NULL) {
        mt_free(grouped);
        mt_free(next);
        return NULL;
    }
    for (int64_t i = 0; i < components->n_runs; i++)
        next[components->runs[i].component + 2]++;
    for (int64_t i = 2; i <= components->n + 1; i++)
        next[i] += next[i - 1];
    for (int64_t i = 0; i < components->n_runs; i++)
        grouped[next[components->runs[i].component + 1]++] = components->runs[i];
    *first = next;
    return grouped;
}

bool mt_objects_add_labels(mt_objects *objects, int label, const uint8_t *map, const uint8_t members[32], const float *probability,
                           int64_t min_voxels, GError **error)
{
    g_autoptr(mt_volume_components) components = mt_volume_components_new(map, objects->frame.size, members, error);
    int64_t *first;

    if (components == NULL)
        return false;
    mt_voxel_run *grouped = group_runs(components, &first, error);
    if (grouped == NULL)
        return false;
    for (int64_t i = 0; i < components->n; i++)
        add_component(objects, label, grouped + first[i], first[i + 1] - first[i], probability, min_voxels);
    mt_free(grouped);
    mt_free(first);
    return true;
}

/* Squared distance of a part's nearest voxel from a point. */
static double distance_to(const mt_voxel_run *runs, int64_t n, const double point[3])
{
    double best = HUGE_VAL;

    for (int64_t i = 0; i < n; i++) {
        double x = CLAMP(point[0], (double)runs[i].x0, (double)(runs[i].x1 - 1)) - point[0];
        double y = (double)runs[i].y - point[1], z = (double)runs[i].z - point[2];
        best = fmin(best, x * x + y * y + z * z);
    }
    return best;
}

static void clear_parts(const mt_volume_components *components, int32_t kept, uint8_t *mask, const int64_t size[3])
{
    for (int64_t i = 0; i < components->n_runs; i++) {
        const mt_voxel_run *run = &components->runs[i];
        if (run->component != kept)
            memset(mask + ((int64_t)run->z * size[1] + run->y) * size[0] + run->x0, 0, (size_t)(run->x1 - run->x0));
    }
}

/* The runs of one part become the object's. */
static void become(mt_objects *objects, mt_object *object, mt_voxel_run *runs, int64_t n, const int64_t first[3])
{
    double score = object->score;

    for (int64_t i = 0; i < n; i++) {
        runs[i].x0 += (int32_t)first[0], runs[i].x1 += (int32_t)first[0];
        runs[i].y += (int32_t)first[1];
        runs[i].z += (int32_t)first[2];
    }
    object->kind = MT_OBJECT_MASK;
    object->voxels = 0;
    memset(object->box, 0, sizeof object->box);
    g_clear_pointer(&object->location, g_free);
    survey_runs(objects, runs, n, NULL, object);
    object->score = score;
    to_mm(objects, object->centre, object->centre_mm);
    measure(objects, runs, n, object);
    find_place(objects, object);
}

bool mt_objects_set_mask(mt_objects *objects, mt_object *object, uint8_t *mask, const int64_t first[3], const int64_t size[3], bool *found,
                         GError **error)
{
    static const uint8_t members[32] = {2};
    g_autoptr(mt_volume_components) components = mt_volume_components_new(mask, size, members, error);
    int64_t *start, nearest = 0;
    double   best = HUGE_VAL, point[3];

    *found = components != NULL && components->n > 0;
    if (!*found)
        return components != NULL;
    mt_voxel_run *grouped = group_runs(components, &start, error);
    if (grouped == NULL)
        return false;
    for (int d = 0; d < 3; d++)
        point[d] = object->centre[d] - (double)first[d];
    for (int64_t i = 0; i < components->n; i++) {
        double far = distance_to(grouped + start[i], start[i + 1] - start[i], point);
        if (far < best) {
            best = far;
            nearest = i;
        }
    }
    clear_parts(components, (int32_t)nearest, mask, size);
    become(objects, object, grouped + start[nearest], start[nearest + 1] - start[nearest], first);
    mt_free(grouped);
    mt_free(start);
    return true;
}

static double box_iou(const mt_object *a, const mt_object *b)
{
    double both = 1, first = 1, second = 1;

    for (int d = 0; d < 3; d++) {
        both *= (double)MAX(0, MIN(a->box[3 + d], b->box[3 + d]) - MAX(a->box[d], b->box[d]));
        first *= (double)(a->box[3 + d] - a->box[d]);
        second *= (double)(b->box[3 + d] - b->box[d]);
    }
    return both / (first + second - both);
}

typedef struct ranked {
    const mt_object *object;
    guint            index;
} ranked;

static int compare_left(const void *a, const void *b)
{
    const ranked *x = a, *y = b;

    if (x->object->box[0] != y->object->box[0])
        return x->object->box[0] < y->object->box[0] ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

static bool is_better(const ranked *a, const ranked *b)
{
    double x = isnan(a->object->score) ? -1 : a->object->score, y = isnan(b->object->score) ? -1 : b->object->score;

    if (x != y)
        return x > y;
    return a->object->voxels > b->object->voxels || (a->object->voxels == b->object->voxels && a->index < b->index);
}

void mt_objects_join_masks(mt_objects *objects)
{
    guint              n = objects->list->len;
    g_autofree ranked *sorted = g_new0(ranked, n + 1);
    g_autofree bool   *dropped = g_new0(bool, n + 1);

    for (guint i = 0; i < n; i++)
        sorted[i] = (ranked){objects->list->pdata[i], i};
    qsort(sorted, n, sizeof *sorted, compare_left);
    for (guint i = 0; i < n; i++)
        for (guint k = i + 1; k < n && sorted[k].object->box[0] < sorted[i].object->box[3]; k++) {
            const mt_object *a = sorted[i].object, *b = sorted[k].object;
            if (a->label != b->label || a->kind != MT_OBJECT_MASK || b->kind != MT_OBJECT_MASK || box_iou(a, b) < 0.5)
                continue;
            dropped[is_better(&sorted[i], &sorted[k]) ? sorted[k].index : sorted[i].index] = true;
        }
    for (guint i = n; i-- > 0;)
        if (dropped[i])
            g_ptr_array_remove_index(objects->list, i);
}

void mt_objects_rescale(mt_objects *objects, const double px[2], const mt_objects_frame *frame)
{
    objects->frame = *frame;
    objects->map_voxel = px[0] * px[1];
    if (frame->affine != NULL) {
        memcpy(objects->affine, frame->affine, sizeof objects->affine);
        objects->frame.affine = objects->affine;
    }
    for (guint i = 0; i < objects->list->len; i++) {
        mt_object *o = objects->list->pdata[i];
        for (int a = 0; a < 2; a++) {
            o->box[a] = (int64_t)floor((double)o->box[a] * px[a] + 1e-6);
            o->box[a + 3] = MIN(frame->size[a], (int64_t)ceil((double)o->box[a + 3] * px[a] - 1e-6));
            o->centre[a] = (o->centre[a] + 0.5) * px[a] - 0.5;
        }
        to_mm(objects, o->centre, o->centre_mm);
    }
}

static bool no_finding(const mt_object *object, double mm, double score)
{
    return object->longest_mm < mm || object->score < score;
}

bool mt_objects_clean_map(const mt_objects *objects, uint8_t *map, const uint8_t members[32], const float *probability, double mm,
                          double score, GError **error)
{
    const int64_t *size = objects->frame.size;
    g_autoptr(mt_volume_components) components = mt_volume_components_new(map, size, members, error);
    int64_t *first;

    if (components == NULL)
        return false;
    mt_voxel_run *grouped = group_runs(components, &first, error);
    if (grouped == NULL)
        return false;
    for (int64_t i = 0; i < components->n; i++) {
        mt_object part = {0};
        survey_runs(objects, grouped + first[i], first[i + 1] - first[i], probability, &part);
        measure(objects, grouped + first[i], first[i + 1] - first[i], &part);
        for (int64_t r = first[i]; no_finding(&part, mm, score) && r < first[i + 1]; r++)
            memset(map + ((int64_t)grouped[r].z * size[1] + grouped[r].y) * size[0] + grouped[r].x0, 0,
                   (size_t)(grouped[r].x1 - grouped[r].x0));
    }
    mt_free(grouped);
    mt_free(first);
    return true;
}

mt_object *mt_objects_add_box(mt_objects *objects, int label, const double box[6], double score)
{
    const double *mm = objects->frame.spacing_mm;
    mt_object    *object = g_new0(mt_object, 1);
    bool          known = lengths_known(objects);
    double        edge[3], size = mt_objects_voxel_size(&objects->frame);

    object->kind = MT_OBJECT_BOX;
    object->label = label;
    object->stage = 1;
    object->score = score;
    object->finding_score = NAN;
    for (int d = 0; d < 3; d++) {
        object->box[d] = (int64_t)floor(box[d]);
        object->box[3 + d] = (int64_t)ceil(box[3 + d]);
        object->centre[d] = (box[d] + box[3 + d] - 1) / 2;
        edge[d] = (box[3 + d] - box[d]) * mm[d];
        size *= d < 2 || !is_flat(objects) ? box[3 + d] - box[d] : 1;
    }
    to_mm(objects, object->centre, object->centre_mm);
    object->area_mm2 = is_flat(objects) ? size : (double)NAN;
    object->volume_mm3 = is_flat(objects) ? (double)NAN : size;
    object->longest_mm = object->perpendicular_mm = NAN;
    if (known) {
        mt_measuring_plane plane = mt_measuring_plane_of(mm, objects->frame.affine, objects->frame.size[2]);
        object->longest_mm = fmax(edge[plane.column], edge[plane.row]);
        object->perpendicular_mm = fmin(edge[plane.column], edge[plane.row]);
    }
    find_place(objects, object);
    g_ptr_array_add(objects->list, object);
    return object;
}

void mt_objects_drop(mt_objects *objects, double mm, double score)
{
    GPtrArray *kept = g_ptr_array_new_full(objects->list->len, object_free);

    for (guint i = 0; i < objects->list->len; i++) {
        mt_object *object = objects->list->pdata[i];
        if (no_finding(object, mm, score))
            object_free(object);
        else
            g_ptr_array_add(kept, object);
    }
    g_ptr_array_set_free_func(objects->list, NULL);
    g_ptr_array_unref(objects->list);
    objects->list = kept;
}

double mt_objects_max_score(const mt_objects *objects, int label)
{
    double best = 0;

    for (guint i = 0; i < objects->list->len; i++) {
        const mt_object *object = objects->list->pdata[i];
        if (object->label != label)
            continue;
        if (isnan(object->score))
            return NAN;
        best = fmax(best, object->score);
    }
    return best;
}
