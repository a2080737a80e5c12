import { ApiError, ops, useSession } from "./api";
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
      await ops.overview();
      this.#accept(token, claims, isFromDemo);
    } catch (error) {
      this.refusal = explainRefusal(error, claims);
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
    sessionStorage.setItem(TOKEN, token);
    if (isFromDemo) {
      sessionStorage.setItem(IS_FROM_DEMO, "");
    }
    useSession(this.#whileSignedIn());
    this.#endInTime(claims, isFromDemo);
  }

  #whileSignedIn() {
    return {
      token: () => this.token,
      onRefused: (error: ApiError) => {
        if (this.claims !== null) {
          this.signOut(explainRefusal(error, this.claims));
        }
      },
    };
  }

  #endInTime({ expiresAt }: TokenClaims, isFromDemo: boolean): void {
    if (expiresAt === null) {
      return;
    }
    const end = () =>
      isFromDemo ? void this.#renew() : this.signOut("The token has expired. Sign in with a new one.");
    const wait = expiresAt - Date.now() - (isFromDemo ? RENEW_MS : 0);
    this.#timer = setTimeout(end, Math.min(Math.max(wait, 1000), MAX_TIMER_MS));
  }

  async #renew(): Promise<void> {
    const token = await fetchDemoToken().catch(() => null);
    const claims = token === null ? null : readToken(token);
    if (token !== null && claims !== null) {
      this.#accept(token, claims, true);
    } else {
      this.signOut("The token has expired, and no new one came from the gateway.");
    }
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
    const isOver = claims.expiresAt !== null && claims.expiresAt <= Date.now();
    return isOver
      ? "The token has expired. Sign in with a new one."
      : "The gateway does not accept this token.";
  }
  return error.message;
}

export const session = new OpsSession();
