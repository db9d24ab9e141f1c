#include "tiling/label_slabs.h"

#include "src/base/alloc.h"
#include "src/case/volume_resample.h"

#include <math.h>
#include <string.h>

/* Logits of so many bytes are brought back at once, a slice at least. */
#define OUT_BYTES (INT64_C(96) << 20)
#define OUT_SLICES 32

struct mt_label_slabs {
    mt_label_slabs_params p;
    mt_regrid             regrid;
    bool                  equal; /* grid and box: logits are used as they come */
    uint8_t              *labels;
    float                *map;
    float                *held; /* n_labels x room slices of the grid, from slice held_from on */
    int64_t               room, held_from, held_count;
    float                *out;             /* n_labels x out_most slices of the box */
    int64_t               out_most;        /* slices */
    int64_t               next_out;        /* first slice of the box that was not decided */
    int64_t               step[3], origin; /* in the map, by the network's axes */
};

static bool check(const mt_label_slabs_params *p, GError **error)
{
    for (int a = 0; a < 3; a++) {
        int axis = p->card->axes[a];

        if (p->grid[a] < 1 || p->box[a] < 1 || p->start[axis] < 0 || p->start[axis] + p->box[a] > p->size[axis]) {
            g_set_error(error, MT_ERROR, MT_ERROR_RANGE,
                        "lay a label map: %" G_GINT64_FORMAT " slices from %" G_GINT64_FORMAT
                        " on along axis %c do not fit into %" G_GINT64_FORMAT,
                        p->box[a], p->start[axis], "xyz"[axis], p -> size[axis]);
            return false;
        }
    }
    if (p->map_label < p->card->n_labels && (p->order == 0 || p->order == 1))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_RANGE,
                "lay a label map: label %d of %d, order %d: a label that is there and order 0 or 1 are wanted", p->map_label,
                p->card->n_labels, p->order);
    return false;
}

static int64_t out_slices(const mt_label_slabs_params *p)
{
    return CLAMP(OUT_BYTES / (p->card->n_labels * p->box[0] * p->box[1] * (int64_t)sizeof(float)), 1, MIN(OUT_SLICES, p->box[2]));
}

static bool is_equal(const mt_label_slabs_params *p)
{
    return memcmp(p->grid, p->box, sizeof p->grid) == 0;
}

int64_t mt_label_slabs_bytes(const mt_label_slabs_params *p)
{
    int64_t voxels = p->size[0] * p->size[1] * p->size[2], bytes = voxels * (p->map_label >= 0 ? 5 : 1);
    int64_t taken = (OUT_SLICES + 4) * p->card->n_labels * p->grid[0] * p->grid[1], out = p->card->n_labels * p->box[0] * p->box[1];

    return bytes + (is_equal(p) ? 0 : (taken + out * out_slices(p)) * (int64_t)sizeof(float));
}

/* Where the network's voxel (0, 0, 0) stands in the map, and the way to its neighbours. */
static void find_way(mt_label_slabs *s)
{
    const int64_t *size = s->p.size;
    const int64_t  strides[3] = {1, size[0], size[0] * size[1]};

    for (int a = 0; a < 3; a++) {
        int axis = s->p.card->axes[a];

        s->step[a] = strides[axis];
        s->origin += s->p.start[axis] * strides[axis];
    }
}

mt_label_slabs *mt_label_slabs_new(const mt_label_slabs_params *params, GError **error)
{
    if (!check(params, error))
        return NULL;
    g_autoptr(mt_label_slabs) s = g_new0(mt_label_slabs, 1);
    int64_t voxels = params->size[0] * params->size[1] * params->size[2];

    s->p = *params;
    s->equal = is_equal(params);
    s->regrid = (mt_regrid){.order = params->order, .separate = params->apart};
    memcpy(s->regrid.from, params->grid, sizeof s->regrid.from);
    memcpy(s->regrid.to, params->box, sizeof s->regrid.to);
    find_way(s);
    s->out_most = out_slices(params);
    s->labels = mt_alloc(voxels, 1, error);
    if (s->labels == NULL || (params->map_label >= 0 && (s->map = mt_alloc(voxels, sizeof *s->map, error)) == NULL))
        return NULL;
    if (!s->equal &&
        (s->out = mt_alloc(params->card->n_labels * s->out_most * params->box[0] * params->box[1], sizeof *s->out, error)) == NULL)
        return NULL;
    return g_steal_pointer(&s);
}

void mt_label_slabs_free(mt_label_slabs *s)
{
    if (s == NULL)
        return;
    mt_free(s->labels);
    mt_free(s->map);
    mt_free(s->held);
    mt_free(s->out);
    g_free(s);
}

uint8_t *mt_label_slabs_steal_labels(mt_label_slabs *s)
{
    return g_steal_pointer(&s->labels);
}

float *mt_label_slabs_steal_map(mt_label_slabs *s)
{
    return g_steal_pointer(&s->map);
}

/* The first of the largest, as argmax; regions above one half, later over earlier. */
static uint8_t decide(const mt_dense_card *card, const float *at, int64_t apart)
{
    int   best = 0;
    float most = at[0], half = card->activation == MT_DENSE_NONE ? 0.5F : 0;

    if (card->regions) {
        uint8_t painted = 0;
        for (int c = 0; c < card->n_labels; c++)
            if (at[c * apart] > half)
                painted = card->values[c];
        return painted;
    }
    for (int c = 1; c < card->n_labels; c++)
        if (at[c * apart] > most) {
            most = at[c * apart];
            best = c;
        }
    return card->values[best];
}

static float probability(const mt_dense_card *card, int label, const float *at, int64_t apart)
{
    float most = at[0], sum = 0;

    if (card->activation == MT_DENSE_NONE)
        return at[label * apart];
    if (card->activation == MT_DENSE_SIGMOID)
        return 1 / (1 + expf(-at[label * apart]));
    for (int c = 1; c < card->n_labels; c++)
        most = MAX(most, at[c * apart]);
    for (int c = 0; c < card->n_labels; c++)
        sum += expf(at[c * apart] - most);
    return expf(at[label * apart] - most) / sum;
}

/* `count` slices of the box from `z` on, whose logits stand label by label, `apart` floats from one to the next. */
static void put(mt_label_slabs *s, int64_t z, int64_t count, const float *logits, int64_t apart)
{
    const mt_dense_card *card = s->p.card;

    for (int64_t k = 0; k < count; k++)
        for (int64_t y = 0; y < s->p.box[1]; y++) {
            const float *row = logits + (k * s->p.box[1] + y) * s->p.box[0];
            int64_t      to = s->origin + (z + k) * s->step[2] + y * s->step[1];

            for (int64_t x = 0; x < s->p.box[0]; x++, to += s->step[0])
                s->labels[to] = decide(card, row + x, apart);
            to -= s->p.box[0] * s->step[0];
            for (int64_t x = 0; s->map != NULL && x < s->p.box[0]; x++, to += s->step[0])
                s->map[to] = probability(card, s->p.map_label, row + x, apart);
        }
}

/* Slices that no slice to come needs are let go, new ones stand behind the rest. */
static bool hold(mt_label_slabs *s, int64_t z0, int64_t count, const float *logits, int64_t needed_from, GError **error)
{
    int64_t plane = s->p.grid[0] * s->p.grid[1], drop = CLAMP(needed_from - s->held_from, 0, s->held_count);
    int64_t kept = s->held_count - drop, labels = s->p.card->n_labels, room = MAX(s->room, kept + count);
    float  *held = s->held;

    if (room > s->room && (held = mt_alloc(labels * room * plane, sizeof *held, error)) == NULL)
        return false;
    for (int64_t i = 0; i < labels; i++) {
        /* a new place lies apart; in the old one everything moves to the front */
        if (kept > 0)
            memmove(held + i * room * plane, s->held + (i * s->room + drop) * plane, (size_t)(kept * plane) * sizeof *held);
        memcpy(held + (i * room + kept) * plane, logits + i * count * plane, (size_t)(count * plane) * sizeof *held);
    }
    if (held != s->held) {
        mt_free(s->held);
        s->held = held;
        s->room = room;
    }
    s->held_from = z0 - kept;
    s->held_count = kept + count;
    return true;
}

/* How many slices from next_out on can be made of what is held. */
static bool find_ready(const mt_label_slabs *s, int64_t *count, GError **error)
{
    int64_t in0, in1;

    for (*count = 0; *count < s->out_most && s->next_out + *count < s->p.box[2]; (*count)++) {
        int64_t z = s->next_out + *count;
        if (!mt_regrid_rows_needed(&s->regrid, z, z + 1, &in0, &in1, error))
            return false;
        if (in1 > s->held_from + s->held_count)
            return true;
    }
    return true;
}

static bool bring_back(mt_label_slabs *s, int64_t count, GError **error)
{
    int64_t plane = s->p.grid[0] * s->p.grid[1], apart = count * s->p.box[0] * s->p.box[1];

    for (int64_t c = 0; c < s->p.card->n_labels; c++)
        if (!mt_regrid_rows(&s->regrid, s->held + c * s->room * plane, s->held_from, s->next_out, s->next_out + count, s->out + c * apart,
                            1, error))
            return false;
    put(s, s->next_out, count, s->out, apart);
    s->next_out += count;
    return true;
}

bool mt_label_slabs_take(void *user, int64_t z0, int64_t count, const float *logits, GError **error)
{
    mt_label_slabs *s = user;
    int64_t         in0 = 0, in1, ready = 0;

    if (s->equal) {
        put(s, z0, count, logits, count * s->p.box[0] * s->p.box[1]);
        return true;
    }
    if (s->next_out < s->p.box[2] && !mt_regrid_rows_needed(&s->regrid, s->next_out, s->next_out + 1, &in0, &in1, error))
        return false;
    if (!hold(s, z0, count, logits, in0, error))
        return false;
    do {
        if (!find_ready(s, &ready, error) || (ready > 0 && !bring_back(s, ready, error)))
            return false;
    } while (ready > 0);
    return true;
}
