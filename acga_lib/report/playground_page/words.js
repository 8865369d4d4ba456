"use strict";
// Sentences to word vectors, as `acga_lib.text` reads them, and numbers out of the page's text.

/** A sentence's words in lowercase; punctuation separates them and is dropped. */
function tokenize(sentence) {
  const text = sentence
    .replace(/[\u2018\u2019\u201b\u02bb\u02bc\u02b9\u2032\uff07`\u00b4]/g, "'")
    .replace(/\u200b/g, " ")
    .normalize("NFKC").toLowerCase().normalize("NFKC")
    .replace(/[\p{Cf}\p{Mn}]/gu, "");
  return text.match(/[\p{L}\p{N}]+(?:'[\p{L}\p{N}]+)*/gu) ?? [];
}

/**
 * A sentence as the network reads it: {tokens, unknown, vectors}, the vectors `longest` x D with
 * zeros for unknown words and behind the sentence. Throws an Error that says what is wrong.
 */
function encode(sentence, { places, vectors, width, longest }) {
  const tokens = tokenize(sentence);
  if (!tokens.length) throw new Error("No word in it: write a sentence such as “a red car”.");
  if (tokens.length > longest) {
    throw new Error(`${tokens.length} words: shorten it to at most ${longest}.`);
  }
  const unknown = tokens.filter((word) => !places.has(word));
  if (unknown.length === tokens.length) {
    throw new Error(`None of these words is known here: ${unknown.join(", ")}.`);
  }
  const rows = new Float32Array(longest * width);
  tokens.forEach((word, i) => {
    const place = places.get(word);
    if (place !== undefined) {
      rows.set(vectors.subarray(place * width, (place + 1) * width), i * width);
    }
  });
  return { tokens, unknown, vectors: rows };
}

/** {type, base64}: little-endian numbers of 16 or 32 bits -> Float32Array. */
function unpack({ type, base64 }) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  if (type === "float32") return new Float32Array(bytes.buffer);
  return Float32Array.from(new Uint16Array(bytes.buffer), (half) => {
    const sign = half >> 15 ? -1 : 1, exponent = (half >> 10) & 31, fraction = half & 1023;
    return exponent
      ? sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
      : sign * fraction * 2 ** -24;
  });
}
