import { HttpConnection } from "../../../client/src/http";
import { followStream } from "../../../client/src/streams";
import { session } from "./session.svelte";

const RETRY_MS = 2_000;

/**
 * Call `onChange` for each event of a room, and when the stream is open again after an interruption, until the
 * signal aborts. A room that nobody knows yet is asked for again; what the page polls says why.
 */
export async function followRoomChanges(
  roomId: string,
  signal: AbortSignal,
  onChange: () => void,
): Promise<void> {
  const connection = new HttpConnection("", { token: () => session.token ?? "" });
  const path = `/v1/rooms/${encodeURIComponent(roomId)}/stream`;
  while (!signal.aborted) {
    try {
      for await (const _ of followStream(connection, path, { signal })) {
        onChange();
      }
    } catch {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
