#include "tools/command.h"

#include <microtome/convert.h>
#include <microtome/study.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRESS_S 0.5 /* what is done sooner shows no bar */
#define BAR 30

typedef struct convert_options {
    const char       *out, *to, *series;
    bool              keep_name;
    mt_convert_params params;
} convert_options;

/* One line on a terminal's stderr, drawn over itself. */
typedef struct bar {
    gint64 started;
    bool   shown;
} bar;

static void show_bar(void *user, int64_t done, int64_t planes)
{
    bar *b = user;
    int  filled = (int)(BAR * done / planes);

    if (!isatty(STDERR_FILENO) || (double)(g_get_monotonic_time() - b->started) < PROGRESS_S * 1e6)
        return;
    b->shown = true;
    fprintf(stderr, "\r  [%.*s%*s] %" G_GINT64_FORMAT "/%" G_GINT64_FORMAT " planes", filled, "##############################",
            BAR - filled, "", done, planes);
}

static void clear_bar(const bar *b)
{
    if (b->shown)
        fputs("\r\033[K", stderr);
}

/* "CENTRE/WIDTH" or "dicom" */
static bool take_window(const char *text, mt_convert_params *p)
{
    char *end;

    if (text == NULL)
        return true;
    p->window = strcmp(text, "dicom") == 0 ? MT_CONVERT_OWN_WINDOW : MT_CONVERT_WINDOW;
    if (p->window == MT_CONVERT_OWN_WINDOW)
        return true;
    p->centre = g_ascii_strtod(text, &end);
    if (end != text && *end == '/') {
        const char *second = end + 1;

        p->width = g_ascii_strtod(second, &end);
        if (end != second && *end == '\0' && isfinite(p->centre) && isfinite(p->width) && p->width > 0)
            return true;
    }
    mt_command_usage(&mt_command_convert, "--window %s: CENTRE/WIDTH is wanted, as 40/400, or dicom for the file's own", text);
    return false;
}

static bool take_axis(const char *text, mt_convert_params *p)
{
    static const char *const names[] = {[MT_AXIS_AXIAL] = "axial", [MT_AXIS_CORONAL] = "coronal", [MT_AXIS_SAGITTAL] = "sagittal"};

    for (size_t i = 0; text != NULL && i < G_N_ELEMENTS(names); i++)
        if (strcmp(text, names[i]) == 0) {
            p->plane_axis = (mt_plane_axis)i;
            return true;
        }
    if (text != NULL)
        mt_command_usage(&mt_command_convert, "--plane %s: axial, coronal or sagittal is wanted", text);
    return text == NULL;
}

static bool take_order(const char *text, mt_convert_params *p)
{
    p->order = g_strcmp0(text, "stored") == 0 ? MT_CONVERT_STORED : MT_CONVERT_RAS;
    if (text == NULL || p->order == MT_CONVERT_STORED || strcmp(text, "ras") == 0)
        return true;
    mt_command_usage(&mt_command_convert, "--order %s: ras or stored is wanted", text);
    return false;
}

/* The format and, with it, whether -o is a file or a folder. */
static bool take_format(convert_options *o, int inputs)
{
    if (o->to != NULL && !mt_convert_format_parse(o->to, &o->params.format))
        mt_command_usage(&mt_command_convert, "--to %s: nii.gz, nii, npy or png is wanted", o->to);
    else if (o->to == NULL && !mt_convert_format_of(o->out, &o->params.format))
        mt_command_usage(&mt_command_convert,
                         "-o %s: its ending names no format: .nii.gz, .nii, .npy or .png is wanted, or a folder and --to FORMAT", o->out);
    else if (o->to == NULL && inputs > 1)
        mt_command_usage(&mt_command_convert, "-o %s is one file and there are %d inputs: name a folder and --to FORMAT", o->out, inputs);
    else
        return true;
    return false;
}

/* What the options of pictures mean to the other formats: nothing, so they are refused there. */
static bool check_options(const convert_options *o, bool picture_options, bool order)
{
    if (picture_options && o->params.format != MT_CONVERT_PNG)
        mt_command_usage(&mt_command_convert, "--window, --bits, --offset, --plane, --slice and --square are for png, and %s is wanted",
                         mt_convert_format_ending(o->params.format));
    else if (order && o->params.format == MT_CONVERT_PNG)
        mt_command_usage(&mt_command_convert, "--order is for nii, nii.gz and npy: pictures are drawn as they are looked at (--plane)");
    else
        return true;
    return false;
}

/* With --keep-name the input's own name without its ending, else one that says nothing. */
static char *case_name(const char *input, bool keep, int number)
{
    static const char *const endings[] = {".nii.gz", ".nii", ".hdr", ".img",  ".mha", ".mhd",  ".nrrd", ".nhdr",
                                          ".dcm",    ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"};

    if (!keep)
        return g_strdup_printf("case-%03d", number);
    char *name = g_path_get_basename(input);
    for (size_t i = 0; i < G_N_ELEMENTS(endings); i++)
        if (g_str_has_suffix(name, endings[i]) && strlen(name) > strlen(endings[i])) {
            name[strlen(name) - strlen(endings[i])] = '\0';
            break;
        }
    return name;
}

/* One thing to write: an input, or one of its series. */
typedef struct piece {
    const char      *input;
    int              number; /* of the input, from 1 */
    const mt_series *series; /* NULL: the input is one case */
    bool             lone;   /* the only one of its input */
} piece;

static char *target(const mt_case *c, const piece *p, const convert_options *o)
{
    if (o->to == NULL)
        return g_strdup(o->out);
    g_autofree char *name = case_name(p->input, o->keep_name, p->number);
    g_autofree char *stem = p->lone ? g_strdup(name) : g_strdup_printf("%s-%03d", name, p->series->number);
    bool             folder = o->params.format == MT_CONVERT_PNG && o->params.plane < 0 && mt_case_planes(c) > 1;
    g_autofree char *file = folder ? g_strdup(stem) : g_strconcat(stem, ".", mt_convert_format_ending(o->params.format), NULL);

    return g_build_filename(o->out, file, NULL);
}

static void print_facts(const char *path, const mt_convert_facts *f)
{
    const double *mm = f->spacing_mm;

    printf("%s: %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT ", ", path, f->size[0], f->size[1], f->size[2]);
    if (mm[0] > 0 && mm[1] > 0 && mm[2] > 0)
        printf("%.6g x %.6g x %.6g mm", mm[0], mm[1], mm[2]);
    else if (mm[0] > 0 && mm[1] > 0)
        printf("%.6g x %.6g mm", mm[0], mm[1]);
    else
        printf("spacing unknown");
    printf(", %s%s%s", mt_dtype_name(f->dtype), f->channels == 3 ? " RGB" : "", f->hounsfield ? " (Hounsfield units)" : "");
    if (f->not_finite > 0)
        printf(", %" G_GINT64_FORMAT " samples are no finite numbers", f->not_finite);
    putchar('\n');
    fflush(stdout);
}

/* Opened along the axis that the conversion reads. */
static mt_case *open_case(const piece *wanted, const mt_convert_params *p, GError **error)
{
    mt_case_options options = {.plane_axis = p->format == MT_CONVERT_PNG ? p->plane_axis : MT_AXIS_AXIAL,
                               .files = wanted->series != NULL ? (const char *const *)wanted->series->files : NULL};
    mt_case        *c = mt_case_open(wanted->input, &options, error);

    if (c == NULL || mt_convert_axis(c, p) == options.plane_axis)
        return c;
    options.plane_axis = mt_convert_axis(c, p);
    mt_case_free(c);
    return mt_case_open(wanted->input, &options, error);
}

static bool convert_case(mt_case *c, const piece *p, const convert_options *o, GError **error)
{
    g_autofree char  *path = target(c, p, o);
    mt_convert_facts  facts;
    bar               b = {.started = g_get_monotonic_time()};
    mt_convert_params params = o->params;

    params.progress = show_bar;
    params.user = &b;
    bool ok = mt_convert_write(c, path, &params, &facts, error);
    clear_bar(&b);
    if (ok)
        print_facts(path, &facts);
    return ok;
}

/* A number of the study's list, or a pattern of the whole description in either case. */
static bool is_wanted(const mt_series *s, const char *wanted)
{
    char *end;

    if (s->images == 0)
        return false;
    if (wanted == NULL)
        return true;
    if (strtol(wanted, &end, 10) == s->number && *end == '\0')
        return true;
    g_autofree char *pattern = g_utf8_casefold(wanted, -1), *text = g_utf8_casefold(s->description != NULL ? s->description : "", -1);
    return g_pattern_match_simple(pattern, text);
}

static char *list_series(const mt_study *study)
{
    GString *list = g_string_new(NULL);

    for (int i = 0; i < mt_study_count(study); i++) {
        const mt_series *s = mt_study_get(study, i);
        g_autofree char *text = mt_series_text(s);

        if (s->images > 0)
            g_string_append_printf(list, "%s[%d] %s", list->len > 0 ? "; " : "", s->number, text);
    }
    return g_string_free(list, FALSE);
}

/* What was done and what failed, over all pieces. */
typedef struct tally {
    int done, code;
} tally;

static void count_failure(tally *t, const GError *error)
{
    int one = mt_command_fail(&mt_command_convert, error);

    t->code = t->code == 0 || t->code == one ? one : 65;
}

static void convert_series(const char *input, int number, const mt_study *study, bool lone, const convert_options *o, tally *t)
{
    for (int i = 0; i < mt_study_count(study); i++) {
        g_autoptr(GError) error = NULL;
        const mt_series *s = mt_study_get(study, i);
        piece            p = {.input = input, .number = number, .series = s, .lone = lone};
        g_autoptr(mt_case) c = is_wanted(s, o->series) ? open_case(&p, &o->params, &error) : NULL;

        if (c != NULL && convert_case(c, &p, o, &error)) {
            t->done++;
        } else if (error != NULL) {
            g_prefix_error(&error, "series [%d]: ", s->number);
            count_failure(t, error);
        }
    }
}

/* False with the reason when the study cannot be converted as it is asked for. */
static bool convert_study(const char *input, int number, const mt_study *study, const convert_options *o, tally *t, GError **error)
{
    g_autofree char *list = list_series(study);
    int              wanted = 0;

    for (int i = 0; i < mt_study_count(study); i++)
        wanted += is_wanted(mt_study_get(study, i), o->series);
    if (wanted == 0)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "convert %s: no series is %s: it holds %s", input, o->series, list);
    else if (wanted > 1 && o->to == NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                    "convert %s: -o %s is one file and these are %d series: pick one by --series, or name a folder and --to FORMAT (%s)",
                    input, o->out, wanted, list);
    else
        convert_series(input, number, study, wanted == 1 && o->series != NULL, o, t);
    return wanted > 0 && (wanted == 1 || o->to != NULL);
}

static int images_of(const mt_study *study)
{
    int n = 0;

    for (int i = 0; i < mt_study_count(study); i++)
        n += mt_study_get(study, i)->images > 0;
    return n;
}

/* A case by itself, else a study of several series. */
static void convert_input(const char *input, int number, const convert_options *o, tally *t)
{
    piece p = {.input = input, .number = number, .lone = true};
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_case) c = o->series == NULL ? open_case(&p, &o->params, &error) : NULL;
    g_autoptr(mt_study) study = NULL;

    if (o->series != NULL && !mt_study_matches(input))
        g_set_error(&error, MT_ERROR, MT_ERROR_INPUT, "convert %s: it is no DICOM study: leave --series out", input);
    else if (c == NULL && mt_study_matches(input))
        study = mt_study_open(input, error == NULL ? &error : NULL);
    if (study != NULL && (o->series != NULL || images_of(study) > 1)) {
        g_clear_error(&error);
        convert_study(input, number, study, o, t, &error);
    } else if (c != NULL && convert_case(c, &p, o, &error)) {
        t->done++;
    }
    if (error != NULL)
        count_failure(t, error);
}

static int convert_all(char **inputs, const convert_options *o)
{
    tally t = {0};

    if (o->to != NULL && g_mkdir_with_parents(o->out, 0755) != 0) {
        fprintf(stderr, "microtome convert: create folder %s: %s\n", o->out, g_strerror(errno));
        return 74;
    }
    for (int i = 0; inputs[i] != NULL; i++)
        convert_input(inputs[i], i + 1, o, &t);
    return t.code != 0 && t.done > 0 ? 65 : t.code;
}

static int run(int argc, char **argv)
{
    g_autofree char *out = NULL, *to = NULL, *order = NULL, *plane = NULL, *window = NULL, *series = NULL;
    gint64           slice = -1;
    int              bits = 0, offset = 0;
    gboolean         square = FALSE, keep_name = FALSE, force = FALSE;
    convert_options  o = {0};
    GOptionEntry     entries[] = {
            {"out", 'o', 0, G_OPTION_ARG_FILENAME, &out, "file (.nii.gz, .nii, .npy, .png), or with --to a folder", "OUT"},
            {"to", 0, 0, G_OPTION_ARG_STRING, &to, "format of the files in the folder", "nii.gz|nii|npy|png"},
            {"series", 0, 0, G_OPTION_ARG_STRING, &series, "of a study: the series of this number (microtome info) or description (* and ?)",
             "N|PATTERN"},
            {"order", 0, 0, G_OPTION_ARG_STRING, &order, "axes of nii and npy: the patient's (default) or the input's own", "ras|stored"},
            {"plane", 0, 0, G_OPTION_ARG_STRING, &plane, "png: planes of a volume (default: axial)", "axial|coronal|sagittal"},
            {"slice", 0, 0, G_OPTION_ARG_INT64, &slice, "png: this plane alone, from 0 (default: all, in a folder)", "N"},
            {"window", 0, 0, G_OPTION_ARG_STRING, &window, "png: values that become 0 to 255; dicom: the file's own window",
             "CENTRE/WIDTH|dicom"},
            {"bits", 0, 0, G_OPTION_ARG_INT, &bits, "png: 8 (default), or 16 for the values themselves", "8|16"},
            {"offset", 0, 0, G_OPTION_ARG_INT, &offset, "png: added to values of 16 bits, as 1024 to Hounsfield units", "N"},
            {"square", 0, 0, G_OPTION_ARG_NONE, &square, "png: resample pixels that are not square to square ones", NULL},
            {"keep-name", 0, 0, G_OPTION_ARG_NONE, &keep_name, "in a folder: the inputs' own names, not case-001 ...", NULL},
            {"force", 0, 0, G_OPTION_ARG_NONE, &force, "write over files that exist", NULL},
            {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    if (!mt_command_parse(&mt_command_convert, entries, &argc, &argv))
        return 64;
    if (argc < 2 || out == NULL)
        return mt_command_usage(&mt_command_convert, "name pictures, volumes or folders of a DICOM series, and give -o OUT");
    o = (convert_options){.out = out,
                          .to = to,
                          .series = series,
                          .keep_name = keep_name,
                          .params = {.plane = slice, .bits = bits, .offset = offset, .square = square, .replace = force}};
    if (slice < -1)
        return mt_command_usage(&mt_command_convert, "--slice %" G_GINT64_FORMAT ": a number from 0 is wanted", slice);
    if (!take_format(&o, argc - 1) || !take_order(order, &o.params) || !take_axis(plane, &o.params) || !take_window(window, &o.params) ||
        !check_options(&o, window != NULL || bits != 0 || offset != 0 || plane != NULL || slice >= 0 || square, order != NULL))
        return 64;
    return convert_all(argv + 1, &o);
}

const mt_command mt_command_convert = {
    .name = "convert",
    .arguments = "CASE...",
    .summary = "DICOM, volumes and pictures to NIfTI, NumPy or PNG, without anything that names a patient.",
    .help = "Examples:\n"
            "  microtome convert SERIES/ -o ct.nii.gz                      one series, in the patient's axes\n"
            "  microtome convert exam/* -o OUT --to nii.gz                 OUT/case-001.nii.gz and so on\n"
            "  microtome convert STUDY/ -o OUT --to nii.gz                 every series: OUT/case-001-001.nii.gz and so on\n"
            "  microtome convert STUDY/ -o t1.nii.gz --series 't1*'        one of them\n"
            "  microtome convert SERIES/ -o ct.npy                         z, y, x; geometry in ct.json\n"
            "  microtome convert SERIES/ -o OUT --to png --window 40/400   OUT/case-001/plane-0000.png and so on\n"
            "  microtome convert ct.nii.gz -o p.png --plane coronal --slice 120 --window -600/1500 --square\n"
            "  microtome convert SERIES/ -o OUT --to png --bits 16 --offset 1024\n\n"
            "No name, date, number or text of the input is written; what is burned into the pixels stays.\n",
    .run = run,
};
