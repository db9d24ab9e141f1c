/* What a case's file says: the objects that are not appended by the team. */
#include "src/pipeline/case_run.h"

#include "src/base/hash.h"
#include "src/case/source.h"

#include "src/pipeline/grid_store.h"
#include "src/pipeline/resolved.h"
#include "src/result/headline.h"
#include "src/store/provenance.h"
#include "src/store/schema.h"

#include <microtome/engine.h>

#include <math.h>
#include <string.h>

/* On /tissue: its area, what was taken out of it and how many tiles that cost; NaN: the spacing is unknown. */
static bool record_areas(mt_case_run *run, GError **error)
{
    const mt_mask *mask = run->tiles.mask;
    double         tissue = mt_mask_area_mm2(mask);
    int64_t        tiles = run->tiles.grid != NULL ? mt_grid_n_excluded(run->tiles.grid) : 0;

    if (mt_mask_excluded(mask) == 0)
        return true;
    tissue = tissue < 0 ? (double)NAN : tissue;
    if (!mt_store_attr_double(run->store, MT_OBJECT_TISSUE, "tissue_mm2", &tissue, 1, error) ||
        !mt_store_attr_int(run->store, MT_OBJECT_TISSUE, "excluded_tiles", &tiles, 1, error))
        return false;
    for (int k = 0; k < MT_ARTEFACT_KINDS; k++) {
        g_autofree char *name = g_strconcat(mt_artefact_name((mt_artefact)k), "_mm2", NULL);
        double           area = mt_mask_artefact_area_mm2(mask, (mt_artefact)k);
        area = area < 0 ? (double)NAN : area;
        if (mt_mask_excluded(mask) >> k & 1 && !mt_store_attr_double(run->store, MT_OBJECT_TISSUE, name, &area, 1, error))
            return false;
    }
    return true;
}

static bool record_rings(mt_case_run *run, GError **error)
{
    int                 n = mt_mask_n_rings(run->tiles.mask);
    g_autofree mt_ring *rings = g_new0(mt_ring, n + 1);

    for (int i = 0; i < n; i++)
        rings[i] = mt_mask_ring(run->tiles.mask, i);
    return mt_schema_write_rings(run->store, rings, n, error) && record_areas(run, error);
}

/* A UID leads to the patient: its hash tells as well whether two studies share it. */
static char *frame_of_reference(const mt_case *c)
{
    const char *frame = mt_case_frame_of_reference(c);

    if (frame == NULL || !g_ascii_isdigit(*frame))
        return g_strdup(frame);
    g_autofree char *sha256 = mt_hash_bytes(frame, strlen(frame));
    return g_strdup_printf("sha256:%.32s", sha256);
}

static bool record_geometry(mt_case_run *run, GError **error)
{
    const mt_level *level = mt_case_level(run->tiles.c, 0);
    double          affine[16];
    int64_t         bounds[4];
    bool            volume = mt_case_get_kind(run->tiles.c) == MT_CASE_VOLUME;

    g_autofree char *frame = frame_of_reference(run->tiles.c);
    mt_case_bounds(run->tiles.c, bounds);
    mt_geometry geometry = {.affine = mt_case_affine(run->tiles.c, affine) ? affine : NULL,
                            .size = {level->width, level->height, mt_case_planes(run->tiles.c)},
                            .axis = volume ? mt_plane_axes[run->p->recipe->plane_axis] : NULL,
                            .frame_of_reference = frame,
                            .bounds = mt_case_get_kind(run->tiles.c) == MT_CASE_SLIDE ? bounds : NULL};
    return mt_schema_write_geometry(run->store, &geometry, error);
}

static bool record_stain(mt_case_run *run, GError **error)
{
    if (run->tiles.stain == NULL)
        return true;
    const mt_stain_fit *fit = mt_stain_from(run->tiles.stain);
    bool                macenko = fit->method == MT_STAIN_MACENKO;
    mt_stain_record     stain = {.method = mt_stain_methods[fit->method],
                                 .target = run->p->stain->name,
                                 .matrix = macenko ? &fit->macenko.matrix[0][0] : NULL,
                                 .max_concentration = fit->macenko.max_concentration,
                                 .lab_mean = fit->reinhard.mean,
                                 .lab_std = fit->reinhard.std};
    return mt_schema_write_stain(run->store, &stain, error);
}

/* What was chosen of the study, and why the rest was not. */
static bool record_series(mt_case_run *run, GError **error)
{
    static const char *const columns[] = {"series",      "chosen",       "modality", "images", "columns", "rows",
                                          "orientation", "thickness_mm", "contrast", "reason", NULL};
    const char              *text = mt_case_series(run->tiles.c);
    g_auto(GStrv) lines = text != NULL ? g_strsplit(text, "\n", -1) : NULL;

    return lines == NULL ||
           (mt_store_write_strings(run->store, MT_OBJECT_SERIES, (const char *const *)lines, g_strv_length(lines), error) &&
            mt_store_attr_strings(run->store, MT_OBJECT_SERIES, "columns", columns, error));
}

bool mt_case_run_record_case(mt_case_run *run, GError **error)
{
    return (run->tiles.grid == NULL || mt_grid_store(run->tiles.grid, run->tiles.c, run->job->id, run->store, error)) &&
           record_rings(run, error) && record_geometry(run, error) && record_series(run, error) && record_stain(run, error);
}

static mt_fact *library_facts(void)
{
    GArray *facts = g_array_new(TRUE, TRUE, sizeof(mt_fact));

    for (const mt_engine_library *l = mt_engine_libraries(); l->name != NULL; l++)
        g_array_append_vals(facts, &(mt_fact){l->name, l->version}, 1);
    return (mt_fact *)(void *)g_array_free(facts, FALSE);
}

static bool record_provenance(mt_case_run *run, GError **error)
{
    const mt_pipeline *p = run->p;
    mt_fact            hashes[] = {
                   {"recipe", p->recipe_sha256}, {"model", p->model_sha256}, {"input", run->identity}, {NULL, NULL}, {NULL, NULL}, {NULL, NULL}};
    int                 n_hashes = 3;
    mt_fact             facts[] = {{"encoder", p->model_name},
                                   {"precision", mt_precision_name(p->contract.precision)},
                                   {"case_format", mt_case_format(run->tiles.c)},
                                   {"case_backend", mt_case_backend(run->tiles.c)},
                                   {"modality", mt_case_modality(run->tiles.c)},
                                   {"mask", mt_mask_method(run->tiles.mask)},
                                   {"head", mt_pipeline_head_kind(p)},
                                   {NULL, NULL}};
    g_autofree mt_fact *libraries = library_facts();
    mt_provenance       provenance = {.isa = mt_engine_isa(),
                                      .libraries = libraries,
                                      .hashes = hashes,
                                      .facts = facts,
                                      .recipe = p->resolved,
                                      .demonstration = mt_pipeline_demonstration(p),
                                      .off_contract = run->tiles.off_contract};

    if (p->head != NULL)
        hashes[n_hashes++] = (mt_fact){"head", mt_head_sha256(p->head)};
    if (mt_mask_sha256(run->tiles.mask) != NULL)
        hashes[n_hashes] = (mt_fact){"mask", mt_mask_sha256(run->tiles.mask)};
    if (mt_pipeline_head_kind(p) == NULL)
        facts[6].name = NULL;
    g_autofree char *json = mt_provenance_json(&provenance, error);
    return json != NULL && mt_store_write_string(run->store, MT_OBJECT_PROVENANCE, json, error);
}

/* What a tile stands for; 0: unknown, or the case has none. */
static double tile_area_mm2(const mt_case_run *run)
{
    double tile[2], mpp[2];

    if (run->tiles.grid == NULL)
        return 0;
    mt_grid_tile_level0(run->tiles.grid, &tile[0], &tile[1]);
    mt_case_mpp(run->tiles.c, &mpp[0], &mpp[1]);
    return mt_tile_area_mm2(tile, mpp, mt_grid_get_params(run->tiles.grid)->overlap);
}

bool mt_case_run_record_prediction(mt_case_run *run, char **headline, GError **error)
{
    const mt_pipeline  *p = run->p;
    const mt_head_card *card = mt_pipeline_card(p);
    mt_prediction_facts tiles = {.tiles = run->n,
                                 .invalid_tiles = run->n - run->n_valid,
                                 .off_contract = run->tiles.off_contract,
                                 .degraded_invalid = p->recipe->degraded_invalid,
                                 .withheld_invalid = p->recipe->withheld_invalid,
                                 .tissue_mm2 = run->tissue_mm2,
                                 .tile_mm2 = tile_area_mm2(run),
                                 .identity = run->identity,
                                 .quality = &run->quality,
                                 .language = p->language,
                                 .invalid_reason = mt_invalid_tiles_reason(run->invalid)};
    mt_headline_facts   facts = {.id = run->job->id,
                                 .tissue_mm2 = run->tissue_mm2,
                                 .mpp_source = mt_case_mpp_source(run->tiles.c),
                                 .encoder = p->model_name,
                                 .head = mt_pipeline_head_kind(p),
                                 .precision = mt_precision_name(p->contract.precision),
                                 .recipe_sha256 = p->recipe_sha256,
                                 .model_sha256 = p->model_sha256,
                                 .head_sha256 = p->head != NULL ? mt_head_sha256(p->head) : NULL,
                                 .input_sha256 = run->identity,
                                 .demonstration = mt_pipeline_demonstration(p)};
    g_autoptr(mt_prediction) prediction = mt_prediction_new(run->output, card, &tiles, error);

    if (prediction == NULL || !mt_prediction_store(prediction, run->output, card, run->valid, run->store, error) ||
        !mt_findings_of_scores(p, prediction, run->store, error) || !record_provenance(run, error))
        return false;
    mt_case_mpp(run->tiles.c, &facts.mpp_x, &facts.mpp_y);
    *headline = mt_headline_json(prediction, &facts, error);
    return *headline != NULL;
}
