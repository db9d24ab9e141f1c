#include "src/pipeline/cut_sink.h"

#include "src/base/publish.h"
#include "src/export/tile_tar.h"

#include <string.h>

/* Rows between two writes to the ledger: what a killed cut may have to do again. */
#define ROWS_A_FLUSH 64

struct mt_cut_sink {
    const mt_cut  *cut;
    mt_cut_ledger *ledger;
    int64_t        rows; /* since the last flush */
    mt_tar        *shard;
    char          *shard_name;
    int64_t        shard_number; /* of the one that is open, or comes next */
    int64_t        shard_share;  /* of --shards N: which N-th of the tiles is in it */
};

mt_cut_sink *mt_cut_sink_new(const mt_cut *cut, mt_cut_ledger *ledger)
{
    mt_cut_sink *s = g_new0(mt_cut_sink, 1);

    *s = (mt_cut_sink){.cut = cut, .ledger = ledger, .shard_number = mt_cut_ledger_shards(ledger)};
    return s;
}

void mt_cut_sink_free(mt_cut_sink *s)
{
    if (s == NULL)
        return;
    mt_tar_abandon(s->shard);
    g_free(s->shard_name);
    g_free(s);
}

static bool put_file(mt_cut_sink *s, int64_t i, GBytes *picture, GError **error)
{
    g_autofree char *name = mt_cut_name(s->cut, i), *path = g_build_filename(s->cut->folder, name, NULL);
    gsize            bytes;
    const void      *data = g_bytes_get_data(picture, &bytes);
    int              fd;
    g_autofree char *temporary = mt_publish_begin(path, &fd, error);

    if (temporary == NULL)
        return false;
    if (!mt_publish_write(fd, data, bytes, path, error)) {
        mt_publish_abandon(temporary, fd);
        return false;
    }
    return mt_publish_rename(temporary, fd, path, true, error);
}

static bool close_shard(mt_cut_sink *s, GError **error)
{
    if (s->shard == NULL)
        return true;
    mt_tar *shard = g_steal_pointer(&s->shard);
    s->shard_number++;
    return mt_tar_publish(shard, error) && mt_cut_ledger_flush(s->ledger, error);
}

static bool open_shard(mt_cut_sink *s, int64_t share, GError **error)
{
    g_free(s->shard_name);
    s->shard_name = g_strdup_printf("%s-%06" G_GINT64_FORMAT ".tar", s->cut->job->id, s->shard_number);
    g_autofree char *path = g_build_filename(s->cut->folder, s->shard_name, NULL);
    s->shard = mt_tar_create(path, error);
    s->shard_share = share;
    return s->shard != NULL;
}

/* Picture and sidecar of one sample, one behind the other. */
static bool put_member(mt_cut_sink *s, int64_t i, GBytes *picture, GError **error)
{
    const mt_cut_options *o = s->cut->options;
    g_autofree char      *key = mt_cut_key(s->cut, i), *name = mt_cut_name(s->cut, i), *json_name = g_strdup_printf("%s.json", key),
                    *json = mt_cut_sidecar(s->cut, i);
    gsize       bytes;
    const void *data = g_bytes_get_data(picture, &bytes);
    int64_t sample = mt_tar_member_bytes(name, bytes) + mt_tar_member_bytes(json_name, strlen(json)), n = mt_grid_count(s->cut->tiles.grid);
    int64_t share = o->shards > 0 ? (int64_t)((double)i * (double)MIN(o->shards, n) / (double)n) : 0;

    bool full = s->shard != NULL && (o->shards > 0 ? share != s->shard_share : mt_tar_bytes(s->shard) + sample > o->shard_bytes);
    if (full && !close_shard(s, error))
        return false;
    if (s->shard == NULL && !open_shard(s, share, error))
        return false;
    return mt_tar_add(s->shard, name, data, bytes, error) && mt_tar_add(s->shard, json_name, json, strlen(json), error);
}

bool mt_cut_sink_put(mt_cut_sink *s, int64_t i, const mt_cut_tile *tile, GError **error)
{
    bool sharded = mt_cut_is_sharded(s->cut);

    if (tile->picture != NULL && !(sharded ? put_member(s, i, tile->picture, error) : put_file(s, i, tile->picture, error)))
        return false;
    mt_cut_ledger_add(s->ledger, tile, sharded && tile->picture != NULL ? s->shard_name : "");
    if (sharded || ++s->rows < ROWS_A_FLUSH)
        return true;
    s->rows = 0;
    return mt_cut_ledger_flush(s->ledger, error);
}

bool mt_cut_sink_settle(mt_cut_sink *s, bool whole, GError **error)
{
    if (!mt_cut_is_sharded(s->cut))
        return mt_cut_ledger_flush(s->ledger, error);
    return !whole || (close_shard(s, error) && mt_cut_ledger_flush(s->ledger, error));
}
