/* C-FIND by DCMTK's service class user. */
#include "src/export/dicom_find.h"

#include "src/case/dicom_file.h"
#include "src/export/dicom_association.h"

#include <cmath>

#include <dcmtk/dcmdata/dctk.h>

/* UTF-8 without spaces around it; "" where it is absent. */
static char *text_of(DcmItem *set, const DcmTagKey &tag)
{
    OFString text;

    if (set == NULL || set->findAndGetOFStringArray(tag, text).bad())
        return g_strdup("");
    return g_strstrip(g_utf8_make_valid(text.c_str(), -1));
}

static void ask_archive(DcmDataset *query, const mt_worklist_params *p)
{
    query->putAndInsertString(DCM_QueryRetrieveLevel, "STUDY");
    query->putAndInsertString(DCM_StudyDate, p->date != NULL ? p->date : "");
    query->putAndInsertString(DCM_ModalitiesInStudy, p->modality != NULL ? p->modality : "");
    query->insertEmptyElement(DCM_StudyTime);
}

static void ask_worklist(DcmDataset *query, const mt_worklist_params *p)
{
    DcmItem *step = NULL;

    query->insertEmptyElement(DCM_RequestedProcedurePriority);
    query->findOrCreateSequenceItem(DCM_ScheduledProcedureStepSequence, step, 0);
    step->putAndInsertString(DCM_ScheduledProcedureStepStartDate, p->date != NULL ? p->date : "");
    step->putAndInsertString(DCM_Modality, p->modality != NULL ? p->modality : "");
    step->insertEmptyElement(DCM_ScheduledProcedureStepStartTime);
}

static mt_dicom_study *study_of(DcmItem *set, bool archived)
{
    mt_dicom_study *study = g_new0(mt_dicom_study, 1);
    DcmItem        *step = set;

    if (!archived)
        set->findAndGetSequenceItem(DCM_ScheduledProcedureStepSequence, step, 0);
    study->study_uid = text_of(set, DCM_StudyInstanceUID);
    study->patient = text_of(set, DCM_PatientID);
    study->accession = text_of(set, DCM_AccessionNumber);
    study->priority = text_of(set, DCM_RequestedProcedurePriority);
    study->modality = text_of(step, archived ? DCM_ModalitiesInStudy : DCM_Modality);
    study->date = text_of(step, archived ? DCM_StudyDate : DCM_ScheduledProcedureStepStartDate);
    study->time = text_of(step, archived ? DCM_StudyTime : DCM_ScheduledProcedureStepStartTime);
    return study;
}

void mt_dicom_study_free(mt_dicom_study *study)
{
    char *texts[] = {study->study_uid, study->patient, study->accession, study->modality, study->date, study->time, study->priority};

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(texts[i]);
    g_free(study);
}

/* Answers; the last status has to be success. */
static GPtrArray *take_answers(OFList<QRResponse *> &answers, const mt_worklist_params *p, GError **error)
{
    g_autoptr(GPtrArray) studies = g_ptr_array_new_with_free_func((GDestroyNotify)mt_dicom_study_free);
    Uint16 status = 0xffff;

    for (OFListIterator(QRResponse *) i = answers.begin(); i != answers.end(); ++i) {
        status = (*i)->m_status;
        if (DICOM_PENDING_STATUS(status) && (*i)->m_dataset != NULL)
            g_ptr_array_add(studies, study_of((*i)->m_dataset, p->archived));
        delete *i;
    }
    if (status == STATUS_Success)
        return (GPtrArray *)g_steal_pointer(&studies);
    g_set_error(error, MT_ERROR, MT_ERROR_IO, "query %s: refused with status %04X", p->address, status);
    return NULL;
}

GPtrArray *mt_dicom_find(const mt_worklist_params *p, GError **error)
{
    const char *model = p->archived ? UID_FINDStudyRootQueryRetrieveInformationModel : UID_FINDModalityWorklistInformationModel;
    g_auto(mt_dicom_peer) peer = {};
    OFList<OFString>     syntaxes;
    OFList<QRResponse *> answers;
    DcmDataset           query;

    if (!mt_dicom_peer_parse(p->address, &peer, error))
        return NULL;
    mt_dicom_start();
    mt_dicom_association scu(&peer, (int)ceil(p->timeout_s), p->stop);
    syntaxes.push_back(UID_LittleEndianExplicitTransferSyntax);
    syntaxes.push_back(UID_LittleEndianImplicitTransferSyntax);
    scu.addPresentationContext(model, syntaxes);
    OFCondition status = scu.open();
    if (status.bad()) {
        g_autofree char *words = mt_dicom_association_failure(&peer, status);
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "%s%s", words,
                    status == NET_EC_NoAcceptablePresentationContexts ? ": it has no such query; try without, or with, --archived" : "");
        return NULL;
    }
    query.putAndInsertString(DCM_SpecificCharacterSet, "ISO_IR 192");
    query.insertEmptyElement(DCM_StudyInstanceUID);
    query.insertEmptyElement(DCM_PatientID);
    query.insertEmptyElement(DCM_AccessionNumber);
    if (p->archived)
        ask_archive(&query, p);
    else
        ask_worklist(&query, p);
    status = scu.sendFINDRequest(scu.findPresentationContextID(model, ""), &query, &answers);
    if (status.bad()) {
        g_autofree char *words = mt_dicom_words(status);
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "query %s: the association broke: %s", p->address, words);
        for (OFListIterator(QRResponse *) i = answers.begin(); i != answers.end(); ++i)
            delete *i;
        scu.abortAssociation();
        return NULL;
    }
    scu.releaseAssociation();
    return take_answers(answers, p, error);
}
