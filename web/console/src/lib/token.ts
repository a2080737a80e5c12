/** What a token says about itself; the gateway alone decides whether it is true. */
export interface TokenClaims {
  userId: string;
  name: string | null;
  /** Milliseconds since the epoch, null where the token names no end. */
  expiresAt: number | null;
  hasOpsScope: boolean;
}

export const OPS_SCOPE = "cohost:ops";

/** Return the claims of a JSON Web Token, null if the text is none. */
export function readToken(token: string): TokenClaims | null {
  const payload = token.split(".")[1];
  if (payload === undefined || token.split(".").length !== 3) {
    return null;
  }
  try {
    const bytes = Uint8Array.from(atob(payload.replace(/-/g, "+").replace(/_/g, "/")), (c) =>
      c.charCodeAt(0),
    );
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof claims === "object" && claims !== null
      ? pickClaims(claims as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

function pickClaims({ sub, name, exp, scope }: Record<string, unknown>): TokenClaims {
  return {
    userId: typeof sub === "string" ? sub : "",
    name: typeof name === "string" ? name : null,
    expiresAt: typeof exp === "number" ? exp * 1000 : null,
    hasOpsScope: typeof scope === "string" && scope.split(/\s+/).includes(OPS_SCOPE),
  };
}

/** Return the token in what was pasted, which may be a whole header or be quoted. */
export function cleanToken(pasted: string): string {
  return pasted
    .trim()
    .replace(/^authorization:\s*/i, "")
    .replace(/^bearer\s+/i, "")
    .replace(/^["']|["']$/g, "")
    .trim();
}
