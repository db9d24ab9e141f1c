/* STAMP: ENCODER-HASH/ID.h5, places in µm and features in float16. */
#include "src/export/layout_plan.h"
#include "src/store/schema.h"

#include "src/base/alloc.h"

#include <math.h>
#include <string.h>

#define COORDS "/coords"
#define FEATS "/feats"
#define CHUNK_ROWS 128
#define HASH_CHARS 8
#define STAMP_VERSION "2.0.0" /* the first that writes this layout: readers refuse what is newer than they are */
#define SQUARE 0.01

static bool put_um(const mt_layout_source *s, mt_store *store, GError **error)
{
    const int64_t *from = s->coords->data;
    float         *um = mt_alloc(s->n_valid * 2, sizeof(float), error), *to = um;

    for (int64_t i = 0; um != NULL && i < s->n; i++)
        for (int a = 0; a < 2 && s->valid[i] != 0; a++)
            *to++ = (float)((double)from[2 * i + a] * s->mpp[a]);
    bool ok = um != NULL && mt_store_grow_expecting(store, COORDS, MT_F32, 2, MIN(s->n_valid, 4096), error) &&
              mt_store_append(store, COORDS, um, s->n_valid, error);
    mt_free(um);
    return ok;
}

static char *code_hash(const mt_layout_source *s)
{
    return g_strndup(s->encoder_sha256, HASH_CHARS);
}

static bool put_attributes(const mt_layout_source *s, mt_store *store, GError **error)
{
    g_autofree char *hash = code_hash(s);
    double           tile_um = s->tile_level0[0] * s->mpp[0];

    return mt_store_attr_string(store, "/", "stamp_version", STAMP_VERSION, error) &&
           mt_store_attr_string(store, "/", "extractor", s->encoder, error) && mt_store_attr_string(store, "/", "unit", "um", error) &&
           mt_store_attr_double(store, "/", "tile_size_um", &tile_um, 1, error) &&
           mt_layout_attr_int(store, "/", "tile_size_px", s->patch_size, error) &&
           mt_store_attr_string(store, "/", "code_hash", hash, error) && mt_store_attr_string(store, "/", "feat_type", "tile", error) &&
           mt_layout_attr_truth(s, store, "/", error);
}

static bool write_features(const mt_layout_source *s, const char *path, GError **error)
{
    g_autoptr(mt_store) store = mt_store_create_plain(path, error);

    return store != NULL && put_um(s, store, error) && mt_layout_put_features(s, store, FEATS, MT_F16, CHUNK_ROWS, error) &&
           put_attributes(s, store, error) && mt_layout_publish(s, store, error);
}

/* STAMP has one edge in µm. */
static bool check_edge(const mt_layout_source *s, GError **error)
{
    double um[2] = {s->tile_level0[0] * s->mpp[0], s->tile_level0[1] * s->mpp[1]};

    if (!mt_layout_need_tiles(s, error))
        return false;
    return fabs(um[0] - um[1]) <= SQUARE * um[0] ||
           mt_layout_refuse(s, error, "its tiles are %g x %g µm, and the layout has one edge for both", um[0], um[1]);
}

static bool check_hash(const mt_layout_source *s, GError **error)
{
    return (s->encoder_sha256 != NULL && strlen(s->encoder_sha256) >= HASH_CHARS &&
            strspn(s->encoder_sha256, "0123456789abcdef") == strlen(s->encoder_sha256)) ||
           mt_layout_refuse(s, error, "it has no hash of the encoder that made its features");
}

bool mt_layout_stamp_plan(const mt_layout_source *s, mt_layout_plan *plan, GError **error)
{
    if (!mt_layout_need_features(s, error) || !mt_layout_need_encoder(s, error) || !check_hash(s, error) || !mt_layout_need_mpp(s, error) ||
        !check_edge(s, error))
        return false;
    g_autofree char *hash = code_hash(s);
    mt_layout_plan_file(plan, write_features, "%s-%s/%s.h5", s->encoder, hash, s->name);
    return true;
}
