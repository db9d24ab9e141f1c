/* microtome-synthetic: H&E slides that never were, with the truth about each pixel. */
#include "samples/synthetic.h"

#include <microtome/pyramid.h>

#include <errno.h>
#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGE_PX 20000
#define PREFIX_MAX 32
#define PREFIX_CHARACTERS G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-_"

typedef struct options {
    char   *folder, *size, *prefix;
    int     count, large, blank, seed, threads, quality;
    double  share, prevalence, mpp;
    bool    no_spacing;
    int64_t width, height;
} options;

static const char summary[] =
    "Write pyramidal TIFF slides of synthetic H&E tissue: stroma, glands, lymphocytes, tumour, folds, pen marks.\n"
    "The same options give the same bytes on any number of threads.\n\n"
    "  DIR/<id>.tif                 the slide (OpenSlide: generic-tiff; µm/px in the resolution tags)\n"
    "  DIR/truth/<id>_mask.pgm      tumour, 255, at 16 µm a pixel\n"
    "  DIR/truth/<id>_tissue.pgm    tissue, 255, at 16 µm a pixel\n"
    "  DIR/labels.csv               id,label,tumour_mm2,tissue_mm2,... one line a slide\n"
    "  DIR/manifest.csv             path,id,mpp,label: paths are relative to DIR\n\n"
    "Example: microtome-synthetic -o cohort --count 12 --prevalence 0.5 --seed 1";

static bool parse_size(const char *text, int64_t *width, int64_t *height)
{
    char *end;

    *width = *height = g_ascii_strtoll(text, &end, 10);
    if (end != text && *end == 'x') {
        const char *second = end + 1;
        *height = g_ascii_strtoll(second, &end, 10);
        if (end == second)
            return false;
    }
    return end != text && *end == '\0' && *width >= 256 && *height >= 256 && *width <= 200000 && *height <= 200000;
}

static bool check_options(options *o, GError **error)
{
    const char *wrong = NULL;

    if (o->folder == NULL)
        wrong = "-o DIR is missing";
    else if (!parse_size(o->size != NULL ? o->size : "4096", &o->width, &o->height))
        wrong = "--size wants PX or WxH, each 256..200000";
    else if (o->count < 0 || o->large < 0 || o->blank < 0 || o->count + o->large + o->blank > 100000)
        wrong = "--count, --large and --blank are at least 0, and 100000 together at most";
    else if (!(o->share <= 0.9 && (o->share > 0 || o->share == -1)))
        wrong = "--tumour-share is within (0, 0.9]";
    else if (!(o->prevalence >= 0 && o->prevalence <= 1))
        wrong = "--prevalence is within [0, 1]";
    else if (!(o->mpp >= 0.1 && o->mpp <= 4))
        wrong = "--mpp is within 0.1..4";
    else if (strlen(o->prefix) > PREFIX_MAX || o->prefix[strspn(o->prefix, PREFIX_CHARACTERS)] != '\0')
        wrong = "--prefix is at most 32 letters, digits, - and _";
    if (wrong != NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "%s; see --help", wrong);
    return wrong == NULL;
}

/* One slide to be made. */
typedef struct order {
    char       id[64];
    syn_params params;
} order;

/* Whether slide i of n is a tumour slide: exactly round(prevalence x n) of them, in an order that the seed shuffles. */
static bool has_tumour(const options *o, int i, int n)
{
    const uint32_t mine = syn_hash((uint32_t)o->seed, i, 0, 70);
    int            before = 0;

    for (int k = 0; k < n; k++) {
        const uint32_t other = syn_hash((uint32_t)o->seed, k, 0, 70);
        before += other < mine || (other == mine && k < i);
    }
    return before < (int)(o->prevalence * n + 0.5);
}

static order order_of(const options *o, int i)
{
    const int n = o->count + o->large;
    order     s = {.params = {.width = o->width, .height = o->height, .mpp = o->mpp}};

    s.params.seed = syn_hash((uint32_t)o->seed, i, 0, 71);
    if (i < o->count) {
        g_snprintf(s.id, sizeof s.id, "%sslide-%03d", o->prefix, i + 1);
    } else if (i < n) {
        g_snprintf(s.id, sizeof s.id, "%slarge-%03d", o->prefix, i - o->count + 1);
        s.params.width = s.params.height = LARGE_PX;
    } else {
        g_snprintf(s.id, sizeof s.id, "%sblank-%03d", o->prefix, i - n + 1);
        s.params.blank = true;
    }
    if (!s.params.blank && has_tumour(o, i, n))
        s.params.tumour_share = o->share > 0 ? o->share : 0.06 + 0.24 * (double)syn_uniform(s.params.seed, 5);
    return s;
}

static bool write_mask(const char *folder, const char *id, const char *what, const syn_plan *plan,
                       bool (*inside)(const syn_plan *plan, int64_t cell), int64_t *cells, GError **error)
{
    g_autofree char *name = g_strdup_printf("%s_%s.pgm", id, what), *path = g_build_filename(folder, "truth", name, NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    const int64_t n = (int64_t)plan->width * plan->height;

    g_string_printf(text, "P5\n%d %d\n255\n", plan->width, plan->height);
    *cells = 0;
    for (int64_t i = 0; i < n; i++) {
        const bool in = inside(plan, i);
        g_string_append_c(text, in ? (char)255 : 0);
        *cells += in;
    }
    return g_file_set_contents(path, text->str, (gssize)text->len, error);
}

static bool make_slide(const options *o, const order *s, const syn_textures *textures, GString *labels, GString *manifest, GError **error)
{
    const mt_pyramid_params pyramid = {.width = s->params.width,
                                       .height = s->params.height,
                                       .mpp = o->no_spacing ? 0 : o->mpp,
                                       .quality = o->quality,
                                       .threads = o->threads,
                                       .replace = true};
    g_autofree char        *name = g_strconcat(s->id, ".tif", NULL), *path = g_build_filename(o->folder, name, NULL);
    const double            cell_mm2 = SYN_CELL_UM * SYN_CELL_UM * 1e-6;
    int64_t                 tumour = 0, tissue = 0;
    syn_slide              *slide = syn_slide_new(&s->params, textures);
    const char             *label = s->params.tumour_share > 0 ? "tumour" : "normal";
    char                    mpp[G_ASCII_DTOSTR_BUF_SIZE] = "";

    bool ok = write_mask(o->folder, s->id, "mask", slide->plan, syn_plan_is_tumour, &tumour, error) &&
              write_mask(o->folder, s->id, "tissue", slide->plan, syn_plan_is_tissue, &tissue, error) &&
              mt_pyramid_write(path, &pyramid, syn_slide_render, slide, error);
    if (!o->no_spacing)
        g_ascii_formatd(mpp, sizeof mpp, "%g", o->mpp);
    g_string_append_printf(labels, "%s,%s,%.6f,%.6f,%d,%d,%d,%" G_GINT64_FORMAT ",%" G_GINT64_FORMAT "\n", s->id, label,
                           (double)tumour * cell_mm2, (double)tissue * cell_mm2, slide->plan->has_fold, slide->plan->has_pen,
                           s->params.blank, s->params.width, s->params.height);
    g_string_append_printf(manifest, "%s,%s,%s,%s\n", name, s->id, mpp, label);
    syn_slide_free(slide);
    if (ok)
        g_printerr("%s  %s  %.1f %% tumour\n", path, label, tissue > 0 ? 100.0 * (double)tumour / (double)tissue : 0);
    return ok;
}

static bool write_table(const char *folder, const char *name, const GString *table, GError **error)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    return g_file_set_contents(path, table->str, (gssize)table->len, error);
}

static bool make_cohort(const options *o, GError **error)
{
    g_autofree char *truth = g_build_filename(o->folder, "truth", NULL);
    g_autoptr(GString) labels = g_string_new("id,label,tumour_mm2,tissue_mm2,fold,pen,blank,width,height\n");
    g_autoptr(GString) manifest = g_string_new("path,id,mpp,label\n");

    if (g_mkdir_with_parents(truth, 0777) != 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "make folder %s: %s", truth, g_strerror(errno));
        return false;
    }
    syn_textures *textures = syn_textures_new();
    bool          ok = true;
    for (int i = 0; i < o->count + o->large + o->blank && ok; i++) {
        const order s = order_of(o, i);
        ok = make_slide(o, &s, textures, labels, manifest, error);
    }
    syn_textures_free(textures);
    return ok && write_table(o->folder, "labels.csv", labels, error) && write_table(o->folder, "manifest.csv", manifest, error);
}

static bool parse_options(int *argc, char ***argv, options *o, GError **error)
{
    gboolean           no_spacing = FALSE;
    const GOptionEntry entries[] = {
        {"output", 'o', 0, G_OPTION_ARG_FILENAME, &o->folder, "where everything is written", "DIR"},
        {"count", 0, 0, G_OPTION_ARG_INT, &o->count, "slides of --size (default 8)", "N"},
        {"size", 0, 0, G_OPTION_ARG_STRING, &o->size, "pixels of a slide (default 4096)", "PX|WxH"},
        {"large", 0, 0, G_OPTION_ARG_INT, &o->large, "further slides of 20000 x 20000", "N"},
        {"blank", 0, 0, G_OPTION_ARG_INT, &o->blank, "further slides without tissue", "N"},
        {"seed", 0, 0, G_OPTION_ARG_INT, &o->seed, "another seed, another cohort (default 1)", "S"},
        {"prefix", 0, 0, G_OPTION_ARG_STRING, &o->prefix, "before each id, so that two cohorts have no id in common", "TEXT"},
        {"prevalence", 0, 0, G_OPTION_ARG_DOUBLE, &o->prevalence, "share of slides with tumour (default 0.5)", "F"},
        {"tumour-share", 0, 0, G_OPTION_ARG_DOUBLE, &o->share, "share of their tissue that is tumour (default 0.06 to 0.3, varied)", "F"},
        {"mpp", 0, 0, G_OPTION_ARG_DOUBLE, &o->mpp, "µm per pixel (default 0.5)", "F"},
        {"no-spacing", 0, 0, G_OPTION_ARG_NONE, &no_spacing, "leave µm per pixel out of files and manifest", NULL},
        {"quality", 0, 0, G_OPTION_ARG_INT, &o->quality, "of JPEG (default 80)", "1..100"},
        {"threads", 0, 0, G_OPTION_ARG_INT, &o->threads, "that render (default: one per processor)", "N"},
        {NULL, 0, 0, 0, NULL, NULL, NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- synthetic H&E slides with known truth");

    g_option_context_set_summary(context, summary);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, argc, argv, error))
        return false;
    o->no_spacing = no_spacing;
    if (*argc > 1) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "'%s' is no option; see --help", (*argv)[1]);
        return false;
    }
    if (o->prefix == NULL)
        o->prefix = g_strdup("");
    return check_options(o, error);
}

int main(int argc, char **argv)
{
    options o = {.count = 8, .seed = 1, .prevalence = 0.5, .share = -1, .mpp = 0.5, .quality = 80};
    g_autoptr(GError) error = NULL;

    o.threads = (int)MIN(64, g_get_num_processors());
    if (!parse_options(&argc, &argv, &o, &error) || !make_cohort(&o, &error))
        g_printerr("microtome-synthetic: %s\n", error->message);
    g_free(o.folder);
    g_free(o.size);
    g_free(o.prefix);
    if (error == NULL)
        return 0;
    return error->domain == G_OPTION_ERROR ? 64 : error->domain == G_FILE_ERROR ? 74 : mt_error_exit_code(error);
}
