#include "src/evaluate/finding_hits.h"

#include "src/base/alloc.h"
#include "src/case/volume_affine.h"

#include <math.h>

struct mt_hits *mt_hits_new(const double *ious, int n_ious, int64_t most_cases)
{
    struct mt_hits *h = g_new0(struct mt_hits, 1);

    h->by_place.detections = g_array_new(FALSE, FALSE, sizeof(mt_detection));
    h->n_ious = n_ious;
    h->ious = g_memdup2(ious, (gsize)n_ious * sizeof *ious);
    h->by_iou = g_new0(mt_ranking, (gsize)n_ious);
    for (int i = 0; i < n_ious; i++)
        h->by_iou[i].detections = g_array_new(FALSE, FALSE, sizeof(mt_detection));
    h->boxed = true;
    h->lesions_of = g_new0(int64_t, most_cases + 1);
    return h;
}

static void ranking_clear(mt_ranking *r)
{
    g_array_unref(r->detections);
    mt_free(r->rows);
    mt_free(r->hits);
}

void mt_hits_free(struct mt_hits *h)
{
    if (h == NULL)
        return;
    ranking_clear(&h->by_place);
    for (int i = 0; i < h->n_ious; i++)
        ranking_clear(&h->by_iou[i]);
    g_free(h->by_iou);
    g_free(h->ious);
    g_free(h->lesions_of);
    g_free(h);
}

static bool is_cut(const mt_places *lesions, double x, double y)
{
    for (guint i = 0; i < lesions->cuts->len; i++)
        if (mt_ring_holds(lesions->cuts->pdata[i], x, y))
            return true;
    return false;
}

/* Outlines and boxes: the first that holds the point, one that counts before one that is ignored. */
static int64_t lesion_around(const mt_places *lesions, double x, double y)
{
    int64_t ignored = MT_NO_LESION;

    if (is_cut(lesions, x, y))
        return MT_NO_LESION;
    for (guint k = 0; k < lesions->places->len; k++) {
        const mt_place *p = lesions->places->pdata[k];
        bool            inside =
            p->ring != NULL ? mt_ring_holds(p->ring, x, y) : p->boxed && x >= p->box.x0 && x < p->box.x1 && y >= p->box.y0 && y < p->box.y1;
        if (inside && !p->ignored)
            return k;
        if (inside && ignored == MT_NO_LESION)
            ignored = k;
    }
    return ignored;
}

/* Of lesions with a radius the nearest whose sphere holds the point; those without are none here.  turn: LPS to the points' RAS. */
static bool match_radii(const mt_places *lesions, bool turn, const double *points, int64_t n, int64_t *hit, GError **error)
{
    guint               n_lesions = lesions->places->len;
    g_autofree double  *centres = g_new(double, 3 * (gsize)n_lesions + 1), *radii = g_new(double, n_lesions + 1);
    g_autofree int64_t *of = g_new(int64_t, n_lesions + 1);
    int64_t             n_round = 0;

    for (guint k = 0; k < n_lesions; k++) {
        const mt_place *p = lesions->places->pdata[k];
        if (isnan(p->radius))
            continue;
        for (int d = 0; d < 3; d++)
            centres[3 * n_round + d] = turn && d < 2 ? -p->at[d] : p->at[d];
        radii[n_round] = p->radius;
        of[n_round++] = k;
    }
    if (!mt_match_centres(points, n, centres, radii, n_round, 3, hit, error))
        return false;
    for (int64_t i = 0; i < n; i++)
        hit[i] = hit[i] == MT_NO_LESION ? MT_NO_LESION : of[hit[i]];
    return true;
}

/* The voxel of the mask that each finding's centre in mm lies in. */
static void match_voxels(const mt_places *lesions, const double *points, int64_t n, int64_t *hit)
{
    const int64_t size[3] = {lesions->width, lesions->height, lesions->depth};

    for (int64_t i = 0; i < n; i++) {
        double  voxel[3];
        int64_t at = 0;
        bool    inside = true;
        mt_affine_apply(lesions->to_voxel, points + 3 * i, voxel);
        for (int d = 2; d >= 0; d--) {
            double whole = floor(voxel[d] + 0.5);
            inside = inside && whole >= 0 && whole < (double)size[d];
            at = inside ? at * size[d] + (int64_t)whole : 0;
        }
        hit[i] = inside ? (int64_t)lesions->labels[at] - 1 : MT_NO_LESION;
    }
}

/* The lesion that holds the centre of each finding, ignored ones too. */
static bool match_places(const mt_places *findings, const mt_places *lesions, int64_t *hit, GError **error)
{
    guint              n = findings->places->len;
    g_autofree double *points = g_new(double, 3 * (gsize)n + 1), *pixels = g_new(double, 2 * (gsize)n + 1);

    for (guint i = 0; i < n; i++) {
        const mt_place *p = findings->places->pdata[i];
        for (int d = 0; d < 3; d++)
            points[3 * i + d] = findings->is_lps && lesions->is_volume && d < 2 ? -p->at[d] : p->at[d];
        for (int d = 0; d < 2; d++)
            pixels[2 * i + d] = p->at[d] / lesions->scale;
    }
    if (lesions->labels != NULL && lesions->is_volume) {
        match_voxels(lesions, points, n, hit);
        return true;
    }
    if (lesions->labels != NULL)
        return mt_match_mask(pixels, n, lesions->labels, lesions->width, lesions->height, hit, error);
    if (!match_radii(lesions, lesions->is_lps && findings->is_volume, points, n, hit, error))
        return false;
    for (guint i = 0; i < n; i++)
        if (hit[i] == MT_NO_LESION)
            hit[i] = lesion_around(lesions, points[3 * i], points[3 * i + 1]);
    return true;
}

static mt_box box_of(const mt_place *p)
{
    return p->boxed ? p->box : (mt_box){p->at[0] - p->radius, p->at[1] - p->radius, p->at[0] + p->radius, p->at[1] + p->radius};
}

static bool has_extent(const mt_places *places)
{
    for (guint i = 0; i < places->places->len; i++) {
        const mt_place *p = places->places->pdata[i];
        if ((!p->boxed && !(p->radius > 0)) || p->at[2] != 0)
            return false;
        if (p->boxed && !(p->box.x1 > p->box.x0 && p->box.y1 > p->box.y0) && !p->ignored)
            return false;
    }
    return true;
}

/* Boxes that count first; what they leave may fall on ignored ones, and is then dropped: hit = n_lesions. */
static bool match_ious(const mt_places *findings, const GPtrArray *counted, const GPtrArray *ignored, double iou, int64_t *hit,
                       GError **error)
{
    guint              n = findings->places->len;
    g_autofree mt_box *boxes = g_new(mt_box, n + 1), *lesions = g_new(mt_box, counted->len + 1);
    g_autofree double *scores = g_new(double, n + 1);

    for (guint i = 0; i < n; i++) {
        boxes[i] = box_of(findings->places->pdata[i]);
        scores[i] = ((const mt_place *)findings->places->pdata[i])->score;
    }
    for (guint k = 0; k < counted->len; k++)
        lesions[k] = box_of(counted->pdata[k]);
    if (!mt_match_boxes(boxes, scores, n, lesions, counted->len, iou, hit, error))
        return false;
    for (guint i = 0; i < n; i++)
        for (guint k = 0; k < ignored->len && hit[i] == MT_NO_LESION; k++) {
            mt_box box = box_of(ignored->pdata[k]);
            if (mt_box_iou(&boxes[i], &box) >= iou)
                hit[i] = counted->len;
        }
    return true;
}

static void add_detection(mt_ranking *r, int64_t image, double score, int64_t lesion)
{
    const mt_detection d = {.image = image, .score = score, .lesion = lesion};

    g_array_append_val(r->detections, d);
}

static double score_of(const mt_places *findings, guint i)
{
    return ((const mt_place *)findings->places->pdata[i])->score;
}

bool mt_hits_add(struct mt_hits *h, int64_t image, const mt_places *findings, const mt_places *lesions, GError **error)
{
    guint               n = findings->places->len;
    g_autofree int64_t *hit = g_new(int64_t, n + 1), *number = g_new(int64_t, lesions->places->len + 1);
    g_autoptr(GPtrArray) counted = g_ptr_array_new(), ignored = g_ptr_array_new();

    for (guint k = 0; k < lesions->places->len; k++) {
        mt_place *p = lesions->places->pdata[k];
        number[k] = p->ignored ? MT_NO_LESION : (int64_t)counted->len;
        g_ptr_array_add(p->ignored ? ignored : counted, p);
    }
    h->lesions_of[image] = counted->len;
    h->boxed = h->boxed && has_extent(findings) && has_extent(lesions);
    if (lesions->labels != NULL && (lesions->is_volume ? findings->in_pixels : findings->is_volume)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "the findings are of a %s, the mask of the lesions is of a %s",
                    findings->is_volume ? "volume" : "picture", lesions->is_volume ? "volume" : "picture");
        return false;
    }
    if (!match_places(findings, lesions, hit, error))
        return false;
    for (guint i = 0; i < n; i++)
        if (hit[i] == MT_NO_LESION || number[hit[i]] != MT_NO_LESION)
            add_detection(&h->by_place, image, score_of(findings, i), hit[i] == MT_NO_LESION ? MT_NO_LESION : number[hit[i]]);
    for (int k = 0; k < h->n_ious && h->boxed; k++) {
        if (!match_ious(findings, counted, ignored, h->ious[k], hit, error))
            return false;
        for (guint i = 0; i < n; i++)
            if (hit[i] != (int64_t)counted->len)
                add_detection(&h->by_iou[k], image, score_of(findings, i), hit[i]);
    }
    return true;
}

static bool rank(mt_ranking *r, GError **error)
{
    return mt_rank_detections("findings", (const mt_detection *)(const void *)r->detections->data, r->detections->len, &r->rows, &r->hits,
                              error);
}

bool mt_hits_rank(struct mt_hits *h, GError **error)
{
    for (int k = 0; k < h->n_ious; k++)
        if (!rank(&h->by_iou[k], error))
            return false;
    return rank(&h->by_place, error);
}
