#include "src/export/tile_tar.h"

#include "src/base/publish.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 512
#define RECORD (20 * BLOCK) /* archives are whole records */
#define WRITE_BYTES (INT64_C(1) << 20)
#define MAX_MEMBER_BYTES ((INT64_C(1) << 33) - 1) /* eleven octal digits */
#define PAX_NAME "pax_header"

/* POSIX.1-1988 with the fields of ustar. */
typedef struct tar_header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6], version[2], user[32], group[32],
        major[8], minor[8], prefix[155], padding[12];
} tar_header;
_Static_assert(sizeof(tar_header) == BLOCK, "a tar header is one block");

struct mt_tar {
    char       *target, *temporary;
    int         fd;
    int64_t     bytes; /* in all, also those that wait */
    GByteArray *waiting;
};

mt_tar *mt_tar_create(const char *target, GError **error)
{
    int   fd;
    char *temporary = mt_publish_begin(target, &fd, error);

    if (temporary == NULL)
        return NULL;
    mt_tar *tar = g_new0(mt_tar, 1);
    *tar = (mt_tar){.target = g_strdup(target), .temporary = temporary, .fd = fd, .waiting = g_byte_array_new()};
    return tar;
}

static void free_tar(mt_tar *tar)
{
    g_byte_array_unref(tar->waiting);
    g_free(tar->temporary);
    g_free(tar->target);
    g_free(tar);
}

void mt_tar_abandon(mt_tar *tar)
{
    if (tar == NULL)
        return;
    mt_publish_abandon(tar->temporary, tar->fd);
    free_tar(tar);
}

int64_t mt_tar_bytes(const mt_tar *tar)
{
    return tar->bytes;
}

static int64_t whole_blocks(int64_t bytes)
{
    return (bytes + BLOCK - 1) / BLOCK * BLOCK;
}

/* Where ustar may split a name: before it the prefix, behind it the name, neither empty nor too long.  0: the name fits as it is;
 * -1: nowhere. */
static int split_at(const char *name)
{
    size_t n = strlen(name);

    if (n <= sizeof((tar_header *)0)->name)
        return 0;
    for (size_t i = MIN(n - 1, sizeof((tar_header *)0)->prefix); i > 0; i--)
        if (name[i] == '/')
            return n - i - 1 <= sizeof((tar_header *)0)->name && i + 1 < n ? (int)i : -1;
    return -1;
}

/* "LENGTH path=NAME\n", LENGTH counting itself. */
static char *pax_record(const char *name)
{
    size_t body = strlen(" path=\n") + strlen(name), n = body + 1;

    while (n != body + (size_t)snprintf(NULL, 0, "%zu", n))
        n = body + (size_t)snprintf(NULL, 0, "%zu", n);
    return g_strdup_printf("%zu path=%s\n", n, name);
}

int64_t mt_tar_member_bytes(const char *name, size_t bytes)
{
    g_autofree char *record = split_at(name) < 0 ? pax_record(name) : NULL;

    return BLOCK + whole_blocks((int64_t)bytes) + (record != NULL ? BLOCK + whole_blocks((int64_t)strlen(record)) : 0);
}

static tar_header new_header(const char *name, size_t bytes, char type)
{
    tar_header h = {.mode = "0000644", .uid = "0000000", .gid = "0000000", .mtime = "00000000000", .magic = "ustar"};
    char       number[16];
    unsigned   sum = 0;
    int        split = split_at(name);

    /* A name that fits exactly has no terminator; one that nothing holds is cut, and the pax record before it tells all of it. */
    memcpy(h.prefix, name, (size_t)MAX(split, 0));
    const char *tail = split > 0 ? name + split + 1 : name;
    memcpy(h.name, tail, MIN(strlen(tail), sizeof h.name));
    memcpy(h.version, "00", 2);
    h.type = type;
    snprintf(number, sizeof number, "%011llo", (unsigned long long)bytes);
    memcpy(h.size, number, sizeof h.size);
    memset(h.checksum, ' ', sizeof h.checksum);
    for (size_t i = 0; i < sizeof h; i++)
        sum += ((const unsigned char *)&h)[i];
    snprintf(number, sizeof number, "%06o", sum);
    memcpy(h.checksum, number, 7); /* six digits, zero, and the space that stands there */
    return h;
}

static bool flush(mt_tar *tar, GError **error)
{
    bool ok = mt_publish_write(tar->fd, tar->waiting->data, tar->waiting->len, tar->target, error);

    g_byte_array_set_size(tar->waiting, 0);
    return ok;
}

static void append(mt_tar *tar, const void *data, size_t bytes)
{
    static const uint8_t zeros[BLOCK];
    int64_t              padding = whole_blocks((int64_t)bytes) - (int64_t)bytes;

    g_byte_array_append(tar->waiting, data, (guint)bytes);
    g_byte_array_append(tar->waiting, zeros, (guint)padding);
    tar->bytes += (int64_t)bytes + padding;
}

static bool append_member(mt_tar *tar, const char *name, const void *data, size_t bytes, char type, GError **error)
{
    tar_header header = new_header(name, bytes, type);

    append(tar, &header, sizeof header);
    if ((int64_t)bytes > WRITE_BYTES) { /* large contents are not copied */
        static const uint8_t zeros[BLOCK];
        int64_t              padding = whole_blocks((int64_t)bytes) - (int64_t)bytes;
        tar->bytes += (int64_t)bytes + padding;
        return flush(tar, error) && mt_publish_write(tar->fd, data, bytes, tar->target, error) &&
               mt_publish_write(tar->fd, zeros, (size_t)padding, tar->target, error);
    }
    append(tar, data, bytes);
    return tar->waiting->len < WRITE_BYTES || flush(tar, error);
}

bool mt_tar_add(mt_tar *tar, const char *name, const void *data, size_t bytes, GError **error)
{
    if (bytes > (size_t)MAX_MEMBER_BYTES) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "write %s: member %s has %zu bytes, and tar holds less than 8 GiB", tar->target, name,
                    bytes);
        return false;
    }
    if (split_at(name) < 0) {
        g_autofree char *record = pax_record(name);
        if (!append_member(tar, PAX_NAME, record, strlen(record), 'x', error))
            return false;
    }
    return append_member(tar, name, data, bytes, '0', error);
}

bool mt_tar_publish(mt_tar *tar, GError **error)
{
    static const uint8_t zeros[2 * BLOCK];

    append(tar, zeros, sizeof zeros); /* the end; what follows fills the record */
    while (tar->bytes % RECORD != 0)
        append(tar, zeros, BLOCK);
    bool ok = flush(tar, error);
    if (!ok)
        mt_publish_abandon(tar->temporary, tar->fd);
    else
        ok = mt_publish_commit(tar->temporary, tar->fd, tar->target, true, error);
    free_tar(tar);
    return ok;
}

/* Octal digits, as we write them. */
static int64_t read_octal(const char *field, size_t n)
{
    int64_t value = 0;

    for (size_t i = 0; i < n && field[i] >= '0' && field[i] <= '7'; i++)
        value = 8 * value + (field[i] - '0');
    return value;
}

int64_t mt_tar_count(const char *path)
{
    int        fd = open(path, O_RDONLY | O_CLOEXEC);
    int64_t    count = 0, at = 0;
    tar_header header;

    if (fd < 0)
        return -1;
    while (pread(fd, &header, sizeof header, (off_t)at) == (ssize_t)sizeof header && header.name[0] != '\0') {
        if (memcmp(header.magic, "ustar", 5) != 0) {
            count = -1;
            break;
        }
        count += header.type == '0';
        at += BLOCK + whole_blocks(read_octal(header.size, sizeof header.size));
    }
    close(fd);
    return count;
}
