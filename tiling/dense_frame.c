#include "tiling/dense_frame.h"

#include "kernels/pixel/resample.h"
#include "src/base/alloc.h"
#include "src/case/volume_resample.h"

#include <string.h>

mt_volume *mt_volume_turned(const mt_volume *v, const int axes[3], GError **error)
{
    const int64_t  size[3] = {v->size[axes[0]], v->size[axes[1]], v->size[axes[2]]};
    const int64_t  steps[3] = {1, v->size[0], v->size[0] * v->size[1]};
    const int64_t *step[3] = {&steps[axes[0]], &steps[axes[1]], &steps[axes[2]]};
    mt_volume     *turned = mt_volume_new(size, v->channels, error);

    if (turned == NULL)
        return NULL;
    turned->has_frame = v->has_frame;
    memcpy(turned->affine, v->affine, sizeof turned->affine);
    for (int a = 0; a < 3; a++) {
        turned->spacing_mm[a] = v->spacing_mm[axes[a]];
        for (int row = 0; row < 4; row++)
            turned->affine[row * 4 + a] = v->affine[row * 4 + axes[a]];
    }
    float *out = turned->data;
    for (int c = 0; c < v->channels; c++)
        for (int64_t z = 0; z < size[2]; z++)
            for (int64_t y = 0; y < size[1]; y++) {
                const float *in = v->data + c * mt_volume_voxels(v) + z * *step[2] + y * *step[1];
                for (int64_t x = 0; x < size[0]; x++)
                    *out++ = in[x * *step[0]];
            }
    return turned;
}

static bool is_plain(const int axes[3])
{
    return axes[0] == 0 && axes[1] == 1 && axes[2] == 2;
}

/* get_lowres_axis: the one coarse axis; -1 where several are equally so. */
static int coarse_axis(const double mm[3])
{
    int coarse = 0, equal = 0;

    for (int a = 1; a < 3; a++)
        if (mm[a] > mm[coarse])
            coarse = a;
    for (int a = 0; a < 3; a++)
        equal += mm[a] == mm[coarse];
    return equal == 1 ? coarse : -1;
}

static int choose_apart(const mt_dense_card *card, const double from[3], const double to[3])
{
    return card->apart == 0 ? -1 : card->apart == 1 ? coarse_axis(from) : mt_regrid_separate(from, to);
}

bool mt_dense_frame_init(mt_dense_frame *frame, const mt_dense_card *card, const int64_t size[3], const mt_volume_box *box,
                         const double spacing_mm[3], GError **error)
{
    double from[3], to[3];
    bool   wanted = false;

    *frame = (mt_dense_frame){.box = *box, .image_apart = -1, .logits_apart = -1};
    memcpy(frame->size, size, sizeof frame->size);
    for (int a = 0; a < 3; a++) {
        frame->from[a] = frame->grid[a] = box->size[card->axes[a]];
        from[a] = spacing_mm[card->axes[a]];
        to[a] = card->spacing_mm[a] > 0 ? card->spacing_mm[a] : from[a];
        wanted = wanted || card->spacing_mm[a] > 0;
        if (card->spacing_mm[a] == 0 && from[a] == 0)
            from[a] = to[a] = 1; /* it stays as it is, whatever it is */
    }
    if (card->stretch)
        for (int a = 0; a < 2; a++)
            frame->grid[a] = card->patch[a];
    if (!wanted)
        return true;
    if (!mt_regrid_size(frame->from, from, to, frame->grid, error)) {
        g_prefix_error(error, "bring the case to %g x %g x %g mm: ", to[0], to[1], to[2]);
        return false;
    }
    frame->image_apart = choose_apart(card, from, to);
    frame->logits_apart = choose_apart(card, to, from);
    return true;
}

/* Each channel by its scheme, then by the card's mean and std. */
static bool scale(const mt_dense_card *card, mt_volume *v, const uint8_t *mask, const mt_intensity_facts *facts, int threads,
                  GError **error)
{
    int64_t n = mt_volume_voxels(v);

    for (int c = 0; c < v->channels; c++) {
        mt_intensity_scheme scheme = card->scheme[c];
        float              *values = v->data + c * n, mean = (float)card->mean[c], std = (float)card->std[c];

        if ((facts != NULL && !mt_intensity_scheme_fit(&scheme, facts, error)) ||
            !mt_intensity_scheme_apply(&scheme, v, c, mask, threads, error))
            return false;
        if (mean != 0 || std != 1)
            for (int64_t i = 0; i < n; i++)
                values[i] = (values[i] - mean) / std;
    }
    return true;
}

static bool wants_mask(const mt_dense_card *card)
{
    bool wanted = card->crop_nonzero;

    for (int c = 0; c < card->n_channels; c++)
        wanted = wanted || mt_intensity_scheme_needs_mask(&card->scheme[c]);
    return wanted;
}

/* The box around what is not zero, and the mask inside it; all of the volume, and the whole mask, where the card wants no cut. */
static bool find_box(const mt_dense_card *card, const mt_volume *v, mt_volume_box *box, uint8_t **mask, GError **error)
{
    *box = (mt_volume_box){.size = {v->size[0], v->size[1], v->size[2]}};
    if (!wants_mask(card))
        return true;
    *mask = mt_volume_nonzero_mask(v, error);
    if (*mask == NULL || !card->crop_nonzero)
        return *mask != NULL;
    *box = mt_volume_mask_box(*mask, v->size);
    uint8_t *cut = mt_alloc(box->size[0] * box->size[1] * box->size[2], 1, error);
    if (cut != NULL)
        mt_volume_cut_labels(*mask, v->size, box, cut);
    mt_free(*mask);
    *mask = cut;
    return cut != NULL;
}

static bool is_whole(const mt_volume *v, const mt_volume_box *box)
{
    return memcmp(v->size, box->size, sizeof box->size) == 0;
}

/* `next` in the place of *v; false when there is none. */
static bool replace(mt_volume **v, mt_volume *next)
{
    mt_volume_free(*v);
    *v = next;
    return next != NULL;
}

/* Slice by slice, channel by channel, as Pillow resizes. */
static mt_volume *stretched(const mt_volume *v, const int64_t size[3], GError **error)
{
    int64_t      from = v->size[0] * v->size[1], to = size[0] * size[1], n = v->size[2] * v->channels;
    mt_resample *resize = mt_resample_new(v->size[0], v->size[1], NULL, size[0], size[1], MT_FILTER_BILINEAR, error);
    g_autoptr(mt_volume) out = resize != NULL ? mt_volume_new(size, v->channels, error) : NULL;
    bool ok = out != NULL;

    for (int64_t i = 0; ok && i < n; i++)
        ok = mt_resample_f32(resize, v->data + i * from, out->data + i * to, error);
    mt_resample_free(resize);
    return ok ? g_steal_pointer(&out) : NULL;
}

static mt_volume *bring(mt_dense_frame *frame, const mt_dense_card *card, mt_volume *taken, const mt_volume_box *box, const uint8_t *mask,
                        const mt_intensity_facts *facts, int threads, GError **error)
{
    g_autoptr(mt_volume) v = taken;

    if (!mt_dense_frame_init(frame, card, v->size, box, v->spacing_mm, error) ||
        (!is_whole(v, box) && !replace(&v, mt_volume_crop(v, box, error))) || !scale(card, v, mask, facts, threads, error) ||
        (!is_plain(card->axes) && !replace(&v, mt_volume_turned(v, card->axes, error))))
        return NULL;
    if (memcmp(frame->from, frame->grid, sizeof frame->grid) != 0 &&
        !replace(&v, card->stretch ? stretched(v, frame->grid, error)
                                   : mt_volume_resample(v, frame->grid, card->image_order, frame->image_apart, threads, error)))
        return NULL;
    return g_steal_pointer(&v);
}

mt_volume *mt_dense_frame_bring(mt_dense_frame *frame, const mt_dense_card *card, mt_volume *v, const mt_intensity_facts *facts,
                                int threads, GError **error)
{
    mt_volume_box box;
    uint8_t      *mask = NULL;
    mt_volume    *brought = NULL;

    if (v->channels != card->n_channels) {
        g_autofree char *names = g_strjoinv(", ", card->channels);
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "bring the case to %s: it has %d channels, %d are wanted (%s)", card->name,
                    v->channels, card->n_channels, names);
        mt_volume_free(v);
        return NULL;
    }
    if (find_box(card, v, &box, &mask, error))
        brought = bring(frame, card, v, &box, mask, facts, threads, error);
    else
        mt_volume_free(v);
    mt_free(mask);
    return brought;
}

mt_label_slabs_params mt_dense_frame_back(const mt_dense_frame *frame, const mt_dense_card *card, int map_label)
{
    mt_label_slabs_params p = {.card = card, .order = card->logits_order, .apart = frame->logits_apart, .map_label = map_label};

    memcpy(p.grid, frame->grid, sizeof p.grid);
    memcpy(p.box, frame->from, sizeof p.box);
    memcpy(p.size, frame->size, sizeof p.size);
    memcpy(p.start, frame->box.start, sizeof p.start);
    return p;
}
