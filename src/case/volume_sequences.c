#include "src/case/volume_sequences.h"

#include "src/case/source.h"
#include "src/case/volume_read.h"

static void free_volumes(mt_sequence *sequences, int n)
{
    for (int i = 0; i < n; i++)
        mt_volume_free((mt_volume *)sequences[i].volume);
    g_free(sequences);
}

/* What the joined volume and all before it leave of the limit. */
static bool read_one(mt_case *c, mt_sequence *s, int64_t *left, int threads, GError **error)
{
    mt_volume *v = *left > 0 ? mt_volume_read(c, MT_VOLUME_RAS, *left, threads, error) : NULL;

    if (*left <= 0)
        g_set_error(error, MT_ERROR, MT_ERROR_MEMORY, "read %s whole: the sequences before it have taken the memory that is allowed",
                    mt_case_path(c));
    if (v == NULL)
        return false;
    *left -= mt_volume_voxels(v) * v->channels * (int64_t)sizeof *v->data;
    s->volume = v;
    s->path = mt_case_path(c);
    s->frame_of_reference = mt_case_frame_of_reference(c);
    return true;
}

static bool is_in_place(const mt_volume_turn *turn)
{
    for (int d = 0; d < 3; d++)
        if (turn->axis[d] != d || turn->flip[d])
            return false;
    return true;
}

/* Takes the volume. */
static mt_volume *turn_joined(mt_volume *joined, const mt_case *c, mt_volume_order order, GError **error)
{
    mt_volume_turn turn = mt_volume_turn_between(c, MT_VOLUME_RAS, order);

    if (joined == NULL || is_in_place(&turn))
        return joined;
    mt_volume *turned = mt_volume_turn_whole(joined, &turn, error);
    mt_volume_free(joined);
    return turned;
}

mt_volume *mt_volume_read_sequences(mt_case *const *cases, const char *const *roles, int n, mt_volume_order order, mt_registering how,
                                    int64_t limit_bytes, int threads, GError **error)
{
    mt_sequence *sequences = g_new0(mt_sequence, n);
    int64_t      left = limit_bytes > 0 ? limit_bytes : MT_VOLUME_LIMIT_BYTES;
    mt_volume   *joined = NULL;
    bool         ok = true;

    for (int i = 0; i < n; i++) {
        sequences[i].role = roles[i];
        ok = ok && (cases[i] == NULL || read_one(cases[i], &sequences[i], &left, threads, error));
    }
    if (ok)
        joined = mt_volume_align(sequences, n, how, threads, error);
    free_volumes(sequences, n);
    return joined != NULL ? turn_joined(joined, cases[0], order, error) : NULL;
}
