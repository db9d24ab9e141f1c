/* Shared by the reader (safetensors.c) and its header parser (safetensors_header.c). */
#ifndef MT_SAFETENSORS_PRIVATE_H
#define MT_SAFETENSORS_PRIVATE_H

#include "mil/safetensors.h"

struct mt_safetensors {
    GMappedFile *map;
    GPtrArray   *entries;  /* mt_safetensors_entry *, owned */
    GHashTable  *by_name;  /* name of the entry -> entry */
    GHashTable  *metadata; /* char * -> char * */
};

/* Fill entries, by_name and metadata from the JSON of `bytes` bytes that starts eight bytes into a file of `size`. */
bool mt_safetensors_parse_header(mt_safetensors *file, const char *json, size_t bytes, size_t size, GError **error);

#endif
