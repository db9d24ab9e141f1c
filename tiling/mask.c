#include <microtome/masker.h>

#include "src/base/alloc.h"
#include "tiling/artefact.h"
#include "tiling/mask_file.h"
#include "tiling/mask_private.h"
#include "tiling/outline.h"
#include "tiling/overview.h"
#include "tiling/share.h"

#include <math.h>
#include <string.h>

#define NONE_MAX_SIDE_PX 1024

struct mt_mask {
    char      *method;
    int64_t    width, height;
    int64_t    width0, height0;
    uint8_t   *pixels;
    mt_share   share;
    mt_rings  *rings;      /* level-0 pixels */
    double     mm2_per_px; /* -1: unknown */
    int64_t    corner[2];  /* of the case's bounds */
    char      *sha256, *note;
    GPtrArray *classes;
    unsigned   excluded;
    uint8_t   *pixels_before; /* NULL where nothing was excluded */
    mt_share   share_before;
    uint8_t   *artefacts[MT_ARTEFACT_KINDS];
    mt_rings  *artefact_rings[MT_ARTEFACT_KINDS];
};

static bool whole_plane(mt_case *c, mt_foreground *found, GError **error)
{
    mt_overview o = mt_overview_within(c, 0, NONE_MAX_SIDE_PX);
    uint8_t    *pixels = mt_alloc(o.width * o.height, 1, error);

    if (pixels == NULL)
        return false;
    memset(pixels, 255, (size_t)(o.width * o.height));
    *found = (mt_foreground){o.width, o.height, pixels, NULL};
    return true;
}

bool mt_mask_method_known(const char *method)
{
    static const char *const methods[] = {"otsu", "field", "body", "none", NULL};

    return mt_mask_method_is_external(method) || g_strv_contains(methods, method) ||
           (g_str_has_prefix(method, "clam:") && mt_clam_has_preset(method + 5));
}

static bool find_foreground(mt_case *c, const char *method, mt_foreground *found, GError **error)
{
    if (strcmp(method, "otsu") == 0)
        return mt_tissue_find(c, found, error);
    if (g_str_has_prefix(method, "clam:") && mt_clam_has_preset(method + 5))
        return mt_clam_find(c, method + 5, found, error);
    if (strcmp(method, "field") == 0)
        return mt_field_find(c, found, error);
    if (strcmp(method, "body") == 0)
        return mt_body_find(c, found, error);
    if (strcmp(method, "none") == 0)
        return whole_plane(c, found, error);
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                "find the foreground of %s: unknown mask method '%s': use otsu, clam:default, clam:heatmap, clam:biopsy, clam:resection, "
                "clam:tcga, field, body, none, file:PATH or model:FILE.onnx",
                mt_case_path(c), method);
    return false;
}

/* Corners of mask pixels in whole level-0 pixels: the outlines keep covering the mask to half a pixel. */
static void scale_rings(mt_rings *rings, double scale_x, double scale_y)
{
    for (int64_t i = 0; i < rings->n_points; i++) {
        rings->points[2 * i] = (int32_t)floor(rings->points[2 * i] * scale_x + 0.5);
        rings->points[2 * i + 1] = (int32_t)floor(rings->points[2 * i + 1] * scale_y + 0.5);
    }
}

static mt_rings *trace(const mt_mask *mask, const uint8_t *pixels, GError **error)
{
    mt_rings *rings = mt_outline_trace(pixels, mask->width, mask->height, error);

    if (rings != NULL)
        scale_rings(rings, (double)mask->width0 / (double)mask->width, (double)mask->height0 / (double)mask->height);
    return rings;
}

static bool find_rings(mt_mask *mask, GError **error)
{
    if (mask->rings == NULL)
        mask->rings = trace(mask, mask->pixels, error);
    return mask->rings != NULL;
}

mt_mask *mt_mask_take(const mt_case *c, const char *method, mt_foreground *found, GError **error)
{
    g_autoptr(mt_mask) mask = g_new0(mt_mask, 1);
    double  mpp_x, mpp_y;
    int64_t bounds[4];

    mask->method = found->method != NULL ? found->method : g_strdup(method);
    mask->sha256 = found->sha256;
    mask->note = found->note;
    mask->classes = found->classes;
    mask->width = found->width;
    mask->height = found->height;
    mask->pixels = found->pixels;
    mask->rings = found->rings;
    mask->width0 = mt_case_level(c, 0)->width;
    mask->height0 = mt_case_level(c, 0)->height;
    mask->mm2_per_px = -1;
    if (mt_case_mpp(c, &mpp_x, &mpp_y))
        mask->mm2_per_px =
            (double)mask->width0 / (double)mask->width * mpp_x * ((double)mask->height0 / (double)mask->height * mpp_y) / 1e6;
    mt_case_bounds(c, bounds);
    memcpy(mask->corner, bounds, sizeof mask->corner);
    mt_share_init(&mask->share, mask->pixels, mask->width, mask->height);
    if (!find_rings(mask, error)) {
        g_prefix_error(error, "outline the foreground of %s: ", mt_case_path(c));
        return NULL;
    }
    return g_steal_pointer(&mask);
}

/* The outlines of a method, and the classes of its regions, are not those of what is left. */
static bool outline_again(mt_mask *mask, GError **error)
{
    g_clear_pointer(&mask->rings, mt_rings_free);
    g_clear_pointer(&mask->classes, g_ptr_array_unref);
    for (int k = 0; k < MT_ARTEFACT_KINDS; k++)
        if (mask->artefacts[k] != NULL && (mask->artefact_rings[k] = trace(mask, mask->artefacts[k], error)) == NULL)
            return false;
    mt_share_init(&mask->share, mask->pixels, mask->width, mask->height);
    return find_rings(mask, error);
}

bool mt_mask_exclude(mt_mask *mask, mt_case *c, unsigned artefacts, GError **error)
{
    mt_raster foreground = {mask->width, mask->height, mask->pixels};

    if (artefacts >> MT_ARTEFACT_KINDS != 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "find artefacts of %s: %u names kinds that do not exist", mt_case_path(c), artefacts);
        return false;
    }
    mask->excluded = artefacts;
    mask->pixels_before = mt_alloc(mask->width * mask->height, 1, error);
    if (mask->pixels_before == NULL)
        return false;
    memcpy(mask->pixels_before, mask->pixels, (size_t)(mask->width * mask->height));
    mt_share_init(&mask->share_before, mask->pixels_before, mask->width, mask->height);
    if (!mt_artefacts_exclude(c, artefacts, &foreground, mask->artefacts, error))
        return false;
    if (!outline_again(mask, error)) {
        g_prefix_error(error, "outline the foreground of %s: ", mt_case_path(c));
        return false;
    }
    return true;
}

mt_mask *mt_mask_new(mt_case *c, const char *method, GError **error)
{
    mt_foreground found = {0};

    if (method == NULL)
        method = mt_case_get_kind(c) == MT_CASE_SLIDE ? "otsu" : "none";
    if (mt_mask_method_is_external(method)) {
        g_autoptr(mt_masker) masker = mt_masker_new(method, error);
        return masker != NULL ? mt_masker_run(masker, c, NULL, error) : NULL;
    }
    return find_foreground(c, method, &found, error) ? mt_mask_take(c, method, &found, error) : NULL;
}

void mt_mask_drop_raster(mt_mask *mask)
{
    mask->share.pixels = mask->share_before.pixels = NULL;
    g_clear_pointer(&mask->pixels, mt_free);
    g_clear_pointer(&mask->pixels_before, mt_free);
    for (int k = 0; k < MT_ARTEFACT_KINDS; k++)
        g_clear_pointer(&mask->artefacts[k], mt_free);
}

void mt_mask_free(mt_mask *mask)
{
    if (mask == NULL)
        return;
    mt_free(mask->pixels_before);
    for (int k = 0; k < MT_ARTEFACT_KINDS; k++) {
        mt_free(mask->artefacts[k]);
        mt_rings_free(mask->artefact_rings[k]);
    }
    mt_rings_free(mask->rings);
    mt_free(mask->pixels);
    g_free(mask->method);
    g_free(mask->sha256);
    g_free(mask->note);
    g_clear_pointer(&mask->classes, g_ptr_array_unref);
    g_free(mask);
}

const char *mt_mask_method(const mt_mask *mask)
{
    return mask->method;
}

const char *mt_mask_sha256(const mt_mask *mask)
{
    return mask->sha256;
}

const char *mt_mask_note(const mt_mask *mask)
{
    return mask->note;
}

void mt_mask_corner(const mt_mask *mask, int64_t corner[2])
{
    memcpy(corner, mask->corner, sizeof mask->corner);
}

const char *mt_mask_ring_class(const mt_mask *mask, int i)
{
    return mask->classes != NULL ? mask->classes->pdata[i] : NULL;
}

void mt_mask_size(const mt_mask *mask, int64_t *width, int64_t *height)
{
    *width = mask->width;
    *height = mask->height;
}

const uint8_t *mt_mask_pixels(const mt_mask *mask)
{
    return mask->pixels;
}

static double share_of(const mt_mask *mask, const mt_share *share, double x, double y, double width, double height)
{
    double to_x = (double)mask->width / (double)mask->width0, to_y = (double)mask->height / (double)mask->height0;

    return mt_share_of(share, x * to_x, y * to_y, (x + width) * to_x, (y + height) * to_y);
}

double mt_mask_share(const mt_mask *mask, double x, double y, double width, double height)
{
    return share_of(mask, &mask->share, x, y, width, height);
}

double mt_mask_share_before(const mt_mask *mask, double x, double y, double width, double height)
{
    return share_of(mask, mask->excluded ? &mask->share_before : &mask->share, x, y, width, height);
}

unsigned mt_mask_excluded(const mt_mask *mask)
{
    return mask->excluded;
}

const uint8_t *mt_mask_artefact_pixels(const mt_mask *mask, mt_artefact kind)
{
    return mask->artefacts[kind];
}

double mt_mask_artefact_area_mm2(const mt_mask *mask, mt_artefact kind)
{
    const uint8_t *pixels = mask->artefacts[kind];
    int64_t        n = 0;

    if (pixels == NULL || mask->mm2_per_px < 0)
        return -1;
    for (int64_t i = 0; i < mask->width * mask->height; i++)
        n += pixels[i] != 0;
    return (double)n * mask->mm2_per_px;
}

double mt_mask_area_mm2(const mt_mask *mask)
{
    return mask->mm2_per_px < 0 ? -1 : (double)mask->share.count * mask->mm2_per_px;
}

static mt_ring ring_of(const mt_rings *rings, int i)
{
    return (mt_ring){rings->spans[i].hole, rings->spans[i].n, mt_rings_points(rings, i)};
}

int mt_mask_n_rings(const mt_mask *mask)
{
    return (int)mask->rings->n;
}

mt_ring mt_mask_ring(const mt_mask *mask, int i)
{
    return ring_of(mask->rings, i);
}

int mt_mask_artefact_n_rings(const mt_mask *mask, mt_artefact kind)
{
    return mask->artefact_rings[kind] != NULL ? (int)mask->artefact_rings[kind]->n : 0;
}

mt_ring mt_mask_artefact_ring(const mt_mask *mask, mt_artefact kind, int i)
{
    return ring_of(mask->artefact_rings[kind], i);
}
