#include "src/case/file_bytes_private.h"

#include "src/case/read_ahead.h"

struct mt_file_bytes {
    mt_file_medium *medium;
    mt_read_ahead  *ahead;
};

mt_file_bytes *mt_file_bytes_open_with(const char *path, const mt_medium_calls *calls, GError **error)
{
    mt_file_medium *medium = mt_file_medium_open(path, calls, error);

    if (medium == NULL)
        return NULL;
    mt_file_bytes *self = g_new0(mt_file_bytes, 1);
    self->medium = medium;
    self->ahead = mt_read_ahead_new(medium);
    return self;
}

mt_file_bytes *mt_file_bytes_open(const char *path, GError **error)
{
    return mt_file_bytes_open_with(path, &mt_medium_system, error);
}

void mt_file_bytes_free(mt_file_bytes *self)
{
    if (self == NULL)
        return;
    mt_read_ahead_free(self->ahead);
    mt_file_medium_close(self->medium);
    g_free(self);
}

uint64_t mt_file_bytes_size(const mt_file_bytes *self)
{
    return mt_file_medium_size(self->medium);
}

bool mt_file_bytes_read(mt_file_bytes *self, uint64_t offset, uint64_t size, void *out, GError **error)
{
    uint64_t end = mt_file_bytes_size(self);

    if (size > end || offset > end - size) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "the file is cut short");
        return false;
    }
    if (mt_read_ahead_take(self->ahead, offset, size, out))
        return true;
    mt_medium_watch watch = mt_file_medium_watch(self->medium);
    bool            ok = mt_file_medium_read(self->medium, offset, size, out, error);
    if (ok)
        mt_read_ahead_note(self->ahead, mt_file_medium_waited_us(self->medium, watch), size);
    return ok;
}

void mt_file_bytes_will_read(mt_file_bytes *self, uint64_t offset, uint64_t size)
{
    mt_file_medium_will_read(self->medium, offset, size);
}

bool mt_file_bytes_ahead(mt_file_bytes *self, uint64_t offset, uint64_t size)
{
    return mt_read_ahead_tell(self->ahead, offset, size);
}

mt_file_counts mt_file_bytes_counts(const mt_file_bytes *self)
{
    mt_file_counts counts = {.ahead_hits = mt_read_ahead_hits(self->ahead)};

    mt_file_medium_counts(self->medium, &counts.reads, &counts.bytes, &counts.retries);
    return counts;
}
