#include "icecore/feature/sweep.h"

#include <arrow/array/array_primitive.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <memory>
#include <utility>

#include "icecore/base/parallel.h"
#include "icecore/feature/key_sweep.h"
#include "icecore/feature/sweep_order.h"
#include "icecore/feature/sweep_output.h"

namespace icecore::feature {

namespace {

using Column = state::VectorSink::Column;

// A label costs about as much as so many rows.
constexpr int64_t kRowsPerLabel = 8;
// A key of so many tasks' weight is cut by time.
constexpr int64_t kTasksOfHotKey = 4;

// The work of one thread at a time: neighbouring keys, or a part of a hot one.
struct Task {
  int64_t first_key = 0;
  int64_t end_key = 0;
  KeyPart part;  // with label_count: instead of keys
};

class ViewSweep {
 public:
  ViewSweep(const state::ViewPlan& plan, const SweepRows& rows, const SweepLabels& labels,
            const SweepOptions& options)
      : plan_(plan), rows_(rows), labels_(labels), options_(options) {}

  arrow::Result<std::vector<Column>> Run(int64_t key_count);

 private:
  void PlanTasks(int64_t key_count);
  void SplitKey(int64_t key);
  KeyPart PartOf(int64_t key) const;
  // The rows that windows at t >= first and t <= last can reach.
  void NarrowRows(int64_t first, int64_t last, KeyPart* part) const;
  std::vector<KeyPart> PartsOf(const Task& task);
  arrow::Status RunTasks();
  arrow::Result<std::vector<Column>> Finish();
  int64_t TimeOf(int64_t label_position) const {
    return labels_.times[static_cast<size_t>(label_order_.ItemAt(label_position))];
  }

  const state::ViewPlan& plan_;
  const SweepRows& rows_;
  const SweepLabels& labels_;
  const SweepOptions options_;
  ByKey row_order_;
  ByKey label_order_;
  std::vector<SweepOutput> outputs_;
  std::vector<Task> tasks_;
  std::vector<std::unique_ptr<KeySweep>> threads_;
};

KeyPart ViewSweep::PartOf(int64_t key) const {
  const auto at = static_cast<size_t>(key);
  return {row_order_.starts[at], row_order_.starts[at + 1] - row_order_.starts[at],
          label_order_.starts[at], label_order_.starts[at + 1] - label_order_.starts[at]};
}

void ViewSweep::NarrowRows(int64_t first, int64_t last, KeyPart* part) const {
  // As-of features look at the oldest rows too.
  if (!plan_.as_of.empty()) return;
  const int64_t* event_times = rows_.rows.event_time->raw_values();
  auto place = [&](int64_t bound) {  // of the first row whose e is not below
    int64_t low = part->first_row;
    int64_t high = part->first_row + part->row_count;
    while (low < high) {
      const int64_t middle = low + (high - low) / 2;
      if (event_times[row_order_.ItemAt(middle)] < bound) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  };
  const int64_t from = place(plan_.OldestInWindows(first));
  const int64_t to = last == std::numeric_limits<int64_t>::max() ? part->first_row + part->row_count
                                                                 : place(last + 1);
  part->first_row = from;
  part->row_count = std::max<int64_t>(to - from, 0);
}

void ViewSweep::SplitKey(int64_t key) {
  const KeyPart whole = PartOf(key);
  SortRows(rows_, plan_.layout.always, whole.first_row, whole.first_row + whole.row_count,
           &row_order_);
  SortLabels(labels_, whole.first_label, whole.first_label + whole.label_count, &label_order_);
  const int64_t pieces = std::min<int64_t>(options_.pieces_of_hot_key, whole.label_count);
  for (int64_t piece = 0; piece < pieces; ++piece) {
    KeyPart part = whole;
    part.first_label = whole.first_label + whole.label_count * piece / pieces;
    part.label_count =
        whole.first_label + whole.label_count * (piece + 1) / pieces - part.first_label;
    NarrowRows(TimeOf(part.first_label), TimeOf(part.first_label + part.label_count - 1), &part);
    tasks_.push_back({key, key + 1, part});
  }
}

void ViewSweep::PlanTasks(int64_t key_count) {
  Task task;
  int64_t weight = 0;
  auto close = [&](int64_t end) {
    task.end_key = end;
    if (weight > 0) tasks_.push_back(task);
    task.first_key = end;
    weight = 0;
  };
  for (int64_t key = 0; key < key_count; ++key) {
    const KeyPart part = PartOf(key);
    if (part.label_count == 0 || part.row_count == 0) continue;
    const int64_t own = part.row_count + kRowsPerLabel * part.label_count;
    if (own >= kTasksOfHotKey * options_.task_rows && part.label_count > 1) {
      close(key);
      SplitKey(key);
      task.first_key = key + 1;
      continue;
    }
    weight += own;
    if (weight >= options_.task_rows) close(key + 1);
  }
  close(key_count);
}

std::vector<KeyPart> ViewSweep::PartsOf(const Task& task) {
  if (task.part.label_count > 0) return {task.part};
  std::vector<KeyPart> parts;
  for (int64_t key = task.first_key; key < task.end_key; ++key) {
    const KeyPart part = PartOf(key);
    if (part.label_count == 0 || part.row_count == 0) continue;
    SortRows(rows_, plan_.layout.always, part.first_row, part.first_row + part.row_count,
             &row_order_);
    SortLabels(labels_, part.first_label, part.first_label + part.label_count, &label_order_);
    parts.push_back(part);
  }
  return parts;
}

arrow::Status ViewSweep::RunTasks() {
  const SweepInput input{&plan_,   &rows_, &labels_, &row_order_, &label_order_, options_.by_ranges,
                         &outputs_};
  const size_t threads = std::min(base::ParallelPieces(), tasks_.size());
  for (size_t i = 0; i < threads; ++i) threads_.push_back(std::make_unique<KeySweep>(input));
  std::atomic<size_t> next = 0;
  return base::RunParallel(threads, [&](size_t thread) -> arrow::Status {
    for (size_t task = next++; task < tasks_.size(); task = next++) {
      ARROW_RETURN_NOT_OK(threads_[thread]->Run(PartsOf(tasks_[task])));
    }
    return arrow::Status::OK();
  });
}

arrow::Result<std::vector<Column>> ViewSweep::Finish() {
  // As-of features of one mask share the output of the first.
  std::vector<size_t> sources(outputs_.size());
  std::vector<size_t> own;
  for (size_t i = 0; i < sources.size(); ++i) sources[i] = i;
  for (const state::AsOfSet& set : plan_.as_of) {
    for (const state::AsOfSet::Member& member : set.members) {
      sources[static_cast<size_t>(member.feature)] = static_cast<size_t>(set.members[0].feature);
    }
  }
  for (size_t i = 0; i < sources.size(); ++i) {
    if (sources[i] == i) own.push_back(i);
  }
  ARROW_RETURN_NOT_OK(base::RunParallel(own.size(), [&](size_t i) {
    ToLabelOrder(label_order_, &outputs_[own[i]]);
    return arrow::Status::OK();
  }));
  std::vector<Column> columns(outputs_.size());
  ARROW_RETURN_NOT_OK(base::RunParallel(columns.size(), [&](size_t i) -> arrow::Status {
    std::vector<const ListPart*> parts;
    parts.reserve(threads_.size());
    for (const auto& thread : threads_) parts.push_back(&thread->lists(i));
    ARROW_ASSIGN_OR_RAISE(
        columns[i], FinishColumn(plan_, i, rows_, label_order_, &outputs_[sources[i]], parts));
    return arrow::Status::OK();
  }));
  return columns;
}

arrow::Result<std::vector<Column>> ViewSweep::Run(int64_t key_count) {
  ARROW_ASSIGN_OR_RAISE(row_order_, GroupRows(rows_, plan_.layout.always, key_count));
  ARROW_ASSIGN_OR_RAISE(label_order_, GroupLabels(labels_, key_count));
  const auto labels = static_cast<int64_t>(labels_.keys.size());
  outputs_.resize(plan_.layout.features.size());
  ARROW_RETURN_NOT_OK(base::RunParallel(outputs_.size(), [&](size_t i) {
    outputs_[i] = MakeOutput(plan_, plan_.layout.features[i], labels);
    return arrow::Status::OK();
  }));
  PlanTasks(key_count);
  ARROW_RETURN_NOT_OK(RunTasks());
  return Finish();
}

}  // namespace

arrow::Result<std::vector<state::VectorSink::Column>> Sweep(const state::ViewPlan& plan,
                                                            const SweepRows& rows,
                                                            const SweepLabels& labels,
                                                            int64_t key_count,
                                                            const SweepOptions& options) {
  return ViewSweep(plan, rows, labels, options).Run(key_count);
}

arrow::Result<std::vector<state::VectorSink::Column>> Sweep(const state::ViewPlan& plan,
                                                            const SweepRows& rows,
                                                            const SweepLabels& labels,
                                                            int64_t key_count) {
  SweepOptions options;
  options.pieces_of_hot_key = static_cast<int64_t>(base::ParallelPieces());
  return Sweep(plan, rows, labels, key_count, options);
}

}  // namespace icecore::feature
