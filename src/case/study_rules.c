/* The language of [series]: keys, what they take, and whether a series meets them. */
#include "src/case/study.h"

#include <math.h>
#include <string.h>

struct mt_series_rule {
    char    *role; /* of [series.ROLE]; NULL: [series] */
    char   **modality, **body_part, **orientation, **description, **view, **laterality, **image_type, **prefer;
    double   thickness[2]; /* mm; NAN: any */
    int      contrast;     /* -1: any, 0: none, 1: given */
    unsigned sequence;     /* role= as a bit; 0: any */
    char    *sequence_name;
    int      min_images; /* 0: not said */
};

static const char *const keys[] = {"modality",   "body_part",  "orientation", "thickness",  "contrast", "description", "view",
                                   "laterality", "image_type", "role",        "min_images", "prefer",   NULL};

static bool wrong(GError **error, const char *key, const char *value, const char *wanted)
{
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "%s=%s: %s is wanted", key, value, wanted);
    return false;
}

static char **split(const char *value)
{
    char     **all = g_strsplit(value, ";", -1);
    GPtrArray *kept = g_ptr_array_new();

    for (char **one = all; *one != NULL; one++) {
        g_strstrip(*one);
        if ((*one)[0] != '\0')
            g_ptr_array_add(kept, g_ascii_strdown(*one, -1));
    }
    g_strfreev(all);
    g_ptr_array_add(kept, NULL);
    return (char **)g_ptr_array_free(kept, FALSE);
}

static bool take_words(char ***list, const char *key, const char *value, const char *const *known, const char *wanted, GError **error)
{
    g_strfreev(*list);
    *list = split(value);
    for (char **word = *list; known != NULL && *word != NULL; word++)
        if (!g_strv_contains(known, *word))
            return wrong(error, key, value, wanted);
    return (*list)[0] != NULL || wrong(error, key, value, wanted);
}

/* "1-3", "1-" , "-3" or "2.5" */
static bool take_thickness(double range[2], const char *value, GError **error)
{
    const char *dash = strchr(value, '-');
    char       *end = NULL;

    range[0] = dash == value ? 0 : g_ascii_strtod(value, &end);
    if (dash != value && (end == value || (dash != NULL ? end != dash : *end != '\0')))
        return wrong(error, "thickness", value, "MIN-MAX in mm");
    range[1] = dash == NULL ? range[0] : dash[1] == '\0' ? INFINITY : g_ascii_strtod(dash + 1, &end);
    bool whole = dash == NULL || dash[1] == '\0' || (end != dash + 1 && *end == '\0');
    if (whole && !(dash == value && dash[1] == '\0') && range[0] >= 0 && range[0] <= range[1])
        return true;
    return wrong(error, "thickness", value, "MIN-MAX in mm");
}

static bool take_count(int *count, const char *value, GError **error)
{
    guint64 n;

    if (!g_ascii_string_to_unsigned(value, 10, 1, 1000000, &n, NULL))
        return wrong(error, "min_images", value, "a whole number from 1 to 1000000");
    *count = (int)n;
    return true;
}

static bool take_role(mt_series_rule *r, const char *value, GError **error)
{
    r->sequence = mt_series_role_parse(value);
    g_free(r->sequence_name);
    r->sequence_name = g_strdup(value);
    return r->sequence != 0 || wrong(error, "role", value, "T1, T1c, T2, FLAIR, PD or DWI");
}

static bool take_key(mt_series_rule *r, const char *key, const char *value, GError **error)
{
    static const char *const planes[] = {"axial", "coronal", "sagittal", "oblique", NULL};
    static const char *const choices[] = {"thinnest", "thickest", "most-images", "newest", "oldest", NULL};

    if (strcmp(key, "modality") == 0)
        return take_words(&r->modality, key, value, NULL, "a modality", error);
    if (strcmp(key, "body_part") == 0)
        return take_words(&r->body_part, key, value, NULL, "a pattern", error);
    if (strcmp(key, "orientation") == 0)
        return take_words(&r->orientation, key, value, planes, "axial, coronal, sagittal or oblique", error);
    if (strcmp(key, "description") == 0)
        return take_words(&r->description, key, value, NULL, "a pattern", error);
    if (strcmp(key, "view") == 0)
        return take_words(&r->view, key, value, NULL, "a view (PA, AP, lateral)", error);
    if (strcmp(key, "laterality") == 0)
        return take_words(&r->laterality, key, value, NULL, "L, R or B", error);
    if (strcmp(key, "image_type") == 0)
        return take_words(&r->image_type, key, value, NULL, "a pattern", error);
    if (strcmp(key, "prefer") == 0)
        return take_words(&r->prefer, key, value, choices, "thinnest, thickest, most-images, newest or oldest", error);
    if (strcmp(key, "thickness") == 0)
        return take_thickness(r->thickness, value, error);
    if (strcmp(key, "min_images") == 0)
        return take_count(&r->min_images, value, error);
    if (strcmp(key, "role") == 0)
        return take_role(r, value, error);
    r->contrast = strcmp(value, "yes") == 0;
    return r->contrast == 1 || strcmp(value, "no") == 0 || wrong(error, key, value, "yes or no");
}

static bool take_pairs(mt_series_rule *r, const char *const *pairs, GError **error)
{
    for (; pairs != NULL && *pairs != NULL; pairs++) {
        const char      *equals = strchr(*pairs, '=');
        g_autofree char *key = equals != NULL ? g_strndup(*pairs, (gsize)(equals - *pairs)) : g_strdup(*pairs);
        if (equals == NULL || !g_strv_contains(keys, key)) {
            g_autofree char *known = g_strjoinv(", ", (char **)(uintptr_t)keys);
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "key '%s' is not known: %s", key, known);
            return false;
        }
        if (!take_key(r, key, equals + 1, error))
            return false;
    }
    return true;
}

mt_series_rule *mt_series_rule_new(const char *role, const char *const *common, const char *const *pairs, GError **error)
{
    g_autoptr(mt_series_rule) r = g_new0(mt_series_rule, 1);

    r->role = g_strdup(role);
    r->thickness[0] = r->thickness[1] = NAN;
    r->contrast = -1;
    if (!take_pairs(r, common, error) || !take_pairs(r, pairs, error))
        return NULL;
    /* a group that is called like a sequence means it, unless it describes it otherwise */
    if (role != NULL && r->sequence == 0 && r->description == NULL && mt_series_role_parse(role) != 0 && !take_role(r, role, error))
        return NULL;
    return g_steal_pointer(&r);
}

void mt_series_rule_free(mt_series_rule *r)
{
    if (r == NULL)
        return;
    g_strfreev(r->modality);
    g_strfreev(r->body_part);
    g_strfreev(r->orientation);
    g_strfreev(r->description);
    g_strfreev(r->view);
    g_strfreev(r->laterality);
    g_strfreev(r->image_type);
    g_strfreev(r->prefer);
    g_free(r->sequence_name);
    g_free(r->role);
    g_free(r);
}

char *mt_series_rule_name(const mt_series_rule *r)
{
    return r->role != NULL ? g_strdup_printf("[series.%s]", r->role) : g_strdup("[series]");
}

const char *mt_series_rule_role(const mt_series_rule *r)
{
    return r->role;
}

/* Lower-case patterns against a text: one that is wanted, none that is not (!). */
static bool text_fits(char *const *patterns, const char *text)
{
    g_autofree char *lower = g_ascii_strdown(text != NULL ? text : "", -1);
    bool             wanted = false, found = false;

    for (; *patterns != NULL; patterns++) {
        bool excludes = (*patterns)[0] == '!', matches = g_pattern_match_simple(*patterns + excludes, lower);
        if (excludes && matches)
            return false;
        wanted |= !excludes;
        found |= !excludes && matches;
    }
    return found || !wanted;
}

/* The patterns against each value; one that is wanted by one of them, none that is not by any. */
static bool values_fit(char *const *patterns, const char *text)
{
    g_auto(GStrv) values = g_strsplit(text != NULL ? text : "", "\\", -1);
    bool wanted = false, found = false;

    for (; *patterns != NULL; patterns++) {
        bool excludes = (*patterns)[0] == '!', any = strcmp(*patterns, "any") == 0;
        for (char **value = values; *value != NULL; value++) {
            g_autofree char *lower = g_ascii_strdown(g_strstrip(*value), -1);
            any |= g_pattern_match_simple(*patterns + excludes, lower);
        }
        if (excludes && any)
            return false;
        wanted |= !excludes;
        found |= !excludes && any;
    }
    return found || !wanted;
}

/* Description and protocol: wanted in either, excluded in both. */
static bool description_fits(char *const *patterns, const mt_series *s)
{
    g_autofree char *both = g_strdup_printf("%s\\%s", s->description != NULL ? s->description : "", s->protocol != NULL ? s->protocol : "");

    return values_fit(patterns, both);
}

static bool view_fits(char *const *views, const char *view)
{
    static const char *const sides[] = {"LL", "RL", "LATERAL", "LAT", "LLO", "RLO", NULL};

    for (; view != NULL && *views != NULL; views++)
        if (g_ascii_strcasecmp(*views, view) == 0 || (strcmp(*views, "lateral") == 0 && g_strv_contains(sides, view)))
            return true;
    return false;
}

static mt_series_fit refuse(char **why, const char *format, ...) G_GNUC_PRINTF(2, 3);
static mt_series_fit refuse(char **why, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    *why = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    return MT_FITS_NOT;
}

static mt_series_fit skip_fits(const mt_series_rule *r, const mt_series *s, char **why)
{
    bool taken = s->skip == MT_SERIES_OPEN || (s->skip == MT_SERIES_TYPE && r->image_type != NULL) ||
                 (s->skip == MT_SERIES_ALONE && r->min_images == 1);

    return taken ? MT_FITS : refuse(why, "%s", s->reason);
}

static mt_series_fit listed(const char *key, char *const *patterns, const char *text, char **why)
{
    if (patterns == NULL || text_fits(patterns, text))
        return MT_FITS;
    return refuse(why, "%s is %s", key, text != NULL ? text : "not said");
}

static mt_series_fit facts_fit(const mt_series_rule *r, const mt_series *s, char **why)
{
    double mm = s->thickness_mm > 0 ? s->thickness_mm : s->spacing_mm;

    if (listed("modality", r->modality, s->modality, why) != MT_FITS || listed("body_part", r->body_part, s->body_part, why) != MT_FITS ||
        listed("orientation", r->orientation, s->orientation, why) != MT_FITS ||
        listed("laterality", r->laterality, s->laterality, why) != MT_FITS)
        return MT_FITS_NOT;
    if (r->view != NULL && !view_fits(r->view, s->view))
        return refuse(why, "view is %s", s->view != NULL ? s->view : "not said");
    if (!isnan(r->thickness[0]) && !(mm >= r->thickness[0] - 1e-6 && mm <= r->thickness[1] + 1e-6))
        return mm > 0 ? refuse(why, "thickness is %g mm", mm) : refuse(why, "thickness is not said");
    if (r->min_images > 0 && s->images < r->min_images)
        return refuse(why, "%" G_GINT64_FORMAT " of at least %d images", s->images, r->min_images);
    if (r->description != NULL && !description_fits(r->description, s))
        return refuse(why, "description does not fit");
    if (r->image_type != NULL && !values_fit(r->image_type, s->image_type))
        return refuse(why, "image_type does not fit");
    return MT_FITS;
}

static mt_series_fit unsure(char **why, const char *text)
{
    *why = g_strdup(text);
    return MT_FITS_UNSURE;
}

static mt_series_fit contrast_fits(const mt_series_rule *r, const mt_series *s, char **why)
{
    if (r->contrast < 0 || (s->contrast == MT_CONTRAST_GIVEN && r->contrast == 1) || (s->contrast == MT_CONTRAST_NONE && r->contrast == 0))
        return MT_FITS;
    if (s->contrast == MT_CONTRAST_UNSURE)
        return unsure(why, "its words and its header disagree about contrast");
    return refuse(why, "contrast is %s", s->contrast == MT_CONTRAST_GIVEN ? "given" : "none");
}

static mt_series_fit role_fits(const mt_series_rule *r, const mt_series *s, char **why)
{
    unsigned roles = r->sequence != 0 ? mt_series_roles(s) : 0;

    if (roles == r->sequence)
        return MT_FITS;
    if ((roles & r->sequence) == 0)
        return refuse(why, "role is not %s", r->sequence_name);
    g_autofree char *text = g_strdup_printf("whether it is %s cannot be told from its words, times (TR %g, TE %g, TI %g ms) and contrast",
                                            r->sequence_name, s->repetition_ms, s->echo_ms, s->inversion_ms);
    return unsure(why, text);
}

mt_series_fit mt_series_rule_fits(const mt_series_rule *r, const mt_series *s, char **why)
{
    *why = NULL;
    if (skip_fits(r, s, why) != MT_FITS || facts_fit(r, s, why) != MT_FITS)
        return MT_FITS_NOT;
    mt_series_fit contrast = contrast_fits(r, s, why);
    if (contrast == MT_FITS_NOT)
        return contrast;
    g_autofree char *about_contrast = g_steal_pointer(why);
    mt_series_fit    role = role_fits(r, s, why);
    if (role == MT_FITS && contrast == MT_FITS_UNSURE) {
        *why = g_steal_pointer(&about_contrast);
        return contrast;
    }
    return role;
}

/* Unknown thickness goes last, whatever is preferred. */
static int by_thickness(const mt_series *a, const mt_series *b, bool thin)
{
    double x = a->thickness_mm > 0 ? a->thickness_mm : a->spacing_mm, y = b->thickness_mm > 0 ? b->thickness_mm : b->spacing_mm;

    if ((x > 0) != (y > 0))
        return x > 0 ? -1 : 1;
    return thin ? (x > y) - (x < y) : (x < y) - (x > y);
}

static int by_age(const mt_series *a, const mt_series *b)
{
    if (a->series_number != b->series_number)
        return (a->series_number > b->series_number) - (a->series_number < b->series_number);
    return (a->acquisition > b->acquisition) - (a->acquisition < b->acquisition);
}

int mt_series_rule_order(const mt_series_rule *r, const mt_series *a, const mt_series *b)
{
    int order = 0;

    for (char **prefer = r->prefer; prefer != NULL && *prefer != NULL && order == 0; prefer++) {
        if (strcmp(*prefer, "thinnest") == 0 || strcmp(*prefer, "thickest") == 0)
            order = by_thickness(a, b, strcmp(*prefer, "thinnest") == 0);
        else if (strcmp(*prefer, "most-images") == 0)
            order = (a->images < b->images) - (a->images > b->images);
        else
            order = strcmp(*prefer, "oldest") == 0 ? by_age(a, b) : by_age(b, a);
    }
    return order;
}
