#include "src/export/heat_pyramid.h"

#include "src/base/alloc.h"

#include <math.h>
#include <microtome/pyramid.h>
#include <string.h>

#define DEFAULT_QUALITY 85
#define MAX_THREADS 64 /* what a pyramid is written with at most */

typedef struct source {
    const mt_heat_picture *picture;
    const mt_heatmap      *heatmap;
    mt_heat_view           view;
} source;

static mt_heat_view window(const source *s, int64_t x, int64_t y, int64_t width, int64_t height)
{
    mt_heat_view view = s->view;

    view.first_x = x, view.first_y = y, view.width = width, view.height = height;
    return view;
}

static bool render_colours(void *user, int64_t x, int64_t y, int64_t width, int64_t height, uint8_t *rgb, GError **error)
{
    const source *s = user;
    mt_heat_view  view = window(s, x, y, width, height);

    return mt_heat_picture_render(s->picture, &view, rgb, error);
}

/* The numbers themselves, as `range` draws them. */
static bool render_numbers(void *user, int64_t x, int64_t y, int64_t width, int64_t height, uint8_t *pixels, GError **error)
{
    const source     *s = user;
    const mt_heatmap *h = s->heatmap;
    mt_heat_view      view = window(s, x, y, width, height);
    float            *numbers = (float *)(void *)pixels;
    uint8_t          *states = mt_alloc(width * height, 1, error);
    bool              ok = states != NULL && mt_heatmap_render(h, &view, numbers, states, error);

    for (int64_t i = 0; ok && i < width * height; i++)
        numbers[i] = states[i] == MT_HEAT_VALUE ? (float)(h->range[0] + (double)numbers[i] * (h->range[1] - h->range[0])) : NAN;
    mt_free(states);
    return ok;
}

static void put_channels(GString *xml, const mt_heatmap *heatmap, bool floats)
{
    g_autofree char *name =
        g_markup_printf_escaped("%s%s%s", heatmap->label != NULL ? heatmap->label : "", heatmap->label != NULL ? ": " : "",
                                heatmap->meaning != NULL ? heatmap->meaning : "heat");

    if (floats)
        g_string_append_printf(xml, "<Channel ID=\"Channel:0:0\" Name=\"%s\" SamplesPerPixel=\"1\"/>", name);
    else
        g_string_append(xml, "<Channel ID=\"Channel:0:0\" SamplesPerPixel=\"3\"/>");
}

/* OME 2016-06: one image, whose smaller levels readers find below its directory. */
static char *ome_xml(const mt_heatmap *heatmap, const mt_heat_view *view, const char *path, bool floats)
{
    g_autofree char *name = g_path_get_basename(path);
    g_autofree char *escaped = g_markup_escape_text(name, -1);
    g_autoptr(GString) xml = g_string_new("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
                                          "<OME xmlns=\"http://www.openmicroscopy.org/Schemas/OME/2016-06\" "
                                          "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
                                          "xsi:schemaLocation=\"http://www.openmicroscopy.org/Schemas/OME/2016-06 "
                                          "http://www.openmicroscopy.org/Schemas/OME/2016-06/ome.xsd\" Creator=\"microtome\">");
    char x[G_ASCII_DTOSTR_BUF_SIZE], y[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append_printf(
        xml,
        "<Image ID=\"Image:0\" Name=\"%s\"><Pixels ID=\"Pixels:0\" DimensionOrder=\"XYCZT\" Type=\"%s\" SizeX=\"%" G_GINT64_FORMAT
        "\" SizeY=\"%" G_GINT64_FORMAT "\" SizeC=\"%d\" SizeZ=\"1\" SizeT=\"1\" Interleaved=\"%s\"",
        escaped, floats ? "float" : "uint8", view->width, view->height, floats ? 1 : 3, floats ? "false" : "true");
    if (heatmap->mpp[0] > 0)
        g_string_append_printf(
            xml, " PhysicalSizeX=\"%s\" PhysicalSizeXUnit=\"\xc2\xb5m\" PhysicalSizeY=\"%s\" PhysicalSizeYUnit=\"\xc2\xb5m\"",
            g_ascii_dtostr(x, sizeof x, heatmap->mpp[0] / view->scale_x), g_ascii_dtostr(y, sizeof y, heatmap->mpp[1] / view->scale_y));
    g_string_append_c(xml, '>');
    put_channels(xml, heatmap, floats);
    g_string_append(xml, "<TiffData IFD=\"0\" PlaneCount=\"1\"/></Pixels></Image></OME>");
    return g_string_free(g_steal_pointer(&xml), FALSE);
}

bool mt_heat_pyramid_write(const mt_heat_picture *picture, const mt_heatmap *heatmap, const mt_heat_view *whole,
                           const mt_heat_file_params *params, const char *path, GError **error)
{
    bool              floats = params->format == MT_HEAT_OME_FLOAT, ome = floats || params->format == MT_HEAT_OME;
    g_autofree char  *xml = ome ? ome_xml(heatmap, whole, path, floats) : NULL;
    source            s = {picture, heatmap, *whole};
    mt_pyramid_params p = {.width = whole->width,
                           .height = whole->height,
                           .mpp = heatmap->mpp[0] > 0 ? heatmap->mpp[0] / whole->scale_x : 0,
                           .quality = params->quality == 0 ? DEFAULT_QUALITY : params->quality,
                           .threads = MIN(params->threads, MAX_THREADS),
                           .floats = floats,
                           .subifds = ome,
                           .description = xml,
                           .replace = params->replace};

    return mt_pyramid_write(path, &p, floats ? render_numbers : render_colours, &s, error);
}
