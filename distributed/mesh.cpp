#include "distributed/mesh.h"

#include <algorithm>
#include <vector>

#include "autograd/context.h"
#include "distributed/agreement.h"
#include "distributed/levels.h"

namespace tessera {
namespace {

// On CPUs the two are one: transfers block the host anyway, calls that differ are found whichever
// they are about, and a second communicator would cost a split at the start and lines of its own.
Communicator& control_of(Communicator& world, Communicator* control) {
  if (control) return *control;
  TESSERA_CHECK(world.device().type == DeviceType::cpu,
                "[Mesh] a world on {} needs a control communicator, whose arrays are the host's",
                world.device());
  return world;
}

int ranks_of_data(const Communicator& world, const MeshShape& shape) {
  for (int size : {shape.pipeline, shape.tensor, shape.context, shape.expert, shape.group}) {
    TESSERA_CHECK(size >= 1, "[Mesh] expected at least one rank along every axis, got {}",
                  to_string(shape));
  }
  int64_t others = int64_t{shape.pipeline} * shape.tensor * shape.context * shape.expert;
  TESSERA_CHECK(others <= world.size() && world.size() % others == 0,
                "[Mesh] {} ranks do not divide into {}", world.size(), to_string(shape));
  return static_cast<int>(world.size() / others);
}

}  // namespace

std::string to_string(const MeshShape& shape) {
  return fmt::format("pipeline {}, tensor {}, context {}, expert {}, group {}, ranks_per_node {}",
                     shape.pipeline, shape.tensor, shape.context, shape.expert, shape.group,
                     shape.ranks_per_node);
}

Mesh::Mesh(Communicator& world, MeshShape shape, Communicator* control)
    : shape_(shape), world_(world), control_(control_of(world, control)) {
  TESSERA_CHECK(control_.rank() == world.rank() && control_.size() == world.size(),
                "[Mesh] expected a control communicator of the world's ranks, got rank {} of {} "
                "for rank {} of {}",
                control_.rank(), control_.size(), world.rank(), world.size());
  int data_size = ranks_of_data(world, shape);
  int per_node = shape.ranks_per_node == 0 ? data_size : shape.ranks_per_node;
  TESSERA_CHECK(per_node >= 1 && data_size % per_node == 0,
                "[Mesh] {} ranks of data parallelism do not divide into nodes of {}", data_size,
                per_node);
  TESSERA_CHECK(data_size % shape.group == 0,
                "[Mesh] {} ranks of data parallelism do not divide into groups of {}", data_size,
                shape.group);
  for (Communicator* comm : {&world_, &control_}) {
    comm->set_where([]() -> std::string_view { return tessera::context().path(); });
  }
  // Ranks with other shapes would make communicators that do not fit.
  if (data_size != world.size()) require_agreement(control_, {{"the mesh", to_string(shape)}});

  Axis tensor{1, shape.tensor};
  Axis context{tensor.stride * tensor.size, shape.context};
  Axis expert{context.stride * context.size, shape.expert};
  Axis data{expert.stride * expert.size, data_size};
  Axis pipeline{data.stride * data.size, shape.pipeline};
  if (data_size != world.size()) {
    data_ = along(world_, data);
    if (&control_ != &world_) own_data_control_ = along(control_, data);
    data_control_ = own_data_control_ ? own_data_control_.get() : data_.get();
  }
  tensor_ = along_or_alone(tensor);
  context_ = along_or_alone(context);
  expert_ = along_or_alone(expert);
  pipeline_ = along_or_alone(pipeline);
}

std::unique_ptr<Communicator> Mesh::along(Communicator& comm, Axis axis) const {
  int place = comm.rank() / axis.stride % axis.size;
  std::vector<int> members;
  for (int i = 0; i < axis.size; ++i) {
    members.push_back(comm.rank() + (i - place) * axis.stride);
  }
  return comm.subgroup(members);
}

std::unique_ptr<Communicator> Mesh::along_or_alone(Axis axis) const {
  return axis.size == 1 ? rank_alone(world_) : along(world_, axis);
}

void Mesh::abort(const std::string& message) const {
  world_.abort(message);
  if (&control_ != &world_) control_.abort(message);
}

}  // namespace tessera
