import { describe, expect, it } from "vitest";
import { decodeBase64, dumpHex, encodeBase64, formatHex, parseHex } from "../src/lib/bytes";

const BYTES = Uint8Array.from([0, 255, 72, 101, 108, 108, 111, 32, 126, 127, 10, 1, 2, 3, 4, 5, 33]);

describe("bytes", () => {
  it("are dumped in lines of sixteen, with their text", () => {
    expect(dumpHex(BYTES)).toEqual([
      { offset: "000000", hex: "00 ff 48 65 6c 6c 6f 20 7e 7f 0a 01 02 03 04 05", text: "··Hello ~·······" },
      { offset: "000010", hex: "21", text: "!" },
    ]);
    expect(dumpHex(BYTES, 1)).toHaveLength(1);
    expect(dumpHex(new Uint8Array())).toEqual([]);
  });

  it("survive base64 and hex", () => {
    expect(decodeBase64(encodeBase64(BYTES))).toEqual(BYTES);
    expect(decodeBase64(null)).toEqual(new Uint8Array());
    expect(parseHex(formatHex(BYTES))).toEqual(BYTES);
    expect(parseHex(" 0A\n0b")).toEqual(Uint8Array.from([10, 11]));
  });

  it.each(["0", "0g", "zz", "12 3"])("are not %j", (text) => expect(parseHex(text)).toBeNull());
});
