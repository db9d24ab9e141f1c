/* Real tiles as an encoder gets them: what precisions are verified with, and ranges are calibrated on. */
#include "src/encoder/preprocess.h"
#include "src/pipeline/case_tiles.h"

#include <string.h>

typedef struct sampler {
    mt_encoder      *encoder;
    const mt_recipe *recipe;
    mt_contract      contract;
    mt_stain_target *stain;
    mt_preprocess   *preprocess;
    mt_masker       *masker;
    mt_tensor       *inputs;
    int64_t          taken, slot_floats;
} sampler;

static void sampler_clear(sampler *s)
{
    mt_contract_clear(&s->contract);
    g_clear_pointer(&s->stain, mt_stain_target_free);
    g_clear_pointer(&s->preprocess, mt_preprocess_free);
    g_clear_pointer(&s->masker, mt_masker_free);
    g_clear_pointer(&s->inputs, mt_tensor_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(sampler, sampler_clear)

static bool open_sampler(sampler *s, int64_t n, GError **error)
{
    const mt_card *card = mt_encoder_card(s->encoder);

    if (!mt_contract_resolve(s->recipe, card, &s->contract, error) || !mt_pipeline_load_stain(s->recipe, &s->stain, error))
        return false;
    s->masker = mt_masker_new(mt_recipe_mask_method(s->recipe), error);
    if (s->masker == NULL)
        return false;
    mt_masker_exclude(s->masker, s->recipe->exclude);
    s->preprocess = mt_preprocess_new(card);
    int64_t shape[] = {n, mt_preprocess_planes(s->preprocess), card->size_px, card->size_px};
    s->slot_floats = shape[1] * shape[2] * shape[3];
    s->inputs = mt_tensor_new(MT_F32, 4, shape, error);
    return s->inputs != NULL;
}

/* A tile that cannot be decoded is passed over, as a run does; any other error ends the sampling. */
static bool take_tile(sampler *s, mt_tile_reader *reader, const mt_stain *stain, int64_t tile, GError **error)
{
    g_autoptr(GError) cause = NULL;
    mt_tile_pixels pixels;

    if (!mt_tile_reader_read(reader, tile, &pixels, &cause)) {
        if (g_error_matches(cause, MT_ERROR, MT_ERROR_INPUT))
            return true;
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
    mt_stain_apply(stain, &pixels);
    if (!mt_preprocess_run(s->preprocess, &pixels, (float *)s->inputs->data + s->taken * s->slot_floats, error))
        return false;
    s->taken++;
    return true;
}

/* `wanted` tiles of one case: the middles of as many equal stretches of its grid. */
static bool take_case(sampler *s, const mt_job *job, int64_t wanted, mt_case_tiles *tiles, GError **error)
{
    const mt_card      *card = mt_encoder_card(s->encoder);
    const mt_intensity *intensity;

    if (!mt_case_tiles_open(tiles, s->recipe, &s->contract, card, job, error) ||
        !mt_case_tiles_lay(tiles, s->masker, job->id, s->recipe, &s->contract, error) ||
        !mt_case_tiles_fit_stain(tiles, s->stain, card->interpolation, error) || !mt_case_tiles_intensity(tiles, card, &intensity, error))
        return false;
    if (intensity != NULL)
        mt_preprocess_set_intensity(s->preprocess, intensity);
    g_autoptr(mt_tile_reader) reader = mt_tile_reader_new(tiles->c, tiles->grid, card->interpolation, error);
    int64_t count = mt_grid_count(tiles->grid), n = MIN(wanted, count);
    bool    ok = reader != NULL;
    for (int64_t i = 0; ok && i < n; i++)
        ok = take_tile(s, reader, tiles->stain, (2 * i + 1) * count / (2 * n), error);
    return ok;
}

/* The rows that were filled. */
static mt_tensor *taken_rows(sampler *s, GError **error)
{
    int64_t shape[4];

    if (s->taken == 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "sample tiles: the cases have no tile with foreground that can be read: name others");
        return NULL;
    }
    memcpy(shape, s->inputs->shape, sizeof shape);
    shape[0] = s->taken;
    mt_tensor *inputs = mt_tensor_new(MT_F32, 4, shape, error);
    if (inputs != NULL)
        memcpy(inputs->data, s->inputs->data, (size_t)(s->taken * s->slot_floats) * sizeof(float));
    return inputs;
}

mt_tensor *mt_pipeline_sample(mt_encoder *encoder, const mt_recipe *recipe, const mt_job *jobs, int n_jobs, int64_t n, GError **error)
{
    g_auto(sampler) s = {.encoder = encoder, .recipe = recipe};

    if (n < 1) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "sample %" G_GINT64_FORMAT " tiles: 1 or more are wanted", n);
        return NULL;
    }
    if (!open_sampler(&s, n, error))
        return NULL;
    for (int k = 0; k < n_jobs; k++) {
        mt_case_tiles tiles = {0};
        /* what earlier cases could not give is shared by the later ones */
        bool ok = take_case(&s, &jobs[k], (n - s.taken + n_jobs - k - 1) / (n_jobs - k), &tiles, error);
        mt_case_tiles_clear(&tiles);
        if (!ok)
            return NULL;
    }
    return s.taken == n ? g_steal_pointer(&s.inputs) : taken_rows(&s, error);
}
