#pragma once
// The online store: the newest state of every entity key, for reads in microseconds.
// One interface; lmdb/, redis/ and dynamodb/ behind it; one contract suite (store_contract.h).

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "icecore/state/answer_block.h"
#include "icecore/state/view_state.h"

namespace icecore::online {

// One view as the store keeps it. `generation` tells definitions apart: a new one is loaded beside
// the old and switched in one transaction.
struct StoredView {
  std::string name;         // "delays_by_carrier"
  std::string entity;       // entity name; all views of one entity lie side by side
  std::string fingerprint;  // of the definition and its table's generation
  // What decides the bytes of its cells, as text. Views whose cells are the same may take each
  // other's place: a load that is not fresh brings the new definition with its rows, if any.
  std::string cells;
  bool own_cells = true;  // they are those of a fresh load of this definition
  // Of a load that adds states to cells that stay as they are: `engine` keeps the new states alone,
  // and these are the cells that the store holds. "" of every other.
  std::string extends;
  std::shared_ptr<const state::ViewEngine> engine;
  std::vector<std::shared_ptr<arrow::DataType>> key_types;
};

// How far a view's log has been applied.
struct ViewPosition {
  std::string fingerprint;
  int64_t generation = 0;     // of the view in the store, counts from 1
  int64_t seq = 0;            // rows up to this _seq are in ...
  int64_t applied_until = 0;  // ... when they become active by this time (UTC us)
  int64_t applied_at = 0;  // rows active by then have entered for good; reads before it are refused
  int64_t latest_activation =
      0;  // greatest activation time of any row up to seq, also of those that wait
  int64_t waiting_from = 0;      // no row with a lesser _seq waits to become active
  std::string table_generation;  // of the table the rows came from
  std::string cells;  // StoredView::cells; "" of records of earlier versions: its definition's own
};

// A vector's part: one view, the features wanted, for one key per row of the request.
struct ViewRead {
  const StoredView* view = nullptr;
  // One array per key column, equal lengths; a null in any part matches nothing.
  std::vector<std::shared_ptr<arrow::Array>> keys;
};

// A key whose stored bytes are not what was written. Its features are null, with kError.
struct DamagedKey {
  int64_t row = 0;  // of the request
  std::string why;
};

struct ViewAnswer {
  state::AnswerBlock features;      // as ViewEngine::output_types(); the engine outlives it
  std::vector<DamagedKey> damaged;  // by row
  std::shared_ptr<const ViewPosition> position;
  bool stale = false;  // t lies beyond applied_until
};

// A batch of prepared rows: every row of the view's log with seq in (position.seq, seq] that
// becomes active by applied_until, and every earlier row that becomes active in
// (position.applied_until, applied_until]. Several calls may bring one batch in pieces. Of a view
// over a table with versions: also the rows that are not live, which end others.
class ViewLoad {
 public:
  virtual ~ViewLoad() = default;
  virtual arrow::Status Add(const state::PreparedRows& rows) = 0;

  // Fresh loads and those that extend, which may have more rows than memory holds, can take several
  // passes over them:
  //   load->Bound(…); do { Add all rows; } while (load->NextPass(position)); Commit(position)
  // Before the first Add: rows may take `memory_bytes`, about, of `rows` that come in each pass. A
  // view over a table with versions holds them all.
  virtual void Bound(int64_t memory_bytes, int64_t rows) = 0;
  // False where Commit may follow. Else what this pass held is written where no read sees it, and
  // all rows have to be added once more, for keys that are left.
  virtual arrow::Result<bool> NextPass(const ViewPosition& position) = 0;
  // The position of such a load that was cut off, where the store can go on with it. One like it
  // does so by Resume, before its first Add: the rows to add are those of that position, and keys
  // that are written are passed over. Any other load gives up what the one before has written.
  virtual std::optional<ViewPosition> Unfinished() const = 0;
  virtual void Resume() = 0;

  // All of it and the new position in one transaction, or nothing. A fresh load switches the view
  // to the new generation here, one that extends to the definition that reads its cells, too, at
  // the position that is held; any other one may switch it to another definition of the same cells.
  virtual arrow::Status Commit(const ViewPosition& position) = 0;
};

// When a store is packed. Free is what packing would give back: pages that hold nothing, and room
// in pages.
struct PackRule {
  int64_t free_percent = 30;               // so much of its file must be free ...
  int64_t free_bytes = int64_t{16} << 20;  // ... and so many bytes
};

struct PackReport {
  std::string kind;  // of the store
  bool packed = false;
  int64_t bytes_before = 0;  // of its file; 0: a store that is packed by who runs it
  int64_t free_bytes = 0;    // of them
  int64_t bytes_after = 0;   // as before where it was not packed
};

// Of a read that may take as long as its store allows itself.
inline constexpr int64_t kNoDeadline = INT64_MAX;

class Store {
 public:
  virtual ~Store() = default;
  // nullopt: the view was never loaded.
  virtual arrow::Result<std::optional<ViewPosition>> Position(const std::string& view) = 0;
  // Begins a load; `fresh`: a new generation beside the one that answers.
  // Only one load of a view at a time, also across processes. kConflict: another load is under way,
  // or the store holds other cells than a load that is not fresh expects.
  virtual arrow::Result<std::unique_ptr<ViewLoad>> BeginLoad(const StoredView& view,
                                                             bool fresh) = 0;
  // One consistent read with one t for all views. A damaged key fails alone (ViewAnswer::damaged),
  // the other keys and its other views are answered. kInvalidArgument when t lies before a view's
  // applied_at; kNotFound when a view was never loaded; kConflict when the store holds it by
  // another fingerprint or in other cells.
  // kUnavailable where a server has not answered by `deadline_ns` (base::MonotonicNanos), or
  // before, by bounds of its own.
  virtual arrow::Result<std::vector<ViewAnswer>> Read(const std::vector<ViewRead>& reads, int64_t t,
                                                      int64_t deadline_ns = kNoDeadline) = 0;
  // Removes a view (all generations), in bounded steps.
  virtual arrow::Status Drop(const std::string& view) = 0;
  // Removes generations that no longer answer, at most `max_cells`; returns how many went.
  virtual arrow::Result<int64_t> Sweep(int64_t max_cells) = 0;

  // Gives the disk back what is free in the file, where the rule says so. Reads and loads of all
  // processes go on; loads wait while the copy is made. kConflict: somebody else packs.
  virtual arrow::Result<PackReport> Pack(const PackRule& rule) = 0;

  struct Info {
    std::string kind;
    int64_t bytes = 0;
    int64_t cells = 0;
    std::vector<std::pair<std::string, ViewPosition>> views;
  };
  virtual arrow::Result<Info> Describe() = 0;
};

// Where the online store rests; nothing in it is a reference any more. "" = not said.
struct StorePlace {
  std::string url;           // lmdb:FOLDER, redis(s)://HOST[:PORT][,…], dynamodb://REGION/PREFIX
  std::string project_root;  // what relative paths start from
  std::string project;       // its name: what tells projects on one server apart
  std::string username;      // redis
  std::string password;      // redis; never in a message
  std::string ca_file;       // rediss, PEM; "" = the system's
  std::string cert_file;     // rediss: our own certificate
  std::string key_file;      // rediss: of cert_file
  std::string endpoint;      // dynamodb
  std::string profile;       // dynamodb
};

// kInvalidDefinition for a place that cannot be meant, kUnsupported for a kind by name. Redis and
// DynamoDB are asked for the first time when they are used.
arrow::Result<std::unique_ptr<Store>> OpenStore(const StorePlace& place);
// A place that its URL tells whole.
arrow::Result<std::unique_ptr<Store>> OpenStore(const std::string& uri,
                                                const std::string& project_root);

}  // namespace icecore::online
