#include "src/pipeline/cut_ledger.h"

#include "src/base/publish.h"
#include "src/export/tile_tar.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct mt_cut_ledger {
    const mt_cut   *cut;
    mt_cut_summary *summary;
    char           *settings_path, *part_path, *table_path;
    int             lock_fd, part_fd;
    int64_t         next; /* tile of the next row */
    bool            finished;
    char           *last_shard; /* that a row named */
    GString        *waiting;
};

/* One row of the table, as far as a resumed cut needs it. */
typedef struct row {
    const char *name, *shard, *reason;
    bool        valid;
    int64_t     bytes;
} row;

/* A cell of ours without its quotes, in place. */
static char *unquote(char *cell)
{
    size_t n = strlen(cell);

    if (n < 2 || cell[0] != '"' || cell[n - 1] != '"')
        return cell;
    cell[n - 1] = '\0';
    cell += cell[1] == '\'' ? 2 : 1; /* what keeps a spreadsheet from running it */
    char *to = cell;
    for (const char *from = cell; *from != '\0'; from += from[0] == '"' && from[1] == '"' ? 2 : 1)
        *to++ = *from;
    *to = '\0';
    return cell;
}

/* Take the row apart in place.  Of our cells the reason alone may hold a comma, and it is the last. */
static bool parse_row(char *line, row *r)
{
    char *cells[9] = {line};

    for (int i = 1; i < 9; i++) {
        char *comma = strchr(cells[i - 1], ',');
        if (comma == NULL)
            return false;
        *comma = '\0';
        cells[i] = comma + 1;
    }
    *r = (row){.name = unquote(cells[0]),
               .valid = strcmp(cells[5], "1") == 0,
               .bytes = g_ascii_strtoll(cells[6], NULL, 10),
               .shard = unquote(cells[7]),
               .reason = unquote(cells[8])};
    return true;
}

/* Is what the row tells of still in the folder?  A file must have its size: one that a power cut left short has not. */
static bool stands(const mt_cut_ledger *l, const row *r)
{
    g_autofree char *path = g_build_filename(l->cut->folder, *r->shard != '\0' ? r->shard : r->name, NULL);
    struct stat      status;

    if (!r->valid)
        return true;
    if (*r->shard != '\0' && g_strcmp0(r->shard, l->last_shard) == 0)
        return true; /* looked at already */
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && (*r->shard != '\0' ? status.st_size > 0 : status.st_size == r->bytes);
}

static void count(mt_cut_ledger *l, bool valid, int64_t bytes, const char *shard, const char *reason)
{
    mt_cut_summary *s = l->summary;

    if (valid) {
        s->written++;
        s->bytes += bytes;
    } else if (s->invalid_tiles++ < MT_CUT_INVALID_KEPT) {
        mt_cut_invalid invalid = {mt_grid_tile(l->cut->tiles.grid, l->next), g_strdup(reason)};
        g_array_append_val(s->invalid, invalid);
    }
    if (*shard != '\0' && g_strcmp0(shard, l->last_shard) != 0) {
        s->shards++;
        g_free(l->last_shard);
        l->last_shard = g_strdup(shard);
    }
    l->next++;
}

/* Where the rows of the last shard begin: a kill within a write may leave a part of them. */
typedef struct shard_start {
    size_t  at; /* bytes of the table */
    int64_t next, written, bytes, invalid_tiles, shards, rows;
    guint   invalid;
    char   *last_shard;
} shard_start;

static void note_start(const mt_cut_ledger *l, size_t at, shard_start *start)
{
    const mt_cut_summary *s = l->summary;

    g_free(start->last_shard);
    *start = (shard_start){at, l->next, s->written, s->bytes, s->invalid_tiles, s->shards, 0, s->invalid->len, g_strdup(l->last_shard)};
}

/* The last shard is cut again where its rows are not as many as its tiles. */
static size_t drop_part(mt_cut_ledger *l, size_t kept, shard_start *start)
{
    mt_cut_summary  *s = l->summary;
    g_autofree char *path = l->last_shard != NULL ? g_build_filename(l->cut->folder, l->last_shard, NULL) : NULL;

    if (path == NULL || mt_tar_count(path) == 2 * start->rows) /* picture and sidecar */
        return kept;
    l->next = start->next;
    s->written = start->written;
    s->bytes = start->bytes;
    s->invalid_tiles = start->invalid_tiles;
    s->shards = start->shards;
    g_array_set_size(s->invalid, start->invalid);
    g_free(l->last_shard);
    l->last_shard = g_steal_pointer(&start->last_shard);
    return start->at;
}

/* Rows of the table up to the first whose tile is missing; returns their bytes. */
static size_t read_rows(mt_cut_ledger *l, const char *text)
{
    const char *at = text + strlen(MT_CUT_ROW_HEADER);
    int64_t     n = mt_grid_count(l->cut->tiles.grid);
    shard_start start = {0};

    if (!g_str_has_prefix(text, MT_CUT_ROW_HEADER))
        return 0;
    for (const char *end; l->next < n && (end = strchr(at, '\n')) != NULL; at = end + 1) {
        g_autofree char *line = g_strndup(at, (gsize)(end - at)), *name = mt_cut_name(l->cut, l->next);
        row              r;
        if (!parse_row(line, &r) || strcmp(r.name, name) != 0 || !stands(l, &r))
            break;
        if (*r.shard != '\0' && g_strcmp0(r.shard, l->last_shard) != 0)
            note_start(l, (size_t)(at - text), &start);
        count(l, r.valid, r.bytes, r.shard, r.reason);
        start.rows += *r.shard != '\0';
    }
    size_t kept = drop_part(l, (size_t)(at - text), &start);
    g_free(start.last_shard);
    return kept;
}

/* Go on with the rows that stand, whichever file has them; the others go. */
static bool resume(mt_cut_ledger *l, GError **error)
{
    g_autofree char *text = NULL;
    bool             table = g_file_get_contents(l->table_path, &text, NULL, NULL);
    size_t           kept = 0;

    if (table || g_file_get_contents(l->part_path, &text, NULL, NULL))
        kept = read_rows(l, text);
    l->finished = table && l->next == mt_grid_count(l->cut->tiles.grid);
    if (l->finished)
        return true;
    if (table && unlink(l->table_path) != 0) {
        mt_publish_io_error(error, "replace", l->table_path, errno);
        return false;
    }
    if (kept > 0)
        text[kept] = '\0';
    if (!mt_publish_text(l->part_path, kept > 0 ? text : MT_CUT_ROW_HEADER, true, error))
        return false;
    l->part_fd = open(l->part_path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (l->part_fd < 0)
        mt_publish_io_error(error, "open", l->part_path, errno);
    return l->part_fd >= 0;
}

static bool is_of_tiles(const char *name)
{
    static const char *const endings[] = {".png", ".jpg", ".jpeg", ".webp", ".tar"};

    for (size_t i = 0; i < G_N_ELEMENTS(endings); i++)
        if (g_str_has_suffix(name, endings[i]))
            return true;
    return strcmp(name, "coords.h5") == 0 || strcmp(name, "tiles.csv") == 0;
}

/* Tiles that no tile.ini explains: not ours to mix with. */
static bool check_strangers(const char *folder, GError **error)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
        if (is_of_tiles(name)) {
            g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                        "cut into %s: it holds %s and no tile.ini that says what it was cut with: choose another folder", folder, name);
            return false;
        }
    return true;
}

/* What a killed cut left unfinished; the lock says that nobody is writing it. */
static void remove_unfinished(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        struct stat      status;
        if (g_str_has_prefix(name, ".tmp-") && lstat(path, &status) == 0 && S_ISREG(status.st_mode))
            unlink(path); /* one that stays costs space alone */
    }
}

/* The first line of `ours` that `theirs` does not have at the same place. */
static char *first_difference(const char *theirs, const char *ours)
{
    g_auto(GStrv) a = g_strsplit(theirs, "\n", -1), b = g_strsplit(ours, "\n", -1);
    guint i = 0;

    while (a[i] != NULL && b[i] != NULL && strcmp(a[i], b[i]) == 0)
        i++;
    return g_strdup_printf("the folder has '%s', this command '%s'", a[i] != NULL ? a[i] : "", b[i] != NULL ? b[i] : "");
}

static bool check_settings(const mt_cut_ledger *l, const char *settings, GError **error)
{
    g_autofree char *theirs = NULL;
    g_autoptr(GError) cause = NULL;

    if (!g_file_get_contents(l->settings_path, &theirs, NULL, &cause)) {
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "read %s: %s", l->settings_path, cause->message);
        return false;
    }
    if (strcmp(theirs, settings) == 0)
        return true;
    g_autofree char *difference = first_difference(theirs, settings);
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "cut into %s: it holds tiles that were cut otherwise (%s): choose another folder",
                l->cut->folder, difference);
    return false;
}

static bool lock_folder(mt_cut_ledger *l, GError **error)
{
    l->lock_fd = open(l->settings_path, O_RDONLY | O_CLOEXEC);
    if (l->lock_fd < 0) {
        mt_publish_io_error(error, "open", l->settings_path, errno);
        return false;
    }
    /* a file system without locks is no reason to stop */
    if (flock(l->lock_fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "cut into %s: another process is cutting into it: wait for it or choose another folder",
                l->cut->folder);
    return false;
}

static bool open_folder(mt_cut_ledger *l, const char *settings, GError **error)
{
    const char *folder = l->cut->folder;

    if (g_mkdir_with_parents(folder, 0755) != 0 || access(folder, W_OK) != 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "cut into %s: %s: choose a folder that can be written", folder, g_strerror(errno));
        return false;
    }
    if (access(l->settings_path, F_OK) != 0) {
        g_autoptr(GError) cause = NULL;
        if (!check_strangers(folder, error))
            return false;
        if (!mt_publish_text(l->settings_path, settings, false, &cause) && !g_error_matches(cause, MT_ERROR, MT_ERROR_USAGE)) {
            g_propagate_error(error, g_steal_pointer(&cause));
            return false;
        }
    }
    return check_settings(l, settings, error) && lock_folder(l, error);
}

mt_cut_ledger *mt_cut_ledger_open(const mt_cut *cut, mt_cut_summary *summary, GError **error)
{
    g_autofree char *settings = mt_cut_settings(cut, error);

    if (settings == NULL)
        return NULL;
    g_autoptr(mt_cut_ledger) l = g_new0(mt_cut_ledger, 1);
    *l = (mt_cut_ledger){.cut = cut,
                         .summary = summary,
                         .settings_path = g_build_filename(cut->folder, "tile.ini", NULL),
                         .part_path = g_build_filename(cut->folder, "tiles.csv.part", NULL),
                         .table_path = g_build_filename(cut->folder, "tiles.csv", NULL),
                         .lock_fd = -1,
                         .part_fd = -1,
                         .waiting = g_string_new(NULL)};
    if (!open_folder(l, settings, error))
        return NULL;
    remove_unfinished(cut->folder);
    return resume(l, error) ? g_steal_pointer(&l) : NULL;
}

void mt_cut_ledger_close(mt_cut_ledger *l)
{
    if (l == NULL)
        return;
    if (l->part_fd >= 0)
        close(l->part_fd);
    if (l->lock_fd >= 0)
        close(l->lock_fd);
    g_string_free(l->waiting, TRUE);
    g_free(l->last_shard);
    g_free(l->settings_path);
    g_free(l->part_path);
    g_free(l->table_path);
    g_free(l);
}

int64_t mt_cut_ledger_settled(const mt_cut_ledger *l)
{
    return l->next;
}

int64_t mt_cut_ledger_shards(const mt_cut_ledger *l)
{
    return l->summary->shards;
}

bool mt_cut_ledger_finished(const mt_cut_ledger *l)
{
    return l->finished;
}

void mt_cut_ledger_add(mt_cut_ledger *l, const mt_cut_tile *tile, const char *shard)
{
    mt_cut_row(l->cut, l->next, tile, shard, l->waiting);
    count(l, tile->picture != NULL, tile->picture != NULL ? (int64_t)g_bytes_get_size(tile->picture) : 0, shard, tile->reason);
}

bool mt_cut_ledger_flush(mt_cut_ledger *l, GError **error)
{
    bool ok = mt_publish_write(l->part_fd, l->waiting->str, l->waiting->len, l->part_path, error);

    g_string_truncate(l->waiting, 0);
    return ok;
}

bool mt_cut_ledger_finish(mt_cut_ledger *l, GError **error)
{
    if (l->finished)
        return true;
    if (!mt_cut_ledger_flush(l, error))
        return false;
    int fd = l->part_fd;
    l->part_fd = -1;
    return mt_publish_commit(l->part_path, fd, l->table_path, true, error);
}
