#include "src/batch/protocol.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

bool mt_protocol_write(int fd, json_t *object)
{
    char *text = object != NULL ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    bool  ok = text != NULL;

    if (!ok)
        return false;
    size_t n = strlen(text);
    text[n++] = '\n'; /* over the terminating zero: the length is known */
    for (size_t done = 0; ok && done < n;) {
        ssize_t written = write(fd, text + done, n - done);
        if (written < 0 && errno == EINTR)
            continue;
        ok = written > 0;
        done += ok ? (size_t)written : 0;
    }
    free(text);
    json_decref(object);
    return ok;
}
