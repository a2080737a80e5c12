/** Return a JWT, each time that a new one is needed. */
export type TokenProvider = () => string | Promise<string>;

const RENEW_BEFORE_MS = 5_000;

/** The caller's token, kept until it is about to expire or the gateway refuses it. */
export class TokenSource {
  #token: string | undefined;
  #requested: Promise<string> | undefined;
  readonly #provide: TokenProvider;
  readonly #isFixed: boolean;

  constructor(token: string | TokenProvider) {
    this.#isFixed = typeof token === "string";
    this.#provide = typeof token === "string" ? () => token : token;
  }

  /** Return the token, a new one if it is about to expire by this machine's clock. */
  async token(): Promise<string> {
    if (this.#token !== undefined && (this.#isFixed || !isExpiring(this.#token))) {
      return this.#token;
    }
    // A provider that throws at once must not leave its failure behind for all later callers.
    return (this.#requested ??= Promise.resolve().then(() => this.#request()));
  }

  /** Forget a token that the gateway refused; return whether the provider may have a better one. */
  discard(token: string): boolean {
    if (this.#token === token) {
      this.#token = undefined;
    }
    return !this.#isFixed;
  }

  /** Return the user whom the token is of. */
  async userId(): Promise<string> {
    const { sub } = tokenClaims(await this.token());
    if (typeof sub !== "string") {
      throw new TypeError("the token names no user in `sub`");
    }
    return sub;
  }

  async #request(): Promise<string> {
    try {
      return (this.#token = await this.#provide());
    } finally {
      this.#requested = undefined;
    }
  }
}

/** Return the claims of a JWT without a look at its signature, none if it is no JWT. */
export function tokenClaims(token: string): { sub?: unknown; exp?: unknown } {
  try {
    const payload = token.split(".")[1] ?? "";
    const bytes = atob(payload.replaceAll("-", "+").replaceAll("_", "/"));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(bytes, (char) => char.charCodeAt(0))));
  } catch {
    return {};
  }
}

function isExpiring(token: string): boolean {
  const { exp } = tokenClaims(token);
  return typeof exp === "number" && exp * 1000 - RENEW_BEFORE_MS <= Date.now();
}
