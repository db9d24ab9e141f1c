#include "src/result/growth.h"

#include "src/case/volume_affine.h"
#include "src/result/headline.h"
#include "src/result/object_pairs.h"

#include <math.h>
#include <string.h>

#define DEFAULT_DISTANCE_MM 10
/* British Thoracic Society 2015: from a quarter of its volume on a nodule has grown; fewer voxels are too coarse to tell. */
#define VOLUME_CHANGE 0.25
#define LEAST_VOXELS 100

/* Both studies as points in one frame, that of the current study. */
typedef struct scene {
    mt_growth *growth;
    double    *at[2]; /* prior, current: mm */
    int       *class_of[2];
    int       *pair;     /* of each prior object */
    double     back[16]; /* mm of the current study to those of the prior one */
    GPtrArray *warnings;
} scene;

static void scene_clear(scene *s)
{
    for (int k = 0; k < 2; k++) {
        g_free(s->at[k]);
        g_free(s->class_of[k]);
    }
    g_free(s->pair);
    if (s->warnings != NULL)
        g_ptr_array_unref(s->warnings);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(scene, scene_clear)

static const mt_finding_list *side(const mt_growth *g, int k)
{
    return k == 0 ? g->prior : g->current;
}

static bool check_params(const mt_growth_params *p, GError **error)
{
    if (p->same_frame + p->measures_only + (p->transform != NULL) > 1) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "compare: one of same frame, transform and measures only can be asked for");
        return false;
    }
    if (!(p->max_distance_mm >= 0) || !isfinite(p->max_distance_mm) || !(p->days >= 0) || !isfinite(p->days)) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "compare: distance and days must be above 0, not %g and %g", p->max_distance_mm,
                    p->days);
        return false;
    }
    return true;
}

/* Objects are compared where both studies say that their mm are the same, or the caller does. */
static bool check_frames(const mt_growth *g, const mt_growth_params *p, GError **error)
{
    const char *prior = g->prior->frame_of_reference, *current = g->current->frame_of_reference;

    if (g->prior->has_affine != g->current->has_affine) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "compare %s with %s: only one of them is a volume in a patient frame", g->prior->path,
                    g->current->path);
        return false;
    }
    if (p->same_frame || p->transform != NULL || (prior != NULL && g_strcmp0(prior, current) == 0))
        return true;
    g_set_error(
        error, MT_ERROR, MT_ERROR_INPUT,
        "compare %s with %s: their frame of reference is not known to be the same (%s and %s): --same-frame if it is, --transform FILE "
        "with a registration, or --measures-only",
        g->prior->path, g->current->path, prior != NULL ? prior : "not said", current != NULL ? current : "not said");
    return false;
}

/* Centres in mm: of a picture from its top left pixel. */
static bool find_places(scene *s, int k, const double *transform, GError **error)
{
    const mt_finding_list *list = side(s->growth, k);

    s->at[k] = g_new0(double, 3 * (gsize)list->n_findings + 1);
    for (int i = 0; i < list->n_findings; i++) {
        const mt_finding *f = &list->findings[i];
        double           *at = s->at[k] + 3 * i;
        for (int d = 0; d < 3; d++)
            at[d] = list->has_affine        ? f->centre_mm[d]
                    : d == 2                ? 0
                    : list->voxel_mm[d] > 0 ? f->centre[d] * list->voxel_mm[d]
                                            : (double)NAN;
        if (transform != NULL)
            mt_affine_apply(transform, at, at);
        if (isfinite(at[0]) && isfinite(at[1]) && isfinite(at[2]))
            continue;
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "compare %s: object %d has no place in mm, its spacing is not known: --measures-only matches none", list->path, i);
        return false;
    }
    return true;
}

static void find_classes(scene *s)
{
    g_autoptr(GHashTable) classes = g_hash_table_new(g_str_hash, g_str_equal);

    for (int k = 0; k < 2; k++) {
        const mt_finding_list *list = side(s->growth, k);
        s->class_of[k] = g_new0(int, list->n_findings + 1);
        for (int i = 0; i < list->n_findings; i++) {
            char *label = list->findings[i].label;
            if (!g_hash_table_contains(classes, label))
                g_hash_table_insert(classes, label, GINT_TO_POINTER((int)g_hash_table_size(classes)));
            s->class_of[k][i] = GPOINTER_TO_INT(g_hash_table_lookup(classes, label));
        }
    }
}

/* Whether a place (mm of that list's own frame) lies in the box of one of its objects. */
static bool lies_in(const mt_finding_list *list, const mt_finding *f, const double mm[3])
{
    double inverse[16], voxel[3] = {0, 0, 0};

    if (list->has_affine && mt_affine_inverse(list->affine, inverse))
        mt_affine_apply(inverse, mm, voxel);
    else if (list->has_affine)
        return false;
    for (int d = 0; d < 2 && !list->has_affine; d++)
        voxel[d] = mm[d] / list->voxel_mm[d];
    for (int d = 0; d < 3; d++)
        if (voxel[d] < (double)f->box[d] - 0.5 || voxel[d] > (double)f->box[3 + d] - 0.5)
            return false;
    return true;
}

/* An object that was left alone lies where one stands that belongs to another: they became one, or came from one. */
static bool lies_in_taken(const scene *s, int k, int i)
{
    const mt_finding_list *other = side(s->growth, 1 - k);
    double                 at[3];

    memcpy(at, s->at[k] + 3 * i, sizeof at);
    if (k == 1)
        mt_affine_apply(s->back, at, at);
    for (int j = 0; j < s->growth->prior->n_findings; j++) {
        int its = k == 1 ? j : s->pair[j];
        if (s->pair[j] >= 0 && s->class_of[1 - k][its] == s->class_of[k][i] && lies_in(other, &other->findings[its], at))
            return true;
    }
    return false;
}

static double percent(double before, double after)
{
    return before > 0 ? 100 * (after - before) / before : (double)NAN;
}

static mt_growth_state judge(const mt_growth_row *r, double limit_mm)
{
    double extent = r->extent_percent / 100;
    bool   fine = isfinite(r->after->volume_mm3) && r->before->voxels >= LEAST_VOXELS && r->after->voxels >= LEAST_VOXELS;

    if (isnan(r->change_mm) && isnan(extent))
        return MT_GROWTH_UNSIZED;
    if (fabs(r->change_mm) > limit_mm)
        return r->change_mm > 0 ? MT_GROWTH_GROWN : MT_GROWTH_SHRUNK;
    if (fine && extent >= VOLUME_CHANGE)
        return MT_GROWTH_GROWN;
    return fine && extent <= 1 / (1 + VOLUME_CHANGE) - 1 ? MT_GROWTH_SHRUNK : MT_GROWTH_STABLE;
}

static void measure_row(const scene *s, mt_growth_row *r)
{
    const mt_growth  *g = s->growth;
    const mt_finding *f = r->before, *h = r->after;
    double            squared = 0;

    for (int d = 0; d < 3; d++)
        squared += pow(s->at[0][3 * r->prior + d] - s->at[1][3 * r->current + d], 2);
    r->distance_mm = sqrt(squared);
    r->change_mm = h->longest_mm - f->longest_mm;
    r->change_percent = percent(f->longest_mm, h->longest_mm);
    r->extent_percent = g->prior->has_affine ? percent(f->volume_mm3, h->volume_mm3) : percent(f->area_mm2, h->area_mm2);
    r->state = judge(r, g->limit_mm);
    if (r->state == MT_GROWTH_GROWN && g->days > 0 && h->volume_mm3 > f->volume_mm3 && f->volume_mm3 > 0)
        r->doubling_days = g->days * log(2) / log(h->volume_mm3 / f->volume_mm3);
}

static mt_growth_row *add_row(mt_growth *g, mt_growth_state state, int prior, int current)
{
    mt_growth_row *r = &g->rows[g->n_rows++];

    *r = (mt_growth_row){.state = state,
                         .prior = prior,
                         .current = current,
                         .before = prior >= 0 ? &g->prior->findings[prior] : NULL,
                         .after = current >= 0 ? &g->current->findings[current] : NULL,
                         .distance_mm = NAN,
                         .change_mm = NAN,
                         .change_percent = NAN,
                         .extent_percent = NAN,
                         .doubling_days = NAN};
    return r;
}

static void find_rows(scene *s)
{
    mt_growth       *g = s->growth;
    g_autofree bool *taken = g_new0(bool, g->current->n_findings + 1);

    g->rows = g_new0(mt_growth_row, (gsize)g->prior->n_findings + (gsize)g->current->n_findings + 1);
    for (int i = 0; i < g->prior->n_findings; i++) {
        int j = s->pair[i];
        if (j >= 0) {
            taken[j] = true;
            measure_row(s, add_row(g, MT_GROWTH_STABLE, i, j));
        } else
            add_row(g, lies_in_taken(s, 0, i) ? MT_GROWTH_MERGED : MT_GROWTH_GONE, i, -1);
    }
    for (int j = 0; j < g->current->n_findings; j++)
        if (!taken[j])
            add_row(g, lies_in_taken(s, 1, j) ? MT_GROWTH_SPLIT : MT_GROWTH_NEW, -1, j);
}

static bool match(scene *s, const mt_growth_params *p, GError **error)
{
    static const double same[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    mt_growth          *g = s->growth;

    memcpy(s->back, same, sizeof same);
    if (p->transform != NULL && !mt_affine_inverse(p->transform, s->back)) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "compare: the transform cannot be inverted");
        return false;
    }
    if (!check_frames(g, p, error) || !find_places(s, 0, p->transform, error) || !find_places(s, 1, NULL, error))
        return false;
    find_classes(s);
    s->pair = g_new0(int, g->prior->n_findings + 1);
    if (!mt_object_pairs(s->at[0], s->class_of[0], g->prior->n_findings, s->at[1], s->class_of[1], g->current->n_findings,
                         g->max_distance_mm, s->pair, error))
        return false;
    find_rows(s);
    return true;
}

static const mt_finding_value *value_named(const mt_finding_list *list, const char *name)
{
    for (int i = 0; i < list->n_values; i++)
        if (strcmp(list->values[i].name, name) == 0)
            return &list->values[i];
    return NULL;
}

static void find_values(scene *s)
{
    mt_growth *g = s->growth;

    g->values = g_new0(mt_growth_value, (gsize)g->current->n_values + 1);
    for (int i = 0; i < g->current->n_values; i++) {
        const mt_finding_value *after = &g->current->values[i], *before = value_named(g->prior, after->name);
        if (before == NULL)
            continue;
        if (strcmp(before->rule, after->rule) != 0 || strcmp(before->unit, after->unit) != 0) {
            g_ptr_array_add(s->warnings, g_strdup_printf("measure %s is %s in the prior study and %s in the current one: not compared",
                                                         after->name, before->rule, after->rule));
            continue;
        }
        g->values[g->n_values++] =
            (mt_growth_value){before, after, after->value - before->value, percent(before->value, after->value), NULL};
    }
}

/* What makes two results hard to compare stands in their headlines. */
static void compare_headlines(scene *s)
{
    mt_growth       *g = s->growth;
    g_autofree char *first = mt_result_headline(g->prior->path, NULL), *second = mt_result_headline(g->current->path, NULL);
    g_autoptr(mt_headline) a = first != NULL ? mt_headline_parse(first, g->prior->path, NULL) : NULL;
    g_autoptr(mt_headline) b = second != NULL ? mt_headline_parse(second, g->current->path, NULL) : NULL;

    if (a == NULL || b == NULL)
        return;
    if (a->input_sha256 != NULL && g_strcmp0(a->input_sha256, b->input_sha256) == 0)
        g_ptr_array_add(s->warnings, g_strdup("both results are of the same files"));
    if (g_strcmp0(a->model_sha256, b->model_sha256) != 0)
        g_ptr_array_add(s->warnings, g_strdup("the results are of different networks: what differs may be their doing"));
    else if (g_strcmp0(a->recipe_sha256, b->recipe_sha256) != 0)
        g_ptr_array_add(s->warnings, g_strdup("the results are of different recipes: what differs may be their doing"));
    if (g_strcmp0(a->status, "withheld") == 0 || g_strcmp0(b->status, "withheld") == 0)
        g_ptr_array_add(s->warnings, g_strdup("a result is withheld: its numbers stand for nothing"));
}

mt_growth *mt_growth_new(const mt_result *prior, const mt_result *current, const mt_growth_params *p, GError **error)
{
    g_autoptr(mt_growth) g = g_new0(mt_growth, 1);
    g_auto(scene) s = {.growth = g, .warnings = g_ptr_array_new()};

    if (!check_params(p, error))
        return NULL;
    g->max_distance_mm = p->max_distance_mm > 0 ? p->max_distance_mm : DEFAULT_DISTANCE_MM;
    g->days = p->days;
    g->prior = mt_finding_list_read(prior, error);
    g->current = g->prior != NULL ? mt_finding_list_read(current, error) : NULL;
    if (g->current == NULL)
        return NULL;
    for (int d = 0; d < 2; d++)
        g->limit_mm = fmax(g->limit_mm, fmax(g->prior->voxel_mm[d], g->current->voxel_mm[d]));
    if (!p->measures_only && !match(&s, p, error)) {
        g_ptr_array_set_free_func(s.warnings, g_free);
        return NULL;
    }
    find_values(&s);
    compare_headlines(&s);
    mt_growth_word(g, mt_language_of(p->language));
    g_ptr_array_add(s.warnings, NULL);
    g->warnings = (char **)g_ptr_array_free(g_steal_pointer(&s.warnings), FALSE);
    return g_steal_pointer(&g);
}

void mt_growth_free(mt_growth *g)
{
    if (g == NULL)
        return;
    for (int i = 0; i < g->n_rows; i++)
        g_free(g->rows[i].text);
    for (int i = 0; i < g->n_values; i++)
        g_free(g->values[i].text);
    g_free(g->rows);
    g_free(g->values);
    g_strfreev(g->warnings);
    mt_finding_list_free(g->prior);
    mt_finding_list_free(g->current);
    g_free(g);
}
