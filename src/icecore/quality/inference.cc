#include "icecore/quality/inference.h"

#include <arrow/array.h>
#include <arrow/compute/cast.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <utility>

#include "icecore/base/error.h"
#include "icecore/quality/scalar_text_internal.h"
#include "icecore/quality/wall_time_internal.h"

namespace icecore::quality {
namespace {

enum class Guess { kNone, kBool, kInt, kFloat, kDate, kTimestamp, kString };

bool IsBoolWord(std::string_view text) {
  bool value = false;
  return text.size() >= 4 && ParseBool(text, &value);
}

// "007", "-01", "00.5": codes, or numbers only by accident.
bool HasLeadingZero(std::string_view text) {
  if (!text.empty() && text[0] == '-') {
    text.remove_prefix(1);
  }
  return text.size() > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9';
}

bool IsWhole(std::string_view text) {
  int64_t value = 0;
  return ParseInteger(text, &value) && !HasLeadingZero(text);
}

// Digits alone that do not fit int64 are ids, which float64 would round.
bool IsReal(std::string_view text) {
  double value = 0;
  return !HasLeadingZero(text) && text.find_first_not_of("-0123456789") != std::string_view::npos &&
         ParseFloat64(text, &value);
}

bool IsDay(std::string_view text) {
  int32_t days = 0;
  return text.size() == 10 && ParseDate(text, &days);
}

bool IsInstant(std::string_view text) {
  int64_t micros = 0;
  bool has_zone = false;
  return text.size() >= 10 && ParseTimestamp(text, &micros, &has_zone);
}

Guess First(std::string_view text) {
  if (IsBoolWord(text)) {
    return Guess::kBool;
  }
  if (IsWhole(text)) {
    return Guess::kInt;
  }
  if (IsReal(text)) {
    return Guess::kFloat;
  }
  if (IsDay(text)) {
    return Guess::kDate;
  }
  return IsInstant(text) ? Guess::kTimestamp : Guess::kString;
}

// The guess that also takes `text`: wider by one step, or string.
Guess Next(Guess guess, std::string_view text) {
  switch (guess) {
    case Guess::kNone:
      return First(text);
    case Guess::kBool:
      return IsBoolWord(text) ? guess : Guess::kString;
    case Guess::kInt:
      if (IsWhole(text)) {
        return guess;
      }
      return IsReal(text) ? Guess::kFloat : Guess::kString;
    case Guess::kFloat:
      return IsReal(text) || IsWhole(text) ? guess : Guess::kString;
    case Guess::kDate:
      if (IsDay(text)) {
        return guess;
      }
      return IsInstant(text) ? Guess::kTimestamp : Guess::kString;
    case Guess::kTimestamp:
      return IsInstant(text) ? guess : Guess::kString;
    case Guess::kString:
      break;
  }
  return Guess::kString;
}

std::shared_ptr<arrow::DataType> TypeOf(Guess guess) {
  switch (guess) {
    case Guess::kBool:
      return arrow::boolean();
    case Guess::kInt:
      return arrow::int64();
    case Guess::kFloat:
      return arrow::float64();
    case Guess::kDate:
      return arrow::date32();
    case Guess::kTimestamp:
      return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    default:
      return arrow::utf8();
  }
}

class Inference final : public TypeInference {
 public:
  explicit Inference(std::vector<std::string> null_values) : null_values_(std::move(null_values)) {}

  arrow::Status Add(const arrow::RecordBatch& rows) override {
    ARROW_RETURN_NOT_OK(InitializeCompute());
    if (schema_ == nullptr) {
      schema_ = rows.schema();
      guesses_.assign(static_cast<size_t>(rows.num_columns()), Guess::kNone);
    } else if (!schema_->Equals(*rows.schema())) {
      return base::MakeError(base::ErrorCode::kInternal, "the batches of a file differ in schema");
    }
    std::shared_ptr<arrow::Array> problems = rows.GetColumnByName("_problem");
    for (int c = 0; c < rows.num_columns(); ++c) {
      if (!rows.column_name(c).starts_with('_')) {
        ARROW_RETURN_NOT_OK(
            AddColumn(rows.column(c), problems.get(), &guesses_[static_cast<size_t>(c)]));
      }
    }
    return arrow::Status::OK();
  }

  std::shared_ptr<arrow::Schema> Finish() const override {
    arrow::FieldVector fields;
    for (size_t c = 0; c < guesses_.size(); ++c) {
      const std::string& name = schema_->field(static_cast<int>(c))->name();
      if (!name.starts_with('_')) {
        fields.push_back(arrow::field(name, TypeOf(guesses_[c])));
      }
    }
    return arrow::schema(fields);
  }

 private:
  arrow::Status AddColumn(std::shared_ptr<arrow::Array> values, const arrow::Array* problems,
                          Guess* guess) const {
    if (values->type_id() != arrow::Type::STRING) {
      ARROW_ASSIGN_OR_RAISE(values, arrow::compute::Cast(*values, arrow::utf8()));
    }
    const auto& texts = static_cast<const arrow::StringArray&>(*values);
    for (int64_t i = 0; i < texts.length() && *guess != Guess::kString; ++i) {
      if (texts.IsNull(i) || (problems != nullptr && problems->IsValid(i))) {
        continue;
      }
      std::string_view text = texts.GetView(i);
      if (std::find(null_values_.begin(), null_values_.end(), text) == null_values_.end()) {
        *guess = Next(*guess, text);
      }
    }
    return arrow::Status::OK();
  }

  std::vector<std::string> null_values_;
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<Guess> guesses_;
};

}  // namespace

std::unique_ptr<TypeInference> TypeInference::Make(std::vector<std::string> null_values) {
  return std::make_unique<Inference>(std::move(null_values));
}

}  // namespace icecore::quality
