// Shows what a network did with an image: the class, the cost beside the whole, the way, and earlier images.

const find = (id) => document.getElementById(id);
const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)}\u00a0%`;
const whole = (number) => number.toLocaleString("en");
// Classes that are listed, and milliseconds without another answer before one is read out and kept.
const MOST_CLASSES = 10, QUIET = 600;
// Classes that a network is said to know, and images that are kept of each network.
const MOST_NAMES = 30, MOST_EARLIER = 24;
const earlier = new Map();
let timer = 0;

// Says how a network decides, and what it knows.
export function describeNetwork(network) {
  const count = (kind) => network.diagrams.flat().filter((mark) => mark.kind === kind).length;
  const [exits, parts] = [count("exit"), count("part")];
  const does = [
    ...(exits ? [`lets a picture leave at one of ${exits} exits`] : []),
    ...(parts ? [`may leave out each of ${parts} parts`] : []),
  ].join(", and ");
  const names = network.classes.slice(0, MOST_NAMES).join(", ");
  const more = network.classes.length - MOST_NAMES;
  return `It ${does}. It knows ${names}${more > 0 ? ` and ${more} more` : ""}, and takes all else for one of these.`;
}

export function showAnswer(network, given, answer) {
  const best = findBest(answer.probabilities);
  find("said").textContent = `${network.classes[best]}, ${percent(answer.probabilities[best])}`;
  find("seen").setAttribute("aria-label", `What the network sees of ${given.name}`);
  const share = network.static_macs ? answer.macs / network.static_macs : null;
  // On a narrow screen the answer stays in sight while one draws.
  find("brief").textContent = `${find("said").textContent}${share === null ? "" : `; ${percent(share)} of the cost`}`;
  find("share").hidden = share === null;
  find("share").firstElementChild.style.setProperty("--v", share ?? 0);
  find("cost").textContent = `${describeCost(network, answer)} ${describeWay(network, answer)} `
    + `It took ${answer.milliseconds.toFixed(0)}\u00a0ms here.`;
  const box = document.querySelector("[data-network]:not([hidden])");
  answer.on.forEach((marks, number) => {
    const diagram = box.querySelector(`[data-diagram="${number}"]`);
    marks.forEach((on, place) => fillMark(diagram.querySelector(`[data-mark="${place}"]`), on));
  });
  listClasses(network, answer.probabilities, best);
}

function findBest(probabilities) {
  return probabilities.reduce((best, value, place) => (value > probabilities[best] ? place : best), 0);
}

function fillMark(mark, on) {
  mark.classList.toggle("on", on);
  for (const state of mark.querySelectorAll(".state")) state.textContent = on ? mark.dataset.on : mark.dataset.off;
}

function describeCost(network, { macs }) {
  if (!network.static_macs) return `${whole(macs)} MACs.`;
  return `${whole(macs)} of ${whole(network.static_macs)} MACs, ${percent(macs / network.static_macs)}.`;
}

// Says in words what ran: the exit, and how many of the parts that may be left out.
function describeWay(network, { on }) {
  const said = [];
  network.diagrams.forEach((marks, number) => {
    const left = marks.find((mark, place) => mark.kind === "exit" && on[number][place]);
    if (left) said.push(`It left at ${left.label} of ${marks.filter((mark) => mark.kind === "exit").length}.`);
    const parts = marks.filter((mark) => mark.kind === "part").length;
    if (parts) said.push(`${on[number].filter(Boolean).length} of ${parts} parts ran.`);
  });
  return said.join(" ");
}

// Lists classes in their order, so that bars stay in place while one draws; of many the most probable ones.
function listClasses(network, probabilities, best) {
  const order = probabilities.map((_, place) => place);
  if (order.length > MOST_CLASSES) order.sort((a, b) => probabilities[b] - probabilities[a]).splice(MOST_CLASSES);
  find("classes").hidden = false;
  find("classes").tBodies[0].replaceChildren(...order.map((place) => {
    const row = document.createElement("tr");
    row.classList.toggle("best", place === best);
    const name = document.createElement("th");
    name.scope = "row";
    name.textContent = network.classes[place];
    const cell = document.createElement("td");
    cell.dataset.value = probabilities[place];
    const [line, bar, value] = ["span", "i", "b"].map((tag) => document.createElement(tag));
    bar.style.setProperty("--v", probabilities[place]);
    value.textContent = percent(probabilities[place], 2);
    line.append(bar, value);
    cell.append(line);
    row.append(name, cell);
    return row;
  }));
}

// Reads an answer out, and keeps it, once no other follows: while one draws, answers come too fast to be heard.
export function announce(network, given, answer, choose) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const image = find("seen").toDataURL();
    find("heard").textContent = `${given.name}: ${find("said").textContent}. ${find("cost").textContent}`;
    const kept = earlier.get(network) ?? [];
    if (!kept.some((each) => each.image === image)) kept.push({ given, image, macs: answer.macs, said: find("said").textContent });
    earlier.set(network, kept.slice(-MOST_EARLIER));
    showEarlier(network, choose);
  }, QUIET);
}

// Shows the images that a network was asked before, the cheapest first.
export function showEarlier(network, choose) {
  clearTimeout(timer);
  const kept = [...(earlier.get(network) ?? [])].sort((one, other) => one.macs - other.macs);
  find("before").hidden = kept.length < 2;
  find("earlier").replaceChildren(...kept.map((each) => {
    const made = document.createElement("button");
    made.type = "button";
    const image = document.createElement("img");
    [image.src, image.alt] = [each.image, ""];
    const way = document.createElement("span");
    way.className = "way";
    way.textContent = network.static_macs ? `${percent(each.macs / network.static_macs)} of the cost` : `${whole(each.macs)} MACs`;
    made.append(image, each.said, way);
    made.addEventListener("click", () => choose(each.given));
    return made;
  }));
}
