/* microtome-score-slide: one slide through the public API, step by step: case, mask, grid, encoder, head.
 *
 *     microtome-score-slide SLIDE ENCODER [HEAD.safetensors [NPY_DIR]]
 *
 * ENCODER is a model with its card, or builtin:demo.  NPY_DIR gets features.npy and coords.npy.  `microtome run` does the
 * same on all cores, with results that survive a crash. */
#include <microtome/encoder.h>
#include <microtome/error.h>
#include <microtome/grid.h>
#include <microtome/head.h>
#include <microtome/mask.h>
#include <microtome/tile_reader.h>

#include <stdio.h>

/* What the card wants of a tile becomes the grid's parameters. */
static mt_grid *lay_grid(mt_case *c, const mt_card *card, GError **error)
{
    g_autoptr(mt_mask) mask = mt_mask_new(c, NULL, error);
    mt_grid_params params = {.tile_px = card->tile_px, .mpp = card->mpp, .min_share = 0.5, .whole_plane = card->fit != MT_FIT_TILES};

    return mask != NULL ? mt_grid_new(c, mask, &params, error) : NULL;
}

/* Batch after batch; `features` has a row for each tile of the grid. */
static bool encode(mt_encoder *encoder, mt_tile_reader *reader, int64_t n_tiles, float *features, GError **error)
{
    const int batch = mt_encoder_card(encoder)->batch;
    g_autoptr(mt_encoder_session) session = mt_encoder_session_new(encoder, MT_BACKEND_AUTO, MT_PRECISION_FP32, batch, 1, error);

    for (int64_t first = 0; session != NULL && first < n_tiles; first += batch) {
        const int n = (int)MIN(batch, n_tiles - first);
        for (int i = 0; i < n; i++) {
            mt_tile_pixels pixels;
            if (!mt_tile_reader_read(reader, first + i, &pixels, error) || !mt_encoder_session_put(session, i, &pixels, error))
                return false;
        }
        if (!mt_encoder_session_run(session, n, features + first * mt_encoder_dim(encoder), error))
            return false;
    }
    return session != NULL;
}

static bool write_npy(const char *folder, const mt_grid *grid, const mt_tensor *features, GError **error)
{
    const int64_t shape[] = {mt_grid_count(grid), 2};
    g_autoptr(mt_tensor) coords = mt_tensor_new(MT_I64, 2, shape, error);
    g_autofree char *features_path = g_build_filename(folder, "features.npy", NULL);
    g_autofree char *coords_path = g_build_filename(folder, "coords.npy", NULL);

    if (coords == NULL)
        return false;
    for (int64_t i = 0; i < shape[0]; i++) {
        ((int64_t *)coords->data)[2 * i] = mt_grid_tile(grid, i).x;
        ((int64_t *)coords->data)[2 * i + 1] = mt_grid_tile(grid, i).y;
    }
    return mt_tensor_write_npy(features, features_path, error) && mt_tensor_write_npy(coords, coords_path, error);
}

/* The card of the head says what the classes are called. */
static bool print_score(const char *head_path, const mt_tensor *features, GError **error)
{
    g_autoptr(mt_head) head = mt_head_load(head_path, error);
    const mt_bag bag = mt_bag_from_memory(features->data, features->shape[0], features->shape[1]);
    g_autoptr(mt_head_output) output = head != NULL ? mt_head_predict(head, &bag, NULL, error) : NULL;

    if (output == NULL)
        return false;
    for (int64_t c = 0; output->scores != NULL && c < output->n_classes; c++)
        printf("%-10s %.4f\n", mt_head_get_card(head)->labels[c], (double)output->scores[c]);
    return true;
}

static bool score(char **argv, GError **error)
{
    g_autoptr(mt_case) c = mt_case_open(argv[1], NULL, error);
    g_autoptr(mt_encoder) encoder = c != NULL ? mt_encoder_load(argv[2], error) : NULL;
    g_autoptr(mt_grid) grid = encoder != NULL ? lay_grid(c, mt_encoder_card(encoder), error) : NULL;
    const mt_filter filter = encoder != NULL ? mt_encoder_card(encoder)->interpolation : MT_FILTER_BILINEAR;
    g_autoptr(mt_tile_reader) reader = grid != NULL ? mt_tile_reader_new(c, grid, filter, error) : NULL;

    if (reader == NULL)
        return false;
    const int64_t shape[] = {mt_grid_count(grid), mt_encoder_dim(encoder)};
    g_autoptr(mt_tensor) features = mt_tensor_new(MT_F32, 2, shape, error);
    printf("tiles      %" G_GINT64_FORMAT "\n", shape[0]);
    if (features == NULL || !encode(encoder, reader, shape[0], features->data, error))
        return false;
    if (argv[3] != NULL && shape[0] > 0 && !print_score(argv[3], features, error))
        return false;
    return argv[3] == NULL || argv[4] == NULL || write_npy(argv[4], grid, features, error);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    if (argc < 3 || argc > 5) {
        fprintf(stderr, "usage: microtome-score-slide SLIDE ENCODER [HEAD.safetensors [NPY_DIR]]\n");
        return 64;
    }
    if (!score(argv, &error)) {
        fprintf(stderr, "microtome-score-slide: %s\n", error->message);
        return mt_error_exit_code(error);
    }
    return 0;
}
