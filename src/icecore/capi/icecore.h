/* The C interface of Icecore: projects, training sets, online features and SQL, as Arrow data.
 *
 * Data come in and go out by the Arrow C stream interface
 * (https://arrow.apache.org/docs/format/CStreamInterface.html), without copies.
 *
 * Errors. Every function that can fail returns a code of enum icecore_code, ICECORE_OK for success;
 * anything else leaves the results as they were. Where `error` is not NULL it then gets an error
 * with the engine's text, to be freed by icecore_error_free. No C++ exception leaves the library.
 *
 * Threads. Any function may be called from any thread. Calls on one project wait for one another,
 * icecore_service_read apart: reads run at the same time. A stream or a handle that is being used
 * by one thread must not be used or freed by another.
 *
 * Life. A handle lives until it is freed, whatever is freed before it: a service or a stream keeps
 * what it needs of its project. Handles do not survive fork(): open anew in the child.
 *
 * Signals, locale and the environment are left alone. Progress is not printed; warnings go to
 * stderr.
 */
#ifndef ICECORE_CAPI_ICECORE_H_
#define ICECORE_CAPI_ICECORE_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ArrowArrayStream; /* of the Arrow C stream interface */

/* NOLINTBEGIN(readability-identifier-naming): the names that C has */
enum icecore_code {
  ICECORE_OK = 0,
  ICECORE_INVALID_DEFINITION = 1, /* a file, SQL or expression of the project is wrong */
  ICECORE_INVALID_ARGUMENT = 2,   /* an argument or a column of the data given is wrong */
  ICECORE_CONTRACT_VIOLATION = 3, /* data broke a contract or check that stops the run */
  ICECORE_BAD_INPUT = 4,          /* bytes are not what they are declared to be */
  ICECORE_NOT_FOUND = 5,       /* the thing named does not exist; the text has the nearest name */
  ICECORE_CONFLICT = 6,        /* somebody else was first; a retry can help */
  ICECORE_OUTCOME_UNKNOWN = 7, /* a commit may or may not have happened */
  ICECORE_UNAVAILABLE = 8,     /* a service, lock or resource is not there; a retry can help */
  ICECORE_DENIED = 9,          /* a policy or the file system forbids it */
  ICECORE_CORRUPT = 10,        /* stored bytes are not what was written */
  ICECORE_UNSUPPORTED = 11,    /* a valid thing that this version cannot do, named */
  ICECORE_LIMIT = 12,          /* a limit on size, time or count was reached */
  ICECORE_INTERNAL = 13        /* a bug of Icecore */
};

typedef struct icecore_error icecore_error;
typedef struct icecore_project icecore_project;
typedef struct icecore_service icecore_service;
typedef struct icecore_training_set icecore_training_set;

/* "0.1.0", and the version of the Arrow C++ libraries it was built for, e.g. "26.0.1". */
const char* icecore_version(void);
const char* icecore_arrow_version(void);

/* The code's name as --json shows it, e.g. "not_found". */
const char* icecore_code_name(int32_t code);
int32_t icecore_error_code(const icecore_error* error);
/* UTF-8; lives as long as the error. */
const char* icecore_error_message(const icecore_error* error);
void icecore_error_free(icecore_error* error);

/* Frees a text that a function gave out as char**. */
void icecore_text_free(char* text);

/* Opens the project in the folder `directory`. `now`: the project's clock as RFC 3339 text, or NULL
 * for `now:` of icecore.yaml, else the machine's clock. */
int32_t icecore_open(const char* directory, const char* now, icecore_project** project,
                     icecore_error** error);
/* Reads the definitions anew. Services opened before go on by the old ones. */
int32_t icecore_reload(icecore_project* project, icecore_error** error);
void icecore_close(icecore_project* project);

/* The features of the service `name` for every row of `spine`, in its order: the spine's columns
 * unchanged, then the features. The spine has the service's key columns, `event_timestamp` (naive
 * is UTC) and the request's columns; any others pass through. It is released in every case. `spine`
 * NULL: `name` is a training_set, whose spine, label, sample and split its definition gives; it is
 * held whole, and computed when this returns. `known_at`: NULL or "label" (what serving could have
 * known at each row's time), "latest", or a time. */
int32_t icecore_training_set_open(icecore_project* project, const char* name, const char* known_at,
                                  struct ArrowArrayStream* spine,
                                  icecore_training_set** training_set, icecore_error** error);
/* The rows of an earlier card again, bit for bit, whatever came, was compacted or defined anew
 * since. `card`: its JSON, which begins with '{', or the path of its file. `spine` as above: of a
 * service the rows that it had then. ICECORE_NOT_FOUND where the rows cannot be had any more, or
 * turn out to be others; with a spine that is known at its end, so the last read fails. */
int32_t icecore_training_set_again(icecore_project* project, const char* name, const char* card,
                                   struct ArrowArrayStream* spine,
                                   icecore_training_set** training_set, icecore_error** error);
/* Moves the rows into *rows, which the caller releases; once only. */
int32_t icecore_training_set_rows(icecore_training_set* training_set, struct ArrowArrayStream* rows,
                                  icecore_error** error);
/* JSON: rows, columns, digest, spine (rows and digest), tables (what was read, by name),
 * duration_us, features (nulls and expired of each, before defaults). Complete once the rows have
 * ended; before that there is no digest, nor is there for columns of types without one. After a
 * read that failed it gives that error, with the code for which a stream has no place. */
int32_t icecore_training_set_report(icecore_training_set* training_set, char** json,
                                    icecore_error** error);
/* The card (docs/formats/training-card.md), as complete as the report. */
int32_t icecore_training_set_card(icecore_training_set* training_set, char** json,
                                  icecore_error** error);
/* Writes the rows to `path` (.parquet, .csv or .arrow) and then the card to `path`.card.json, as
 * `icecore training-set --out` does. `rows`: those that icecore_training_set_rows gave out, read
 * before or not, in whatever batches; released in every case. Others are ICECORE_INVALID_ARGUMENT
 * by their digest, and columns of types without a digest ICECORE_UNSUPPORTED; then nothing is
 * written. */
int32_t icecore_training_set_save(icecore_training_set* training_set, struct ArrowArrayStream* rows,
                                  const char* path, icecore_error** error);
void icecore_training_set_free(icecore_training_set* training_set);

/* A service made ready for online reads. Its views must be `online: true` and loaded. */
int32_t icecore_service_open(icecore_project* project, const char* name, icecore_service** service,
                             icecore_error** error);
/* JSON: name, keys, request and features, each a list of {name, type}. */
int32_t icecore_service_describe(icecore_service* service, char** json, icecore_error** error);
/* One vector per row of `entities`, which holds the key columns and the request's columns (any
 * order, no others), and is released in every case. A null key matches nothing. `at_us`: the time
 * asked for in microseconds since 1970 UTC, or NULL for the project's clock.
 *   features:    a column per feature, in declared order, defaults applied
 *   statuses:    NULL, or the same columns as text: present, null, not_found, expired, or error
 *                where what the store holds is damaged; such a value is null
 *   event_times: NULL, or the same columns as timestamp[us, UTC]: when the row chosen happened,
 *                null for windows and request-time features
 *   info:        NULL, or JSON: service, at, views ({name: {seq, applied_at, stale}}), and, where
 *                a value has the status error, errors ([{view, features, rows, code, message}])
 * ICECORE_CORRUPT when no row could be read whole, or when one could not and neither statuses nor
 * info are taken.
 * Columns are made when a stream is read: one that is released unread costs nearly nothing.
 * One consistent read with one time for all views. When a view was loaded anew with another
 * definition, the service is opened again by itself. */
int32_t icecore_service_read(icecore_service* service, struct ArrowArrayStream* entities,
                             const int64_t* at_us, struct ArrowArrayStream* features,
                             struct ArrowArrayStream* statuses,
                             struct ArrowArrayStream* event_times, char** info,
                             icecore_error** error);
void icecore_service_free(icecore_service* service);

/* One SELECT over the tables of every zone, in the sandbox of `icecore sql`. */
int32_t icecore_sql(icecore_project* project, const char* query, struct ArrowArrayStream* rows,
                    icecore_error** error);

/* The JSON of `icecore list WHAT --json` and `icecore show NAME --json`. */
int32_t icecore_list(icecore_project* project, const char* what, char** json,
                     icecore_error** error);
int32_t icecore_show(icecore_project* project, const char* name, char** json,
                     icecore_error** error);

/* Evidence (docs/verify.md). Each gives the JSON of the command of its name with --json; what does
 * not hold is in the JSON and not an error.
 *
 * What was served, recomputed: vectors of the log, `limit` of them at most (the newest), those
 * since the time or duration `since` (NULL: all); or, with a `spine` of keys and request data, what
 * is answered to them now. `spine` may be NULL and is released in every case. */
int32_t icecore_verify(icecore_project* project, const char* service, const char* since,
                       int64_t limit, struct ArrowArrayStream* spine, char** json,
                       icecore_error** error);
/* A column and its value as the command line takes it: "2013-12-01T12:00:00Z", "2.5", "UA". */
typedef struct icecore_named_text {
  const char* name;
  const char* value;
} icecore_named_text;
/* The rows, versions and definition behind one value: `feature` of the service, by its name there
 * or as VIEW.FEATURE, for the key columns it needs and the request's columns. `at_us`: as of
 * icecore_service_read. `rows`: how many rows and tiles to list; all are counted. */
int32_t icecore_explain(icecore_project* project, const char* service, const char* feature,
                        const icecore_named_text* keys, int64_t key_count,
                        const icecore_named_text* request, int64_t request_count,
                        const int64_t* at_us, int64_t rows, char** json, icecore_error** error);
/* Reads the definitions anew and holds the view, applied or not, against the same view of a version
 * of the catalog, over `spine` (keys and event_timestamp; released in every case), with so many
 * examples a feature. */
int32_t icecore_compare(icecore_project* project, const char* view, int64_t version,
                        struct ArrowArrayStream* spine, int64_t examples, char** json,
                        icecore_error** error);
/* Reads the definitions anew and asks the tests named (`count` of them, none: all), each in a
 * folder of its own. */
int32_t icecore_test(icecore_project* project, const char* const* names, int64_t count, char** json,
                     icecore_error** error);

/* Findings, changes and pending steps; the version applied. Both read the definitions anew first
 * and give the JSON of `icecore plan --json` and `icecore apply --json`. */
int32_t icecore_plan(icecore_project* project, char** json, icecore_error** error);
int32_t icecore_apply(icecore_project* project, char** json, icecore_error** error);
/* Brings everything up to date, or what `names` select (as `icecore run` takes them; `count` of
 * them, none: everything), and gives the JSON of `icecore run --json`. `full` not 0: new
 * generations. A step that failed is in the JSON ("status": "failed"), and not an error. */
int32_t icecore_run(icecore_project* project, const char* const* names, int64_t count, int32_t full,
                    char** json, icecore_error** error);
/* Stops a run of this project after the commit it is at; from another thread. */
void icecore_stop(icecore_project* project);
/* NOLINTEND(readability-identifier-naming) */

#ifdef __cplusplus
}
#endif

#endif /* ICECORE_CAPI_ICECORE_H_ */
