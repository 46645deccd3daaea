// The list of the config's sections, once. For the implementation of config.h.
#pragma once

#include "launcher/experiment/config/config.h"

namespace tessera::experiment {

// In the order of the file: fixed(name, config.run) for a section that always has the same keys,
// chosen(name, config.model, &Catalog::model) for one whose keys depend on its name.
template <class ConfigRef, class Fixed, class Chosen>
void for_each_section(ConfigRef& config, Fixed&& fixed, Chosen&& chosen) {
  fixed("run", config.run);
  fixed("init", config.init);
  chosen("model", config.model, &Catalog::model);
  chosen("data", config.data, &Catalog::data);
  chosen("optim", config.optim, &Catalog::optim);
  chosen("schedule", config.schedule, &Catalog::schedule);
  fixed("parallel", config.parallel);
  fixed("compute", config.compute);
  fixed("checkpoint", config.checkpoint);
  fixed("log", config.log);
}

}  // namespace tessera::experiment
