import type { RoomFact, UserFact } from "./facts.js";
import { HttpConnection, path, query, type CallOptions, type ConnectionOptions } from "./http.js";
import type {
  BroadcastData,
  CoHostSeat,
  CommandOutcome,
  Diagnosis,
  Invitation,
  Page,
  Quality,
  Room,
  RoomHost,
  StageView,
} from "./messages.js";

export interface ListOptions extends CallOptions {
  /** 1 to 200, by default 50. */
  limit?: number;
  /** The `nextCursor` of the page before. */
  cursor?: string;
}

export type InvitationStatus = Invitation["status"];

/** What the gateway answers at once: facts that it writes, and everything that can be read. */
export class StateClient {
  protected readonly connection: HttpConnection;

  constructor(baseUrl: string, options: ConnectionOptions) {
    this.connection = new HttpConnection(baseUrl, options);
  }

  /** Return the user whom the token is of. */
  userId(): Promise<string> {
    return this.connection.tokens.userId();
  }

  // Facts: the token needs the scope `cohost:platform`. They are states: writing one again is safe.

  /** Publish the state of a room; return the `causationid` of the events that follow. */
  setRoom(roomId: string, room: RoomFact, options?: CallOptions): Promise<string> {
    return this.#write("PUT", path`/v1/rooms/${roomId}`, room, options);
  }

  /** Publish that a room no longer exists. */
  deleteRoom(roomId: string, options?: CallOptions): Promise<string> {
    return this.#write("DELETE", path`/v1/rooms/${roomId}`, undefined, options);
  }

  /** Publish the state of a user. */
  setUser(userId: string, user: UserFact, options?: CallOptions): Promise<string> {
    return this.#write("PUT", path`/v1/users/${userId}`, user, options);
  }

  /** Publish that a user no longer exists. */
  deleteUser(userId: string, options?: CallOptions): Promise<string> {
    return this.#write("DELETE", path`/v1/users/${userId}`, undefined, options);
  }

  // Reads

  /** List rooms, newest fact first; the token needs the scope `cohost:ops`. */
  listRooms({
    status,
    hostId,
    limit,
    cursor,
    ...options
  }: ListOptions & { status?: "open" | "closed" | "any"; hostId?: string } = {}): Promise<Page<Room>> {
    return this.#read("/v1/rooms" + query({ status, hostId, limit, cursor }), options);
  }

  getRoom(roomId: string, options?: CallOptions): Promise<Room> {
    return this.#read(path`/v1/rooms/${roomId}`, options);
  }

  /** List the invitations of a room, newest first: by default all of them. */
  listRoomInvitations(
    roomId: string,
    { status, limit, cursor, ...options }: ListOptions & { status?: InvitationStatus | "any" } = {},
  ): Promise<Page<Invitation>> {
    return this.#read(path`/v1/rooms/${roomId}/invitations` + query({ status, limit, cursor }), options);
  }

  /** List one's own invitations, newest first: by default the pending ones. */
  async listMyInvitations({
    status,
    roomId,
    limit,
    cursor,
    ...options
  }: ListOptions & { status?: InvitationStatus | "any"; roomId?: string } = {}): Promise<Page<Invitation>> {
    const url = path`/v1/users/${await this.userId()}/invitations`;
    return this.#read(url + query({ status, roomId, limit, cursor }), options);
  }

  getInvitation(invitationId: string, options?: CallOptions): Promise<Invitation> {
    return this.#read(path`/v1/invitations/${invitationId}`, options);
  }

  /** Return the co-hosts of a room, in their order. */
  async listCoHosts(roomId: string, options?: CallOptions): Promise<CoHostSeat[]> {
    return (await this.#read<{ items: CoHostSeat[] }>(path`/v1/rooms/${roomId}/co-hosts`, options)).items;
  }

  /** Return the hosts that a room has had, oldest first. */
  async listHosts(roomId: string, options?: CallOptions): Promise<RoomHost[]> {
    return (await this.#read<{ items: RoomHost[] }>(path`/v1/rooms/${roomId}/hosts`, options)).items;
  }

  /** Return the outcome of a command; a `ProblemError` with `command_not_found` while it is undecided. */
  getCommand(commandId: string, options?: CallOptions): Promise<CommandOutcome> {
    return this.#read(path`/v1/commands/${commandId}`, options);
  }

  /** Return the data to connect to LiveKit with: as the host or a co-host, or else as a viewer. */
  getBroadcastData(
    roomId: string,
    { as, ...options }: CallOptions & { as?: "viewer" } = {},
  ): Promise<BroadcastData> {
    return this.#read(path`/v1/rooms/${roomId}/broadcast-data` + query({ as }), options);
  }

  /** Return who is on stage, with connections and tracks. */
  getStage(roomId: string, options?: CallOptions): Promise<StageView> {
    return this.#read(path`/v1/rooms/${roomId}/stage`, options);
  }

  /** Return why a user is not on air: the first step that is not `ok`. */
  getDiagnosis(roomId: string, userId: string, options?: CallOptions): Promise<Diagnosis> {
    return this.#read(path`/v1/rooms/${roomId}/users/${userId}/diagnosis`, options);
  }

  /** Report the quality of one's own connection; it holds until the next report. */
  async reportQuality(
    roomId: string,
    quality: Quality,
    { roundTripMs, ...options }: CallOptions & { roundTripMs?: number } = {},
  ): Promise<void> {
    const url = path`/v1/rooms/${roomId}/stage/quality`;
    await this.connection.call({ method: "POST", path: url, body: { quality, roundTripMs } }, options);
  }

  async #write(
    method: string,
    url: string,
    body: object | undefined,
    options?: CallOptions,
  ): Promise<string> {
    const request = { method, path: url, ...(body && { body }) };
    return (await this.connection.call<{ causationId: string }>(request, options)).causationId;
  }

  #read<Body>(url: string, options?: CallOptions): Promise<Body> {
    return this.connection.call({ method: "GET", path: url }, options);
  }
}
