#include "src/store/content_hash.h"

#include "src/base/hash.h"

#include <microtome/result.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_BYTES (1 << 20)
#define MEMBER ",\"content_sha256\":\""
#define HEX_BYTES 64
#define ADDED (sizeof MEMBER - 1 + HEX_BYTES + 1) /* and its closing quote */

G_STATIC_ASSERT(ADDED == MT_CONTENT_HASH_BYTES);

static char *hash_file(int fd, const char *headline)
{
    g_autofree uint8_t *block = g_malloc(BLOCK_BYTES);
    mt_hasher          *hasher = mt_hasher_new();
    off_t               at = MT_RESULT_HEADLINE_BYTES;
    ssize_t             n;

    mt_hasher_update(hasher, headline, strlen(headline));
    while ((n = pread(fd, block, BLOCK_BYTES, at)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        mt_hasher_update(hasher, block, (size_t)n);
        at += n;
    }
    int   failure = errno;
    char *hex = mt_hasher_finish(hasher);
    if (n < 0)
        g_clear_pointer(&hex, g_free);
    errno = failure;
    return hex;
}

char *mt_content_hash_put(int fd, const char *headline)
{
    size_t           n = strlen(headline);
    bool             fits = n > 2 && headline[n - 1] == '}' && n + ADDED < MT_RESULT_HEADLINE_BYTES;
    g_autofree char *hex = fits ? hash_file(fd, headline) : NULL;

    if (!fits)
        return g_strdup(headline);
    return hex != NULL ? g_strdup_printf("%.*s" MEMBER "%s\"}", (int)n - 1, headline, hex) : NULL;
}

/* The headline before the hash was put in; NULL when it has none. */
static char *without_hash(const char *line, char hex[HEX_BYTES + 1])
{
    size_t n = strlen(line);

    if (n < ADDED + 2 || strncmp(line + n - 1 - ADDED, MEMBER, sizeof MEMBER - 1) != 0)
        return NULL;
    memcpy(hex, line + n - 2 - HEX_BYTES, HEX_BYTES);
    hex[HEX_BYTES] = '\0';
    return g_strdup_printf("%.*s}", (int)(n - 1 - ADDED), line);
}

bool mt_result_check_content(const char *path, bool *hashed, GError **error)
{
    g_autofree char *line = mt_result_headline(path, error);
    char             wanted[HEX_BYTES + 1];
    g_autofree char *before = line != NULL ? without_hash(line, wanted) : NULL;

    *hashed = before != NULL;
    if (before == NULL)
        return line != NULL; /* of a version that wrote none */
    int              fd = open(path, O_RDONLY | O_CLOEXEC);
    g_autofree char *hex = fd >= 0 ? hash_file(fd, before) : NULL;
    if (hex == NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "read %s: %s", path, g_strerror(errno));
    else if (strcmp(hex, wanted) != 0)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "read %s: its bytes are not those that were written (SHA-256 %.12s.., its headline says %.12s..)", path, hex, wanted);
    if (fd >= 0)
        close(fd);
    return hex != NULL && strcmp(hex, wanted) == 0;
}
