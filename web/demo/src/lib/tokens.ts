import { CoHost } from "@cohost/client";

/** Return a token of the demo: in development the gateway signs one for anybody. */
async function fetchToken(userId: string, scope?: string): Promise<string> {
  const answer = await fetch("/demo/token", {
    method: "POST",
    body: JSON.stringify({ userId, name: nameOf(userId), scope }),
  });
  if (!answer.ok) {
    throw new Error(`no token: ${answer.status}`);
  }
  return (await answer.json()).token;
}

/** Return a client of the gateway as this user, or with the rights of a scope. */
export function connectAs(userId: string, scope?: "cohost:platform" | "cohost:ops"): CoHost {
  return new CoHost(location.origin, { token: () => fetchToken(userId, scope) });
}

/** Return the name that a user is shown under. */
export function nameOf(userId: string): string {
  const [name = userId] = userId.replace(/#viewer$/, "").split("-");
  return name.charAt(0).toUpperCase() + name.slice(1);
}
