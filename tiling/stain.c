#include "tiling/stain.h"

#include "src/base/alloc.h"
#include "tiling/density_map.h"

#include <string.h>

#define DARK_BELOW 8

const char *const mt_stain_methods[] = {[MT_STAIN_MACENKO] = "macenko", [MT_STAIN_REINHARD] = "reinhard", NULL};

struct mt_stain {
    mt_density_map  densities; /* first: it is aligned */
    mt_reinhard_map lab;
    mt_stain_fit    from;
};

bool mt_stain_parse(const char *word, mt_stain_method *method)
{
    for (int i = 0; mt_stain_methods[i] != NULL; i++)
        if (strcmp(word, mt_stain_methods[i]) == 0) {
            *method = (mt_stain_method)i;
            return true;
        }
    return false;
}

/* Fluorescence has a channel or two without light nearly everywhere; what stands before a lamp has not. */
static bool check_light(const uint8_t *rgb, int64_t n, GError **error)
{
    int64_t dark = 0;

    for (int64_t i = 0; i < n; i++)
        dark += MIN(rgb[3 * i], MIN(rgb[3 * i + 1], rgb[3 * i + 2])) < DARK_BELOW;
    if (2 * dark <= n)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                "%.0f %% of its pixels are black in a channel: it is no stained slide in transmitted light",
                100 * (double)dark / (double)n);
    return false;
}

bool mt_stain_fit_pixels(mt_stain_method method, const uint8_t *rgb, int64_t n, mt_stain_fit *fit, GError **error)
{
    *fit = (mt_stain_fit){.method = method};
    if (!check_light(rgb, n, error))
        return false;
    return method == MT_STAIN_MACENKO ? mt_macenko_fit(rgb, n, &fit->macenko, error) : mt_reinhard_fit(rgb, n, &fit->reinhard, error);
}

mt_stain *mt_stain_new(const mt_stain_fit *from, const mt_stain_fit *to, GError **error)
{
    g_autoptr(mt_stain) stain = mt_alloc(1, sizeof *stain, error);
    double od[3][3];

    if (stain == NULL)
        return NULL;
    stain->from = *from;
    if (from->method == MT_STAIN_REINHARD)
        mt_reinhard_map_init(&stain->lab, &from->reinhard, &to->reinhard);
    else {
        mt_macenko_transform(&from->macenko, &to->macenko, od);
        if (!mt_density_map_init(&stain->densities, od, error))
            return NULL;
    }
    return g_steal_pointer(&stain);
}

void mt_stain_free(mt_stain *stain)
{
    mt_free(stain);
}

const mt_stain_fit *mt_stain_from(const mt_stain *stain)
{
    return &stain->from;
}

void mt_stain_apply(const mt_stain *stain, const mt_tile_pixels *pixels)
{
    if (stain == NULL)
        return;
    if (stain->from.method == MT_STAIN_MACENKO)
        mt_density_map_apply(&stain->densities, pixels->data, pixels->width * pixels->height);
    else
        mt_reinhard_map_apply(&stain->lab, pixels->data, pixels->width * pixels->height);
}
