// The page: what is drawn or chosen goes to the network, and what it did is shown.

import { DIGITS, frameLines, paintLines, watchPointer } from "./drawing.js";
import { askNetwork, loadNetworks, loadSession } from "./network.js";
import { decodePicture, framePicture, paintImage } from "./picture.js";
import { announce, describeNetwork, showAnswer, showEarlier } from "./answer.js";

const find = (id) => document.getElementById(id);
const lines = [];
// Whether these are the page's, and not the visitor's.
let isOurs = false;
let page = null;
let network = null;
// What is asked: its name, and a function that returns it as an image of a network.
let asked = null;
let waiting = false;
let running = false;

// Shows a message in place of the page's state; none takes it away.
function tell(words = "", failed = false) {
  find("state").textContent = words;
  find("state").classList.toggle("failed", failed);
}

// Runs what is asked last. While one runs, those that came before the last are never run: drawing stays live.
async function ask() {
  waiting = true;
  if (running || !asked || !network) return;
  running = true;
  try {
    while (waiting) {
      waiting = false;
      const [given, by] = [asked, network];
      const image = given.frame(by);
      const answer = await askNetwork(page.runtime, by, image);
      if (by !== network) continue;
      paintImage(find("seen"), image, by);
      showAnswer(by, given, answer);
      announce(by, given, answer, choose);
    }
    tell();
  } catch (error) {
    tell(`The network could not be run: ${error.message}`, true);
  }
  running = false;
}

function choose(given) {
  asked = given;
  ask();
}

async function choosePicture(file, name) {
  try {
    const picture = await decodePicture(file);
    choose({ name, frame: (by) => framePicture(picture, by) });
  } catch (error) {
    tell(`${name} could not be read as a picture: ${error.message}`, true);
  }
}

function chooseLines(name = "your digit") {
  const [ink, paper] = [find("ink").value, find("paper").value];
  paintLines(find("canvas").getContext("2d"), lines, ink, paper, network.ink.stroke * 0.8);
  if (!lines.length) return;
  const drawn = lines.map((line) => [...line]);
  choose({ name, frame: (by) => frameLines(drawn, by, ink, paper) });
}

function chooseNetwork(number) {
  network = page.networks[number];
  for (const each of document.querySelectorAll("[data-network]")) each.hidden = each.dataset.network !== String(number);
  const digits = network.classes.filter((name) => name in DIGITS);
  // One that knows no digits, or a class that happens to be called 1, has nothing to draw.
  find("drawing").hidden = digits.length < 2;
  find("colours").hidden = network.channels === 1;
  find("digits").replaceChildren(...digits.map((digit) => button(digit, () => drawDigit(digit), `Draw a ${digit}`)));
  [find("ink").value, find("paper").value] = [network.ink.ink, network.ink.paper];
  find("knows").textContent = describeNetwork(network);
  showEarlier(network, choose);
  if (digits.length > 1 && !asked) drawDigit(digits[Math.min(3, digits.length - 1)]);
  tell("The network is loading.");
  loadSession(page.runtime, network).then(() => tell(), (error) => tell(`The network could not be loaded: ${error.message}`, true));
  ask();
}

function drawDigit(digit) {
  lines.splice(0, lines.length, ...DIGITS[digit].map((line) => [...line]));
  isOurs = true;
  chooseLines(`a ${digit} drawn for you`);
}

function clearLines() {
  lines.length = 0;
  isOurs = false;
}

function button(words, clicked, label = words) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = words;
  made.setAttribute("aria-label", label);
  made.addEventListener("click", clicked);
  return made;
}

function addPictures(pictures) {
  find("pictures").replaceChildren(...pictures.map(({ file, name }) => {
    const made = button("", async () => choosePicture(await (await fetch(file)).blob(), name), name);
    const image = document.createElement("img");
    [image.src, image.alt, image.loading] = [file, "", "lazy"];
    made.append(image, name);
    return made;
  }));
}

function watchFiles() {
  const take = (files) => {
    const file = [...files].find((each) => each.type.startsWith("image/")) ?? files[0];
    if (file) choosePicture(file, file.name || "your picture");
  };
  find("file").addEventListener("change", (event) => take(event.target.files));
  addEventListener("paste", (event) => take(event.clipboardData.files));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    take(event.dataTransfer.files);
  });
}

async function start() {
  try {
    page = await loadNetworks();
  } catch (error) {
    tell(`The page could not be loaded: ${error.message}`, true);
    return;
  }
  find("networks").hidden = page.networks.length < 2;
  for (const each of document.querySelectorAll("[name=network]")) {
    each.addEventListener("change", () => chooseNetwork(Number(each.value)));
  }
  watchPointer(find("canvas"), lines, () => { if (isOurs) clearLines(); }, () => chooseLines());
  watchFiles();
  addPictures(page.pictures);
  for (const id of ["ink", "paper"]) find(id).addEventListener("input", () => chooseLines());
  find("clear").addEventListener("click", () => {
    clearLines();
    chooseLines();
  });
  // A browser that goes back keeps what was chosen.
  chooseNetwork(Number(document.querySelector("[name=network]:checked").value));
}

start();
