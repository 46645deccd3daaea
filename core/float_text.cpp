#include "core/float_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace tessera {
namespace {

// d.ddde[+-]xx as a Decimal.
Decimal parse_scientific(std::string_view text) {
  Decimal out;
  out.negative = text.starts_with('-');
  size_t e = text.find('e');
  for (char c : text.substr(0, e)) {
    if (c >= '0' && c <= '9') out.digits += c;
  }
  out.digits.erase(out.digits.find_last_not_of('0') + 1);
  if (out.digits.empty()) out.digits = "0";
  out.exponent = std::atoi(std::string(text.substr(e + 1)).c_str());
  return out;
}

template <class T>
std::string shortest_scientific(T value) {
  char text[40];
  auto [end, error] = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific);
  return {text, end};
}

template <class Half>
Decimal shortest_half(double value) {
  auto wanted = Half(static_cast<float>(value)).bits;
  for (int digits = 0;; ++digits) {
    std::string text = fmt::format("{:.{}e}", value, digits);
    // 8 more digits tell every f32 apart.
    if (digits > 8 || Half(std::strtof(text.c_str(), nullptr)).bits == wanted) {
      return parse_scientific(text);
    }
  }
}

// A number's text around its point.
struct Parts {
  std::string whole;     // with its sign
  std::string fraction;  // without zeros at its end
  std::string exponent;  // its sign and at least two digits; empty: none
};

std::string trim(std::string digits) {
  digits.erase(digits.find_last_not_of('0') + 1);
  return digits;
}

Parts split(std::string_view text) {
  size_t e = std::min(text.find('e'), text.size());
  size_t point = std::min(text.find('.'), e);
  std::string fraction(point < e ? text.substr(point + 1, e - point - 1) : std::string_view());
  return {std::string(text.substr(0, point)), trim(std::move(fraction)),
          std::string(e < text.size() ? text.substr(e + 1) : std::string_view())};
}

Parts positional(double value, DType dtype, int precision) {
  Decimal decimal = shortest_decimal(value, dtype);
  auto digits = static_cast<int>(decimal.digits.size());
  if (digits - 1 - decimal.exponent > precision)
    return split(fmt::format("{:.{}f}", value, precision));
  int whole = decimal.exponent + 1;
  std::string text = decimal.digits;
  if (whole <= 0) text.insert(0, static_cast<size_t>(1 - whole), '0');
  if (whole > digits) text.append(static_cast<size_t>(whole - digits), '0');
  size_t point = static_cast<size_t>(std::max(whole, 1));
  return {(decimal.negative ? "-" : "") + text.substr(0, point), trim(text.substr(point)), ""};
}

Parts scientific(double value, DType dtype, int precision) {
  Decimal decimal = shortest_decimal(value, dtype);
  if (static_cast<int>(decimal.digits.size()) - 1 > precision) {
    return split(fmt::format("{:.{}e}", value, precision));
  }
  return {(decimal.negative ? "-" : "") + decimal.digits.substr(0, 1),
          trim(decimal.digits.substr(1)),
          fmt::format("{}{:02}", decimal.exponent < 0 ? '-' : '+', std::abs(decimal.exponent))};
}

// value as the nearest number of dtype.
double rounded(double value, DType dtype) {
  return visit_dtype(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    return convert<double>(convert<T>(value));
  });
}

// NumPy's rule, over the finite values and in their dtype; bf16, which NumPy lacks, as f32.
bool wants_exponents(const std::vector<double>& values, DType dtype, bool suppress) {
  double smallest = HUGE_VAL;
  double largest = 0;
  for (double value : values) {
    if (!std::isfinite(value) || value == 0) continue;
    smallest = std::min(smallest, std::fabs(value));
    largest = std::max(largest, std::fabs(value));
  }
  if (largest == 0) return false;
  double ceiling = dtype == DType::f64 ? 1e8 : dtype == DType::f16 ? 1e3 : 1e6;
  return largest >= ceiling || (!suppress && (smallest < rounded(1e-4, dtype) ||
                                              rounded(largest / smallest, dtype) > 1000));
}

struct Widths {
  size_t whole = 0;
  size_t fraction = 0;
  size_t exponent = 0;
};

}  // namespace

Decimal shortest_decimal(double value, DType dtype) {
  if (dtype == DType::f16) return shortest_half<Float16>(value);
  if (dtype == DType::bf16) return shortest_half<BFloat16>(value);
  if (dtype == DType::f32) return parse_scientific(shortest_scientific(static_cast<float>(value)));
  return parse_scientific(shortest_scientific(value));
}

std::vector<std::string> float_column(const std::vector<double>& values, DType dtype, int precision,
                                      bool suppress) {
  bool exponents = wants_exponents(values, dtype, suppress);
  std::vector<Parts> parts;
  Widths width;
  for (double value : values) {
    parts.emplace_back();
    if (!std::isfinite(value)) continue;
    Parts& part = parts.back();
    part = exponents ? scientific(value, dtype, precision) : positional(value, dtype, precision);
    width.whole = std::max(width.whole, part.whole.size());
    width.fraction = std::max(width.fraction, part.fraction.size());
    width.exponent = std::max(width.exponent, part.exponent.size());
  }
  std::vector<std::string> texts;
  size_t widest = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) {
      Parts& part = parts[i];
      // In columns with exponents every number has all the digits that one needs; beyond those
      // that tell it from its neighbours they are of its exact value.
      if (exponents && part.fraction.size() < width.fraction) {
        part.fraction = split(fmt::format("{:.{}e}", values[i], width.fraction)).fraction;
      }
      part.fraction.append(width.fraction - part.fraction.size(), exponents ? '0' : ' ');
      // Short exponents get zeros behind their sign.
      if (exponents) part.exponent.insert(1, width.exponent - part.exponent.size(), '0');
      texts.push_back(fmt::format("{:>{}}.{}{}{}", part.whole, width.whole, part.fraction,
                                  exponents ? "e" : "", part.exponent));
    } else {
      texts.push_back(std::isnan(values[i]) ? "nan" : values[i] < 0 ? "-inf" : "inf");
    }
    widest = std::max(widest, texts.back().size());
  }
  for (std::string& text : texts) text.insert(0, widest - text.size(), ' ');
  return texts;
}

}  // namespace tessera
