#include "src/base/csv.h"
#include "src/pipeline/cut_private.h"

#include <jansson.h>
#include <string.h>

/* A sample's key ends at its first dot: those of the id are escaped as the id's own unusual bytes are. */
static char *without_dots(const char *id)
{
    g_auto(GStrv) parts = g_strsplit(id, ".", -1);

    return g_strjoinv("%2E", parts);
}

char *mt_cut_key(const mt_cut *cut, int64_t i)
{
    mt_tile          tile = mt_grid_tile(cut->tiles.grid, i);
    bool             volume = mt_case_planes(cut->tiles.c) > 1;
    g_autofree char *plane = volume ? g_strdup_printf("_%" G_GINT64_FORMAT, tile.plane) : g_strdup("");
    g_autofree char *id = mt_cut_is_sharded(cut) ? without_dots(cut->job->id) : NULL;

    return g_strdup_printf("%s%s%" G_GINT64_FORMAT "_%" G_GINT64_FORMAT "%s", id != NULL ? id : "", id != NULL ? "_" : "", tile.x, tile.y,
                           plane);
}

char *mt_cut_name(const mt_cut *cut, int64_t i)
{
    g_autofree char *key = mt_cut_key(cut, i);

    return g_strdup_printf("%s.%s", key, mt_picture_extension(cut->options->picture.format));
}

double mt_cut_share(const mt_cut *cut, int64_t i)
{
    mt_tile tile = mt_grid_tile(cut->tiles.grid, i);
    double  width, height;

    mt_grid_tile_level0(cut->tiles.grid, &width, &height);
    return mt_mask_share(cut->tiles.mask, (double)tile.x, (double)tile.y, width, height);
}

static json_t *mpp_or_null(double mpp)
{
    return mpp > 0 ? json_real(mpp) : json_null();
}

char *mt_cut_sidecar(const mt_cut *cut, int64_t i)
{
    mt_tile               tile = mt_grid_tile(cut->tiles.grid, i);
    const mt_grid_params *params = mt_grid_get_params(cut->tiles.grid);
    double                mpp_x = params->mpp, mpp_y = params->mpp;
    int                   offset = mt_picture_offset(mt_case_dtype(cut->tiles.c));

    if (params->mpp == 0)
        mt_case_mpp(cut->tiles.c, &mpp_x, &mpp_y);
    json_t *o =
        json_pack("{s:s s:I s:I s:I s:I s:i s:o s:o s:i s:f}", "case", cut->job->id, "index", (json_int_t)i, "x", (json_int_t)tile.x, "y",
                  (json_int_t)tile.y, "plane", (json_int_t)tile.plane, "level", mt_grid_level(cut->tiles.grid), "mpp", mpp_or_null(mpp_x),
                  "mpp_y", mpp_or_null(mpp_y), "tile_px", params->tile_px, "tissue_share", mt_cut_share(cut, i));
    if (offset != 0)
        json_object_set_new(o, "sample_offset", json_integer(offset));
    char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(9)), *copy = g_strdup(text);
    free(text);
    json_decref(o);
    return copy;
}

void mt_cut_row(const mt_cut *cut, int64_t i, const mt_cut_tile *tile, const char *shard, GString *line)
{
    g_autofree char *name = mt_cut_name(cut, i);
    mt_tile          at = mt_grid_tile(cut->tiles.grid, i);
    char             share[G_ASCII_DTOSTR_BUF_SIZE];

    mt_csv_append_text(line, name, true);
    g_string_append_printf(line, ",%" G_GINT64_FORMAT ",%" G_GINT64_FORMAT ",%" G_GINT64_FORMAT, at.x, at.y, at.plane);
    g_string_append_printf(line, ",%s,%d,%zu", g_ascii_formatd(share, sizeof share, "%.4f", mt_cut_share(cut, i)), tile->picture != NULL,
                           tile->picture != NULL ? g_bytes_get_size(tile->picture) : (size_t)0);
    mt_csv_append_text(line, shard, false);
    mt_csv_append_text(line, tile->reason != NULL ? tile->reason : "", false);
    g_string_append_c(line, '\n');
}
