/** Bytes as base64, as a dump in hex, and as the hex that a person types. */

const LINE = 16;

export interface HexLine {
  offset: string;
  hex: string;
  text: string;
}

/** Return the bytes of a base64 text; none for null, which stands for no value. */
export function decodeBase64(text: string | null): Uint8Array {
  return Uint8Array.from(atob(text ?? ""), (character) => character.charCodeAt(0));
}

/** Return bytes as base64. */
export function encodeBase64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

/** Return the lines of a dump: where each begins, its bytes, and what of them is text. */
export function dumpHex(bytes: Uint8Array, maxLines = Infinity): HexLine[] {
  const lines: HexLine[] = [];
  for (let start = 0; start < bytes.length && lines.length < maxLines; start += LINE) {
    const line = Array.from(bytes.subarray(start, start + LINE));
    lines.push({
      offset: start.toString(16).padStart(6, "0"),
      hex: line.map(formatByte).join(" "),
      text: line.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·")).join(""),
    });
  }
  return lines;
}

/** Return bytes as hex with spaces between, to be edited. */
export function formatHex(bytes: Uint8Array): string {
  return dumpHex(bytes)
    .map((line) => line.hex)
    .join("\n");
}

/** Return the bytes that a hex text stands for, null where it is none; white space does not matter. */
export function parseHex(text: string): Uint8Array | null {
  const digits = text.replace(/\s+/g, "");
  if (digits.length % 2 !== 0 || /[^0-9a-f]/i.test(digits)) {
    return null;
  }
  return Uint8Array.from({ length: digits.length / 2 }, (_, index) =>
    Number.parseInt(digits.slice(2 * index, 2 * index + 2), 16),
  );
}

function formatByte(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
