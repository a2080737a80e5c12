import { ApiError, ops, useSession } from "./api";
import { clock } from "./clock.svelte";
import { isPassing } from "./poll-delay";
import { cleanToken, OPS_SCOPE, readToken, type TokenClaims } from "./token";

const TOKEN = "cohost.console.token";
const IS_FROM_DEMO = "cohost.console.tokenIsFromDemo";
/** A token of the demo is replaced so long before its end. */
const RENEW_MS = 60_000;
/** The longest time that a timer takes. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The operator's token: kept until the tab is closed, never longer than the gateway takes it. */
class OpsSession {
  token = $state<string | null>(null);
  claims = $state.raw<TokenClaims | null>(null);
  /** Why nobody is signed in, where that needs an explanation. */
  refusal = $state<string | null>(null);
  isChecking = $state(false);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isRenewing = false;

  /** Go on with the token that the tab has, if any. */
  async resume(): Promise<void> {
    const token = sessionStorage.getItem(TOKEN);
    if (token !== null) {
      await this.signIn(token, sessionStorage.getItem(IS_FROM_DEMO) !== null);
    }
  }

  /** Take a token if the gateway shows the console's data for it; otherwise say why not. */
  async signIn(pasted: string, isFromDemo = false): Promise<void> {
    const token = cleanToken(pasted);
    const claims = readToken(token);
    this.signOut();
    if (claims === null) {
      this.refusal = "This is no token: a JSON Web Token has three parts with dots between them.";
      return;
    }
    this.isChecking = true;
    useSession({ token: () => token, onRefused: () => undefined });
    try {
      clock.observe((await ops.overview()).at);
      this.#accept(token, claims, isFromDemo);
    } catch (error) {
      this.refusal = explainRefusal(error, claims);
      if (error instanceof ApiError && isPassing(error.status)) {
        // The token was not refused: the tab goes on with it when it is loaded again.
        keepToken(token, isFromDemo);
      }
      useSession(this.#whileSignedIn());
    } finally {
      this.isChecking = false;
    }
  }

  /** Get a token from a gateway in development, and sign in with it. */
  async signInAsDemo(): Promise<void> {
    try {
      await this.signIn(await fetchDemoToken(), true);
    } catch (error) {
      this.signOut(error instanceof Error ? error.message : String(error));
    }
  }

  /** Forget the token. */
  signOut(refusal: string | null = null): void {
    clearTimeout(this.#timer);
    sessionStorage.removeItem(TOKEN);
    sessionStorage.removeItem(IS_FROM_DEMO);
    this.token = null;
    this.claims = null;
    this.refusal = refusal;
    useSession(this.#whileSignedIn());
  }

  #accept(token: string, claims: TokenClaims, isFromDemo: boolean): void {
    this.token = token;
    this.claims = claims;
    keepToken(token, isFromDemo);
    useSession(this.#whileSignedIn());
    this.#endInTime(claims, isFromDemo);
  }

  #whileSignedIn() {
    return {
      token: () => this.token,
      onRefused: (error: ApiError) => {
        if (this.claims === null) {
          return;
        }
        // A machine that slept wakes up behind the token's end.
        if (error.status === 401 && sessionStorage.getItem(IS_FROM_DEMO) !== null) {
          void this.#renew();
        } else {
          this.signOut(explainRefusal(error, this.claims));
        }
      },
    };
  }

  #endInTime(claims: TokenClaims, isFromDemo: boolean): void {
    clearTimeout(this.#timer);
    if (claims.expiresAt === null) {
      return;
    }
    const left = clock.toLocal(claims.expiresAt) - Date.now() - (isFromDemo ? RENEW_MS : 0);
    const end = () => {
      if (left > MAX_TIMER_MS) {
        this.#endInTime(claims, isFromDemo);
      } else if (isFromDemo) {
        void this.#renew();
      } else {
        this.signOut("The token has expired. Sign in with a new one.");
      }
    };
    this.#timer = setTimeout(end, Math.min(Math.max(left, 1000), MAX_TIMER_MS));
  }

  async #renew(): Promise<void> {
    const replaced = this.token;
    if (this.#isRenewing) {
      return;
    }
    this.#isRenewing = true;
    const token = await fetchDemoToken().catch(() => null);
    this.#isRenewing = false;
    const claims = token === null ? null : readToken(token);
    if (replaced === null || this.token !== replaced) {
      return;
    }
    if (token !== null && claims !== null) {
      this.#accept(token, claims, true);
    } else {
      this.signOut("The token has expired, and no new one came from the gateway.");
    }
  }
}

function keepToken(token: string, isFromDemo: boolean): void {
  sessionStorage.setItem(TOKEN, token);
  if (isFromDemo) {
    sessionStorage.setItem(IS_FROM_DEMO, "");
  }
}

/** Return whether the gateway signs tokens for anybody, as it does in development. */
export async function hasDemoTokens(): Promise<boolean> {
  const answer = await fetch("/console/settings.json", { cache: "no-store" }).catch(() => null);
  if (!answer?.ok) {
    return false;
  }
  const settings = (await answer.json().catch(() => ({}))) as { hasDemoTokens?: boolean };
  return settings.hasDemoTokens === true;
}

async function fetchDemoToken(): Promise<string> {
  const answer = await fetch("/demo/token", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ userId: "operator", name: "Operator", scope: OPS_SCOPE }),
  });
  if (!answer.ok) {
    throw new Error("The gateway signs no tokens here: it does so in development only.");
  }
  return ((await answer.json()) as { token: string }).token;
}

function explainRefusal(error: unknown, claims: TokenClaims): string {
  if (!(error instanceof ApiError)) {
    return String(error);
  }
  if (error.status === 403) {
    const who = claims.userId === "" ? "This token" : `The token of ${claims.userId}`;
    return `${who} lacks the scope ${OPS_SCOPE}. Without the scope nothing is shown.`;
  }
  if (error.status === 401) {
    const isOver = claims.expiresAt !== null && clock.toLocal(claims.expiresAt) <= Date.now();
    return isOver
      ? "The token has expired. Sign in with a new one."
      : "The gateway does not accept this token.";
  }
  return error.message;
}

export const session = new OpsSession();
