"use strict";
(() => {
  const pictures = JSON.parse(document.getElementById("pictures").textContent);
  const buttons = [...document.querySelectorAll("button[data-picture]")];
  const marks = [...document.querySelectorAll("[data-mark]")];
  const find = (id) => document.getElementById(id);
  let chosen = -1;

  // Gives a mark of a diagram, or of the table beside it, the value of the chosen image.
  function fill(mark, value) {
    const runs = value >= 0.5;
    mark.style.setProperty("--v", value);
    mark.classList.toggle("on", "on" in mark.dataset && runs);
    mark.classList.toggle("dark", value > 0.6);
    const words = "on" in mark.dataset ? (runs ? mark.dataset.on : mark.dataset.off) : value.toFixed(2);
    for (const state of mark.querySelectorAll(".state")) state.textContent = words;
  }

  function show(number) {
    chosen = (number + buttons.length) % buttons.length;
    const button = buttons[chosen];
    const picture = pictures[button.dataset.picture];
    for (const each of buttons) each.setAttribute("aria-pressed", String(each === button));
    find("panel-title").textContent = picture.title;
    const image = find("panel-image");
    image.src = button.querySelector("img").src;
    image.alt = picture.alt;
    image.hidden = false;
    find("panel-said").textContent = picture.said;
    find("panel-classes").replaceChildren(...picture.classes.map((words) => {
      const item = document.createElement("li");
      item.textContent = words;
      return item;
    }));
    for (const mark of marks) fill(mark, picture.values[mark.dataset.mark]);
  }

  buttons.forEach((button, number) => button.addEventListener("click", () => {
    show(number);
    // Beside the images the panel is in sight anyway; below them, on a phone, it is brought there.
    if (matchMedia("(max-width: 50rem)").matches) find("panel").scrollIntoView({ block: "nearest" });
  }));
  find("previous").addEventListener("click", () => show(chosen - 1));
  find("next").addEventListener("click", () => show(chosen + 1));
  if (buttons.length) show(0);
})();
