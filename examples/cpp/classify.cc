// Classifies images with an export of tf_routing by TensorFlow's C++ runtime alone, as TensorFlow Serving does.
//
//     python examples/cpp/build.py classify
//     ./classify saved_models/digits serving_default images.f32 5 32 32 3
//
// `images.f32` holds float32 numbers in [0, 1] without a header, the images one after the other. Each line printed
// has the probabilities of one image.

#include <cstdint>
#include <exception>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <limits>
#include <string>
#include <vector>

#include "tensorflow/cc/saved_model/loader.h"

namespace {

int Fail(const std::string& message) {
  std::cerr << message << "\n";
  return 1;
}

int Run(const std::string& folder, const std::string& name, const std::string& file, const tensorflow::TensorShape& shape) {
  tensorflow::SavedModelBundle bundle;
  auto status = tensorflow::LoadSavedModel({}, {}, folder, {"serve"}, &bundle);
  if (!status.ok()) return Fail(std::string(status.message()));
  const auto& signatures = bundle.GetSignatures();
  const auto found = signatures.find(name);
  if (found == signatures.end()) return Fail("no signature is named " + name);

  tensorflow::Tensor images(tensorflow::DT_FLOAT, shape);
  std::ifstream stream(file, std::ios::binary);
  auto values = images.flat<float>();
  stream.read(reinterpret_cast<char*>(values.data()), values.size() * sizeof(float));
  if (!stream || stream.peek() != EOF) return Fail(file + " does not hold images of this shape");

  // The signature says which tensors of the graph its inputs and outputs are.
  std::vector<tensorflow::Tensor> outputs;
  const std::string input = found->second.inputs().at("images").name();
  const std::string output = found->second.outputs().at("probabilities").name();
  status = bundle.GetSession()->Run({{input, images}}, {output}, {}, &outputs);
  if (!status.ok()) return Fail(std::string(status.message()));

  const auto probabilities = outputs[0].matrix<float>();
  std::cout << std::setprecision(std::numeric_limits<float>::max_digits10);
  for (std::int64_t row = 0; row < probabilities.dimension(0); ++row)
    for (std::int64_t column = 0; column < probabilities.dimension(1); ++column)
      std::cout << probabilities(row, column) << (column + 1 < probabilities.dimension(1) ? " " : "\n");
  return 0;
}

}  // namespace

int main(int count, char** words) {
  if (count < 5) return Fail("usage: classify SAVED_MODEL SIGNATURE IMAGES COUNT HEIGHT WIDTH CHANNELS");
  tensorflow::TensorShape shape;
  try {
    for (int i = 4; i < count; ++i) shape.AddDim(std::stoll(words[i]));
  } catch (const std::exception&) {
    return Fail("COUNT HEIGHT WIDTH CHANNELS must be integers");
  }
  return Run(words[1], words[2], words[3], shape);
}
