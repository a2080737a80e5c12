import {
  CoHost,
  ProblemError,
  Refused,
  type Invitation,
  type OnStage,
  type Quality,
  type Source,
  type Stage,
  type StreamItem,
  type StreamOptions,
} from "@cohost/client";
import { Room, RoomEvent, type Participant } from "livekit-client";
import { ChatLog } from "./chat.svelte";
import { EventLog } from "./event-log.svelte";
import { captureSource } from "./media";
import { connectAs, nameOf } from "./tokens";
import { TrafficMeter } from "./traffic";

export type Part = "host" | "guest" | "viewer";

export interface UnmuteQuestion {
  source: Source;
  answer(isYes: boolean): void;
}

const STAGE_EVENTS = /^(CoHost|Host|Badge|Stage|Grant|ParticipantQuality)/;
const REFRESH_MS = 150;
const INVITED_SECONDS = 300;
const MEASURE_MS = 1_000;

/** One person's view of a show: what the page shows, and what its buttons do. */
export class Show {
  status = $state("connecting");
  role = $state("viewer");
  people = $state.raw<OnStage[]>([]);
  participants = $state.raw<Participant[]>([]);
  invitations = $state.raw<Invitation[]>([]);
  /** What of each user's picture is sent or received, in words. */
  traffic = $state.raw<ReadonlyMap<string, string>>(new Map());
  question = $state.raw<UnmuteQuestion | undefined>();
  notice = $state("");
  now = $state(Date.now());
  isThrottled = $state(false);
  readonly events = new EventLog(connectAs("observer", "cohost:ops"));
  readonly name: string;
  // Tiles are small: at the density of the screen only the lowest layer would ever be asked for.
  readonly livekit = new Room({ adaptiveStream: { pixelDensity: 2 }, dynacast: true });
  readonly chat = new ChatLog(this.livekit, (error) => this.#note(error));
  readonly #cohost: CoHost;
  readonly #aborter = new AbortController();
  readonly #shown = new Set<string>();
  readonly #meter = new TrafficMeter();
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
    this.#every(500, () => (this.now = Date.now()));
    this.#every(MEASURE_MS, () => void this.#measure());
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
        const isEarly = error instanceof ProblemError;
        this.#note(isEarly ? `The room is not live yet (${error.reason}).` : error);
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

  /** Report a poor connection, and send what the limits that come of it allow; or a good one. */
  async throttle(isOn: boolean): Promise<void> {
    this.isThrottled = isOn;
    await this.#reportQuality(isOn ? "poor" : "excellent");
  }

  invite(userId: string, label: string): Promise<void> {
    const message = `Join me on stage in ${this.room}.`;
    const options = { ...(label && { label }), message, expiresInSeconds: INVITED_SECONDS };
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
    await this.#try(() => this.chat.say(text));
  }

  async #command(name: string, run: (options: { commandId: string }) => Promise<unknown>): Promise<void> {
    const commandId = newCommandId();
    this.events.noteCommand(commandId, name);
    this.notice = "";
    await this.#try(() => run({ commandId }));
  }

  async #measure(): Promise<void> {
    this.traffic = await this.#meter.measure(this.participants);
    // What LiveKit measures meanwhile is reported too, and would end it.
    if (this.isThrottled && this.status === "connected") {
      await this.#reportQuality("poor");
    }
  }

  async #reportQuality(quality: Quality): Promise<void> {
    await this.#try(() => this.#cohost.reportQuality(this.room, quality));
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
    this.events.add(item);
    if (item.name === "ParticipantQualityChanged" && item.data.userId === this.user) {
      void this.#stage?.refreshDefaults().catch((error) => this.#note(error));
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
      if (this.part !== "host") {
        invitations.items.forEach((invitation) => void this.#markSeen(invitation));
      }
    } catch (error) {
      this.#note(error);
    }
  }

  async #markSeen({ invitationId, seenAt }: Invitation): Promise<void> {
    if (seenAt === null && !this.#shown.has(invitationId)) {
      this.#shown.add(invitationId);
      await this.#command("MarkInvitationSeen", (call) =>
        this.#cohost.markInvitationSeen(this.room, invitationId, call),
      );
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
  }

  #showStage({ status, role }: Stage): void {
    this.status = status;
    this.role = role;
    // What was reported is forgotten with the seat, and so is a request.
    if (role === "viewer") {
      this.isThrottled = false;
      this.question?.answer(false);
    }
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

  #every(milliseconds: number, step: () => void): void {
    const timer = setInterval(step, milliseconds);
    this.#aborter.signal.addEventListener("abort", () => clearInterval(timer));
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
