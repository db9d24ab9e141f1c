#include <microtome/heat_page.h>

#include "src/base/publish.h"
#include "src/base/publish_folder.h"
#include "src/export/heat_page_data.h"

#include <microtome/heat_files.h>

#include <gio/gio.h>

#define RESOURCES "/microtome/page/"
#define VIEWER "openseadragon.min.js"
#define SLIDE_UM_PER_PX 2.0

static const char *const files[] = {"index.html", "page.css", "page.js", "words.js", VIEWER, NULL};

static bool write_resource(const char *folder, const char *name, GError **error)
{
    g_autofree char *from = g_strconcat(RESOURCES, name, NULL), *to = g_build_filename(folder, name, NULL);
    g_autoptr(GBytes) bytes = g_resources_lookup_data(from, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
    int fd = -1;

    if (bytes == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING,
                    "this program was built without OpenSeadragon: run tools/setup.sh where npm is reached, and build it anew");
        return false;
    }
    g_autofree char *temporary = mt_publish_begin(to, &fd, error);
    if (temporary == NULL)
        return false;
    if (!mt_publish_write(fd, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), to, error)) {
        mt_publish_abandon(temporary, fd);
        return false;
    }
    return mt_publish_rename(temporary, fd, to, false, error);
}

/* The view in which the slide is written: that of the thumbnail where there is no slide. */
static double resolution(const mt_heatmap *heatmap, const mt_case *slide, double wanted)
{
    double own = heatmap->mpp[0];

    if (slide == NULL)
        own *= heatmap->level0_size[0] / (double)heatmap->width;
    return own > 0 ? MAX(own, wanted > 0 ? wanted : SLIDE_UM_PER_PX) : 0;
}

static bool write_slide(const mt_heatmap *heatmap, const mt_heat_picture *picture, const mt_heat_page_params *params, double um_per_px,
                        const char *folder, GError **error)
{
    g_autofree char          *dzi = g_build_filename(folder, "slide.dzi", NULL);
    const mt_heat_file_params file = {
        .format = MT_HEAT_DZI, .um_per_px = um_per_px, .quality = params->quality, .threads = params->threads};

    return mt_heat_file_write(picture, heatmap, &file, dzi, error);
}

static bool write_data(const mt_heatmap *heatmap, const mt_result *result, const mt_heat_picture *picture,
                       const mt_heat_page_params *params, const mt_heat_view *view, bool slide, const char *folder, GError **error)
{
    g_autofree char *path = g_build_filename(folder, "case.js", NULL);
    g_autofree char *text = mt_heat_page_data(heatmap, result, picture, params, view, slide, error);

    return text != NULL && mt_publish_text(path, text, false, error);
}

static bool write_all(const mt_heatmap *heatmap, const mt_result *result, mt_case *slide, const mt_heat_page_params *params,
                      const char *folder, GError **error)
{
    const mt_heat_style bare = {.slide_only = true};
    double              um_per_px = resolution(heatmap, slide, params->um_per_px);
    mt_heat_view        view;
    bool                ok = mt_heat_picture_view(heatmap, um_per_px, &view, error);
    g_autoptr(mt_heat_picture) picture = ok ? mt_heat_picture_new(heatmap, result, slide, &bare, error) : NULL;

    ok = picture != NULL;
    for (int i = 0; ok && files[i] != NULL; i++)
        ok = write_resource(folder, files[i], error);
    return ok && write_slide(heatmap, picture, params, um_per_px, folder, error) &&
           write_data(heatmap, result, picture, params, &view, slide != NULL, folder, error);
}

bool mt_heat_page_write(const mt_heatmap *heatmap, const mt_result *result, mt_case *slide, const mt_heat_page_params *params,
                        const char *folder, GError **error)
{
    g_autofree char *temporary = mt_publish_folder_begin(folder, params->replace, error);

    if (temporary == NULL)
        return false;
    if (write_all(heatmap, result, slide, params, temporary, error))
        return mt_publish_folder_commit(temporary, folder, params->replace, error);
    mt_publish_folder_remove(temporary);
    return false;
}
