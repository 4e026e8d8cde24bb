// Bytes from a store: whatever they are, they are read as a state or refused.

#include <arrow/array/builder_base.h>
#include <arrow/type.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "icecore/base/id.h"
#include "icecore/state/aggregate.h"
#include "icecore/state/cell_bytes.h"
#include "icecore/state/version_chain.h"
#include "icecore/state/view_state.h"
#include "icecore/state/wire.h"

namespace {

using icecore::state::AggregateKind;
using icecore::state::FeatureLayout;

icecore::state::ViewLayout Layout(bool versioned) {
  icecore::state::ViewLayout layout;
  layout.versioned = versioned;
  layout.value_types = {arrow::float64(), arrow::utf8(), arrow::list(arrow::int32())};
  layout.mask_count = 1;
  layout.features.resize(6);
  layout.features[0].value = 1;
  layout.features[1].value = 2;
  layout.features[1].mask = 0;
  const AggregateKind kinds[] = {AggregateKind::kStddev, AggregateKind::kCountDistinct,
                                 AggregateKind::kLastN, AggregateKind::kQuantile};
  for (size_t i = 0; i < 4; ++i) {
    FeatureLayout& feature = layout.features[i + 2];
    feature.kind = FeatureLayout::Kind::kWindow;
    feature.value = 0;
    feature.aggregate.kind = kinds[i];
    feature.aggregate.n = 3;
    feature.aggregate.q = 0.5;
    feature.length_us = 1000;
    feature.hop_us = 10;
  }
  return layout;
}

void Load(const icecore::state::ViewEngine& engine, std::string_view bytes, bool tile) {
  // The checksum is made right, so that what lies behind it is reached.
  std::string sealed = (tile ? "ICKT\2" : "ICKH\1") + std::string(bytes);
  icecore::state::wire::PutFixed64(icecore::base::Hash64(sealed), &sealed);
  std::string suffix;
  if (tile) suffix.assign("\0\0\x80\0\0\0\0\0\0\0", 10);
  std::vector<icecore::state::Cell> cells = {{suffix, sealed}};
  if (tile) {
    // Tiles are parsed when they are read, which takes a head.
    auto changes = engine.NewKey()->TakeChanges();
    if (changes.ok()) cells.push_back({"", *(*changes)[0].bytes});
  }
  auto sink = icecore::state::VectorSink::Make(engine.output_types());
  if (!sink.ok()) return;
  std::vector<icecore::state::CellView> views;
  for (const auto& cell : cells) views.push_back({cell.suffix, cell.bytes});
  const bool answers = engine.ReadCells(views, INT64_MAX, sink->get()).ok();
  auto key = engine.LoadKey(cells);
  if (!key.ok()) return;
  if ((*key)->Read(INT64_MAX, sink->get()).ok() != answers) __builtin_trap();
  (void)(*key)->TakeChanges();
}

void LoadVersioned(const icecore::state::ViewEngine& engine, std::string_view bytes, bool chain) {
  std::string sealed = (chain ? "ICKC\1" : "ICKR\1") + std::string(bytes);
  icecore::state::wire::PutFixed64(icecore::base::Hash64(sealed), &sealed);
  if (chain) {
    auto loaded = icecore::state::VersionChain::Load(sealed);
    if (!loaded.ok()) return;
    if (loaded->Encode() != sealed) __builtin_trap();
    loaded->Add({"", 0, 0, "k"}, 0);
    (void)loaded->Settle(0);
    return;
  }
  std::string head("ICKV\1", 5);
  head.append(24, '\0');
  icecore::state::wire::PutFixed64(icecore::base::Hash64(head), &head);
  // The suffix is what the row says itself: e and seq.
  std::string_view in = bytes;
  icecore::state::RowOrder order;
  if (!icecore::state::GetOrder(&in, &order)) return;
  std::string suffix;
  icecore::state::PutSortable(order.event_time, &suffix);
  icecore::state::PutSortable(order.seq, &suffix);
  suffix.append(icecore::state::kMarkBytes, 'm');
  auto key = engine.LoadKey({{"", head}, {suffix, sealed}});
  if (!key.ok()) return;
  auto sink = icecore::state::VectorSink::Make(engine.output_types());
  if (!sink.ok()) return;
  (void)(*key)->Read(INT64_MAX, sink->get());
  (void)(*key)->AdvanceTo(INT64_MAX);
  (void)(*key)->TakeChanges();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto engine = icecore::state::ViewEngine::Make(Layout(false)).ValueOrDie();
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  static const auto versioned = icecore::state::ViewEngine::Make(Layout(true)).ValueOrDie();
  if (data[0] >= 0xe0 && data[0] < 0xf0) {
    LoadVersioned(*versioned, bytes, data[0] >= 0xe8);
    return 0;
  }
  if (data[0] >= 0xf0) {
    Load(*engine, bytes, data[0] >= 0xf8);
    return 0;
  }
  icecore::state::AggregateSpec spec;
  spec.kind = static_cast<AggregateKind>(data[0] % 13);
  spec.n = 4;
  spec.q = 0.5;
  spec.input = (data[0] & 0x40) != 0 ? arrow::float64() : arrow::decimal128(20, 2);
  std::string_view in = bytes;
  auto state = icecore::state::ReadState(spec, &in);
  if (!state.ok()) return 0;
  auto type = icecore::state::OutputType(spec);
  auto builder = arrow::MakeBuilder(*type);
  if (builder.ok()) (void)(*state)->AppendResult(builder->get());
  return 0;
}
