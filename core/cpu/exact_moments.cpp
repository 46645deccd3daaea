#include "core/cpu/exact_moments.h"

namespace tessera::cpu {

template <class T>
ExactMoments exact_moments_of(const T* x, const ElementRuns& r, bool centered) {
  if (r.runs == 1) {
    if (r.stride == 1) {
      return exact_moments<T>(r.n, centered, [=](int64_t i) { return x[i]; });
    }
    return exact_moments<T>(r.n, centered, [=](int64_t i) { return x[i * r.stride]; });
  }
  return exact_moments<T>(r.runs * r.n, centered, [=](int64_t i) {
    return x[i / r.n * r.run_stride + i % r.n * r.stride];
  });
}

template <class T>
NormMoments<T> rounded_moments(const ExactMoments& m, double eps) {
  NormMoments<T> out;
  out.mean = static_cast<T>((m.mean + m.rest) / m.scale);
  double rounded = static_cast<double>(out.mean) * m.scale;
  double rest = ((m.mean - rounded) + m.rest) / m.scale;
  out.rest = std::isfinite(rest) ? static_cast<T>(rest) : T(0);
  out.var = static_cast<T>(m.var / m.scale / m.scale);
  out.rstd = static_cast<T>(m.rstd(eps) * m.scale);
  return out;
}

template ExactMoments exact_moments_of(const float*, const ElementRuns&, bool);
template ExactMoments exact_moments_of(const double*, const ElementRuns&, bool);
template NormMoments<float> rounded_moments(const ExactMoments&, double);
template NormMoments<double> rounded_moments(const ExactMoments&, double);

}  // namespace tessera::cpu
