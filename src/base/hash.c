#include "src/base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <unistd.h>

struct mt_hasher {
    EVP_MD_CTX *context;
};

mt_hasher *mt_hasher_new(void)
{
    mt_hasher *hasher = g_new0(mt_hasher, 1);

    hasher->context = EVP_MD_CTX_new();
    EVP_DigestInit_ex(hasher->context, EVP_sha256(), NULL);
    return hasher;
}

void mt_hasher_update(mt_hasher *hasher, const void *data, size_t bytes)
{
    EVP_DigestUpdate(hasher->context, data, bytes);
}

char *mt_hasher_finish(mt_hasher *hasher)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned      n = 0;

    EVP_DigestFinal_ex(hasher->context, digest, &n);
    EVP_MD_CTX_free(hasher->context);
    g_free(hasher);
    GString *hex = g_string_sized_new(2 * n);
    for (unsigned i = 0; i < n; i++)
        g_string_append_printf(hex, "%02x", digest[i]);
    return g_string_free(hex, FALSE);
}

char *mt_hash_bytes(const void *data, size_t bytes)
{
    mt_hasher *hasher = mt_hasher_new();

    mt_hasher_update(hasher, data, bytes);
    return mt_hasher_finish(hasher);
}

char *mt_hash_keyed(const void *key, size_t key_bytes, const void *data, size_t bytes)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned      n = 0;
    GString      *hex = g_string_new(NULL);

    HMAC(EVP_sha256(), key, (int)key_bytes, data, bytes, digest, &n);
    for (unsigned i = 0; i < n; i++)
        g_string_append_printf(hex, "%02x", digest[i]);
    return g_string_free(hex, FALSE);
}

static bool hash_descriptor(mt_hasher *hasher, int fd)
{
    g_autofree uint8_t *block = g_malloc(1 << 20);
    ssize_t             n;

    while ((n = read(fd, block, 1 << 20)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        mt_hasher_update(hasher, block, (size_t)n);
    }
    return true;
}

char *mt_hash_file(const char *path, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        g_set_error(error, MT_ERROR, errno == ENOENT ? MT_ERROR_MISSING : MT_ERROR_IO, "hash %s: %s", path, g_strerror(errno));
        return NULL;
    }
    mt_hasher *hasher = mt_hasher_new();
    bool       ok = hash_descriptor(hasher, fd);
    int        saved = errno;
    char      *hex = mt_hasher_finish(hasher);
    close(fd);
    if (!ok) {
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "hash %s: %s", path, g_strerror(saved));
        g_clear_pointer(&hex, g_free);
    }
    return hex;
}
