#include "src/train/deal_patients.h"

#include <math.h>
#include <string.h>

typedef struct patient {
    const char *name;
    int         stratum;
    uint64_t    ticket; /* random; the order within the stratum */
    int         part;
} patient;

/* splitmix64: the same numbers on every machine and with every library. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const patient *const *)a)->name, (*(const patient *const *)b)->name);
}

static gint compare_tickets(gconstpointer a, gconstpointer b)
{
    const patient *x = *(const patient *const *)a, *y = *(const patient *const *)b;

    if (x->stratum != y->stratum)
        return x->stratum < y->stratum ? -1 : 1;
    return x->ticket < y->ticket ? -1 : x->ticket > y->ticket;
}

/* Patients by stratum, shuffled within it; by name first, so that the order of the cases does not matter. */
static GPtrArray *shuffled(const mt_split_case *cases, guint n, const bool *eligible, GHashTable *by_name, uint64_t seed)
{
    GPtrArray *patients = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < n; i++) {
        if (eligible != NULL && !eligible[i])
            continue;
        patient *p = g_hash_table_lookup(by_name, cases[i].patient);
        if (p == NULL) {
            p = g_new0(patient, 1);
            p->name = cases[i].patient;
            p->stratum = cases[i].stratum;
            g_hash_table_insert(by_name, (gpointer)(uintptr_t)p->name, p);
            g_ptr_array_add(patients, p);
        }
        p->stratum = MAX(p->stratum, cases[i].stratum);
    }
    g_ptr_array_sort(patients, compare_names);
    for (guint i = 0; i < patients->len; i++)
        ((patient *)patients->pdata[i])->ticket = next_random(&seed);
    g_ptr_array_sort(patients, compare_tickets);
    return patients;
}

int *mt_deal_patients(const mt_split_case *cases, guint n, const bool *eligible, int parts, uint64_t seed, guint *n_patients)
{
    g_autoptr(GHashTable) by_name = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) patients = shuffled(cases, n, eligible, by_name, seed);
    int *part = g_new(int, MAX(n, 1));

    for (guint i = 0; i < patients->len; i++) /* the next stratum goes on where the last one stopped */
        ((patient *)patients->pdata[i])->part = (int)(i % (guint)parts);
    for (guint i = 0; i < n; i++) {
        const patient *p = eligible == NULL || eligible[i] ? g_hash_table_lookup(by_name, cases[i].patient) : NULL;
        part[i] = p != NULL ? p->part : -1;
    }
    if (n_patients != NULL)
        *n_patients = patients->len;
    return part;
}

/* The first patients of each stratum; what rounding takes from one stratum the next one gives back. */
static void take_share(GPtrArray *patients, double share)
{
    guint taken = 0, due = 0;

    for (guint first = 0, end; first < patients->len; first = end) {
        int stratum = ((patient *)patients->pdata[first])->stratum;
        for (end = first; end < patients->len && ((patient *)patients->pdata[end])->stratum == stratum; end++)
            ;
        due = (guint)floor(share * end + 0.5);
        for (guint i = first; i < end && taken < due; i++, taken++)
            ((patient *)patients->pdata[i])->part = 1;
    }
    if (taken == 0 && share > 0 && patients->len > 1)
        ((patient *)patients->pdata[0])->part = 1;
}

bool *mt_share_of_patients(const mt_split_case *cases, guint n, const bool *eligible, double share, uint64_t seed)
{
    g_autoptr(GHashTable) by_name = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) patients = shuffled(cases, n, eligible, by_name, seed);
    bool *in = g_new0(bool, MAX(n, 1));

    take_share(patients, share);
    for (guint i = 0; i < n; i++) {
        const patient *p = eligible == NULL || eligible[i] ? g_hash_table_lookup(by_name, cases[i].patient) : NULL;
        in[i] = p != NULL && p->part == 1;
    }
    return in;
}
