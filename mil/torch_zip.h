/* The zip archive that torch.save writes: a folder with data.pkl and one stored entry per storage.
 * The archive lies in memory (a mapped file) and nothing in it is believed: entries are stored, not encrypted, lie one behind
 * the other inside the file, and no name stands twice.  Immutable: share between threads freely. */
#ifndef MT_TORCH_ZIP_H
#define MT_TORCH_ZIP_H

#include <microtome/error.h>

typedef struct mt_torch_zip mt_torch_zip;

typedef struct mt_zip_entry {
    char    *name;        /* below the archive's folder: "data.pkl", "data/0" */
    size_t   begin, size; /* bytes from the start of the file */
    uint32_t crc;
} mt_zip_entry;

/* Whether the bytes begin as a zip archive does. */
bool mt_torch_zip_is(const char *bytes, size_t size);
/* `bytes` must outlive it.  MT_ERROR_MODEL: the message names the entry and the rule it breaks. */
mt_torch_zip *mt_torch_zip_new(const char *bytes, size_t size, GError **error);
void          mt_torch_zip_free(mt_torch_zip *zip);
/* NULL when absent. */
const mt_zip_entry *mt_torch_zip_find(const mt_torch_zip *zip, const char *name);
/* Whether the entry's bytes have the checksum that the directory says; true in an archive where every one is 0, as torch.save writes
 * it with torch.utils.serialization.config.save.compute_crc32 = False. */
bool mt_torch_zip_check(const mt_torch_zip *zip, const mt_zip_entry *entry, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_torch_zip, mt_torch_zip_free)

#endif
