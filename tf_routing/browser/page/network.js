// Runs networks in ONNX Runtime Web, on one thread, which needs no headers of the server.

import { asInput } from "./picture.js";

// Loads the runtime and what the page's networks are.
export async function loadNetworks() {
  const answer = await fetch("networks.json");
  if (!answer.ok) throw new Error(`networks.json: ${answer.status}`);
  const facts = await answer.json();
  const runtime = await import(facts.runtime);
  runtime.env.wasm.numThreads = 1;
  for (const network of facts.networks) network.session = null;
  return { ...facts, runtime };
}

// Loads a network, when it is first chosen. It gets its file's bytes, so that no name is taken for an address.
export async function loadSession(runtime, network) {
  if (network.session === null) {
    network.session = fetch(network.file).then(async (answer) => {
      if (!answer.ok) throw new Error(`${network.file}: ${answer.status}`);
      const content = new Uint8Array(await answer.arrayBuffer());
      return runtime.InferenceSession.create(content, { executionProviders: ["wasm"] });
    });
    network.session.catch(() => { network.session = null; });
  }
  return network.session;
}

// Returns what a network says of an image of floats in [0, 1]: probabilities, MACs, milliseconds, and for each diagram
// the marks that are on.
export async function askNetwork(runtime, network, image) {
  const session = await loadSession(runtime, network);
  const [height, width] = network.size;
  const images = new runtime.Tensor("float32", asInput(image, network), [1, height, width, network.channels]);
  const start = performance.now();
  const outputs = await session.run({ images });
  const milliseconds = performance.now() - start;
  const isOn = ([name, switched]) => outputs[name].data[switched] >= 0.5;
  return {
    probabilities: Array.from(outputs.probabilities.data),
    macs: Number(outputs.macs.data[0]),
    milliseconds,
    on: network.diagrams.map((marks) => marks.map((mark) => mark.when.every(isOn))),
  };
}
