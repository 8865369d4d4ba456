"use strict";
// ACGA's forward pass (Wang et al., ICCV 2019), written out: from the vision F_V of a clip and the
// vectors of a sentence's words to the responses and the attention. It is what `acga_lib.model`
// computes, and the browser tests hold the two against each other.
//
// A map is {values, channels, height, width}, its values a Float32Array [channels, height, width].
// Rows are a Float32Array [n, D], one after the other. Weights are Float32Arrays by the names that
// PyTorch gives them, laid out as PyTorch lays them out.

function newMap(channels, height, width) {
  return { values: new Float32Array(channels * height * width), channels, height, width };
}

function plane(map, channel) {
  const size = map.height * map.width;
  return map.values.subarray(channel * size, (channel + 1) * size);
}

function stack(...maps) {
  const stacked = newMap(maps.reduce((sum, map) => sum + map.channels, 0),
    maps[0].height, maps[0].width);
  let start = 0;
  for (const map of maps) {
    stacked.values.set(map.values, start);
    start += map.values.length;
  }
  return stacked;
}

/** [n, m] -> [m, n]: a map [C, hw] to the rows of its cells [hw, C], and back. */
function transpose(values, n, m) {
  const turned = new Float32Array(values.length);
  for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) turned[j * n + i] = values[i * m + j];
  return turned;
}

/** A fully connected layer on rows: [n, in], weight [out, in], bias [out] -> [n, out]. */
function linear(rows, weight, bias) {
  const outputs = bias.length, inputs = weight.length / outputs, n = rows.length / inputs;
  const found = new Float32Array(n * outputs);
  for (let i = 0; i < n; i++) {
    for (let o = 0; o < outputs; o++) {
      let sum = bias[o];
      for (let k = 0; k < inputs; k++) sum += rows[i * inputs + k] * weight[o * inputs + k];
      found[i * outputs + o] = sum;
    }
  }
  return found;
}

/** softmax(a b^T / sqrt(D)), row by row: [n, D], [m, D] -> shares [n, m], each row sums to 1. */
function attend(a, b, features) {
  const n = a.length / features, m = b.length / features;
  const shares = new Float32Array(n * m), scores = new Float64Array(m);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < m; j++) {
      let sum = 0;
      for (let k = 0; k < features; k++) sum += a[i * features + k] * b[j * features + k];
      scores[j] = sum / Math.sqrt(features);
    }
    const highest = scores.reduce((x, y) => Math.max(x, y));
    const exponentials = scores.map((score) => Math.exp(score - highest));
    const total = exponentials.reduce((x, y) => x + y);
    for (let j = 0; j < m; j++) shares[i * m + j] = exponentials[j] / total;
  }
  return shares;
}

/** What each row of shares [n, m] gathers from rows [m, D] -> [n, D]. */
function gather(shares, rows, features) {
  const m = rows.length / features, n = shares.length / m;
  const gathered = new Float32Array(n * features);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < m; j++) {
      const share = shares[i * m + j];
      for (let k = 0; k < features; k++) {
        gathered[i * features + k] += share * rows[j * features + k];
      }
    }
  }
  return gathered;
}

/** Eq. 1, Enc_T: a convolution over three words, and tanh. S [N, D] -> F_T [N, D]. */
function encodeText(words, weight, bias) {
  const features = bias.length, n = words.length / features;
  const encoded = new Float32Array(words.length);
  for (let i = 0; i < n; i++) {
    for (let o = 0; o < features; o++) {
      let sum = bias[o];
      for (let tap = 0; tap < 3; tap++) {
        const word = i + tap - 1;
        if (word < 0 || word >= n) continue;
        for (let k = 0; k < features; k++) {
          sum += words[word * features + k] * weight[(o * features + k) * 3 + tap];
        }
      }
      encoded[i * features + o] = Math.tanh(sum);
    }
  }
  return encoded;
}

/** The spatial features C: left, top, right, bottom, centre (x, y), 1/W and 1/H of each cell. */
function coordinates(height, width) {
  const map = newMap(8, height, width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const left = (2 * x) / width - 1, right = left + 2 / width;
      const top = (2 * y) / height - 1, bottom = top + 2 / height;
      [left, top, right, bottom, (left + right) / 2, (top + bottom) / 2, 1 / width, 1 / height]
        .forEach((value, channel) => { plane(map, channel)[y * width + x] = value; });
    }
  }
  return map;
}

/** Interp: bilinear, where pixels are areas (align_corners=False), to `height` x `width`. */
function interpolate(map, height, width) {
  const axis = (small, large) => Array.from({ length: large }, (_, i) => {
    const place = Math.max(((i + 0.5) * small) / large - 0.5, 0), first = Math.floor(place);
    return { first, second: Math.min(first + 1, small - 1), share: place - first };
  });
  const rows = axis(map.height, height), columns = axis(map.width, width);
  const found = newMap(map.channels, height, width);
  for (let channel = 0; channel < map.channels; channel++) {
    const from = plane(map, channel), to = plane(found, channel);
    for (let y = 0; y < height; y++) {
      const upper = rows[y].first * map.width, lower = rows[y].second * map.width;
      for (let x = 0; x < width; x++) {
        const { first, second, share } = columns[x];
        const above = from[upper + first] * (1 - share) + from[upper + second] * share;
        const below = from[lower + first] * (1 - share) + from[lower + second] * share;
        to[y * width + x] = above * (1 - rows[y].share) + below * rows[y].share;
      }
    }
  }
  return found;
}

/** A map of one value a channel: bias [O] -> [O, H, W]. */
function filled(bias, height, width) {
  const map = newMap(bias.length, height, width);
  bias.forEach((value, channel) => plane(map, channel).fill(value));
  return map;
}

/** A plane with a margin of one zero around it: [H, W] -> [H + 2, W + 2]. */
function padded(values, height, width) {
  const wide = new Float32Array((height + 2) * (width + 2));
  for (let y = 0; y < height; y++) {
    wide.set(values.subarray(y * width, (y + 1) * width), (y + 1) * (width + 2) + 1);
  }
  return wide;
}

/**
 * Adds to `found` [O, H, W] what a 3 x 3 convolution makes of `map` [C, H, W], whose channels are
 * those of weight [O, all, 3, 3] from `start` on; padded with zeros.
 */
function addConvolved(found, map, weight, start = 0) {
  const { height, width } = found, stride = width + 2;
  const all = weight.length / (found.channels * 9);
  for (let channel = 0; channel < map.channels; channel++) {
    const from = padded(plane(map, channel), height, width);
    for (let o = 0; o < found.channels; o++) {
      const to = plane(found, o), kernel = (o * all + start + channel) * 9;
      const [a, b, c, d, e, f, g, h, i] = weight.subarray(kernel, kernel + 9);
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const upper = y * stride + x, middle = upper + stride, lower = middle + stride;
          to[y * width + x] +=
            a * from[upper] + b * from[upper + 1] + c * from[upper + 2] +
            d * from[middle] + e * from[middle + 1] + f * from[middle + 2] +
            g * from[lower] + h * from[lower + 1] + i * from[lower + 2];
        }
      }
    }
  }
}

/**
 * The same for Interp(map), map [C, h, w]. A sum over channels and Interp are both linear, so the
 * channels are summed first, at the coarse resolution, once for each of the 9 taps of the kernel.
 */
function addInterpolated(found, map, weight, start) {
  const { height, width } = found, all = weight.length / (found.channels * 9);
  for (let tap = 0; tap < 9; tap++) {
    const down = Math.floor(tap / 3) - 1, across = (tap % 3) - 1;
    const summed = newMap(found.channels, map.height, map.width);
    for (let o = 0; o < found.channels; o++) {
      const to = plane(summed, o);
      for (let channel = 0; channel < map.channels; channel++) {
        const factor = weight[(o * all + start + channel) * 9 + tap], from = plane(map, channel);
        for (let i = 0; i < to.length; i++) to[i] += factor * from[i];
      }
    }
    const fine = interpolate(summed, height, width);
    for (let o = 0; o < found.channels; o++) {
      const from = plane(fine, o), to = plane(found, o);
      for (let y = Math.max(-down, 0); y < Math.min(height - down, height); y++) {
        for (let x = Math.max(-across, 0); x < Math.min(width - across, width); x++) {
          to[y * width + x] += from[(y + down) * width + x + across];
        }
      }
    }
  }
}

function convolve(map, weight, bias) {
  const found = filled(bias, map.height, map.width);
  addConvolved(found, map, weight);
  return found;
}

/**
 * A deconvolution, kernel 8, stride 4, padding 2: [C, h, w], weight [C, O, 8, 8] -> [O, 4h, 4w].
 *
 * Cell (i, j) adds its kernel at pixel (4i - 2, 4j - 2). So a pixel in row 4i - 2 + p, p < 4, is
 * reached by cell i with row p of the kernel, and by cell i - 1 with row p + 4; columns likewise.
 */
function deconvolve(map, weight, bias) {
  const found = filled(bias, 4 * map.height, 4 * map.width), stride = map.width + 2;
  for (let channel = 0; channel < map.channels; channel++) {
    const from = padded(plane(map, channel), map.height, map.width);
    for (let o = 0; o < found.channels; o++) {
      const to = plane(found, o), kernel = (channel * found.channels + o) * 64;
      for (let p = 0; p < 4; p++) {
        for (let q = 0; q < 4; q++) {
          const at = kernel + p * 8 + q, row = p < 2 ? 1 : 0, column = q < 2 ? 1 : 0;
          const here = weight[at], left = weight[at + 4];
          const upper = weight[at + 32], both = weight[at + 36];
          for (let i = row; i < row + map.height; i++) {
            for (let j = column; j < column + map.width; j++) {
              const cell = (i + 1) * stride + j + 1;
              to[(4 * i - 2 + p) * found.width + 4 * j - 2 + q] +=
                here * from[cell] + left * from[cell - 1] +
                upper * from[cell - stride] + both * from[cell - stride - 1];
            }
          }
        }
      }
    }
  }
  return found;
}

function relu(map) {
  map.values.forEach((value, i) => { if (value < 0) map.values[i] = 0; });
  return map;
}

/** Eq. 10: four times finer, by a deconvolution and a 3 x 3 convolution. */
function finer(vision, of) {
  const map = deconvolve(vision, of("0.weight"), of("0.bias"));
  return convolve(map, of("1.weight"), of("1.bias"));
}

/** Eq. 11, an FCN on [vision, Interp(language), C]: logits [1, H, W]. */
function segmentationHead(vision, language, of) {
  const { height, width } = vision;
  const weight = of("first.weight"), first = filled(of("first.bias"), height, width);
  addConvolved(first, vision, weight);
  addInterpolated(first, language, weight, vision.channels);
  addConvolved(first, coordinates(height, width), weight, vision.channels + language.channels);
  relu(first);
  const second = relu(convolve(first, of("second.weight"), of("second.bias")));
  const logits = newMap(1, height, width);
  logits.values.fill(of("last.bias")[0]);
  of("last.weight").forEach((weight, channel) => {
    plane(second, channel).forEach((value, i) => { logits.values[i] += weight * value; });
  });
  return logits;
}

/**
 * F_V of a clip [C, h, w] and the vectors of a sentence's words, N x D with zeros behind them ->
 * logits of the three responses and both attentions.
 */
function forward(vision, words, weights) {
  const within = (prefix) => (name) => weights[`${prefix}.${name}`];
  const text = within("text_encoder.convolution");
  const encoded = encodeText(words, text("weight"), text("bias")); // Eq. 1
  const features = text("bias").length, { height, width, channels } = vision;
  const cells = height * width, seen = channels + 8;
  const visual = transpose(stack(vision, coordinates(height, width)).values, seen, cells); // F_VC

  const toLanguage = within("attention.language");
  const aligned = linear(visual, toLanguage("align.weight"), toLanguage("align.bias")); // Eq. 3
  const wordAttention = attend(aligned, encoded, features);
  const attendedWords = gather(wordAttention, encoded, features); // Eq. 4

  const toVision = within("attention.vision");
  const strongest = encoded.slice(0, features);
  encoded.forEach((value, i) => {
    strongest[i % features] = Math.max(strongest[i % features], value);
  });
  const gate = linear(strongest, toVision("gate.weight"), toVision("gate.bias")); // Eq. 5
  const [query, key, value] = ["query", "key", "value"].map((name) =>
    linear(visual, toVision(`${name}.weight`), toVision(`${name}.bias`))); // Eq. 6
  for (const rows of [query, key]) { // Eq. 7
    rows.forEach((x, i) => { rows[i] = x * gate[i % seen]; });
  }
  const contextAttention = attend(query, key, seen);
  const attendedVision = gather(contextAttention, value, seen); // Eq. 8

  // The decoder takes the visual channels alone: it adds coordinates of its own resolutions.
  const fine = newMap(channels, height, width);
  fine.values.set(transpose(attendedVision, cells, seen).subarray(0, fine.values.length));
  const language = newMap(features, height, width);
  language.values.set(transpose(attendedWords, cells, features));

  const mediumVision = finer(fine, within("decoder.deconv_medium")); // Eq. 10
  const largeVision = finer(mediumVision, within("decoder.deconv_large"));
  const small = segmentationHead(fine, language, within("decoder.head_small")); // Eq. 11
  const medium = segmentationHead(mediumVision, language, within("decoder.head_medium"));
  const unfused = segmentationHead(largeVision, language, within("decoder.head_large"));
  const all = [small, medium, unfused].map((r) => interpolate(r, unfused.height, unfused.width));
  const fusion = within("decoder.fusion");
  const large = convolve(stack(...all), fusion("weight"), fusion("bias")); // Eq. 12
  return { small, medium, large, wordAttention, contextAttention };
}
