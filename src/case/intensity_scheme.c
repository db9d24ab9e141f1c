#include "src/case/intensity_scheme.h"

#include "src/case/source.h"

#include <math.h>
#include <string.h>

#define XRV_MIN_BITS 2

static const struct word {
    const char    *word;
    mt_scheme_kind kind;
    bool           foreground;
    int            numbers, optional; /* how many follow the colon; all of them or none where optional */
} words[] = {
    {"none", MT_SCHEME_NONE, false, 0, 0},
    {"hu", MT_SCHEME_HU, false, 0, 0},
    {"window", MT_SCHEME_WINDOW, false, 2, 0},
    {"ct", MT_SCHEME_CT, false, 4, 0},
    {"range", MT_SCHEME_RANGE, false, 2, 0},
    {"zscore", MT_SCHEME_ZSCORE, false, 0, 0},
    {"zscore-foreground", MT_SCHEME_ZSCORE, true, 0, 0},
    {"percentile", MT_SCHEME_PERCENTILE, false, 2, 1},
    {"percentile-foreground", MT_SCHEME_PERCENTILE, true, 2, 1},
    {"rescale01", MT_SCHEME_RESCALE01, false, 0, 0},
    {"rgb01", MT_SCHEME_RGB01, false, 0, 0},
    {"imagenet", MT_SCHEME_IMAGENET, false, 0, 0},
    {"xrv", MT_SCHEME_XRV, false, 1, 1},
};

#define WANTED                                                                                                                             \
    "none, hu, window:CENTRE,WIDTH, ct:LOW,HIGH,MEAN,STD, range:LOW,HIGH, zscore[-foreground], percentile[-foreground][:LO,HI], "          \
    "rescale01, rgb01, imagenet or xrv[:MAXVAL]"

static bool wrong(const char *text, const char *wanted, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "value=%s: %s is wanted", text, wanted);
    return false;
}

/* Exactly n numbers with commas between them. */
static bool read_numbers(const char *text, int n, double *numbers)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);

    if ((int)g_strv_length(parts) != n)
        return false;
    for (int i = 0; i < n; i++) {
        char *end;
        g_strstrip(parts[i]);
        numbers[i] = g_ascii_strtod(parts[i], &end);
        if (end == parts[i] || *end != '\0' || !isfinite(numbers[i]))
            return false;
    }
    return true;
}

static bool take_numbers(const char *text, const double n[4], mt_intensity_scheme *s, GError **error)
{
    switch (s->kind) {
    case MT_SCHEME_WINDOW:
        s->low = n[0] - n[1] / 2;
        s->high = n[0] + n[1] / 2;
        return n[1] > 0 || wrong(text, "a WIDTH above 0", error);
    case MT_SCHEME_CT:
        s->mean = n[2];
        s->std = n[3];
        G_GNUC_FALLTHROUGH;
    case MT_SCHEME_RANGE:
        s->low = n[0];
        s->high = n[1];
        return (n[0] < n[1] && s->std >= 0) || wrong(text, "LOW below HIGH and no negative STD", error);
    case MT_SCHEME_PERCENTILE:
        s->low = n[0];
        s->high = n[1];
        return (n[0] >= 0 && n[0] < n[1] && n[1] <= 100) || wrong(text, "0 <= LO < HI <= 100", error);
    default:
        s->high = n[0];
        return n[0] > 0 || wrong(text, "a MAXVAL above 0", error);
    }
}

bool mt_intensity_scheme_parse(const char *text, mt_intensity_scheme *out, GError **error)
{
    const char *colon = strchr(text, ':');
    size_t      length = colon != NULL ? (size_t)(colon - text) : strlen(text);
    double      numbers[4];

    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        const struct word *w = &words[i];

        if (strlen(w->word) != length || strncmp(w->word, text, length) != 0)
            continue;
        *out = (mt_intensity_scheme){.kind = w->kind, .foreground = w->foreground};
        if (w->kind == MT_SCHEME_PERCENTILE) {
            out->low = 0.5;
            out->high = 99.5;
        }
        if (colon == NULL && (w->numbers == 0 || w->optional))
            return true;
        if (colon == NULL || w->numbers == 0 || !read_numbers(colon + 1, w->numbers, numbers))
            return wrong(text, WANTED, error);
        return take_numbers(text, numbers, out, error);
    }
    return wrong(text, WANTED, error);
}

bool mt_intensity_scheme_from_plans(const char *class_name, bool use_mask, const double properties[4], mt_intensity_scheme *out,
                                    GError **error)
{
    static const struct {
        const char    *name;
        mt_scheme_kind kind;
    } classes[] = {{"CTNormalization", MT_SCHEME_CT},
                   {"ZScoreNormalization", MT_SCHEME_ZSCORE},
                   {"NoNormalization", MT_SCHEME_NONE},
                   {"RescaleTo01Normalization", MT_SCHEME_RESCALE01},
                   {"RGBTo01Normalization", MT_SCHEME_RGB01}};

    for (size_t i = 0; i < G_N_ELEMENTS(classes); i++) {
        if (strcmp(classes[i].name, class_name) != 0)
            continue;
        *out = (mt_intensity_scheme){.kind = classes[i].kind, .foreground = use_mask && classes[i].kind == MT_SCHEME_ZSCORE};
        if (out->kind != MT_SCHEME_CT)
            return true;
        if (properties == NULL || !(properties[0] < properties[1]) || !(properties[3] >= 0) || !isfinite(properties[2])) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                        "normalization_schemes: CTNormalization wants percentile_00_5 below percentile_99_5, mean and std in "
                        "foreground_intensity_properties_per_channel");
            return false;
        }
        out->low = properties[0];
        out->high = properties[1];
        out->mean = properties[2];
        out->std = properties[3];
        return true;
    }
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                "normalization_schemes: \"%s\" is not known: CTNormalization, ZScoreNormalization, NoNormalization, "
                "RescaleTo01Normalization or RGBTo01Normalization",
                class_name);
    return false;
}

/* In as few digits as read back the same. */
static void append_number(GString *text, char before, double number)
{
    char buffer[G_ASCII_DTOSTR_BUF_SIZE], format[] = "%.15g";

    g_ascii_formatd(buffer, sizeof buffer, format, number);
    for (char last = '6'; last <= '7' && g_ascii_strtod(buffer, NULL) != number; last++) {
        format[3] = last;
        g_ascii_formatd(buffer, sizeof buffer, format, number);
    }
    g_string_append_c(text, before);
    g_string_append(text, buffer);
}

char *mt_intensity_scheme_text(const mt_intensity_scheme *s)
{
    GString *text = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(words) && text->len == 0; i++)
        if (words[i].kind == s->kind && words[i].foreground == s->foreground)
            g_string_append(text, words[i].word);
    if (s->kind == MT_SCHEME_WINDOW) {
        append_number(text, ':', (s->low + s->high) / 2);
        append_number(text, ',', s->high - s->low);
    } else if (s->kind == MT_SCHEME_CT || s->kind == MT_SCHEME_RANGE || s->kind == MT_SCHEME_PERCENTILE) {
        append_number(text, ':', s->low);
        append_number(text, ',', s->high);
    } else if (s->kind == MT_SCHEME_XRV && s->high > 0) {
        append_number(text, ':', s->high);
    }
    if (s->kind == MT_SCHEME_CT) {
        append_number(text, ',', s->mean);
        append_number(text, ',', s->std);
    }
    return g_string_free(text, FALSE);
}

bool mt_intensity_scheme_needs_mask(const mt_intensity_scheme *s)
{
    return s->foreground;
}

/* ---- what a case can have ---- */

mt_intensity_facts mt_intensity_facts_of(const mt_case *c)
{
    return (mt_intensity_facts){.name = mt_case_path(c),
                                .modality = mt_case_modality(c),
                                .dtype = mt_case_dtype(c),
                                .channels = mt_case_channels(c),
                                .stored_bits = mt_case_stored_bits(c)};
}

static bool refuse(const mt_intensity_scheme *s, const mt_intensity_facts *f, const char *reason, GError **error)
{
    g_autofree char *scheme = mt_intensity_scheme_text(s);

    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "intensities of %s for value=%s: %s", f->name, scheme, reason);
    return false;
}

static bool is_one_of(const char *modality, const char *const *list)
{
    return g_strv_contains(list, modality);
}

static bool fit_hounsfield(const mt_intensity_scheme *s, const mt_intensity_facts *f, GError **error)
{
    if (strcmp(f->modality, "unknown") == 0)
        return refuse(s, f, "the model wants Hounsfield units, and the file does not say that it is a CT: state its modality", error);
    if (strcmp(f->modality, "CT") != 0) {
        g_autofree char *reason = g_strdup_printf(
            "the model wants Hounsfield units, which are of CT, and the case is %s: choose a CT series or another model", f->modality);
        return refuse(s, f, reason, error);
    }
    if (f->dtype == MT_U8 || f->channels != 1)
        return refuse(s, f, "the model wants Hounsfield units, and 8-bit samples or colours are none: bring the series as it was made",
                      error);
    return true;
}

static bool fit_xrv(mt_intensity_scheme *s, const mt_intensity_facts *f, GError **error)
{
    static const char *const radiographs[] = {"CR", "DX", "RG", "MG", "PX", "unknown", NULL};

    if (!is_one_of(f->modality, radiographs)) {
        g_autofree char *reason = g_strdup_printf("the model wants a radiograph (CR or DX), and the case is %s", f->modality);
        return refuse(s, f, reason, error);
    }
    if (f->channels != 1)
        return refuse(s, f, "the model wants one channel, and the case has colours: save it in gray", error);
    if (f->dtype != MT_U8 && f->dtype != MT_U16)
        return refuse(s, f, "its samples are signed or rescaled: their largest value is not that of their bits", error);
    if (s->high > 0)
        return true;
    if (f->stored_bits < XRV_MIN_BITS || f->stored_bits > 16)
        return refuse(s, f,
                      "the file does not say how many of its bits count: bring the DICOM file, or state the largest value in the card "
                      "(value=xrv:4095)",
                      error);
    s->high = (double)((1 << f->stored_bits) - 1);
    return true;
}

/* A range that 8-bit samples fill by less than a quarter was made for deeper ones. */
#define MOST_OF_U8 1024.0

bool mt_intensity_scheme_fit(mt_intensity_scheme *s, const mt_intensity_facts *facts, GError **error)
{
    switch (s->kind) {
    case MT_SCHEME_HU:
    case MT_SCHEME_WINDOW:
    case MT_SCHEME_CT:
        return fit_hounsfield(s, facts, error);
    case MT_SCHEME_XRV:
        return fit_xrv(s, facts, error);
    case MT_SCHEME_RANGE:
        return facts->dtype != MT_U8 || s->high <= MOST_OF_U8 ||
               refuse(s, facts, "the case has 8-bit samples, which hold less than a quarter of that: bring it as it was made", error);
    case MT_SCHEME_IMAGENET:
        if (facts->channels != 3)
            return refuse(s, facts, "the model wants colours, and the case has one channel", error);
        G_GNUC_FALLTHROUGH;
    case MT_SCHEME_RGB01:
        return facts->dtype == MT_U8 || refuse(s, facts, "the model wants 8-bit samples, and the case has 16-bit or float ones", error);
    default:
        return true;
    }
}
