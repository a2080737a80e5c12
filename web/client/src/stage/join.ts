import * as livekit from "livekit-client";
import type { CoHost } from "../client.js";
import type { StageOptions } from "./options.js";
import { Stage } from "./stage.js";

/** Connect to the stage of a room. Rejects with `ProblemError` where the caller may not, or the last failure. */
export async function joinStage(cohost: CoHost, roomId: string, options: StageOptions = {}): Promise<Stage> {
  // `adaptiveStream` receives what is shown, `dynacast` sends what somebody receives.
  const room = options.room ?? new livekit.Room({ adaptiveStream: true, dynacast: true });
  const stage = new Stage(room, livekit, cohost, roomId, options);
  await stage.connect();
  return stage;
}
