/* One FHIR R4 DiagnosticReport a case, with its Observations, the Device that made them and the ImagingStudy contained.
 * https://hl7.org/fhir/R4/diagnosticreport.html */
#include "src/base/publish.h"
#include "src/base/refuse.h"
#include "src/export/report_items.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

static json_t *one(json_t *value)
{
    json_t *list = json_array();

    json_array_append_new(list, value);
    return list;
}

static json_t *coded(const char *system, const char *code, const char *display)
{
    return json_pack("{s:[{s:s s:s s:s}]}", "coding", "system", system, "code", code, "display", display);
}

/* A local name. */
static json_t *named(const char *key, const char *name)
{
    return json_pack("{s:[{s:s s:s}] s:s}", "coding", "system", "urn:microtome:item", "code", key, "text", name);
}

static json_t *accession_identifier(const char *accession)
{
    return json_pack("{s:o s:s}", "type", coded("http://terminology.hl7.org/CodeSystem/v2-0203", "ACSN", "Accession ID"), "value",
                     accession);
}

/* By number; a name does not have to be known to be right. */
static json_t *subject_of(const mt_dicom_identity *who)
{
    json_t *identifier =
        json_pack("{s:o s:s*}", "type", coded("http://terminology.hl7.org/CodeSystem/v2-0203", "MR", "Medical record number"), "value",
                  who->patient_id);

    if (who->patient_id_issuer != NULL)
        json_object_set_new(identifier, "assigner", json_pack("{s:s}", "display", who->patient_id_issuer));
    return json_pack("{s:s s:o}", "type", "Patient", "identifier", identifier);
}

/* YYYY-MM-DD; NULL where DICOM's date is none. */
static json_t *date_of(const char *dicom)
{
    if (dicom == NULL || strlen(dicom) != 8 || strspn(dicom, "0123456789") != 8)
        return NULL;
    return json_sprintf("%.4s-%.2s-%.2s", dicom, dicom + 4, dicom + 6);
}

static json_t *quantity(double value, const char *unit)
{
    return json_pack("{s:f s:s s:s s:s}", "value", value, "unit", unit, "system", "http://unitsofmeasure.org", "code", unit);
}

static json_t *observation(const mt_handover_case *c, const mt_report_item *item, int number)
{
    g_autofree char *id = g_strdup_printf("item-%d", number);
    json_t *o = json_pack("{s:s s:s s:s s:o s:o s:{s:s}}", "resourceType", "Observation", "id", id, "status", "preliminary", "code",
                          named(item->key, item->name), "subject", subject_of(c->identity), "device", "reference", "#device");
    json_t *date = date_of(c->identity->study_date);

    if (date != NULL)
        json_object_set_new(o, "effectiveDateTime", date);
    if (item->text != NULL) {
        json_object_set_new(o, "valueString", json_string(item->text));
        return o;
    }
    json_object_set_new(o, "valueQuantity", quantity(item->value, item->unit));
    if (!isfinite(item->threshold))
        return o;
    bool    positive = item->value >= item->threshold;
    json_t *normal = json_pack("{s:o s:s}", "high", quantity(item->threshold, item->unit), "text", "below the threshold of the model");
    json_object_set_new(o, "referenceRange", one(normal));
    json_object_set_new(o, "interpretation",
                        one(coded("http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", positive ? "H" : "N",
                                  positive ? "High" : "Normal")));
    return o;
}

static json_t *device(const mt_handover_case *c)
{
    json_t  *d = json_pack("{s:s s:s s:s s:[{s:s s:s}] s:[{s:s}]}", "resourceType", "Device", "id", "device", "status", "active",
                           "deviceName", "name", "microtome", "type", "model-name", "version", "value", MT_VERSION);
    GString *note = g_string_new(NULL);

    if (c->headline->encoder != NULL)
        g_string_append_printf(note, "encoder %s", c->headline->encoder);
    if (c->headline->head != NULL)
        g_string_append_printf(note, "%shead %s", note->len > 0 ? ", " : "", c->headline->head);
    if (note->len > 0)
        json_object_set_new(d, "note", one(json_pack("{s:s}", "text", note->str)));
    g_string_free(note, TRUE);
    return d;
}

static json_t *imaging_study(const mt_dicom_identity *who)
{
    g_autofree char *urn = g_strconcat("urn:oid:", who->study_uid, NULL);
    json_t          *identifiers = one(json_pack("{s:s s:s}", "system", "urn:dicom:uid", "value", urn));
    json_t *study = json_pack("{s:s s:s s:o s:s s:o}", "resourceType", "ImagingStudy", "id", "study", "identifier", identifiers, "status",
                              "available", "subject", subject_of(who));
    json_t *date = date_of(who->study_date);

    if (who->accession != NULL && *who->accession != '\0')
        json_array_append_new(identifiers, accession_identifier(who->accession));
    if (date != NULL)
        json_object_set_new(study, "started", date);
    if (who->modality != NULL)
        json_object_set_new(study, "modality",
                            one(json_pack("{s:s s:s}", "system", "http://dicom.nema.org/resources/ontology/DCM", "code", who->modality)));
    return study;
}

/* The narrative: sentences as paragraphs. */
static json_t *narrative(const char *words)
{
    g_auto(GStrv) lines = g_strsplit(words, "\n", -1);
    g_autoptr(GString) div = g_string_new("<div xmlns=\"http://www.w3.org/1999/xhtml\">");

    for (char **line = lines; *line != NULL; line++) {
        g_autofree char *text = g_markup_escape_text(g_strstrip(*line), -1);
        if (*text != '\0')
            g_string_append_printf(div, "<p>%s</p>", text);
    }
    g_string_append(div, "</div>");
    return json_pack("{s:s s:s}", "status", "generated", "div", div->str);
}

static json_t *report_of(const mt_handover_case *c, const mt_report_items *items)
{
    const mt_dicom_identity *who = c->identity;
    g_autofree char         *uid = mt_handover_uid(c, "report"), *urn = g_strconcat("urn:oid:", uid, NULL);
    json_t                  *contained = one(device(c)), *results = json_array(), *date = date_of(who->study_date);
    json_t                  *code = items->pathology ? coded("http://loinc.org", "11526-1", "Pathology study")
                                                     : coded("http://loinc.org", "18748-4", "Diagnostic imaging study");
    json_t                  *report =
        json_pack("{s:s s:{s:[{s:s s:s s:s}]} s:s s:o s:o s:[{s:s s:s}] s:s s:[o] s:o s:o s:s}", "resourceType", "DiagnosticReport", "meta",
                  "security", "system", "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code", "HRESCH", "display",
                  "healthcare research", "language", c->language, "text", narrative(items->words), "contained", contained, "identifier",
                  "system", "urn:ietf:rfc:3986", "value", urn, "status", "preliminary", "category",
                  coded("http://terminology.hl7.org/CodeSystem/v2-0074", items->pathology ? "SP" : "RAD",
                        items->pathology ? "Surgical Pathology" : "Radiology"),
                  "code", code, "subject", subject_of(who), "conclusion", items->words);

    for (int i = 0; i < items->n; i++) {
        json_array_append_new(contained, observation(c, &items->items[i], i + 1));
        json_array_append_new(results, json_pack("{s:o}", "reference", json_sprintf("#item-%d", i + 1)));
    }
    json_object_set_new(report, "result", results);
    if (date != NULL)
        json_object_set_new(report, "effectiveDateTime", date);
    if (who->study_uid != NULL) {
        json_array_append_new(contained, imaging_study(who));
        json_object_set_new(report, "imagingStudy", one(json_pack("{s:s}", "reference", "#study")));
    }
    if (who->accession != NULL && *who->accession != '\0')
        json_object_set_new(report, "basedOn",
                            one(json_pack("{s:s s:o}", "type", "ServiceRequest", "identifier", accession_identifier(who->accession))));
    return report;
}

bool mt_fhir_report_write(const mt_handover_case *c, const char *path, GError **error)
{
    g_autoptr(mt_report_items) items = mt_report_check_patient(c, error) ? mt_report_items_new(c, error) : NULL;

    if (items == NULL)
        return false;
    json_t *report = report_of(c, items);
    char   *text = json_dumps(report, JSON_INDENT(1) | JSON_REAL_PRECISION(15));
    json_decref(report);
    g_autofree char *with_end = g_strconcat(text != NULL ? text : "", "\n", NULL);
    bool             whole = text != NULL;
    free(text);
    if (!whole)
        return mt_refuse(error, MT_ERROR_INPUT, "its texts are no UTF-8");
    return mt_publish_text(path, with_end, c->replace, error);
}
