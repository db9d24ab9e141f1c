#include "src/store/file_driver.h"
#include "src/store/heap_block.h"

#include <H5FDpublic.h>
#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LARGEST_ADDRESS (((haddr_t)1 << 62) - 1)

/* What HDF5 carries from the access list to open_file. */
typedef struct driver_info {
    mt_file_driver *driver;
} driver_info;

typedef struct open_file {
    H5FD_t          base; /* HDF5's part, first */
    mt_file_driver *driver;
    haddr_t         allocated;    /* end of what HDF5 has given out */
    int             length_bytes; /* as the superblock says it; 0: not read yet */
} open_file;

static H5FD_t *driver_open(const char *name, unsigned flags, hid_t access, haddr_t largest)
{
    const driver_info *info = H5Pget_driver_info(access);
    open_file         *file = info == NULL ? NULL : g_new0(open_file, 1);

    (void)name, (void)flags, (void)largest; /* the descriptor says it all; HDF5 opens twice, to probe */
    if (file != NULL)
        file->driver = info->driver;
    return (H5FD_t *)file;
}

static herr_t driver_close(H5FD_t *file)
{
    g_free(file);
    return 0;
}

static herr_t driver_query(const H5FD_t *file, unsigned long *flags)
{
    (void)file;
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE | H5FD_FEAT_AGGREGATE_SMALLDATA;
#ifdef H5FD_FEAT_DEFAULT_VFD_COMPATIBLE
    *flags |= H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
#endif
    return 0;
}

static haddr_t driver_get_eoa(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return ((const open_file *)file)->allocated;
}

static herr_t driver_set_eoa(H5FD_t *file, H5FD_mem_t type, haddr_t address)
{
    (void)type;
    ((open_file *)file)->allocated = address;
    return 0;
}

static haddr_t driver_get_eof(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return ((const open_file *)file)->driver->end;
}

/* The superblock says how the blocks of texts are to be looked through, which HDF5 reads in one piece, as it reads values; values
 * that begin as such a block does, and go on otherwise, are not in any result. */
static bool is_sound(open_file *file, H5FD_mem_t type, const uint8_t *bytes, size_t n)
{
    if (type == H5FD_MEM_SUPER && file->length_bytes == 0)
        file->length_bytes = mt_heap_block_length_bytes(bytes, n);
    return (type != H5FD_MEM_DRAW && type != H5FD_MEM_GHEAP) || mt_heap_block_sound(bytes, n, file->length_bytes);
}

static herr_t driver_read(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t size, void *buffer)
{
    mt_file_driver *driver = ((open_file *)file)->driver;
    char           *out = buffer;
    size_t          whole = size;

    (void)transfer;
    while (size > 0) {
        ssize_t n = pread(driver->fd, out, size, (off_t)address);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && !driver->writing)
            return -1; /* a reader may fail: HDF5 takes that well */
        if (n <= 0)
            break; /* behind the end: zeros, as in a hole */
        out += n;
        address += (haddr_t)n;
        size -= (size_t)n;
    }
    memset(out, 0, size);
    return is_sound((open_file *)file, type, buffer, whole) ? 0 : -1;
}

static herr_t driver_write(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t size, const void *buffer)
{
    mt_file_driver *driver = ((open_file *)file)->driver;
    const char     *in = buffer;

    (void)type, (void)transfer;
    driver->end = MAX(driver->end, address + size);
    while (size > 0 && driver->failed == 0) {
        ssize_t n = pwrite(driver->fd, in, size, (off_t)address);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            driver->failed = n < 0 ? errno : EIO;
            break;
        }
        in += n;
        address += (haddr_t)n;
        size -= (size_t)n;
    }
    return 0;
}

/* The file gets the size that HDF5 has given out. */
static herr_t driver_truncate(H5FD_t *file, hid_t transfer, hbool_t closing)
{
    const open_file *self = (const open_file *)file;
    mt_file_driver  *driver = self->driver;

    (void)transfer, (void)closing;
    if (!driver->writing || self->allocated == driver->end)
        return 0;
    driver->end = self->allocated;
    if (driver->failed == 0 && ftruncate(driver->fd, (off_t)driver->end) != 0)
        driver->failed = errno;
    return 0;
}

static const H5FD_class_t driver_class = {
#if H5_VERSION_GE(1, 13, 0)
    .version = H5FD_CLASS_VERSION,
    .value = (H5FD_class_value_t)600, /* of the range for drivers that are not registered with The HDF Group */
#endif
    .name = "microtome",
    .maxaddr = LARGEST_ADDRESS,
    .fc_degree = H5F_CLOSE_STRONG,
    .fapl_size = sizeof(driver_info),
    .open = driver_open,
    .close = driver_close,
    .query = driver_query,
    .get_eoa = driver_get_eoa,
    .set_eoa = driver_set_eoa,
    .get_eof = driver_get_eof,
    .read = driver_read,
    .write = driver_write,
    .truncate = driver_truncate,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

bool mt_file_driver_init(mt_file_driver *driver, int fd, bool writing, GError **error)
{
    struct stat status;

    *driver = (mt_file_driver){.fd = fd, .writing = writing, .id = -1};
    if (fstat(fd, &status) == 0)
        driver->end = (uint64_t)status.st_size;
    mt_hdf5_quiet();
    driver->id = H5FDregister(&driver_class);
    if (driver->id < 0)
        mt_hdf5_error(error, MT_ERROR_INTERNAL, "register the file driver with HDF5");
    return driver->id >= 0;
}

void mt_file_driver_drop(mt_file_driver *driver)
{
    if (driver->id >= 0)
        H5FDunregister(driver->id);
    driver->id = -1;
}

mt_hid mt_file_driver_access(mt_file_driver *driver, GError **error)
{
    driver_info info = {driver};
    g_auto(mt_hid) access = H5Pcreate(H5P_FILE_ACCESS);

    if (access < 0 || H5Pset_driver(access, driver->id, &info) < 0 || H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) < 0 ||
        H5Pset_libver_bounds(access, H5F_LIBVER_EARLIEST, H5F_LIBVER_V110) < 0) {
        mt_hdf5_error(error, MT_ERROR_INTERNAL, "prepare HDF5's file access");
        return -1;
    }
    return mt_hid_steal(&access);
}
