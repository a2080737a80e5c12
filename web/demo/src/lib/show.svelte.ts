import {
  CoHost,
  ProblemError,
  Refused,
  type CloudEvent,
  type Invitation,
  type OnStage,
  type Source,
  type Stage,
  type StreamItem,
  type StreamOptions,
} from "@cohost/client";
import { Room, RoomEvent, type Participant } from "livekit-client";
import { captureSource } from "./media";
import { connectAs, nameOf } from "./tokens";

export type Part = "host" | "guest" | "viewer";

export interface ChatLine {
  from: string;
  badge: string;
  text: string;
}

export interface EventLine {
  event: CloudEvent;
  name: string;
  /** The command of this page that caused it. */
  command: string | undefined;
}

export interface UnmuteQuestion {
  source: Source;
  answer(isYes: boolean): void;
}

const CHAT_TOPIC = "chat";
const MAX_LINES = 200;
const STAGE_EVENTS = /^(CoHost|Host|Badge|Stage|Grant|ParticipantQuality)/;
const REFRESH_MS = 150;

/** One person's view of a show: what the page shows, and what its buttons do. */
export class Show {
  status = $state("connecting");
  role = $state("viewer");
  people = $state.raw<OnStage[]>([]);
  participants = $state.raw<Participant[]>([]);
  invitations = $state.raw<Invitation[]>([]);
  chat = $state.raw<ChatLine[]>([]);
  events = $state.raw<EventLine[]>([]);
  question = $state.raw<UnmuteQuestion | undefined>();
  notice = $state("");
  now = $state(Date.now());
  isThrottled = $state(false);
  readonly name: string;
  readonly livekit = new Room({ adaptiveStream: true, dynacast: true });
  readonly #cohost: CoHost;
  readonly #aborter = new AbortController();
  readonly #commands = new Map<string, string>();
  readonly #seen = new Set<string>();
  #stage: Stage | undefined;
  #refreshing: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly part: Part,
    readonly room: string,
    readonly user: string,
  ) {
    this.name = nameOf(user);
    this.#cohost = connectAs(user);
    this.#watchLiveKit();
  }

  /** Open the room as its host, or enter it, and stay until `close`. */
  async open(): Promise<void> {
    const ticking = setInterval(() => (this.now = Date.now()), 500);
    this.#aborter.signal.addEventListener("abort", () => clearInterval(ticking));
    const platform = connectAs("platform", "cohost:platform");
    await platform.setUser(this.user, { status: "active", displayName: this.name });
    if (this.part === "host") {
      await platform.setRoom(this.room, { hostId: this.user, status: "live", title: this.room });
    }
    void this.#follow((options) => this.#cohost.followRoom(this.room, options));
    if (this.part !== "host") {
      void this.#follow((options) => this.#cohost.followMe(options));
    }
    await this.plugIn();
  }

  close(): void {
    this.#aborter.abort();
    void this.#stage?.leave();
  }

  /** Connect to the stage, and wait for the room where it is not open yet. */
  async plugIn(): Promise<void> {
    while (!this.#aborter.signal.aborted) {
      try {
        this.#stage = await this.#cohost.joinStage(this.room, {
          room: this.livekit,
          signal: this.#aborter.signal,
          capture: (source) => captureSource(source, this.name),
          onChange: (stage) => this.#showStage(stage),
          onError: (error) => this.#note(error),
          onUnmuteRequest: ({ source }) => this.#ask(source),
        });
        this.notice = "";
        return;
      } catch (error) {
        if (!(error instanceof ProblemError)) {
          this.#note(error);
          return;
        }
        this.notice = `The room is not live yet (${error.reason}).`;
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
    }
  }

  /** Go as if the network was cut: the seat stays for the grace period. */
  async pullPlug(): Promise<void> {
    await this.#stage?.leave();
  }

  isAllowed(source: Source): boolean {
    return this.status === "connected" && (this.#stage?.isAllowed(source) ?? false);
  }

  async toggle(source: Source, isOn: boolean): Promise<void> {
    await this.#try(() => (isOn ? this.#stage?.unmute(source) : this.#stage?.mute(source)));
  }

  async shareScreen(isOn: boolean): Promise<void> {
    await this.#try(() =>
      isOn ? this.#stage?.publish("screen_share") : this.#stage?.unpublish("screen_share"),
    );
  }

  /** Report a poor connection, and follow the limits that come of it; or a good one. */
  async throttle(isOn: boolean): Promise<void> {
    this.isThrottled = isOn;
    await this.#try(() => this.#cohost.reportQuality(this.room, isOn ? "poor" : "excellent"));
  }

  invite(userId: string, label: string): Promise<void> {
    const options = { ...(label && { label }), message: `Join ${this.room}` };
    return this.#command("SendInvitation", (call) =>
      this.#cohost.sendInvitation(this.room, userId, { ...options, ...call }),
    );
  }

  cancel({ invitationId }: Invitation): Promise<void> {
    return this.#command("CancelInvitation", (call) =>
      this.#cohost.cancelInvitation(this.room, invitationId, call),
    );
  }

  accept({ invitationId }: Invitation): Promise<void> {
    return this.#command("AcceptInvitation", (call) =>
      this.#cohost.acceptInvitation(this.room, invitationId, call),
    );
  }

  decline({ invitationId }: Invitation): Promise<void> {
    return this.#command("DeclineInvitation", (call) =>
      this.#cohost.declineInvitation(this.room, invitationId, call),
    );
  }

  leave(): Promise<void> {
    return this.#command("LeaveStage", (call) => this.#cohost.leaveStage(this.room, call));
  }

  remove(userId: string): Promise<void> {
    return this.#command("RemoveCoHost", (call) => this.#cohost.removeCoHost(this.room, userId, call));
  }

  muteOther(userId: string, hard: boolean): Promise<void> {
    return this.#command("MuteCoHost", (call) =>
      this.#cohost.muteCoHost(this.room, userId, "microphone", { hard, ...call }),
    );
  }

  askToUnmute(userId: string): Promise<void> {
    return this.#command("UnmuteCoHost", (call) =>
      this.#cohost.unmuteCoHost(this.room, userId, "microphone", call),
    );
  }

  /** Move a co-host to the first place of the speaking order. */
  moveFirst(userId: string): Promise<void> {
    return this.#command("ArrangeStage", (call) => this.#cohost.arrangeStage(this.room, [userId], call));
  }

  async say(text: string): Promise<void> {
    await this.#try(async () => {
      await this.livekit.localParticipant.sendText(text, { topic: CHAT_TOPIC });
      this.#addChat(this.livekit.localParticipant, text);
    });
  }

  async #command(name: string, run: (options: { commandId: string }) => Promise<unknown>): Promise<void> {
    const commandId = newCommandId();
    this.#commands.set(commandId, name);
    this.notice = "";
    await this.#try(() => run({ commandId }));
  }

  async #try(step: () => Promise<unknown> | undefined): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.#note(error);
    }
  }

  async #follow(open: (options: StreamOptions) => AsyncIterable<StreamItem>): Promise<void> {
    while (!this.#aborter.signal.aborted) {
      try {
        for await (const item of open({ signal: this.#aborter.signal })) {
          this.#receive(item);
        }
      } catch (error) {
        // The host opens the room; until then it is not found.
        if (!(error instanceof ProblemError && error.status === 404)) {
          this.#note(error);
        }
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
    }
  }

  #receive(item: StreamItem): void {
    if ("event" in item && !this.#seen.has(item.event.id)) {
      this.#seen.add(item.event.id);
      const command = this.#commands.get(item.event.causationid);
      const line = { event: item.event as CloudEvent, name: item.name, command };
      this.events = [line, ...this.events].slice(0, MAX_LINES);
      if (item.name === "ParticipantQualityChanged" && item.data.userId === this.user) {
        void this.#stage?.refreshDefaults().catch((error) => this.#note(error));
      }
    }
    if (item.name === "ready" || item.name.startsWith("Invitation") || STAGE_EVENTS.test(item.name)) {
      this.#refreshing ??= setTimeout(() => void this.#refresh(), REFRESH_MS);
    }
  }

  async #refresh(): Promise<void> {
    this.#refreshing = undefined;
    try {
      const lists =
        this.part === "host"
          ? this.#cohost.listRoomInvitations(this.room, { status: "pending" })
          : this.#cohost.listMyInvitations({ roomId: this.room });
      const [stage, invitations] = await Promise.all([this.#cohost.getStage(this.room), lists]);
      this.people = stage.items;
      this.invitations = invitations.items;
    } catch (error) {
      this.#note(error);
    }
  }

  #watchLiveKit(): void {
    const changed = () => {
      const { localParticipant, remoteParticipants } = this.livekit;
      this.participants = [localParticipant, ...remoteParticipants.values()];
    };
    for (const event of [
      ...[RoomEvent.Connected, RoomEvent.Disconnected, RoomEvent.ParticipantConnected],
      ...[RoomEvent.ParticipantDisconnected, RoomEvent.ParticipantAttributesChanged],
      ...[
        RoomEvent.TrackSubscribed,
        RoomEvent.TrackUnsubscribed,
        RoomEvent.TrackMuted,
        RoomEvent.TrackUnmuted,
      ],
      ...[RoomEvent.LocalTrackPublished, RoomEvent.LocalTrackUnpublished, RoomEvent.ConnectionQualityChanged],
      ...[RoomEvent.ActiveSpeakersChanged, RoomEvent.ParticipantPermissionsChanged],
    ] as const) {
      this.livekit.on(event, changed);
    }
    this.livekit.registerTextStreamHandler(CHAT_TOPIC, (reader, { identity }) => {
      void reader
        .readAll()
        .then((text) => this.#addChat(this.livekit.remoteParticipants.get(identity), text))
        .catch((error: unknown) => this.#note(error));
    });
  }

  #addChat(participant: Participant | undefined, text: string): void {
    const badge = participant?.attributes["cohost.badge"] ?? "";
    const line = { from: nameOf(participant?.identity ?? "?"), badge, text };
    this.chat = [...this.chat, line].slice(-MAX_LINES);
  }

  #showStage({ status, role }: Stage): void {
    this.status = status;
    this.role = role;
    // What was reported is forgotten with the seat.
    this.isThrottled &&= role !== "viewer";
  }

  #ask(source: Source): Promise<boolean> {
    return new Promise((resolve) => {
      const answer = (isYes: boolean) => {
        this.question = undefined;
        resolve(isYes);
      };
      this.question = { source, answer };
    });
  }

  #note(error: unknown): void {
    if (this.#aborter.signal.aborted) {
      return;
    }
    this.notice = error instanceof Refused ? `${error.reason}: ${error.message}` : String(error);
  }
}

/** Return a command's id. `crypto.randomUUID` is missing where a page comes over HTTP from another machine. */
function newCommandId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
