import type { Participant, Room } from "livekit-client";
import { nameOf } from "./tokens";

export interface ChatLine {
  from: string;
  badge: string;
  text: string;
}

const TOPIC = "chat";
const MAX_LINES = 200;

/** The room's chat, over LiveKit's text streams; each line has the badge that its sender had then. */
export class ChatLog {
  lines = $state.raw<ChatLine[]>([]);

  constructor(
    private readonly livekit: Room,
    onError: (error: unknown) => void,
  ) {
    livekit.registerTextStreamHandler(TOPIC, (reader, { identity }) => {
      void reader
        .readAll()
        .then((text) => this.#add(livekit.remoteParticipants.get(identity), text))
        .catch(onError);
    });
  }

  async say(text: string): Promise<void> {
    await this.livekit.localParticipant.sendText(text, { topic: TOPIC });
    this.#add(this.livekit.localParticipant, text);
  }

  #add(participant: Participant | undefined, text: string): void {
    const badge = participant?.attributes["cohost.badge"] ?? "";
    const line = { from: nameOf(participant?.identity ?? "?"), badge, text };
    this.lines = [...this.lines, line].slice(-MAX_LINES);
  }
}
