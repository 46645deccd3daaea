#include "launcher/experiment/components/rule_options.h"

namespace tessera::experiment {
namespace {

class Prefixed : public FieldVisitor {
 public:
  Prefixed(const std::string& prefix, FieldVisitor& inner) : prefix_(prefix), inner_(inner) {}

  void field(const Field& field) override {
    std::string key = prefix_ + field.key;
    inner_.field({key.c_str(), field.value, field.doc, field.constraint});
  }

 private:
  const std::string& prefix_;
  FieldVisitor& inner_;
};

}  // namespace

void visit_prefixed(RuleOptions& options, const std::string& prefix, FieldVisitor& v) {
  Prefixed prefixed(prefix, v);
  options.visit(prefixed);
}

}  // namespace tessera::experiment
