#include "src/case/ome_tiff.h"

#include <math.h>
#include <string.h>

typedef struct reading {
    mt_ome_image *image;
    bool          in_image, in_channel;
    char         *size_x, *size_y, *unit_x, *unit_y;
} reading;

static const char *attribute(const char **names, const char **values, const char *wanted)
{
    for (int i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], wanted) == 0)
            return values[i];
    return NULL;
}

static int64_t count(const char *text)
{
    return text != NULL ? g_ascii_strtoll(text, NULL, 10) : 1;
}

static double um_per(const char *unit)
{
    static const struct {
        const char *name;
        double      um;
    } units[] = {{"µm", 1}, {"\xce\xbcm", 1}, {"um", 1}, {"nm", 1e-3}, {"mm", 1e3}, {"cm", 1e4}, {"m", 1e6}};

    for (size_t i = 0; i < G_N_ELEMENTS(units); i++)
        if (unit == NULL || strcmp(unit, units[i].name) == 0)
            return units[i].um; /* no unit: the schema's default, µm */
    return NAN;
}

/* Names may carry a prefix ("OME:Pixels"). */
static bool is_element(const char *name, const char *wanted)
{
    const char *colon = strchr(name, ':');

    return strcmp(colon != NULL ? colon + 1 : name, wanted) == 0;
}

static void read_pixels(reading *r, const char **names, const char **values)
{
    r->image->planes = count(attribute(names, values, "SizeZ")) * count(attribute(names, values, "SizeT"));
    r->image->channels = count(attribute(names, values, "SizeC"));
    r->size_x = g_strdup(attribute(names, values, "PhysicalSizeX"));
    r->size_y = g_strdup(attribute(names, values, "PhysicalSizeY"));
    r->unit_x = g_strdup(attribute(names, values, "PhysicalSizeXUnit"));
    r->unit_y = g_strdup(attribute(names, values, "PhysicalSizeYUnit"));
}

static void on_start(GMarkupParseContext *context, const char *name, const char **names, const char **values, void *user, GError **error)
{
    reading *r = user;

    (void)context, (void)error;
    if (is_element(name, "Objective") && r->image->objective_power == 0) {
        const char *power = attribute(names, values, "NominalMagnification");
        double      value = power != NULL ? g_ascii_strtod(power, NULL) : 0;

        r->image->objective_power = isfinite(value) && value > 0 ? value : 0;
    }
    if (is_element(name, "Pixels") && !r->in_image) {
        r->in_image = true; /* the first image; what follows are thumbnails and macros */
        read_pixels(r, names, values);
    } else if (is_element(name, "Channel") && r->in_image && !r->in_channel) {
        r->in_channel = true;
        r->image->samples = count(attribute(names, values, "SamplesPerPixel"));
    }
}

static void set_spacing(reading *r)
{
    double x = um_per(r->unit_x), y = um_per(r->unit_y);

    if (r->size_x == NULL && r->size_y == NULL)
        return;
    x *= r->size_x != NULL ? g_ascii_strtod(r->size_x, NULL) : NAN;
    y *= r->size_y != NULL ? g_ascii_strtod(r->size_y, NULL) : NAN;
    if (x >= MT_SPACING_MIN_UM && x <= MT_SPACING_MAX_UM && y >= MT_SPACING_MIN_UM && y <= MT_SPACING_MAX_UM)
        mt_spacing_set(&r->image->spacing, x, y, "ome");
    else
        mt_spacing_set_unknown(&r->image->spacing, "OME's physical size of %s %s x %s %s is no microscope's",
                               r->size_x != NULL ? r->size_x : "?", r->unit_x != NULL ? r->unit_x : "µm",
                               r->size_y != NULL ? r->size_y : "?", r->unit_y != NULL ? r->unit_y : "µm");
}

bool mt_ome_image_read(const char *description, mt_ome_image *image)
{
    static const GMarkupParser parser = {.start_element = on_start};
    reading                    r = {.image = image};

    if (description == NULL || strstr(description, "<OME") == NULL || strstr(description, "openmicroscopy.org") == NULL)
        return false;
    *image = (mt_ome_image){.planes = 1, .channels = 1, .samples = 1};
    mt_spacing_init(&image->spacing);
    GMarkupParseContext *context = g_markup_parse_context_new(&parser, G_MARKUP_TREAT_CDATA_AS_TEXT, &r, NULL);
    /* a description that is cut or odd further down has told what it told; without <Pixels> it told nothing */
    bool parsed = g_markup_parse_context_parse(context, description, (gssize)strlen(description), NULL);
    g_markup_parse_context_free(context);
    if (r.in_image && parsed)
        set_spacing(&r);
    bool known = r.in_image && parsed;
    g_free(r.size_x);
    g_free(r.size_y);
    g_free(r.unit_x);
    g_free(r.unit_y);
    if (!known)
        mt_spacing_clear(&image->spacing);
    return known;
}
