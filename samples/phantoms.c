/* microtome-phantoms: CT, MR, X-ray and fundus phantoms with known truth. */
#include "samples/phantoms.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CASES 10000
#define PREFIX_CHARACTERS G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-_"
#define UNKNOWN (-1e8)

typedef struct kind {
    const char *name, *stem;
    int         size[3];
    double      spacing[3], prevalence;
    const char *labels, *objects;
    bool (*make)(const ph_job *job, GError **error);
} kind;

static const kind kinds[] = {
    {"ct-nodules", "ct", {192, 160, 64}, {0.7, 0.7, 2}, 0.7, ph_nodules_labels, ph_nodules_objects, ph_make_nodules},
    {"mr-tumour", "mr", {72, 88, 64}, {2, 2, 2}, 1, ph_tumour_labels, ph_tumour_objects, ph_make_tumour},
    {"xray-opacity", "xray", {512, 512, 1}, {0.8, 0.8, 1}, 0.5, ph_xray_labels, ph_xray_objects, ph_make_xray},
    {"fundus", "fundus", {512, 512, 1}, {0.02, 0.02, 1}, 0.75, ph_fundus_labels, ph_fundus_objects, ph_make_fundus},
    {"prior", "patient", {192, 160, 64}, {0.7, 0.7, 2}, 1, ph_prior_labels, ph_prior_objects, ph_make_prior},
};

typedef struct options {
    const kind *kind;
    char       *folder, *size_text, *spacing_text, *prefix;
    int         count, seed, bits, size[3];
    double      prevalence, spacing[3];
} options;

static const char summary[] =
    "KIND is ct-nodules, mr-tumour, xray-opacity, fundus or prior (two CTs of each patient, with nodules that grow).\n"
    "The same options give the same bytes.  CT and MR are NIfTI, X-ray and fundus PNG; docs/phantoms.md says what the columns mean.\n\n"
    "  DIR/<id>.nii.gz, .png, or DIR/<id>/    the case\n"
    "  DIR/masks/<id>.nii.gz, .png            label values, as `microtome evaluate --masks` wants them\n"
    "  DIR/truth/objects.csv                  every planted object, its place and its measures\n"
    "  DIR/labels.csv, DIR/manifest.csv       one line a case\n\n"
    "Example: microtome-phantoms ct-nodules -o chest --count 12 --seed 1";

char *ph_path(const ph_job *job, const char *folder, const char *tail)
{
    g_autofree char *name = g_strconcat(job->id, tail, NULL);

    return folder != NULL ? g_build_filename(job->folder, folder, name, NULL) : g_build_filename(job->folder, name, NULL);
}

void ph_append(GString *table, int digits, double value)
{
    char format[8], text[G_ASCII_DTOSTR_BUF_SIZE] = "";

    g_snprintf(format, sizeof format, "%%.%df", digits);
    if (value > UNKNOWN)
        g_ascii_formatd(text, sizeof text, format, value);
    g_string_append_printf(table, ",%s", text);
}

/* "A", "AxB", "AxBxC" (or with commas): what is not said is as what was said last; z is kept as it is by one or two numbers. */
static bool parse_three(const char *text, const char *between, double *out)
{
    g_auto(GStrv) words = text != NULL ? g_strsplit(text, between, 4) : NULL;
    const guint n = words != NULL ? g_strv_length(words) : 0;

    if (n > 3)
        return false;
    for (guint i = 0; i < n; i++) {
        char *end;
        out[i] = g_ascii_strtod(words[i], &end);
        if (end == words[i] || *end != '\0')
            return false;
    }
    if (n == 1)
        out[1] = out[0];
    return true;
}

/* The kind's own size and spacing, or what was asked for. */
static const char *check_field(options *o)
{
    const bool volume = o->kind->size[2] > 1;
    double     size[3] = {o->kind->size[0], o->kind->size[1], o->kind->size[2]};

    memcpy(o->spacing, o->kind->spacing, sizeof o->spacing);
    if (!parse_three(o->size_text, "x", size))
        return "--size wants PX, WxH or WxHxD";
    if (!parse_three(o->spacing_text, ",", o->spacing))
        return "--spacing wants MM, X,Y or X,Y,Z";
    for (int k = 0; k < 3; k++) {
        o->size[k] = (int)CLAMP(size[k], 0, 5000);
        if (size[k] != o->size[k] || o->size[k] < (k < 2 ? 48 : volume ? 16 : 1) || o->size[k] > (k < 2 ? 4096 : volume ? 1024 : 1))
            return "--size is 48 to 4096 pixels, 16 to 1024 slices of a volume, one of a picture";
        if (!(o->spacing[k] >= 0.001 && o->spacing[k] <= 20))
            return "--spacing is within 0.001 to 20 mm";
    }
    return NULL;
}

static bool check_options(options *o, const char *name, GError **error)
{
    const char *wrong = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(kinds) && name != NULL; i++)
        if (strcmp(kinds[i].name, name) == 0)
            o->kind = &kinds[i];
    if (o->kind == NULL)
        wrong = "KIND is ct-nodules, mr-tumour, xray-opacity, fundus or prior";
    else if (o->folder == NULL)
        wrong = "-o DIR is missing";
    else if (o->count < 1 || o->count > MAX_CASES)
        wrong = "--count is within 1 to 10000";
    else if (o->bits != 8 && o->bits != 16)
        wrong = "--bits is 8 or 16";
    else if (!(o->prevalence == -1 || (o->prevalence >= 0 && o->prevalence <= 1)))
        wrong = "--prevalence is within [0, 1]";
    else if (strlen(o->prefix) > 32 || o->prefix[strspn(o->prefix, PREFIX_CHARACTERS)] != '\0')
        wrong = "--prefix is at most 32 letters, digits, - and _";
    else
        wrong = check_field(o);
    if (wrong != NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "%s; see --help", wrong);
    return wrong == NULL;
}

/* Exactly round(prevalence x count) cases have what their kind is about, in an order that the seed shuffles. */
static bool is_positive(const options *o, int i)
{
    const double prevalence = o->prevalence < 0 ? o->kind->prevalence : o->prevalence;
    ph_random    r = ph_random_of((uint64_t)o->seed, 20);
    uint64_t     mine = 0;
    int          before = 0;

    for (int k = 0; k <= i; k++)
        mine = ph_next(&r);
    r = ph_random_of((uint64_t)o->seed, 20);
    for (int k = 0; k < o->count; k++)
        before += ph_next(&r) < mine;
    return before < (int)(prevalence * o->count + 0.5);
}

static bool write_table(const char *folder, const char *name, const GString *table, GError **error)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    return g_file_set_contents(path, table->str, (gssize)table->len, error);
}

static bool make_cohort(const options *o, GError **error)
{
    g_autofree char *truth = g_build_filename(o->folder, "truth", NULL), *masks = g_build_filename(o->folder, "masks", NULL);
    g_autoptr(GString) labels = g_string_new(o->kind->labels), objects = g_string_new(o->kind->objects);
    g_autoptr(GString) manifest = g_string_new("path,id,patient,study,label\n");

    if (g_mkdir_with_parents(truth, 0777) != 0 || g_mkdir_with_parents(masks, 0777) != 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "make folder %s: %s", truth, g_strerror(errno));
        return false;
    }
    for (int i = 0; i < o->count; i++) {
        ph_random        r = ph_random_of((uint64_t)o->seed, 1000 + (uint64_t)i);
        g_autofree char *id = g_strdup_printf("%s%s-%03d", o->prefix, o->kind->stem, i + 1);
        ph_job           job = {.folder = o->folder, .id = id, .seed = ph_next(&r), .index = i, .bits = o->bits, .labels = labels};
        job.objects = objects;
        job.manifest = manifest;
        job.positive = is_positive(o, i);
        memcpy(job.size, o->size, sizeof job.size);
        memcpy(job.spacing, o->spacing, sizeof job.spacing);
        if (!o->kind->make(&job, error))
            return false;
    }
    return write_table(o->folder, "labels.csv", labels, error) && write_table(truth, "objects.csv", objects, error) &&
           write_table(o->folder, "manifest.csv", manifest, error);
}

static bool parse_options(int *argc, char ***argv, options *o, GError **error)
{
    const GOptionEntry entries[] = {
        {"output", 'o', 0, G_OPTION_ARG_FILENAME, &o->folder, "where everything is written", "DIR"},
        {"count", 0, 0, G_OPTION_ARG_INT, &o->count, "cases, or patients of `prior` (default 8)", "N"},
        {"seed", 0, 0, G_OPTION_ARG_INT, &o->seed, "another seed, another cohort (default 1)", "S"},
        {"size", 0, 0, G_OPTION_ARG_STRING, &o->size_text, "voxels: the anatomy follows the field of view", "PX|WxH|WxHxD"},
        {"spacing", 0, 0, G_OPTION_ARG_STRING, &o->spacing_text, "mm between voxels", "X,Y,Z"},
        {"prevalence", 0, 0, G_OPTION_ARG_DOUBLE, &o->prevalence, "share of cases with nodule, tumour, opacity, lesions", "F"},
        {"bits", 0, 0, G_OPTION_ARG_INT, &o->bits, "of an X-ray's pixels (default 16)", "8|16"},
        {"prefix", 0, 0, G_OPTION_ARG_STRING, &o->prefix, "before each id, so that two cohorts have no id in common", "TEXT"},
        {NULL, 0, 0, 0, NULL, NULL, NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("KIND - phantoms of known truth");

    g_option_context_set_summary(context, summary);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, argc, argv, error))
        return false;
    if (*argc > 2) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "'%s' is no option; see --help", (*argv)[2]);
        return false;
    }
    if (o->prefix == NULL)
        o->prefix = g_strdup("");
    return check_options(o, *argc == 2 ? (*argv)[1] : NULL, error);
}

int main(int argc, char **argv)
{
    options o = {.count = 8, .seed = 1, .prevalence = -1, .bits = 16};
    g_autoptr(GError) error = NULL;

    if (!parse_options(&argc, &argv, &o, &error) || !make_cohort(&o, &error))
        g_printerr("microtome-phantoms: %s\n", error->message);
    g_free(o.folder);
    g_free(o.size_text);
    g_free(o.spacing_text);
    g_free(o.prefix);
    if (error == NULL)
        return 0;
    return error->domain == G_OPTION_ERROR ? 64 : error->domain == G_FILE_ERROR ? 74 : mt_error_exit_code(error);
}
