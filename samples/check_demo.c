/* microtome-demo-check: hold the results of a run over synthetic slides against their truth.
 *
 *     microtome-demo-check COHORT_DIR OUT_DIR
 *
 * COHORT_DIR is of microtome-synthetic, OUT_DIR of `microtome run` with a head.  Exit 1 below the marks. */
#include <microtome/error.h>
#include <microtome/result.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CELL_UM 16.0 /* of the truth's pixels */
#define TOP 5
#define MIN_AUROC 0.9
#define MIN_HITS 0.8
#define MIN_OVERLAP 0.25 /* of a tile, to be a hit where its centre is not */

typedef struct mask {
    int64_t  width, height;
    uint8_t *pixels; /* inside file */
    char    *file;
} mask;

typedef struct slide {
    char  *id, *label, *decision;
    bool   tumour, scored;
    double score;
    int    hits, shown;
} slide;

static void slide_free(gpointer data)
{
    slide *s = data;

    g_free(s->id);
    g_free(s->label);
    g_free(s->decision);
    g_free(s);
}

/* --- truth ------------------------------------------------------------------------------------------------------------- */

static bool read_mask(const char *path, mask *m, GError **error)
{
    gsize bytes;
    int   header = 0;
    long  width, height;

    if (!g_file_get_contents(path, &m->file, &bytes, error))
        return false;
    if (sscanf(m->file, "P5\n%ld %ld\n255%n", &width, &height, &header) != 2 || header == 0 || width < 1 || height < 1 || width > 100000 ||
        height > 100000 || bytes != (gsize)header + 1 + (gsize)width * (gsize)height) {
        g_clear_pointer(&m->file, g_free);
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: not a truth mask of microtome-synthetic", path);
        return false;
    }
    m->width = width;
    m->height = height;
    m->pixels = (uint8_t *)m->file + header + 1;
    return true;
}

/* Share of the rectangle, in cells, that is tumour. */
static double mask_share(const mask *m, double x0, double y0, double x1, double y1)
{
    double sum = 0;

    for (int64_t j = (int64_t)MAX(0, y0); j < m->height && (double)j < y1; j++)
        for (int64_t i = (int64_t)MAX(0, x0); i < m->width && (double)i < x1; i++)
            if (m->pixels[j * m->width + i] != 0)
                sum += (MIN((double)i + 1, x1) - MAX((double)i, x0)) * (MIN((double)j + 1, y1) - MAX((double)j, y0));
    return sum / ((x1 - x0) * (y1 - y0));
}

static bool is_hit(const mask *m, double x0, double y0, double x1, double y1)
{
    const int64_t i = (int64_t)(0.5 * (x0 + x1)), j = (int64_t)(0.5 * (y0 + y1));

    if (i >= 0 && j >= 0 && i < m->width && j < m->height && m->pixels[j * m->width + i] != 0)
        return true;
    return mask_share(m, x0, y0, x1, y1) >= MIN_OVERLAP;
}

/* --- results ------------------------------------------------------------------------------------------------------------ */

static int label_column(const mt_result *result, const char *object, const char *label)
{
    g_auto(GStrv) labels = mt_result_attr_strings(result, object, "labels");

    for (int i = 0; labels != NULL && labels[i] != NULL; i++)
        if (strcmp(labels[i], label) == 0)
            return i;
    return -1;
}

static mt_tensor *read_floats(const mt_result *result, const char *object, int64_t n, GError **error)
{
    mt_tensor *t = mt_result_read(result, object, error);

    if (t != NULL && (t->dtype != MT_F32 || t->rank != 2 || t->shape[0] != n || t->shape[1] < 1)) {
        g_clear_pointer(&t, mt_tensor_unref);
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s of %s: not one row of float32 for each tile", object, mt_result_path(result));
    }
    return t;
}

typedef struct evidence {
    int64_t tile;
    double  value;
} evidence;

static int compare_evidence(const void *a, const void *b)
{
    const evidence *x = a, *y = b;

    if (x->value != y->value)
        return x->value < y->value ? 1 : -1;
    return (x->tile > y->tile) - (x->tile < y->tile);
}

/* Evidence of a tile: its own score for tumour, where it had at least its share of attention. */
static evidence *rank_tiles(const mt_result *result, int64_t n, GError **error)
{
    g_autoptr(mt_tensor) attention = read_floats(result, "/attention", n, error);
    g_autoptr(mt_tensor) scores = attention != NULL ? read_floats(result, "/tile_scores", n, error) : NULL;

    if (scores == NULL)
        return NULL;
    const int64_t n_classes = scores->shape[1], k = attention->shape[1];
    const int     column = MAX(0, label_column(result, "/prediction/scores", "tumour"));
    evidence     *order = g_new(evidence, (gsize)n);
    for (int64_t i = 0; i < n; i++) {
        const float a = ((const float *)attention->data)[i * k + (k > 1 ? column : 0)];
        const float s = ((const float *)scores->data)[i * n_classes + MIN(column, n_classes - 1)];
        order[i] = (evidence){i, (double)s * MIN(1, (double)n * (double)a)};
    }
    qsort(order, (size_t)n, sizeof *order, compare_evidence);
    return order;
}

static bool count_hits(const mt_result *result, const mask *truth, slide *s, GError **error)
{
    g_autoptr(mt_tensor) coords = mt_result_read(result, "/coords", error);
    double tile[2], mpp[1];

    if (coords == NULL)
        return false;
    if (coords->dtype != MT_I64 || coords->rank != 2 || coords->shape[1] < 2 ||
        !mt_result_attr(result, "/coords", "tile_level0", tile, 2) || !mt_result_attr(result, "/coords", "mpp_x", mpp, 1)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read /coords of %s: tile_level0 and mpp_x are wanted", mt_result_path(result));
        return false;
    }
    const int64_t        n = coords->shape[0], width = coords->shape[1];
    const double         per_px = mpp[0] / CELL_UM;
    g_autofree evidence *order = rank_tiles(result, n, error);
    if (order == NULL)
        return false;
    s->shown = (int)MIN(TOP, n);
    for (int i = 0; i < s->shown; i++) {
        const int64_t *at = (const int64_t *)coords->data + order[i].tile * width;
        s->hits += is_hit(truth, (double)at[0] * per_px, (double)at[1] * per_px, ((double)at[0] + tile[0]) * per_px,
                          ((double)at[1] + tile[1]) * per_px);
    }
    return true;
}

static void read_headline(slide *s, const char *headline)
{
    json_t     *root = json_loads(headline, 0, NULL), *score = json_object_get(root, "score");
    const char *decision = json_string_value(json_object_get(root, "decision"));

    s->scored = json_is_number(score);
    s->score = json_number_value(score);
    s->decision = g_strdup(decision != NULL ? decision : "-");
    json_decref(root);
}

static bool check_slide(const char *cohort, const char *out, slide *s, GError **error)
{
    g_autofree char *result_name = g_strconcat(s->id, ".h5", NULL), *mask_name = g_strconcat(s->id, "_mask.pgm", NULL);
    g_autofree char *result_path = g_build_filename(out, "cases", result_name, NULL);
    g_autofree char *mask_path = g_build_filename(cohort, "truth", mask_name, NULL);
    g_autofree char *headline = mt_result_headline(result_path, error);
    mask             truth = {0};

    if (headline == NULL)
        return false;
    read_headline(s, headline);
    if (!s->tumour || !s->scored)
        return true;
    g_autoptr(mt_result) result = mt_result_open(result_path, error);
    bool ok = result != NULL && read_mask(mask_path, &truth, error) && count_hits(result, &truth, s, error);
    g_free(truth.file);
    return ok;
}

/* --- the cohort ----------------------------------------------------------------------------------------------------------- */

/* Mann and Whitney: the share of pairs in which the tumour slide scores higher; a tie counts half. */
static double auroc(const GPtrArray *slides)
{
    double wins = 0, pairs = 0;

    for (guint i = 0; i < slides->len; i++)
        for (guint j = 0; j < slides->len; j++) {
            const slide *p = slides->pdata[i], *n = slides->pdata[j];
            if (p->tumour && !n->tumour && p->scored && n->scored) {
                wins += p->score > n->score ? 1 : p->score == n->score ? 0.5 : 0;
                pairs++;
            }
        }
    return pairs > 0 ? wins / pairs : NAN;
}

static int column_of(char **header, const char *name)
{
    for (int i = 0; header[i] != NULL; i++)
        if (strcmp(header[i], name) == 0)
            return i;
    return -1;
}

/* labels.csv as microtome-synthetic writes it: no quotes, no spaces. */
static GPtrArray *read_labels(const char *cohort, GError **error)
{
    g_autofree char *path = g_build_filename(cohort, "labels.csv", NULL), *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, error))
        return NULL;
    g_auto(GStrv) lines = g_strsplit(g_strchomp(text), "\n", -1);
    g_auto(GStrv) header = g_strsplit(lines[0] != NULL ? lines[0] : "", ",", -1);
    const int id = column_of(header, "id"), label = column_of(header, "label");
    g_autoptr(GPtrArray) slides = g_ptr_array_new_with_free_func(slide_free);
    for (int i = 1; id >= 0 && label >= 0 && lines[0] != NULL && lines[i] != NULL; i++) {
        g_auto(GStrv) cells = g_strsplit(lines[i], ",", -1);
        if ((int)g_strv_length(cells) <= MAX(id, label))
            continue;
        slide *s = g_new0(slide, 1);
        s->id = g_strdup(cells[id]);
        s->label = g_strdup(cells[label]);
        s->tumour = strcmp(s->label, "tumour") == 0;
        g_ptr_array_add(slides, s);
    }
    if (slides->len > 0)
        return g_steal_pointer(&slides);
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: no slides under the columns id and label", path);
    return NULL;
}

static void print_slide(const slide *s)
{
    if (s->scored)
        printf("%-16s %-8s %6.3f  %-8s", s->id, s->label, s->score, s->decision);
    else
        printf("%-16s %-8s %6s  %-8s", s->id, s->label, "-", s->decision);
    if (s->shown > 0)
        printf("  %d of %d\n", s->hits, s->shown);
    else
        printf("  -\n");
}

static bool print_summary(const GPtrArray *slides, int failed)
{
    int hits = 0, shown = 0, tumours = 0, scored = 0;

    for (guint i = 0; i < slides->len; i++) {
        const slide *s = slides->pdata[i];
        hits += s->hits;
        shown += s->shown;
        tumours += s->tumour && s->scored;
        scored += s->scored;
    }
    const double area = auroc(slides), rate = shown > 0 ? (double)hits / shown : NAN;
    printf("\nDEMONSTRATION: synthetic slides, a demonstration encoder and head; says nothing about real tissue.\n");
    printf("slides    %d scored, %d with tumour, %d without a readable result\n", scored, tumours, failed);
    printf("AUROC     %.3f  (at least %.2f)\n", area, MIN_AUROC);
    printf("top-%d     %.3f  of the tiles with most evidence lie in the tumour: %d of %d (at least %.2f)\n", TOP, rate, hits, shown,
           MIN_HITS);
    return failed == 0 && area >= MIN_AUROC && rate >= MIN_HITS;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    int failed = 0;

    if (argc != 3) {
        fprintf(stderr, "usage: microtome-demo-check COHORT_DIR OUT_DIR\n");
        return 64;
    }
    g_autoptr(GPtrArray) slides = read_labels(argv[1], &error);
    if (slides == NULL) {
        fprintf(stderr, "microtome-demo-check: %s\n", error->message);
        return error->domain == MT_ERROR ? mt_error_exit_code(error) : 66;
    }
    printf("DEMONSTRATION: synthetic slides, a demonstration encoder and head.\n");
    printf("%-16s %-8s %6s  %-8s  %s\n", "id", "label", "score", "decision", "top-5 tiles in the tumour");
    for (guint i = 0; i < slides->len; i++) {
        g_autoptr(GError) wrong = NULL;
        slide *s = slides->pdata[i];
        if (check_slide(argv[1], argv[2], s, &wrong)) {
            print_slide(s);
        } else {
            s->scored = false;
            failed++;
            printf("%-16s %-8s      -  %s\n", s->id, s->label, wrong->message);
        }
    }
    return print_summary(slides, failed) ? 0 : 1;
}
