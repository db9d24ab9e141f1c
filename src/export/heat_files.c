#include <microtome/heat_files.h>

#include "src/base/publish.h"
#include "src/base/publish_folder.h"
#include "src/case/vips_start.h"
#include "src/export/heat_pyramid.h"
#include "src/export/vips_target.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <vips/vips.h>

#define DEFAULT_QUALITY 85
#define DEEP_ZOOM_TILE 254
#define DEEP_ZOOM_OVERLAP 1
#define NO_ROOM_BYTES 1048576 /* a disk with less left is full */

static const struct {
    const char *name, *ending;
    int64_t     most_px; /* an edge */
} formats[] = {[MT_HEAT_PNG] = {"png", ".png", 1000000},
               [MT_HEAT_JPEG] = {"jpeg", ".jpg", 65535},
               [MT_HEAT_WEBP] = {"webp", ".webp", 16383},
               [MT_HEAT_OME] = {"ome", ".ome.tif", 10000000},
               [MT_HEAT_OME_FLOAT] = {"ome-float", ".float.ome.tif", 10000000},
               [MT_HEAT_TIFF] = {"tiff", ".tif", 10000000},
               [MT_HEAT_DZI] = {"dzi", ".dzi", 10000000},
               [MT_HEAT_SZI] = {"szi", ".szi", 10000000},
               [MT_HEAT_ZIP] = {"zip", ".zip", 10000000}};

bool mt_heat_format_parse(const char *text, mt_heat_format *format)
{
    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++)
        if (strcmp(text, formats[i].name) == 0) {
            *format = (mt_heat_format)i;
            return true;
        }
    return false;
}

const char *mt_heat_format_names(void)
{
    return "png, jpeg, webp, ome, ome-float, tiff, dzi, szi, zip";
}

const char *mt_heat_format_ending(mt_heat_format format)
{
    return formats[format].ending;
}

/* What libvips asks for, rectangle by rectangle. */
typedef struct source {
    const mt_heat_picture *picture;
    mt_heat_view           view;
    pthread_mutex_t        lock;
    GError                *failed; /* the first */
    mt_vips_target         out;
} source;

static int generate(VipsRegion *region, void *sequence, void *user, void *unused, gboolean *stop)
{
    source      *s = user;
    VipsRect    *r = &region->valid;
    mt_heat_view view = s->view;
    GError      *error = NULL;

    (void)sequence, (void)unused;
    if (mt_vips_target_failed(&s->out) != 0) {
        *stop = TRUE;
        return -1;
    }
    view.first_x = r->left, view.first_y = r->top, view.width = r->width, view.height = r->height;
    uint8_t *rgb = g_try_malloc((gsize)r->width * (gsize)r->height * 3);
    bool     ok = rgb != NULL && mt_heat_picture_render(s->picture, &view, rgb, &error);
    if (rgb == NULL)
        g_set_error(&error, MT_ERROR, MT_ERROR_MEMORY, "no memory for %d x %d px", r->width, r->height);
    for (int y = 0; ok && y < r->height; y++)
        memcpy(VIPS_REGION_ADDR(region, r->left, r->top + y), rgb + (gsize)y * (gsize)r->width * 3, (gsize)r->width * 3);
    g_free(rgb);
    if (ok)
        return 0;
    pthread_mutex_lock(&s->lock);
    if (s->failed == NULL)
        s->failed = g_steal_pointer(&error);
    pthread_mutex_unlock(&s->lock);
    g_clear_error(&error);
    *stop = TRUE;
    vips_error("heatmap", "%s", "could not be drawn");
    return -1;
}

static VipsImage *image_of(source *s, double px_per_mm, GError **error)
{
    VipsImage *image = vips_image_new();

    vips_image_init_fields(image, (int)s->view.width, (int)s->view.height, 3, VIPS_FORMAT_UCHAR, VIPS_CODING_NONE, VIPS_INTERPRETATION_sRGB,
                           px_per_mm, px_per_mm);
    if (vips_image_pipelinev(image, VIPS_DEMAND_STYLE_FATSTRIP, NULL) == 0 &&
        vips_image_generate(image, NULL, generate, NULL, s, NULL) == 0)
        return image;
    g_autofree char *reason = mt_vips_take_error();
    g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "draw a picture of %d x %d px: %s", vips_image_get_width(image),
                vips_image_get_height(image), reason);
    g_object_unref(image);
    return NULL;
}

/* `name`: of the picture, as DeepZoom says it inside. */
static bool save(source *s, VipsImage *image, const mt_heat_file_params *params, const char *name)
{
    int         quality = params->quality == 0 ? DEFAULT_QUALITY : params->quality;
    VipsTarget *to = VIPS_TARGET(s->out.target);

    switch (params->format) {
    case MT_HEAT_PNG:
        return vips_pngsave_target(image, to, "compression", 1, "filter", VIPS_FOREIGN_PNG_FILTER_SUB, NULL) == 0;
    case MT_HEAT_JPEG:
        return vips_jpegsave_target(image, to, "Q", quality, NULL) == 0;
    case MT_HEAT_WEBP:
        return vips_webpsave_target(image, to, "Q", quality, NULL) == 0;
    default:
        break;
    }
    g_autofree char *suffix = g_strdup_printf(".jpg[Q=%d]", quality);
    return vips_dzsave_target(image, to, "strip", TRUE, "tile_size", DEEP_ZOOM_TILE, "overlap", DEEP_ZOOM_OVERLAP, "suffix", suffix,
                              "basename", name, "container",
                              params->format == MT_HEAT_SZI ? VIPS_FOREIGN_DZ_CONTAINER_SZI : VIPS_FOREIGN_DZ_CONTAINER_ZIP, NULL) == 0;
}

static bool save_folder(VipsImage *image, const mt_heat_file_params *params, const char *base)
{
    g_autofree char *suffix = g_strdup_printf(".jpg[Q=%d]", params->quality == 0 ? DEFAULT_QUALITY : params->quality);

    return vips_dzsave(image, base, "strip", TRUE, "tile_size", DEEP_ZOOM_TILE, "overlap", DEEP_ZOOM_OVERLAP, "suffix", suffix, "container",
                       VIPS_FOREIGN_DZ_CONTAINER_FS, NULL) == 0;
}

/* What went wrong while `path` was written: ours before the library's words, which do not say that a disk is full. */
static void say(source *s, const char *path, GError **error)
{
    g_autofree char *reason = mt_vips_take_error();
    int64_t          room = mt_publish_room(path);

    if (s->failed != NULL)
        g_propagate_prefixed_error(error, g_steal_pointer(&s->failed), "write %s: ", path);
    else if (mt_vips_target_failed(&s->out) != 0)
        mt_publish_io_error(error, "write", path, mt_vips_target_failed(&s->out));
    else if (room >= 0 && room < NO_ROOM_BYTES)
        mt_publish_io_error(error, "write", path, ENOSPC);
    else
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "write %s: %s", path, reason);
}

static bool write_file(source *s, VipsImage *image, const mt_heat_file_params *params, const char *path, GError **error)
{
    int              fd = -1;
    const char      *ending = formats[params->format].ending;
    g_autofree char *name = g_path_get_basename(path), *temporary = mt_publish_begin(path, &fd, error);

    if (temporary == NULL)
        return false;
    if (g_str_has_suffix(name, ending))
        name[strlen(name) - strlen(ending)] = '\0';
    mt_vips_target_begin(&s->out, fd);
    bool ok = save(s, image, params, name) && mt_vips_target_failed(&s->out) == 0;
    mt_vips_target_clear(&s->out);
    if (ok)
        return mt_publish_commit(temporary, fd, path, params->replace, error);
    say(s, path, error);
    mt_publish_abandon(temporary, fd);
    return false;
}

static bool move(const char *from, const char *to, bool replace, GError **error)
{
    if (replace)
        mt_publish_folder_remove(to);
    if (mt_publish_move(from, to))
        return true;
    mt_publish_io_error(error, "write", to, errno);
    return false;
}

/* Tiles first, then the file that names them: what is found is whole. */
static bool write_folder(source *s, VipsImage *image, const mt_heat_file_params *params, const char *path, GError **error)
{
    g_autofree char *folder = mt_publish_folder_begin(path, true, error);
    g_autofree char *stem = g_str_has_suffix(path, ".dzi") ? g_strndup(path, strlen(path) - strlen(".dzi")) : g_strdup(path);
    g_autofree char *name = g_path_get_basename(stem);

    if (folder == NULL)
        return false;
    g_autofree char *base = g_build_filename(folder, name, NULL), *dzi = g_strconcat(base, ".dzi", NULL);
    g_autofree char *tiles = g_strconcat(stem, "_files", NULL), *base_tiles = g_strconcat(base, "_files", NULL);
    g_autofree char *properties = g_build_filename(base_tiles, "vips-properties.xml", NULL);
    bool             ok = save_folder(image, params, base);
    if (!ok)
        say(s, path, error);
    g_remove(properties); /* the library's own, dated: no part of DeepZoom */
    ok = ok && mt_publish_sync(folder, error) && move(base_tiles, tiles, params->replace, error) && move(dzi, path, params->replace, error);
    mt_publish_folder_remove(folder);
    return ok;
}

static bool check_size(const mt_heat_file_params *params, const mt_heat_view *view, const char *path, GError **error)
{
    int64_t most = formats[params->format].most_px;

    if (view->width <= most && view->height <= most)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_RANGE,
                "write %s: a picture of %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " px is beyond the %" G_GINT64_FORMAT
                " that %s holds: choose more µm/px, or ome, tiff or dzi",
                path, view->width, view->height, most, formats[params->format].name);
    return false;
}

static bool check(const mt_heat_file_params *params, const char *path, GError **error)
{
    if (params->quality < 0 || params->quality > 100) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "write %s: a quality of %d is outside 1..100", path, params->quality);
        return false;
    }
    if (params->replace || !g_file_test(path, G_FILE_TEST_EXISTS))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "write %s: it exists already, and is not to be replaced", path);
    return false;
}

bool mt_heat_file_write(const mt_heat_picture *picture, const mt_heatmap *heatmap, const mt_heat_file_params *params, const char *path,
                        GError **error)
{
    source s = {.picture = picture};

    if (!check(params, path, error) || !mt_heat_picture_view(heatmap, params->um_per_px, &s.view, error) ||
        !check_size(params, &s.view, path, error))
        return false;
    if (params->format == MT_HEAT_OME || params->format == MT_HEAT_OME_FLOAT || params->format == MT_HEAT_TIFF)
        return mt_heat_pyramid_write(picture, heatmap, &s.view, params, path, error);
    if (!mt_vips_start(error))
        return false;
    double     mpp = heatmap->mpp[0] > 0 ? heatmap->mpp[0] / s.view.scale_x : 0;
    VipsImage *image = image_of(&s, mpp > 0 ? 1000 / mpp : 1, error);
    if (image == NULL)
        return false;
    pthread_mutex_init(&s.lock, NULL);
    bool ok = params->format == MT_HEAT_DZI ? write_folder(&s, image, params, path, error) : write_file(&s, image, params, path, error);
    g_object_unref(image);
    pthread_mutex_destroy(&s.lock);
    g_clear_error(&s.failed);
    return ok;
}
