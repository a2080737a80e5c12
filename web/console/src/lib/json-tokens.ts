/** JSON as pieces of text, each with its kind, so that it can be coloured without markup in strings. */
export interface JsonToken {
  text: string;
  kind: "name" | "string" | "number" | "word" | "plain";
}

const TOKEN = /("(?:\\.|[^"\\])*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|\b(true|false|null)\b/g;

/** Return the pieces of a text that is JSON; they are the whole text. */
export function splitJson(text: string): JsonToken[] {
  const tokens: JsonToken[] = [];
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    if (match.index > end) {
      tokens.push({ text: text.slice(end, match.index), kind: "plain" });
    }
    const [whole, string, colon, number] = match;
    if (string !== undefined) {
      tokens.push({ text: string, kind: colon === undefined ? "string" : "name" });
      if (colon !== undefined) {
        tokens.push({ text: colon, kind: "plain" });
      }
    } else {
      tokens.push({ text: whole, kind: number === undefined ? "word" : "number" });
    }
    end = match.index + whole.length;
  }
  if (end < text.length) {
    tokens.push({ text: text.slice(end), kind: "plain" });
  }
  return tokens;
}
