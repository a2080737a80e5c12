import { runCommand, type CommandOptions, type Outcome } from "./commands.js";
import { path } from "./http.js";
import type { EventName, MuteSource } from "./messages.js";
import type { StageOptions } from "./stage/options.js";
import type { Stage } from "./stage/stage.js";
import { StateClient } from "./state-client.js";
import { followStream, type StreamItem, type StreamOptions } from "./streams.js";

export interface InvitationOptions extends CommandOptions {
  /** 10 to 604 800; by default a day. */
  expiresInSeconds?: number;
  /** Up to 280 characters. */
  message?: string;
  /** What the guest is announced as, up to 40 characters. */
  label?: string;
}

/**
 * The gateway, as one user: commands with their outcomes, reads, live streams, and the stage.
 *
 *     const cohost = new CoHost("https://live.example.com", { token: () => fetchToken() });
 *     const sent = await cohost.sendInvitation("room-1", "bob", { label: "Guitar" });
 *     for await (const item of cohost.followRoom("room-1")) console.log(item.name);
 *
 * Commands reject with `Refused`, `OutcomeUnknown` or `ProblemError`, everything else with `ProblemError` or
 * the error of `fetch`; both with the error of `token` where it gave none.
 */
export class CoHost extends StateClient {
  // Commands

  /** Invite a user, on behalf of the room's host. The invitation gets the command's id. */
  sendInvitation(
    roomId: string,
    userId: string,
    { expiresInSeconds, message, label, ...options }: InvitationOptions = {},
  ): Promise<Outcome<"InvitationSent">> {
    const body = { userId, expiresInSeconds, message, label };
    return this.#run("POST", path`/v1/rooms/${roomId}/invitations`, body, options);
  }

  /** Send a pending invitation again; without a new expiry it keeps the old one. */
  resendInvitation(
    roomId: string,
    invitationId: string,
    { expiresInSeconds, ...options }: CommandOptions & { expiresInSeconds?: number } = {},
  ): Promise<Outcome<"InvitationResent">> {
    const url = path`/v1/rooms/${roomId}/invitations/${invitationId}/resend`;
    return this.#run("POST", url, { expiresInSeconds }, options);
  }

  /** Record that the invitee has seen a pending invitation. */
  markInvitationSeen(
    roomId: string,
    invitationId: string,
    options?: CommandOptions,
  ): Promise<Outcome<"InvitationSeen">> {
    return this.#run("POST", path`/v1/rooms/${roomId}/invitations/${invitationId}/seen`, undefined, options);
  }

  /** Accept an invitation and get a seat. */
  acceptInvitation(
    roomId: string,
    invitationId: string,
    options?: CommandOptions,
  ): Promise<Outcome<"InvitationAccepted">> {
    return this.#run(
      "POST",
      path`/v1/rooms/${roomId}/invitations/${invitationId}/accept`,
      undefined,
      options,
    );
  }

  declineInvitation(
    roomId: string,
    invitationId: string,
    options?: CommandOptions,
  ): Promise<Outcome<"InvitationDeclined">> {
    const url = path`/v1/rooms/${roomId}/invitations/${invitationId}/decline`;
    return this.#run("POST", url, undefined, options);
  }

  /** Cancel a pending invitation, on behalf of the room's host. */
  cancelInvitation(
    roomId: string,
    invitationId: string,
    options?: CommandOptions,
  ): Promise<Outcome<"InvitationCancelled">> {
    return this.#run(
      "POST",
      path`/v1/rooms/${roomId}/invitations/${invitationId}/cancel`,
      undefined,
      options,
    );
  }

  /** End a co-host's seat, on behalf of the room's host. */
  removeCoHost(roomId: string, userId: string, options?: CommandOptions): Promise<Outcome<"CoHostLeft">> {
    return this.#run("DELETE", path`/v1/rooms/${roomId}/co-hosts/${userId}`, undefined, options);
  }

  /** Give up one's own seat. */
  async leaveStage(roomId: string, options?: CommandOptions): Promise<Outcome<"CoHostLeft">> {
    return this.removeCoHost(roomId, await this.userId(), options);
  }

  /** Put these co-hosts first, in this order, on behalf of the room's host; all others follow as before. */
  arrangeStage(
    roomId: string,
    userIds: readonly string[],
    options?: CommandOptions,
  ): Promise<Outcome<"StageArranged">> {
    return this.#run("PUT", path`/v1/rooms/${roomId}/co-hosts/order`, { userIds }, options);
  }

  /** Mute a co-host's source: once, or with `hard` until it is unmuted. */
  muteCoHost(
    roomId: string,
    userId: string,
    source: MuteSource,
    { hard, ...options }: CommandOptions & { hard?: boolean } = {},
  ): Promise<Outcome<"CoHostMuted">> {
    return this.#run("POST", path`/v1/rooms/${roomId}/co-hosts/${userId}/mute`, { source, hard }, options);
  }

  /** Lift a hard mute and ask the co-host to unmute. */
  unmuteCoHost(
    roomId: string,
    userId: string,
    source: MuteSource,
    options?: CommandOptions,
  ): Promise<Outcome<"CoHostUnmuteRequested">> {
    return this.#run("POST", path`/v1/rooms/${roomId}/co-hosts/${userId}/unmute`, { source }, options);
  }

  // Live

  /** Follow a room's events; those about invitations and grants come for its host and ops only. */
  followRoom(roomId: string, options?: StreamOptions): AsyncGenerator<StreamItem, void, undefined> {
    return followStream(this.connection, path`/v1/rooms/${roomId}/stream`, options);
  }

  /** Follow what is about oneself: one's invitations, sent or received, and one's seats, in all rooms. */
  async *followMe(options?: StreamOptions): AsyncGenerator<StreamItem, void, undefined> {
    yield* followStream(this.connection, path`/v1/users/${await this.userId()}/stream`, options);
  }

  /** Connect to the stage, and publish as the caller's rights come and go. See `Stage`. */
  async joinStage(roomId: string, options?: StageOptions): Promise<Stage> {
    // Loaded when it is needed: who only sends commands needs no LiveKit.
    const { joinStage } = await import("./stage/join.js");
    return joinStage(this, roomId, options);
  }

  #run<Name extends EventName>(
    method: string,
    url: string,
    body: object | undefined,
    options?: CommandOptions,
  ): Promise<Outcome<Name>> {
    return runCommand(this.connection, { method, path: url, ...(body && { body }) }, options);
  }
}
