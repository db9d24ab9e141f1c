/* C-STORE by DCMTK's service class user. */
#include "src/export/dicom_store.h"

#include "src/export/dicom_association.h"

#include <cmath>
#include <cstring>

#define MAX_CONTEXTS 100 /* an association has odd numbers below 256 for them */

struct mt_dicom_store {
    mt_dicom_peer         peer;
    int                   timeout_s;
    const volatile int   *stop;
    mt_dicom_association *scu;     /* NULL: no association */
    GHashTable           *offered; /* "CLASS SYNTAX" of the association */
};

mt_dicom_store *mt_dicom_store_new(const char *address, double timeout_s, const volatile int *stop, GError **error)
{
    mt_dicom_store *store = g_new0(mt_dicom_store, 1);

    store->timeout_s = (int)ceil(timeout_s);
    store->stop = stop;
    store->offered = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (mt_dicom_peer_parse(address, &store->peer, error))
        return store;
    mt_dicom_store_free(store);
    return NULL;
}

static void hang_up(mt_dicom_store *store, bool politely)
{
    if (store->scu != NULL && store->scu->isConnected()) {
        if (politely)
            store->scu->releaseAssociation();
        else
            store->scu->abortAssociation();
    }
    delete store->scu;
    store->scu = NULL;
}

void mt_dicom_store_free(mt_dicom_store *store)
{
    if (store == NULL)
        return;
    hang_up(store, true);
    mt_dicom_peer_clear(&store->peer);
    g_hash_table_unref(store->offered);
    g_free(store);
}

static char *context_key(const mt_dicom_outgoing *object)
{
    return g_strdup_printf("%s %s", object->sop_class, object->syntax);
}

/* The kinds of the objects from `at` on.  Compressed objects go as they are; others in any little-endian syntax. */
static void offer_contexts(mt_dicom_store *store, const GPtrArray *objects, guint at)
{
    g_hash_table_remove_all(store->offered);
    for (guint i = at; i < objects->len && g_hash_table_size(store->offered) < MAX_CONTEXTS; i++) {
        const mt_dicom_outgoing *object = (const mt_dicom_outgoing *)g_ptr_array_index(objects, i);
        OFList<OFString>         syntaxes;

        if (!g_hash_table_add(store->offered, context_key(object)))
            continue;
        syntaxes.push_back(object->syntax);
        if (object->native) {
            if (strcmp(object->syntax, UID_LittleEndianExplicitTransferSyntax) != 0)
                syntaxes.push_back(UID_LittleEndianExplicitTransferSyntax);
            if (strcmp(object->syntax, UID_LittleEndianImplicitTransferSyntax) != 0)
                syntaxes.push_back(UID_LittleEndianImplicitTransferSyntax);
        }
        store->scu->addPresentationContext(object->sop_class, syntaxes);
    }
}

static bool associate(mt_dicom_store *store, const GPtrArray *objects, guint at, mt_dicom_answer *answer)
{
    const mt_dicom_peer *p = &store->peer;

    store->scu = new mt_dicom_association(p, store->timeout_s, store->stop);
    store->scu->setDatasetConversionMode(OFTrue);
    offer_contexts(store, objects, at);
    OFCondition status = store->scu->open();
    if (status.good())
        return true;
    hang_up(store, false);
    if (status == NET_EC_NoAcceptablePresentationContexts) {
        mt_dicom_answer_set(answer, MT_DICOM_REFUSED, "%s@%s:%d takes no object of this kind (SOP class, transfer syntax)", p->called,
                            p->host, p->port);
        return false;
    }
    /* whether a rejection is for good, DCMTK's class does not tell: it is taken for one that passes */
    g_autofree char *words = mt_dicom_association_failure(p, status);
    mt_dicom_answer_set(answer, MT_DICOM_LATER, "%s", words);
    return false;
}

/* 0: the receiver takes none of the syntaxes in which this object can go. */
static T_ASC_PresentationContextID context_of(DcmSCU *scu, const mt_dicom_outgoing *object)
{
    T_ASC_PresentationContextID id = scu->findPresentationContextID(object->sop_class, object->syntax);

    if (id == 0 && object->native)
        id = scu->findPresentationContextID(object->sop_class, UID_LittleEndianExplicitTransferSyntax);
    if (id == 0 && object->native)
        id = scu->findPresentationContextID(object->sop_class, UID_LittleEndianImplicitTransferSyntax);
    return id;
}

void mt_dicom_store_send(mt_dicom_store *store, const GPtrArray *objects, guint at, mt_dicom_answer *answer)
{
    const mt_dicom_outgoing *object = (const mt_dicom_outgoing *)g_ptr_array_index(objects, at);
    g_autofree char         *key = context_key(object);
    Uint16                   status = 0xffff;

    if (store->scu != NULL && !g_hash_table_contains(store->offered, key))
        hang_up(store, true);
    if (store->scu == NULL && !associate(store, objects, at, answer))
        return;
    T_ASC_PresentationContextID context = context_of(store->scu, object);
    if (context == 0) {
        mt_dicom_answer_set(answer, MT_DICOM_REFUSED, "%s does not take this SOP class (%s) in this transfer syntax (%s)",
                            store->peer.called, object->sop_class, object->syntax);
        return;
    }
    store->scu->setDIMSETimeout((Uint32)(store->timeout_s + object->bytes / MT_DICOM_STORING_BYTES_PER_S));
    OFCondition condition = store->scu->sendSTORERequest(context, object->path, NULL, status);
    if (condition.good()) {
        mt_dicom_answer_status(answer, status);
        return;
    }
    g_autofree char *words = mt_dicom_words(condition);
    mt_dicom_answer_set(answer, MT_DICOM_LATER, "the association broke: %s", words);
    hang_up(store, false);
}
