// What a visitor does, in the page itself; what the page shows is told to the test's server.
const find = (id) => document.getElementById(id);
const until = async (holds) => {
  for (let tries = 0; tries < 1200 && !holds(); tries++) await new Promise((done) => setTimeout(done, 50));
  if (!holds()) throw new Error(`waited too long for ${holds}`);
};

// Does something and waits until its answer is read out.
async function hear(act, name) {
  find("heard").textContent = "";
  await act();
  await until(() => find("heard").textContent.startsWith(`${name}:`));
  const shown = document.querySelector("[data-network]:not([hidden])");
  return {
    heard: find("heard").textContent,
    said: find("said").textContent,
    cost: find("cost").textContent,
    share: Number(find("share").firstElementChild.style.getPropertyValue("--v")),
    probabilities: [...document.querySelectorAll("#classes td")].map((each) => Number(each.dataset.value)),
    names: [...document.querySelectorAll("#classes tbody th")].map((each) => each.textContent),
    on: [...shown.querySelectorAll(".mark")].map((each) => each.classList.contains("on")),
    states: [...shown.querySelectorAll(".mark")].map((each) => each.textContent),
  };
}

async function givePicture(name) {
  const held = new DataTransfer();
  held.items.add(new File([await (await fetch(`given/${name}`)).blob()], name, { type: "image/png" }));
  find("file").files = held.files;
  find("file").dispatchEvent(new Event("change"));
}

function draw(points) {
  const canvas = find("canvas");
  const box = canvas.getBoundingClientRect();
  // Pointers that scripts make cannot be held.
  canvas.setPointerCapture = () => {};
  points.forEach(([x, y], number) => canvas.dispatchEvent(new PointerEvent(number ? "pointermove" : "pointerdown", {
    pointerId: 1, bubbles: true, clientX: box.left + x * box.width, clientY: box.top + y * box.height,
  })));
  canvas.dispatchEvent(new PointerEvent("pointerup", { pointerId: 1, bubbles: true }));
}

async function visit() {
  const told = { pictures: [], digits: {} };
  const names = await (await fetch("given/names.json")).json();
  const radios = [...document.querySelectorAll("[name=network]")];
  await until(() => find("knows").textContent);
  for (const [number, radio] of radios.entries()) {
    radio.focus();
    if (!radio.checked) radio.click();
    await until(() => !find("state").textContent);
    const answers = {};
    for (const name of names) answers[name] = await hear(() => givePicture(name), name);
    told.pictures.push(answers);
    if (find("drawing").hidden) continue;
    const digits = [...document.querySelectorAll("#digits button")];
    for (const each of digits) {
      each.focus();
      const name = `a ${each.textContent} drawn for you`;
      told.digits[each.textContent] = await hear(() => document.activeElement.click(), name);
    }
    const zigzag = [[0.3, 0.2], [0.65, 0.22], [0.45, 0.45], [0.68, 0.65], [0.5, 0.85], [0.3, 0.8]];
    told.drawn = await hear(() => draw(zigzag), "your digit");
    // An earlier picture is there again with a click: the first of the dearest ones.
    const before = [...document.querySelectorAll("#earlier button")];
    told.earlier = before.map((each) => each.textContent);
    told.shares = before.map((each) => parseFloat(each.querySelector(".way").textContent));
    told.unnamed = [...document.querySelectorAll("button, input, canvas")].filter(
      (each) => !(each.textContent || each.ariaLabel || each.labels?.length)).length;
    told.network = number;
  }
  // What is no picture is said, and stops nothing.
  await givePicture("names.json");
  await until(() => find("state").classList.contains("failed"));
  told.failure = find("state").textContent;
  told.again = (await hear(() => givePicture(names[0]), names[0])).said;
  told.state = find("state").textContent;
  told.wide = document.documentElement.scrollWidth > innerWidth;
  told.width = innerWidth;
  told.foreign = performance.getEntriesByType("resource").map((each) => each.name).filter(
    (name) => !name.startsWith(location.origin) && !name.startsWith("data:") && !name.startsWith("blob:"));
  return told;
}

const told = await visit().catch((error) => ({ error: String(error), state: find("state").textContent }));
await fetch("told", { method: "POST", body: JSON.stringify({ ...told, errors: globalThis.errors }) });
