/* Files of a case to take away: the writers that the other verbs have, into a folder of the reader's own. */
#include "src/serve/reader_private.h"

#include "src/base/refuse.h"

#include <microtome/handover.h>
#include <microtome/heat_tables.h>
#include <microtome/overlay.h>

#include <string.h>
#include <unistd.h>

static bool write_overlay(mt_reader *r, const json_t *ask, const char *path, GError **error)
{
    const mt_heatmap *h = mt_reader_heatmap(r, ask, error);

    return h != NULL && mt_overlay_png_write(mt_reader_result(r, ask, error), h, NULL, path, error);
}

static bool write_geojson(mt_reader *r, const json_t *ask, const char *path, GError **error)
{
    const mt_heat_table_params params = {.replace = true};
    const mt_heatmap          *h = mt_reader_heatmap(r, ask, error);

    return h != NULL && mt_heat_geojson_write(h, mt_reader_result(r, ask, error), &params, path, error);
}

static bool write_csv(mt_reader *r, const json_t *ask, const char *path, GError **error)
{
    const mt_heat_table_params params = {.replace = true};
    const mt_heatmap          *h = mt_reader_heatmap(r, ask, error);

    return h != NULL && mt_heat_csv_write(h, mt_reader_result(r, ask, error), &params, path, error);
}

static const struct {
    const char *name, *type;
    bool (*write)(mt_reader *r, const json_t *ask, const char *path, GError **error);
} papers[] = {{"overlay.png", "image/png", write_overlay},
              {"heat.geojson", "application/geo+json", write_geojson},
              {"heat.csv", "text/csv", write_csv}};

static bool take_file(const char *path, mt_reader_answer *answer, GError **error)
{
    g_autoptr(GError) cause = NULL;
    char *data = NULL;
    gsize n = 0;
    bool  ok = g_file_get_contents(path, &data, &n, &cause);

    unlink(path);
    if (!ok)
        return mt_refuse(error, MT_ERROR_IO, "read what was written: %s", cause->message);
    answer->body = g_bytes_new_take(data, n);
    return true;
}

/* An object of DICOM, as `export --to` writes it: it wants the identity of the source. */
static bool hand_over(mt_reader *r, const json_t *ask, const char *kind, mt_reader_answer *answer, GError **error)
{
    mt_result       *result = mt_reader_result(r, ask, error);
    g_autofree char *source =
        mt_reader_text(ask, "slides") != NULL ? mt_case_find(mt_reader_text(ask, "slides"), mt_reader_text(ask, "result"), NULL) : NULL;
    const mt_handover_params params = {
        .kinds = kind, .folder = mt_reader_folder(r), .language = mt_reader_text(ask, "language"), .replace = true};
    const mt_handover_source of = {.path = source,
                                   .patient = mt_reader_text(ask, "patient"),
                                   .study_uid = mt_reader_text(ask, "study_uid"),
                                   .accession = mt_reader_text(ask, "accession")};
    g_autoptr(mt_handover) handover = result != NULL ? mt_handover_new(&params, error) : NULL;
    g_autoptr(GPtrArray) written = g_ptr_array_new_with_free_func(g_free),
                         refused = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);

    if (handover == NULL)
        return false;
    mt_handover_add(handover, result, &of, written, refused);
    if (written->len == 0)
        return mt_refuse(error, MT_ERROR_INPUT, "%s", refused->len > 0 ? ((GError *)refused->pdata[0])->message : "nothing of the kind");
    answer->type = "application/dicom";
    return take_file(written->pdata[0], answer, error);
}

bool mt_reader_paper(mt_reader *r, const json_t *ask, mt_reader_answer *answer, GError **error)
{
    const char *name = mt_reader_text(ask, "paper");

    if (g_strcmp0(name, "sr.dcm") == 0)
        return hand_over(r, ask, "sr", answer, error);
    for (size_t i = 0; i < G_N_ELEMENTS(papers); i++) {
        if (g_strcmp0(name, papers[i].name) != 0)
            continue;
        g_autofree char *path = g_build_filename(mt_reader_folder(r), papers[i].name, NULL);
        answer->type = papers[i].type;
        return papers[i].write(r, ask, path, error) && take_file(path, answer, error);
    }
    return mt_refuse(error, MT_ERROR_MISSING, "there is no such paper");
}
