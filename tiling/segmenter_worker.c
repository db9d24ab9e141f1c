/* One tile through the network. */
#include "kernels/pixel/half.h"
#include "src/base/alloc.h"
#include "tiling/segmenter_private.h"

#include <math.h>

static int64_t input_floats(const mt_segmenter *s)
{
    const mt_card *card = s->card->pixels;

    return (card->channels == MT_CHANNELS_GRAY ? 1 : 3) * (int64_t)card->size_px * card->size_px;
}

static int64_t output_floats(const mt_segmenter *s)
{
    return s->card->n_classes * s->out_width * s->out_height;
}

static bool allocate(const mt_segmenter *s, mt_segmenter_worker *w, GError **error)
{
    bool half_in = mt_model_input(s->model, 0)->dtype == MT_F16, half_out = mt_session_output(w->session, s->output)->dtype == MT_F16;

    w->outputs = g_new0(void *, mt_model_n_outputs(s->model));
    w->input = mt_alloc(input_floats(s), sizeof *w->input, error);
    w->output = w->input != NULL ? mt_alloc(output_floats(s), sizeof *w->output, error) : NULL;
    if (w->output == NULL || (half_in && (w->half_input = mt_alloc(input_floats(s), sizeof(uint16_t), error)) == NULL) ||
        (half_out && (w->half_output = mt_alloc(output_floats(s), sizeof(uint16_t), error)) == NULL))
        return false;
    w->outputs[s->output] = half_out ? (void *)w->half_output : (void *)w->output;
    return true;
}

mt_segmenter_worker *mt_segmenter_worker_new(const mt_segmenter *s, GError **error)
{
    g_autoptr(mt_segmenter_worker) w = g_new0(mt_segmenter_worker, 1);

    w->session = mt_segmenter_bind(s, MT_BACKEND_AUTO, error);
    w->preprocess = mt_preprocess_new(s->card->pixels);
    return w->session != NULL && allocate(s, w, error) ? g_steal_pointer(&w) : NULL;
}

void mt_segmenter_worker_free(mt_segmenter_worker *worker)
{
    if (worker == NULL)
        return;
    mt_session_free(worker->session);
    mt_preprocess_free(worker->preprocess);
    mt_free(worker->input);
    mt_free(worker->output);
    mt_free(worker->half_input);
    mt_free(worker->half_output);
    g_free(worker->outputs);
    g_free(worker);
}

bool mt_segmenter_worker_run(const mt_segmenter *s, mt_segmenter_worker *w, const mt_tile_pixels *pixels, GError **error)
{
    const void *input = w->half_input != NULL ? (const void *)w->half_input : (const void *)w->input;

    if (!mt_preprocess_run(w->preprocess, pixels, w->input, error))
        return false;
    if (w->half_input != NULL)
        mt_half_from_f32(w->input, input_floats(s), w->half_input);
    if (!mt_session_run(w->session, &input, w->outputs, error))
        return false;
    if (w->half_output != NULL)
        mt_half_to_f32(w->half_output, output_floats(s), w->output);
    for (int64_t i = 0; i < output_floats(s); i++)
        if (!isfinite(w->output[i])) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "its output is not finite: model and card do not fit these pixels");
            return false;
        }
    return true;
}
