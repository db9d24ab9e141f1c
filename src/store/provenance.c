#include "src/store/provenance.h"

#include <jansson.h>
#include <stdlib.h>

static bool add_text(json_t *object, const char *name, const char *value, GError **error)
{
    if (value == NULL || json_object_set_new(object, name, json_string(value)) == 0)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "write the provenance: %s is not UTF-8", name);
    return false;
}

static bool add_facts(json_t *object, const mt_fact *facts, GError **error)
{
    for (; facts != NULL && facts->name != NULL; facts++)
        if (!add_text(object, facts->name, facts->value, error))
            return false;
    return true;
}

static bool fill(json_t *root, const mt_provenance *provenance, GError **error)
{
    json_t *libraries = json_object(), *hashes = json_object();

    json_object_set_new(root, "libraries", libraries); /* the root owns them from here on */
    json_object_set_new(root, "hashes", hashes);
    json_object_set_new(root, "demonstration", json_boolean(provenance->demonstration));
    json_object_set_new(root, "off_contract", json_boolean(provenance->off_contract));
    return add_text(root, "engine", "microtome", error) && add_text(root, "engine_version", MT_VERSION, error) &&
           add_text(root, "isa", provenance->isa, error) && add_text(root, "recipe", provenance->recipe, error) &&
           add_facts(root, provenance->facts, error) && add_facts(libraries, provenance->libraries, error) &&
           add_facts(hashes, provenance->hashes, error);
}

char *mt_provenance_json(const mt_provenance *provenance, GError **error)
{
    json_t *root = json_object();
    char   *text = fill(root, provenance, error) ? json_dumps(root, JSON_SORT_KEYS | JSON_COMPACT) : NULL;
    char   *copy = g_strdup(text);

    free(text);
    json_decref(root);
    return copy;
}
