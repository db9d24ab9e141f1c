/* What a case will cost: its grid, and the pace of its first tiles. */
#include "src/pipeline/case_tiles.h"
#include "src/pipeline/pipeline_private.h"
#include "src/pipeline/team.h"
#include "tiling/thumbnail.h"

#include <omp.h>

#define THUMBNAIL_PX 1024
#define FIXED_BYTES (64 << 10) /* user block, provenance, HDF5's own tables */
#define ROW_BYTES 32           /* coordinates, validity, attention and its logits */

/* The pace without what comes once a case: from the end of the first wave of batches on. */
typedef struct pace {
    int64_t wave, enough;
    gint64  begun_us, wave_us, last_us;
    int64_t at_wave, done;
} pace;

static bool note_progress(void *user, int64_t done, int64_t total)
{
    pace *p = user;

    (void)total;
    p->last_us = g_get_monotonic_time();
    p->done = done;
    if (p->wave_us == 0 && done >= p->wave) {
        p->wave_us = p->last_us;
        p->at_wave = done;
    }
    return done < p->enough;
}

static bool drop_rows(void *user, int64_t first, int64_t n, const float *features, const uint8_t *valid, GError **error)
{
    (void)user, (void)first, (void)n, (void)features, (void)valid, (void)error;
    return true;
}

static double pace_of(const pace *p)
{
    bool   past = p->done > p->at_wave && p->wave_us != 0;
    gint64 us = past ? p->last_us - p->wave_us : p->last_us - p->begun_us;

    return us > 0 ? (double)(past ? p->done - p->at_wave : p->done) * 1e6 / (double)us : 0;
}

static bool measure(mt_pipeline *p, mt_case_tiles *tiles, int64_t sample, double *per_second, GError **error)
{
    int                 batch = mt_team_batch(mt_grid_count(tiles->grid), p->batch);
    int64_t             wave = (int64_t)batch * p->threads;
    pace                measured = {.wave = wave, .enough = wave + MAX(sample, wave)};
    mt_timings          timings = {0};
    const mt_intensity *intensity;
    g_autoptr(GError) cause = NULL;
    mt_team_params params = {.c = tiles->c,
                             .grid = tiles->grid,
                             .encoder = p->encoder,
                             .backend = MT_BACKEND_AUTO,
                             .precision = p->contract.precision,
                             .batch = p->batch,
                             .threads = p->threads,
                             .progress = note_progress,
                             .progress_user = &measured,
                             .sink = drop_rows};

    if (!mt_case_tiles_fit_stain(tiles, p->stain, mt_encoder_card(p->encoder)->interpolation, error) ||
        !mt_case_tiles_intensity(tiles, mt_encoder_card(p->encoder), &intensity, error))
        return false;
    params.stain = tiles->stain;
    params.intensity = intensity;
    measured.begun_us = g_get_monotonic_time();
    if (!mt_team_run(&params, &timings, &cause) && !g_error_matches(cause, MT_ERROR, MT_ERROR_STOPPED)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
    *per_second = pace_of(&measured);
    return true;
}

bool mt_pipeline_look(mt_pipeline *p, const mt_job *job, int64_t sample, mt_case_look *look, GError **error)
{
    mt_case_tiles tiles = {0};
    gint64        start = g_get_monotonic_time();
    g_autoptr(mt_tensor) thumbnail = NULL;

    *look = (mt_case_look){0};
    omp_set_num_threads(p->threads);
    bool ok = mt_case_tiles_open(&tiles, p->recipe, &p->contract, mt_encoder_card(p->encoder), job, error) &&
              mt_case_tiles_lay(&tiles, p->masker, job->id, p->recipe, &p->contract, error) &&
              (thumbnail = mt_thumbnail_new(tiles.c, mt_case_planes(tiles.c) / 2, THUMBNAIL_PX, error)) != NULL;
    if (ok) {
        look->before_s = (double)(g_get_monotonic_time() - start) / 1e6;
        look->tiles = mt_grid_count(tiles.grid);
        look->bytes = FIXED_BYTES + (int64_t)mt_tensor_bytes(thumbnail) +
                      look->tiles * (ROW_BYTES + (int64_t)sizeof(float) * mt_encoder_dim(p->encoder));
        ok = sample == 0 || look->tiles == 0 || measure(p, &tiles, sample, &look->tiles_per_second, error);
    }
    mt_case_tiles_clear(&tiles);
    return ok;
}
