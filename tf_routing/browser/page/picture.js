// Brings pictures of any size to that of a network, with the numbers that Python gets from the same file.

// Safari's canvases hold no more pixels; larger pictures are made smaller by the browser first.
const MOST_PIXELS = 2 ** 24;
// Of red, green and blue in grey, as JPEG and PNG have it.
const LIGHT = [0.299, 0.587, 0.114];

// Decodes a file into bytes, upright, with its colours as they are stored.
export async function decodePicture(file) {
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  const scale = Math.min(1, Math.sqrt(MOST_PIXELS / (bitmap.width * bitmap.height)));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.floor(bitmap.width * scale));
  canvas.height = Math.max(1, Math.floor(bitmap.height * scale));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

// Returns the centre of a picture at the network's size, as floats in [0, 1], red, green and blue for each pixel.
export function framePicture(picture, network) {
  const [height, width] = network.size;
  const [tall, wide] = findSides(picture, network);
  const rows = findWeights(picture.height, tall, Math.floor((tall - height) / 2), height);
  const columns = findWeights(picture.width, wide, Math.floor((wide - width) / 2), width);
  const framed = sumRows(sumColumns(picture, columns), rows, width);
  return framed.map((value) => Math.min(1, Math.max(0, value / 255)));
}

// Returns the height and width that a picture is resized to before its centre is cut out.
function findSides(picture, network) {
  const [height, width] = network.size;
  // Somebody has cropped it already.
  if (picture.height === height && picture.width === width) return [height, width];
  if (!network.keeps_ratio) return network.least_sides;
  const scale = Math.max(network.least_sides[0] / picture.height, network.least_sides[1] / picture.width);
  return [roundToEven(picture.height * scale), roundToEven(picture.width * scale)];
}

// As Python and TensorFlow round.
function roundToEven(value) {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}

// Returns for each pixel of a side the first pixel it is made of, and their weights: bilinear and antialiased.
function findWeights(actual, side, corner, count) {
  const scale = side / actual;
  const reach = Math.max(1, 1 / scale);
  return Array.from({ length: count }, (_, place) => {
    const middle = (place + corner + 0.5) / scale;
    const first = Math.max(0, Math.ceil(middle - reach - 0.5));
    const last = Math.min(actual - 1, Math.floor(middle + reach - 0.5));
    const weights = [];
    for (let at = first; at <= last; at++) weights.push(Math.max(0, 1 - Math.abs(at + 0.5 - middle) / reach));
    const sum = weights.reduce((total, each) => total + each, 0);
    return { first, weights: weights.map((each) => each / sum) };
  });
}

function sumColumns(picture, columns) {
  const { data, width, height } = picture;
  const summed = new Float64Array(height * columns.length * 3);
  let place = 0;
  for (let row = 0; row < height; row++) {
    for (const { first, weights } of columns) {
      let from = 4 * (row * width + first);
      let red = 0, green = 0, blue = 0;
      for (const weight of weights) {
        red += weight * data[from];
        green += weight * data[from + 1];
        blue += weight * data[from + 2];
        from += 4;
      }
      summed[place++] = red;
      summed[place++] = green;
      summed[place++] = blue;
    }
  }
  return summed;
}

function sumRows(values, rows, width) {
  const length = 3 * width;
  const summed = new Float32Array(rows.length * length);
  rows.forEach(({ first, weights }, row) => {
    for (let at = 0; at < length; at++) {
      let sum = 0;
      weights.forEach((weight, number) => { sum += weight * values[(first + number) * length + at]; });
      summed[row * length + at] = sum;
    }
  });
  return summed;
}

// Returns an image as the network takes it: grey where it knows no colours, and in its range.
export function asInput(image, network) {
  const [low, high] = network.range;
  const values = network.channels === 3 ? image : asGrey(image);
  return values.map((value) => value * (high - low) + low);
}

function asGrey(image) {
  return new Float32Array(image.length / 3).map(
    (_, place) => LIGHT.reduce((sum, share, channel) => sum + share * image[3 * place + channel], 0));
}

// Paints what the network sees.
export function paintImage(canvas, image, network) {
  const [height, width] = network.size;
  const grey = network.channels === 1 ? asGrey(image) : null;
  const pixels = new ImageData(width, height);
  for (let place = 0; place < width * height; place++) {
    for (let channel = 0; channel < 3; channel++) {
      pixels.data[4 * place + channel] = Math.round(255 * (grey ? grey[place] : image[3 * place + channel]));
    }
    pixels.data[4 * place + 3] = 255;
  }
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}
