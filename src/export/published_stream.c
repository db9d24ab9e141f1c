#include "src/export/published_stream.h"

#include "src/base/publish.h"

#include <errno.h>
#include <unistd.h>

bool mt_published_stream_begin(mt_published_stream *stream, const char *path, GError **error)
{
    *stream = (mt_published_stream){.fd = -1};
    stream->temporary = mt_publish_begin(path, &stream->fd, error);
    if (stream->temporary == NULL)
        return false;
    int copy = dup(stream->fd); /* the stream closes its own; the other is synchronised and closed on publishing */
    stream->out = copy < 0 ? NULL : fdopen(copy, "w");
    if (stream->out != NULL)
        return true;
    mt_publish_io_error(error, "write", path, errno);
    if (copy >= 0)
        close(copy);
    mt_publish_abandon(stream->temporary, stream->fd);
    g_clear_pointer(&stream->temporary, g_free);
    return false;
}

bool mt_published_stream_end(mt_published_stream *stream, const char *path, bool replace, bool ok, GError **error)
{
    g_autofree char *temporary = g_steal_pointer(&stream->temporary);
    bool             failed = ferror(stream->out) != 0;

    failed = fclose(stream->out) != 0 || failed;
    if (ok && failed)
        mt_publish_io_error(error, "write", path, errno);
    if (ok && !failed)
        return mt_publish_commit(temporary, stream->fd, path, replace, error);
    mt_publish_abandon(temporary, stream->fd);
    return false;
}
