/* DICOM Comprehensive 3D SR after TID 1500: what the result says, item by item, with the images and the segmentation it is about. */
#include "src/export/dicom_content.h"

extern "C" {
#include "src/export/dicom_codes.h"
#include "src/export/dicom_frames.h"
#include "src/export/report_items.h"
#include "src/result/finding_sentence.h"
#include "src/store/schema.h"

#include <microtome/findings.h>
}

#include <cmath>

#define MOST_GROUPS 100 /* further findings are counted */
#define CONTAINS "CONTAINS"
#define CONTEXT "HAS OBS CONTEXT"
#define MODIFIES "HAS CONCEPT MOD"
#define OWN MT_DICOM_PRIVATE_SCHEME

typedef struct report {
    const mt_handover_case *c;
    mt_report_items        *items;
    mt_finding_list        *list;
    GPtrArray              *segments; /* of the segmentation that stands beside it */
    char                   *seg_uid;  /* NULL: there is none */
    DcmDataset              set;
} report;

static void put_head(report *r)
{
    DcmItem   *of = mt_dicom_item(&r->set, DCM_ContentTemplateSequence, 0);
    DcmItem   *own = mt_dicom_item(&r->set, DCM_CodingSchemeIdentificationSequence, 0);
    const bool korean = strcmp(r->c->language, "ko") == 0;

    mt_dicom_put(own, DCM_CodingSchemeDesignator, OWN);
    mt_dicom_put(own, DCM_CodingSchemeName, "microtome: labels as recipes name them");
    mt_dicom_put(&r->set, DCM_CompletionFlag, "PARTIAL");
    mt_dicom_put(&r->set, DCM_PreliminaryFlag, "PRELIMINARY");
    mt_dicom_put(&r->set, DCM_VerificationFlag, "UNVERIFIED");
    r->set.insertEmptyElement(DCM_ReferencedPerformedProcedureStepSequence);
    r->set.insertEmptyElement(DCM_PerformedProcedureCodeSequence);
    mt_dicom_put(&r->set, DCM_ValueType, "CONTAINER");
    mt_dicom_put_code(&r->set, DCM_ConceptNameCodeSequence, "126000", "DCM", "Imaging Measurement Report");
    mt_dicom_put(&r->set, DCM_ContinuityOfContent, "SEPARATE");
    mt_dicom_put(of, DCM_MappingResource, "DCMR");
    mt_dicom_put(of, DCM_TemplateIdentifier, "1500");
    mt_dicom_content_code(&r->set, MODIFIES, {"121049", "DCM", "Language of Content Item and Descendants"},
                          {korean ? "ko" : "en", "RFC5646", korean ? "Korean" : "English"});
}

/* TID 1004: which device says so.  Its UID is the same for the same model. */
static void put_observer(report *r)
{
    const mt_headline *h = r->c->headline;
    g_autofree char   *uid = mt_handover_uid_of(r->c, "device", h->model_sha256 != NULL ? h->model_sha256 : "");

    mt_dicom_content_code(&r->set, CONTEXT, {"121005", "DCM", "Observer Type"}, {"121007", "DCM", "Device"});
    mt_dicom_content_uid(&r->set, CONTEXT, {"121012", "DCM", "Device Observer UID"}, uid);
    mt_dicom_content_text(&r->set, CONTEXT, {"121013", "DCM", "Device Observer Name"}, "microtome");
    mt_dicom_content_text(&r->set, CONTEXT, {"121015", "DCM", "Device Observer Model Name"}, "microtome " MT_VERSION);
    if (h->model_sha256 != NULL)
        mt_dicom_content_text(&r->set, CONTEXT, {"121016", "DCM", "Device Observer Serial Number"}, h->model_sha256);
    mt_dicom_content_code(&r->set, MODIFIES, {"121058", "DCM", "Procedure reported"}, {"363679005", "SCT", "Imaging procedure"});
}

/* TID 1600 */
static void put_library(report *r)
{
    const mt_dicom_identity *d = r->c->identity;
    DcmItem                 *library = mt_dicom_content_container(&r->set, CONTAINS, {"111028", "DCM", "Image Library"}, "1600");
    const char              *last = NULL;

    if (!d->is_dicom)
        return;
    DcmItem *group = mt_dicom_content_container(library, CONTAINS, {"126200", "DCM", "Image Library Group"}, NULL);
    if (d->modality != NULL)
        mt_dicom_content_code(group, "HAS ACQ CONTEXT", {"121139", "DCM", "Modality"}, {d->modality, "DCM", d->modality});
    for (guint i = 0; i < d->instances->len; i++) {
        const mt_dicom_instance *one = (const mt_dicom_instance *)d->instances->pdata[i];
        if (one->sop_instance != NULL && g_strcmp0(one->sop_instance, last) != 0)
            mt_dicom_content_image(group, CONTAINS, NULL, one->sop_class, one->sop_instance, 0, 0);
        last = one->sop_instance;
    }
}

/* TID 4019 */
static void put_algorithm(DcmItem *group, const mt_handover_case *c)
{
    const mt_headline *h = c->headline;
    const char        *name = h->encoder != NULL ? h->encoder : h->head != NULL ? h->head : "microtome";
    const struct {
        const char *name, *sha256;
    } hashes[] = {{"model_sha256", h->model_sha256}, {"head_sha256", h->head_sha256}, {"recipe_sha256", h->recipe_sha256}};

    mt_dicom_content_text(group, MODIFIES, {"111001", "DCM", "Algorithm Name"}, name);
    mt_dicom_content_text(group, MODIFIES, {"111003", "DCM", "Algorithm Version"}, "microtome " MT_VERSION);
    for (size_t i = 0; i < G_N_ELEMENTS(hashes); i++) {
        g_autofree char *text = hashes[i].sha256 != NULL ? g_strdup_printf("%s=%s", hashes[i].name, hashes[i].sha256) : NULL;
        if (text != NULL)
            mt_dicom_content_text(group, MODIFIES, {"111002", "DCM", "Algorithm Parameters"}, text);
    }
}

static DcmItem *begin_group(report *r, DcmItem *measurements, const char *id, const char *template_id)
{
    DcmItem         *group = mt_dicom_content_container(measurements, CONTAINS, {"125007", "DCM", "Measurement Group"}, template_id);
    g_autofree char *uid = mt_handover_uid_of(r->c, "tracking", id);

    mt_dicom_content_text(group, CONTEXT, {"112039", "DCM", "Tracking Identifier"}, id);
    mt_dicom_content_uid(group, CONTEXT, {"112040", "DCM", "Tracking Unique Identifier"}, uid);
    return group;
}

/* Scores with their thresholds, and the measures of the recipe. */
static void put_case(report *r, DcmItem *measurements)
{
    DcmItem *group = NULL;

    for (int i = 0; i < r->items->n; i++) {
        const mt_report_item *item = &r->items->items[i];
        if (item->text != NULL)
            continue;
        if (group == NULL) {
            group = begin_group(r, measurements, r->c->id, "1501");
            put_algorithm(group, r->c);
        }
        mt_dicom_code code = mt_dicom_code_of(item->key);
        DcmItem      *number = mt_dicom_content_number(group, CONTAINS, {code.value, code.scheme, item->name}, item->value, item->unit);
        if (std::isfinite(item->threshold))
            mt_dicom_content_number(number, "HAS PROPERTIES", {"THRESHOLD", OWN, "Threshold of a positive score"}, item->threshold,
                                    item->unit);
        mt_dicom_code_clear(&code);
    }
}

static int64_t segment_of(const report *r, const mt_finding *f, bool *alone)
{
    int64_t number = 0;
    int     of_class = 0;

    for (guint k = 0; r->seg_uid != NULL && !f->boxed && k < r->segments->len && number == 0; k++)
        if (g_strcmp0(((const mt_dicom_segment *)r->segments->pdata[k])->name, f->label) == 0)
            number = k + 1;
    for (int i = 0; i < r->list->n_findings; i++)
        of_class += g_strcmp0(r->list->findings[i].label, f->label) == 0;
    *alone = of_class == 1;
    return number;
}

/* The middle of a finding, in the frame of reference of the source. */
static void put_middle(const report *r, DcmItem *group, const mt_finding *f)
{
    const mt_dicom_identity *d = r->c->identity;
    double                   mm[3] = {-f->centre_mm[0], -f->centre_mm[1], f->centre_mm[2]};

    if (d->geometry == MT_DICOM_SLIDE)
        for (int a = 0; a < 3; a++)
            mm[a] = (a < 2 ? d->origin[a] : 0) + d->row[a] * f->centre[0] * d->spacing[0] + d->column[a] * f->centre[1] * d->spacing[1];
    else if (d->geometry != MT_DICOM_VOLUME)
        return;
    if (d->frame_uid != NULL && std::isfinite(mm[0] + mm[1] + mm[2]))
        mt_dicom_content_point(group, CONTAINS, {"111010", "DCM", "Center"}, mm, d->frame_uid);
}

static void put_sizes(DcmItem *group, const mt_finding *f)
{
    const struct {
        mt_dicom_concept name;
        double           value;
        const char      *unit;
    } all[] = {{{"118565006", "SCT", "Volume"}, f->volume_mm3, "mm3"},
               {{"42798000", "SCT", "Area"}, f->area_mm2, "mm2"},
               {{"103339001", "SCT", "Long Axis"}, f->longest_mm, "mm"},
               {{"103340004", "SCT", "Short Axis"}, f->perpendicular_mm, "mm"},
               {{"SCORE", OWN, "Score of the finding"}, f->score, "1"},
               {{"STAGE_SCORE", OWN, "Score of what a later stage calls it"}, f->finding_score, "1"}};

    for (size_t i = 0; i < G_N_ELEMENTS(all); i++)
        if (std::isfinite(all[i].value))
            mt_dicom_content_number(group, CONTAINS, all[i].name, all[i].value, all[i].unit);
}

static void put_words(DcmItem *group, const mt_dicom_concept &name, const char *words)
{
    if (words == NULL || *words == '\0')
        return;
    mt_dicom_code code = mt_dicom_code_of(words);
    mt_dicom_content_code(group, CONTAINS, name, {code.value, code.scheme, code.meaning});
    mt_dicom_code_clear(&code);
}

/* A part of a segmentation is its class; one that is all of it is a volumetric region (TID 1411). */
static void put_finding(report *r, DcmItem *measurements, const mt_finding *f, int number)
{
    bool             alone;
    const int64_t    segment = segment_of(r, f, &alone);
    g_autofree char *id = g_strdup_printf("%s finding %d", r->c->id, number);
    g_autofree char *words = mt_finding_text(f, r->c->language);
    const bool       region = segment > 0 && alone && r->c->identity->geometry == MT_DICOM_VOLUME;
    DcmItem         *group = begin_group(r, measurements, id, region ? "1411" : "1501");

    put_algorithm(group, r->c);
    put_words(group, {"121071", "DCM", "Finding"}, f->label);
    put_words(group, {"363698007", "SCT", "Finding Site"}, f->location);
    put_words(group, {"STAGE", OWN, "What a later stage calls it"}, f->finding);
    if (segment > 0) {
        const mt_dicom_concept name = {"121191", "DCM", "Referenced Segment"};
        mt_dicom_content_image(group, CONTAINS, &name, UID_SegmentationStorage, r->seg_uid, 0, segment);
        if (r->c->identity->is_dicom)
            mt_dicom_content_uid(group, CONTAINS, {"121232", "DCM", "Source series for segmentation"}, r->c->identity->series_uid);
    }
    put_middle(r, group, f);
    put_sizes(group, f);
    mt_dicom_content_text(group, CONTAINS, {"121106", "DCM", "Comment"}, words);
}

static void put_measurements(report *r)
{
    DcmItem *measurements = mt_dicom_content_container(&r->set, CONTAINS, {"126010", "DCM", "Imaging Measurements"}, NULL);
    g_autofree const mt_finding **order = mt_finding_order(r->list);

    put_case(r, measurements);
    for (int i = 0; i < MIN(r->list->n_findings, MOST_GROUPS); i++)
        put_finding(r, measurements, order[i], i + 1);
}

static void put_evaluations(report *r)
{
    DcmItem *all = mt_dicom_content_container(&r->set, CONTAINS, {"C0034375", "UMLS", "Qualitative Evaluations"}, NULL);
    char     count[32];

    for (int i = 0; i < r->items->n; i++) {
        const mt_report_item *item = &r->items->items[i];
        if (item->text == NULL || g_str_has_prefix(item->key, "finding."))
            continue;
        mt_dicom_code key = mt_dicom_code_of(item->key);
        if (strcmp(item->key, "decision") == 0 || strcmp(item->key, "status") == 0)
            put_words(all, {key.value, key.scheme, item->name}, item->text);
        else
            mt_dicom_content_text(all, CONTAINS, {key.value, key.scheme, item->name}, item->text);
        mt_dicom_code_clear(&key);
    }
    g_snprintf(count, sizeof count, "%d", r->list->n_findings);
    if (r->list->n_findings > MOST_GROUPS)
        mt_dicom_content_text(all, CONTAINS, {"FINDINGS", OWN, "Findings in all, of which the largest are given"}, count);
    mt_dicom_content_text(all, CONTAINS, {"121111", "DCM", "Summary"}, r->items->words);
    mt_dicom_content_text(all, CONTAINS, {"121106", "DCM", "Comment"}, r->items->research);
}

/* Everything that the content refers to. */
static void put_evidence(report *r)
{
    const mt_dicom_identity *d = r->c->identity;

    if (!d->is_dicom && r->seg_uid == NULL)
        return;
    DcmItem *study = mt_dicom_item(&r->set, DCM_CurrentRequestedProcedureEvidenceSequence, 0);
    mt_dicom_put(study, DCM_StudyInstanceUID, d->study_uid);
    mt_dicom_object_references(study, DCM_ReferencedSOPSequence, d);
    if (r->seg_uid == NULL)
        return;
    DcmItem         *series = mt_dicom_item(study, DCM_ReferencedSeriesSequence, -2);
    DcmItem         *image = mt_dicom_item(series, DCM_ReferencedSOPSequence, 0);
    g_autofree char *uid = mt_handover_uid_of(r->c, "seg", "series");
    mt_dicom_put(series, DCM_SeriesInstanceUID, uid);
    mt_dicom_put(image, DCM_ReferencedSOPClassUID, UID_SegmentationStorage);
    mt_dicom_put(image, DCM_ReferencedSOPInstanceUID, r->seg_uid);
}

bool mt_dicom_sr_write(const mt_handover_case *plain, const char *path, GError **error)
{
    mt_handover_case with_seg = *plain;
    with_seg.kind = "sr of seg"; /* one that refers to a segmentation is another object */
    const mt_handover_case    *c = plain->has_seg ? &with_seg : plain;
    const mt_dicom_object_kind kind = {UID_Comprehensive3DSRStorage, "SR", 9900, "microtome report", true};
    g_autoptr(mt_report_items) items = mt_report_items_new(c, error);
    g_autoptr(mt_finding_list) list = items != NULL ? mt_finding_list_read(c->result, error) : NULL;
    report r = {c, items, list, NULL, NULL, DcmDataset()};

    if (list == NULL)
        return false;
    r.segments = mt_dicom_segments(c->result);
    if (c->has_seg)
        r.seg_uid = mt_handover_uid_of(c, "seg", "instance");
    mt_dicom_object_begin(&r.set, c, &kind);
    put_head(&r);
    put_observer(&r);
    put_library(&r);
    put_measurements(&r);
    put_evaluations(&r);
    put_evidence(&r);
    bool ok = mt_dicom_object_write(&r.set, c, NULL, path, error);
    g_ptr_array_unref(r.segments);
    g_free(r.seg_uid);
    return ok;
}
