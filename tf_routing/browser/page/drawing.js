// Digits as lines: drawn with a pointer, and brought to the size and place that digits of data sets have.

// Points of a network's image in each direction for one pixel of it, so that lines have smooth edges.
const FINE = 8;

// Points along a part of an ellipse, angles in degrees clockwise from the right.
const arc = (x, y, wide, tall, from, to) => Array.from({ length: 17 }, (_, step) => {
  const angle = (from + (to - from) * step / 16) * Math.PI / 180;
  return [x + wide * Math.cos(angle), y + tall * Math.sin(angle)];
});

// Lines of digits, in shares of the canvas.
export const DIGITS = {
  0: [arc(0.5, 0.5, 0.2, 0.32, -90, 270)],
  1: [[[0.4, 0.28], [0.52, 0.18], [0.52, 0.82]]],
  2: [[...arc(0.5, 0.36, 0.18, 0.18, -180, 40), [0.32, 0.8], [0.7, 0.8]]],
  3: [[...arc(0.48, 0.34, 0.18, 0.16, -150, 90), ...arc(0.48, 0.66, 0.2, 0.17, -90, 150)]],
  4: [[[0.42, 0.18], [0.3, 0.54], [0.7, 0.54]], [[0.62, 0.3], [0.6, 0.84]]],
  5: [[[0.66, 0.2], [0.38, 0.2], [0.36, 0.46], ...arc(0.48, 0.62, 0.2, 0.19, -110, 140)]],
  6: [[[0.6, 0.18], [0.42, 0.4], ...arc(0.5, 0.64, 0.17, 0.18, -160, 200)]],
  7: [[[0.32, 0.2], [0.68, 0.2], [0.44, 0.82]]],
  8: [[...arc(0.5, 0.34, 0.14, 0.15, 90, 450), ...arc(0.5, 0.66, 0.17, 0.17, -90, 270)]],
  9: [[...arc(0.5, 0.36, 0.17, 0.17, 0, -360), [0.66, 0.6], [0.6, 0.82]]],
};

// Lets a pointer draw on a canvas; `begins` is called before each line, `changed` after each movement.
export function watchPointer(canvas, lines, begins, changed) {
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  let drawn = null;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    begins();
    drawn = [place(event)];
    lines.push(drawn);
    changed();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drawn) return;
    // All places since the last event, where the browser tells them: quick lines stay round.
    const passed = event.getCoalescedEvents?.() ?? [];
    drawn.push(...(passed.length ? passed : [event]).map(place));
    changed();
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { drawn = null; });
}

// Paints lines, whose points are shares of the canvas.
export function paintLines(context, lines, ink, paper, width) {
  const { canvas } = context;
  context.fillStyle = paper;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.strokeStyle = ink;
  context.lineWidth = width * canvas.height;
  context.lineCap = context.lineJoin = "round";
  for (const line of lines) {
    context.beginPath();
    context.moveTo(line[0][0] * canvas.width, line[0][1] * canvas.height);
    // A point alone is a line too, of no length, which has round ends.
    for (const [x, y] of line.length > 1 ? line : [line[0], line[0]]) context.lineTo(x * canvas.width, y * canvas.height);
    context.stroke();
  }
}

// Returns a digit as an image of the network: as large as those it knows, in the middle, floats in [0, 1].
export function frameLines(lines, network, ink, paper) {
  const [height, width] = network.size;
  const { box, stroke, gamma } = network.ink;
  let placed = fitLines(lines, Math.max(0.01, box - stroke));
  let shares = rasterize(placed, width, height, stroke);
  // As MNIST's: in the middle is where the ink's weight is, not the middle of the box. One that fills its box stays.
  if (box < 1) {
    const [x, y] = findMiddle(shares, width, height);
    placed = placed.map((line) => line.map(([right, down]) => [right + 0.5 - x, down + 0.5 - y]));
    shares = rasterize(placed, width, height, stroke);
  }
  const [from, to] = [paper, ink].map((colour) => readColour(colour).map((value) => value ** gamma));
  const image = new Float32Array(3 * shares.length);
  shares.forEach((share, place) => {
    for (let channel = 0; channel < 3; channel++) {
      const light = from[channel] + share * (to[channel] - from[channel]);
      image[3 * place + channel] = Math.min(1, Math.max(0, light)) ** (1 / gamma);
    }
  });
  return image;
}

function fitLines(lines, share) {
  const points = lines.flat();
  const [left, right, top, bottom] = [0, 1].flatMap((axis) => {
    const places = points.map((point) => point[axis]);
    return [Math.min(...places), Math.max(...places)];
  });
  const scale = share / Math.max(right - left, bottom - top, 0.02);
  return lines.map((line) => line.map(
    ([x, y]) => [0.5 + (x - (left + right) / 2) * scale, 0.5 + (y - (top + bottom) / 2) * scale]));
}

// Returns for each pixel the share of it that is ink.
function rasterize(lines, width, height, stroke) {
  const canvas = document.createElement("canvas");
  canvas.width = FINE * width;
  canvas.height = FINE * height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  paintLines(context, lines, "#fff", "#000", stroke);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const shares = new Float32Array(width * height);
  for (let place = 0; place < canvas.width * canvas.height; place++) {
    const x = Math.floor((place % canvas.width) / FINE), y = Math.floor(place / canvas.width / FINE);
    shares[y * width + x] += data[4 * place] / 255 / FINE ** 2;
  }
  return shares;
}

function findMiddle(shares, width, height) {
  let sum = 0, x = 0, y = 0;
  shares.forEach((share, place) => {
    sum += share;
    x += share * (place % width + 0.5);
    y += share * (Math.floor(place / width) + 0.5);
  });
  return sum ? [x / sum / width, y / sum / height] : [0.5, 0.5];
}

function readColour(hex) {
  return [1, 3, 5].map((from) => parseInt(hex.slice(from, from + 2), 16) / 255);
}
