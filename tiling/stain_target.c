#include "tiling/stain_target.h"

#include "src/base/alloc.h"
#include "src/base/hash.h"
#include "tiling/stain_sample.h"

#include <string.h>

#define MAX_TARGET_PX (INT64_C(1) << 26)

static const mt_macenko  DEFAULT_MACENKO = {.matrix = {{0.5626, 0.2159}, {0.7201, 0.8012}, {0.4062, 0.5581}},
                                            .max_concentration = {1.9705, 1.0308}};
static const mt_reinhard DEFAULT_REINHARD = {.mean = {58.12343, 26.483482, -12.701005}, .std = {14.675022, 7.5744166, 5.226378}};

/* The pixels that count, gathered at the front of `rgb`. */
static int64_t thin_out(uint8_t *rgb, int64_t count)
{
    int64_t n = MIN(count, MT_STAIN_SAMPLE_PX);

    for (int64_t k = 0; k < n && n < count; k++)
        memcpy(rgb + 3 * k, rgb + 3 * mt_stain_sample_index(k, n, count), 3);
    return n;
}

static bool fit_case(mt_case *c, mt_stain_method method, mt_stain_fit *fit, GError **error)
{
    const mt_level *level = mt_case_level(c, 0);

    if (!mt_stain_check_case(c, error))
        return false;
    if (level->width > MAX_TARGET_PX / level->height) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT,
                    "%" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " pixels, at most %" G_GINT64_FORMAT
                    " are wanted: cut out a part with tissue",
                    level->width, level->height, MAX_TARGET_PX);
        return false;
    }
    uint8_t *rgb = mt_alloc(level->width * level->height, 3, error);
    bool     ok = rgb != NULL && mt_case_read(c, 0, 0, 0, 0, level->width, level->height, rgb, error) &&
              mt_stain_fit_pixels(method, rgb, thin_out(rgb, level->width * level->height), fit, error);
    mt_free(rgb);
    return ok;
}

static bool fit_picture(mt_stain_target *target, mt_stain_method method, const char *path, GError **error)
{
    g_autoptr(mt_case) c = mt_case_open(path, NULL, error);

    if (c == NULL)
        return false;
    target->name = g_path_get_basename(path);
    target->sha256 = mt_hash_file(path, error);
    return target->sha256 != NULL && fit_case(c, method, &target->fit, error);
}

mt_stain_target *mt_stain_target_new(mt_stain_method method, const char *path, GError **error)
{
    g_autoptr(mt_stain_target) target = g_new0(mt_stain_target, 1);

    target->fit = (mt_stain_fit){.method = method, .macenko = DEFAULT_MACENKO, .reinhard = DEFAULT_REINHARD};
    if (path == NULL)
        target->name = g_strdup("default");
    else if (!fit_picture(target, method, path, error)) {
        g_prefix_error(error, "fit %s target %s: ", mt_stain_methods[method], path);
        return NULL;
    }
    return g_steal_pointer(&target);
}

void mt_stain_target_free(mt_stain_target *target)
{
    if (target == NULL)
        return;
    g_free(target->name);
    g_free(target->sha256);
    g_free(target);
}
