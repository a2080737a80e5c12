import { describe, expect, it } from "vitest";
import { encodeBase64 } from "../src/lib/bytes";
import { cleanToken, readToken } from "../src/lib/token";

/** Return base64url, as tokens are written in. */
function part(value: unknown): string {
  const base64 = encodeBase64(new TextEncoder().encode(JSON.stringify(value)));
  return base64.replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

function sign(claims: unknown): string {
  return `${part({ alg: "HS256" })}.${part(claims)}.signature`;
}

describe("a token", () => {
  it("tells its user, its end and its scope", () => {
    const token = sign({ sub: "bob", name: "Bøb", exp: 1_800_000_000, scope: "cohost:platform cohost:ops" });
    expect(readToken(token)).toEqual({
      userId: "bob",
      name: "Bøb",
      expiresAt: 1_800_000_000_000,
      hasOpsScope: true,
    });
  });

  it.each([undefined, "", "cohost:platform", "cohost:opsx", 7])("has no scope for ops with %s", (scope) => {
    expect(readToken(sign({ sub: "bob", scope }))).toEqual({
      userId: "bob",
      name: null,
      expiresAt: null,
      hasOpsScope: false,
    });
  });

  it.each(["", "a.b", "a.b.c", "a.b.c.d", `x.${part(7)}.y`])("is none in %j", (text) =>
    expect(readToken(text)).toBeNull(),
  );

  it.each([" a.b.c\n", "Bearer a.b.c", "Authorization: Bearer a.b.c", '"a.b.c"'])(
    "is found in %j",
    (pasted) => {
      expect(cleanToken(pasted)).toBe("a.b.c");
    },
  );
});
