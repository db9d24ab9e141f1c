#include <microtome/contact_sheet.h>

#include "src/export/sheet.h"
#include "src/export/tile_look.h"

#include <string.h>

static mt_tile_place place_of(const mt_search_hit *hit)
{
    return (mt_tile_place){hit->x, hit->y, hit->plane, hit->width_level0, hit->height_level0};
}

static mt_canvas *thumbnail_picture(const mt_search_hit *hit, GError **error)
{
    g_autoptr(mt_result) result = mt_result_open(hit->path, error);
    mt_tile_place place = place_of(hit);

    return result != NULL ? mt_tile_look_in_case(result, hit->tile < 0 ? NULL : &place, MT_SHEET_SIDE, error) : NULL;
}

/* DIR/ID.*, the first by name; NULL when there is none. */
static char *find_slide(const char *slides, const char *id, GError **error)
{
    g_autoptr(GDir) dir = g_dir_open(slides, 0, NULL);
    g_autofree char *stem = g_strconcat(id, ".", NULL), *best = NULL;

    for (const char *name; dir != NULL && (name = g_dir_read_name(dir)) != NULL;)
        if (g_str_has_prefix(name, stem) && strchr(name + strlen(stem), '.') == NULL && (best == NULL || strcmp(name, best) < 0)) {
            g_free(best);
            best = g_strdup(name);
        }
    if (best == NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "no slide of case '%s' in %s: %s.* is wanted", id, slides, id);
    return best != NULL ? g_build_filename(slides, best, NULL) : NULL;
}

static mt_canvas *slide_picture(const mt_search_hit *hit, const char *slides, GError **error)
{
    g_autofree char *path = find_slide(slides, hit->id, error);
    g_autoptr(mt_case) c = path != NULL ? mt_case_open(path, NULL, error) : NULL;
    mt_tile_place place = place_of(hit);

    if (c == NULL)
        return NULL;
    return mt_tile_look_can(c, &place) ? mt_tile_look(c, &place, MT_SHEET_SIDE, error) : thumbnail_picture(hit, error);
}

static bool draw_cell(mt_canvas *sheet, const mt_search *search, const char *slides, int place, GError **error)
{
    const mt_search_hit *hit = place == 0 ? &search->query : &search->hits[place - 1];
    g_autoptr(mt_canvas) picture = hit->tile >= 0 && slides != NULL ? slide_picture(hit, slides, error) : thumbnail_picture(hit, error);
    char             score[G_ASCII_DTOSTR_BUF_SIZE];
    g_autofree char *head = place == 0 ? g_strdup(search->demonstration ? "query, DEMONSTRATION" : "query")
                                       : g_strdup_printf("%d.  %s", place, g_ascii_formatd(score, sizeof score, "%.4f", hit->score));
    g_autofree char *tile = hit->tile < 0 ? g_strdup("")
                                          : g_strdup_printf("tile %" G_GINT64_FORMAT "  x %" G_GINT64_FORMAT ", y %" G_GINT64_FORMAT,
                                                            hit->tile, hit->x, hit->y);

    if (picture == NULL) {
        g_prefix_error(error, "case '%s': ", hit->id);
        return false;
    }
    return mt_sheet_put(sheet, 0, place, &(mt_sheet_cell){picture, {head, hit->id, tile}, place == 0}, error);
}

bool mt_contact_sheet_write(const mt_search *search, const char *slides, const char *path, GError **error)
{
    int n = MIN(search->n_hits, MT_CONTACT_SHEET_HITS) + 1;
    g_autoptr(mt_canvas) sheet = mt_canvas_new(mt_sheet_width(n), mt_sheet_height(n), (mt_color){255, 255, 255}, error);
    bool ok = sheet != NULL;

    for (int place = 0; ok && place < n; place++)
        ok = draw_cell(sheet, search, slides, place, error);
    ok = ok && mt_canvas_write_png(sheet, path, error);
    if (!ok)
        g_prefix_error(error, "contact sheet %s: ", path);
    return ok;
}
