/* NumPy's .npy: magic, version, header length, a Python dict literal padded to 64 bytes, then the elements. */
#include <microtome/tensor.h>

#include "src/base/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_MAX 65536

static const struct {
    const char *descr;
    mt_dtype    dtype;
} descriptors[] = {
    {"<f4", MT_F32}, {"<f8", MT_F64}, {"<f2", MT_F16}, {"<i8", MT_I64},  {"<i4", MT_I32}, {"<i2", MT_I16},
    {"<u2", MT_U16}, {"|i1", MT_I8},  {"|u1", MT_U8},  {"|b1", MT_BOOL}, {"<u4", MT_U32}, {"<u8", MT_U64},
};

static bool refuse(const char *path, const char *what, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: %s", path, what);
    return false;
}

static bool read_exactly(int fd, const char *path, void *data, size_t bytes, GError **error)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t n = read(fd, (char *)data + done, bytes - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            g_set_error(error, MT_ERROR, MT_ERROR_IO, "read %s: %s", path, g_strerror(errno));
            return false;
        }
        if (n == 0)
            return refuse(path, "the .npy file is shorter than its header says", error);
        done += (size_t)n;
    }
    return true;
}

static const char *skip_blanks(const char *p)
{
    while (*p == ' ')
        p++;
    return p;
}

/* The text after "'key':", or NULL. */
static const char *find_value(const char *header, const char *key)
{
    g_autofree char *quoted = g_strdup_printf("'%s':", key);
    const char      *at = strstr(header, quoted);

    return at == NULL ? NULL : skip_blanks(at + strlen(quoted));
}

static bool parse_shape(const char *p, int *rank, int64_t *shape)
{
    *rank = 0;
    if (p == NULL || *p++ != '(')
        return false;
    for (p = skip_blanks(p); *p != ')'; p = skip_blanks(p)) {
        char *end;

        if (*rank == MT_MAX_RANK || !g_ascii_isdigit(*p))
            return false;
        errno = 0;
        shape[*rank] = g_ascii_strtoll(p, &end, 10);
        if (errno != 0)
            return false;
        (*rank)++;
        p = skip_blanks(end);
        if (*p == ',')
            p++;
        else if (*p != ')')
            return false;
    }
    return true;
}

static bool parse_header(const char *path, const char *header, mt_dtype *dtype, int *rank, int64_t *shape, GError **error)
{
    const char *descr = find_value(header, "descr"), *order = find_value(header, "fortran_order");

    if (descr == NULL || order == NULL || !parse_shape(find_value(header, "shape"), rank, shape))
        return refuse(path, "the .npy header is malformed", error);
    if (g_str_has_prefix(order, "True"))
        return refuse(path, "the array is in Fortran order; save it with numpy.ascontiguousarray", error);
    for (size_t i = 0; i < G_N_ELEMENTS(descriptors); i++)
        if (descr[0] == '\'' && g_str_has_prefix(descr + 1, descriptors[i].descr) && descr[4] == '\'') {
            *dtype = descriptors[i].dtype;
            return true;
        }
    const char *end = strpbrk(descr, ",}");
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                "read %s: arrays of type %.*s are not supported; save little-endian float, int, uint or bool", path,
                (int)MIN(end == NULL ? strlen(descr) : (size_t)(end - descr), 40), descr);
    return false;
}

/* Reads the preamble and gives the header's text, zero-terminated. */
static char *read_header(int fd, const char *path, GError **error)
{
    uint8_t  start[12];
    uint32_t length;

    if (!read_exactly(fd, path, start, 10, error))
        return NULL;
    if (memcmp(start, "\x93NUMPY", 6) != 0) {
        refuse(path, "not a .npy file", error);
        return NULL;
    }
    if (start[6] != 1 && start[6] != 2) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: .npy version %d is not supported, only 1 and 2", path, start[6]);
        return NULL;
    }
    length = start[8] | (uint32_t)start[9] << 8;
    if (start[6] == 2) {
        if (!read_exactly(fd, path, start + 10, 2, error))
            return NULL;
        length |= (uint32_t)start[10] << 16 | (uint32_t)start[11] << 24;
    }
    if (length > HEADER_MAX) {
        refuse(path, "the .npy header is longer than 65536 bytes", error);
        return NULL;
    }
    g_autofree char *header = g_malloc0(length + 1);
    return read_exactly(fd, path, header, length, error) ? g_steal_pointer(&header) : NULL;
}

static mt_tensor *read_descriptor(int fd, const char *path, GError **error)
{
    mt_dtype         dtype = MT_DTYPE_NONE;
    int              rank;
    int64_t          shape[MT_MAX_RANK];
    struct stat      status;
    g_autofree char *header = read_header(fd, path, error);

    if (header == NULL || !parse_header(path, header, &dtype, &rank, shape, error))
        return NULL;
    /* A view is enough to know the bytes; a file too short for them must not make us allocate them. */
    double bytes = (double)mt_dtype_size(dtype);
    for (int i = 0; i < rank; i++)
        bytes *= (double)shape[i];
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && bytes > (double)status.st_size) {
        refuse(path, "the .npy file is shorter than its header says", error);
        return NULL;
    }
    g_autoptr(mt_tensor) tensor = mt_tensor_new(dtype, rank, shape, error);
    if (tensor == NULL) {
        g_prefix_error(error, "read %s: ", path);
        return NULL;
    }
    return read_exactly(fd, path, tensor->data, mt_tensor_bytes(tensor), error) ? g_steal_pointer(&tensor) : NULL;
}

mt_tensor *mt_tensor_read_npy(const char *path, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        g_set_error(error, MT_ERROR, errno == ENOENT ? MT_ERROR_MISSING : MT_ERROR_IO, "read %s: %s", path, g_strerror(errno));
        return NULL;
    }
    mt_tensor *tensor = read_descriptor(fd, path, error);
    close(fd);
    return tensor;
}

/* NumPy wants the data to start at a multiple of 64. */
static GString *make_header(const char *descr, const mt_tensor *tensor)
{
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (int i = 0; i < tensor->rank; i++)
        g_string_append_printf(text, "%s%" G_GINT64_FORMAT, i > 0 ? ", " : "", tensor->shape[i]);
    g_string_append(text, tensor->rank == 1 ? ",), }" : "), }");
    while ((10 + text->len + 1) % 64 != 0)
        g_string_append_c(text, ' ');
    g_string_append_c(text, '\n');

    const char start[10] = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, (char)(text->len & 255), (char)(text->len >> 8)};
    g_string_prepend_len(text, start, sizeof start);
    return text;
}

static bool write_all(int fd, const void *data, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t n = write(fd, (const char *)data + done, bytes - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

bool mt_tensor_write_npy(const mt_tensor *tensor, const char *path, GError **error)
{
    const char *descr = NULL;
    int         fd;

    for (size_t i = 0; i < G_N_ELEMENTS(descriptors); i++)
        if (descriptors[i].dtype == tensor->dtype)
            descr = descriptors[i].descr;
    if (descr == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "write %s: NumPy has no type %s; convert to float32 first", path,
                    mt_dtype_name(tensor->dtype));
        return false;
    }
    g_autofree char *temporary = mt_publish_begin(path, &fd, error);
    if (temporary == NULL)
        return false;
    GString *header = make_header(descr, tensor);
    bool     ok = write_all(fd, header->str, header->len) && write_all(fd, tensor->data, mt_tensor_bytes(tensor));
    int      saved = errno;
    g_string_free(header, TRUE);
    if (!ok) {
        mt_publish_io_error(error, "write", path, saved);
        mt_publish_abandon(temporary, fd);
        return false;
    }
    return mt_publish_commit(temporary, fd, path, true, error);
}
