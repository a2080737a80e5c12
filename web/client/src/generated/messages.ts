// Generated from the published documents by `npm run generate`; do not edit.
/**
 * The data of each event, by the event's name.
 */
export interface EventData {
  BadgeChanged: BadgeChanged;
  CoHostConnected: CoHostConnected;
  CoHostDisconnected: CoHostDisconnected;
  CoHostLeft: CoHostLeft;
  CoHostLost: CoHostLost;
  CoHostMediaChanged: CoHostMediaChanged;
  CoHostMuted: CoHostMuted;
  CoHostReconnected: CoHostReconnected;
  CoHostUnmuteRequested: CoHostUnmuteRequested;
  CommandRejected: CommandRejected;
  GrantFailed: GrantFailed;
  GrantProvisioned: GrantProvisioned;
  GrantRevoked: GrantRevoked;
  HostConnected: HostConnected;
  HostDisconnected: HostDisconnected;
  HostReconnected: HostReconnected;
  IntruderRemoved: IntruderRemoved;
  InvitationAccepted: InvitationAccepted;
  InvitationCancelled: InvitationCancelled;
  InvitationDeclined: InvitationDeclined;
  InvitationExpired: InvitationExpired;
  InvitationResent: InvitationResent;
  InvitationSeen: InvitationSeen;
  InvitationSent: InvitationSent;
  ParticipantQualityChanged: ParticipantQualityChanged;
  RecordingFinished: RecordingFinished;
  StageArranged: StageArranged;
  StageChanged: StageChanged;
}
/**
 * A user's badge in a room.
 */
export interface BadgeChanged {
  roomId: string;
  userId: string;
  badge: "host" | "coHost";
  invitationId?: string | null;
  since: string;
}
/**
 * A seated co-host's first connection.
 */
export interface CoHostConnected {
  roomId: string;
  userId: string;
  invitationId: string;
  at: string;
}
/**
 * A seated co-host disconnected; the seat is kept until `graceEndsAt`.
 */
export interface CoHostDisconnected {
  roomId: string;
  userId: string;
  invitationId: string;
  at: string;
  graceEndsAt: string;
}
/**
 * A seat ended.
 */
export interface CoHostLeft {
  roomId: string;
  userId: string;
  invitationId: string;
  reason: "left" | "removed_by_host" | "room_ended" | "not_eligible" | "became_host" | "no_show" | "connection_lost";
  leftAt: string;
  removedBy?: string | null;
}
/**
 * The grace period is over; broadcast asks to release the seat.
 */
export interface CoHostLost {
  roomId: string;
  userId: string;
  invitationId: string;
  at: string;
}
/**
 * The sources that a seated co-host publishes, and those of them whose tracks are all muted.
 */
export interface CoHostMediaChanged {
  roomId: string;
  userId: string;
  invitationId: string;
  published: ("camera" | "microphone" | "screen_share" | "screen_share_audio")[];
  muted: ("camera" | "microphone" | "screen_share" | "screen_share_audio")[];
  at: string;
}
/**
 * A mute command took effect.
 */
export interface CoHostMuted {
  roomId: string;
  userId: string;
  source: "microphone" | "camera" | "screen_share";
  hard: boolean;
  by: string;
}
/**
 * A disconnected co-host connected again.
 */
export interface CoHostReconnected {
  roomId: string;
  userId: string;
  invitationId: string;
  at: string;
}
/**
 * A hard mute was lifted and the co-host was asked to unmute.
 */
export interface CoHostUnmuteRequested {
  roomId: string;
  userId: string;
  source: "microphone" | "camera" | "screen_share";
  by: string;
}
/**
 * The outcome of a command that was refused and changed nothing; `retryAt` is for `too_soon`.
 */
export interface CommandRejected {
  commandId: string;
  commandType: string;
  reason:
    | "wrong_partition"
    | "unknown_command"
    | "invalid_command"
    | "room_not_found"
    | "room_not_open"
    | "not_room_host"
    | "invalid_target"
    | "user_not_found"
    | "user_not_eligible"
    | "already_co_host"
    | "already_invited"
    | "too_many_pending"
    | "invitation_not_found"
    | "not_invitee"
    | "invitation_not_pending"
    | "invitation_expired"
    | "too_soon"
    | "already_seen"
    | "room_full"
    | "not_co_host"
    | "not_due"
    | "user_eligible"
    | "not_involved";
  message: string;
  roomId?: string | null;
  invitationId?: string | null;
  actorId?: string | null;
  current?: Invitation | null;
  retryAt?: string | null;
}
/**
 * An invitation's current state: the data of every invitation event, and the HTTP representation.
 *
 * The last four fields have the values of an invitation from before version 1.1, whose records lack them.
 */
export interface Invitation {
  invitationId: string;
  roomId: string;
  userId: string;
  invitedBy: string;
  status: "pending" | "accepted" | "rejected" | "cancelled" | "expired";
  sentAt: string;
  expiresAt: string;
  respondedAt?: string | null;
  updatedAt: string;
  closeReason?: ("declined" | "cancelled_by_host" | "room_ended" | "not_eligible" | "became_host" | "expired") | null;
  message?: string | null;
  previousInvitationId?: string | null;
  label?: string | null;
  timesSent?: number | null;
  resentAt?: string | null;
  seenAt?: string | null;
}
/**
 * LiveKit did not accept the grant; a retryable grant is retried without limit.
 */
export interface GrantFailed {
  roomId: string;
  userId: string;
  invitationId: string;
  error: string;
  attempts: number;
  retryable: boolean;
}
/**
 * A co-host's permissions are applied, or come with the token of the next join.
 */
export interface GrantProvisioned {
  roomId: string;
  userId: string;
  invitationId: string;
  mode: "in_place" | "on_join";
  permissions: Permissions;
  provisionedAt: string;
}
/**
 * A participant's LiveKit permissions.
 */
export interface Permissions {
  canPublish: boolean;
  canPublishData: boolean;
  canSubscribe: boolean;
  canPublishSources: ("camera" | "microphone" | "screen_share" | "screen_share_audio")[];
}
/**
 * The permissions of an ended seat were revoked.
 */
export interface GrantRevoked {
  roomId: string;
  userId: string;
  invitationId: string;
  reason: "left" | "removed_by_host" | "room_ended" | "not_eligible" | "became_host" | "no_show" | "connection_lost";
  mode: "in_place" | "absent" | "room_deleted";
  revokedAt: string;
}
/**
 * The host's first connection since the room opened or the host changed.
 */
export interface HostConnected {
  roomId: string;
  userId: string;
  at: string;
}
/**
 * The host of an open room disconnected.
 */
export interface HostDisconnected {
  roomId: string;
  userId: string;
  at: string;
}
/**
 * A disconnected host connected again.
 */
export interface HostReconnected {
  roomId: string;
  userId: string;
  at: string;
}
/**
 * A participant with publish or data permission or tracks but without a seat lost them.
 *
 * `identity` is LiveKit's, cut at 256 code points, and empty in events from before it was added; `user_id`
 * is null where the identity is no id.
 */
export interface IntruderRemoved {
  roomId: string;
  userId?: string | null;
  identity?: string | null;
  action: "demoted" | "removed";
  at: string;
}
/**
 * The invitee accepted and has a seat.
 */
export interface InvitationAccepted {
  invitationId: string;
  roomId: string;
  userId: string;
  invitedBy: string;
  status: "pending" | "accepted" | "rejected" | "cancelled" | "expired";
  sentAt: string;
  expiresAt: string;
  respondedAt?: string | null;
  updatedAt: string;
  closeReason?: ("declined" | "cancelled_by_host" | "room_ended" | "not_eligible" | "became_host" | "expired") | null;
  message?: string | null;
  previousInvitationId?: string | null;
  label?: string | null;
  timesSent?: number | null;
  resentAt?: string | null;
  seenAt?: string | null;
}
/**
 * The host or the system cancelled the invitation; `closeReason` gives the cause.
 */
export interface InvitationCancelled {
  invitationId: string;
  roomId: string;
  userId: string;
  invitedBy: string;
  status: "pending" | "accepted" | "rejected" | "cancelled" | "expired";
  sentAt: string;
  expiresAt: string;
  respondedAt?: string | null;
  updatedAt: string;
  closeReason?: ("declined" | "cancelled_by_host" | "room_ended" | "not_eligible" | "became_host" | "expired") | null;
  message?: string | null;
  previousInvitationId?: string | null;
  label?: string | null;
  timesSent?: number | null;
  resentAt?: string | null;
  seenAt?: string | null;
}
/**
 * The invitee declined.
 */
export interface InvitationDeclined {
  invitationId: string;
  roomId: string;
  userId: string;
  invitedBy: string;
  status: "pending" | "accepted" | "rejected" | "cancelled" | "expired";
  sentAt: string;
  expiresAt: string;
  respondedAt?: string | null;
  updatedAt: string;
  closeReason?: ("declined" | "cancelled_by_host" | "room_ended" | "not_eligible" | "became_host" | "expired") | null;
  message?: string | null;
  previousInvitationId?: string | null;
  label?: string | null;
  timesSent?: number | null;
  resentAt?: string | null;
  seenAt?: string | null;
}
/**
 * The invitation expired; `updatedAt` is its `expiresAt`.
 */
export interface InvitationExpired {
  invitationId: string;
  roomId: string;
  userId: string;
  invitedBy: string;
  status: "pending" | "accepted" | "rejected" | "cancelled" | "expired";
  sentAt: string;
  expiresAt: string;
  respondedAt?: string | null;
  updatedAt: string;
  closeReason?: ("declined" | "cancelled_by_host" | "room_ended" | "not_eligible" | "became_host" | "expired") | null;
  message?: string | null;
  previousInvitationId?: string | null;
  label?: string | null;
  timesSent?: number | null;
  resentAt?: string | null;
  seenAt?: string | null;
}
/**
 * A pending invitation was sent again, perhaps with another `expiresAt`.
 */
export interface InvitationResent {
  invitationId: string;
  roomId: string;
  userId: string;
  invitedBy: string;
  status: "pending" | "accepted" | "rejected" | "cancelled" | "expired";
  sentAt: string;
  expiresAt: string;
  respondedAt?: string | null;
  updatedAt: string;
  closeReason?: ("declined" | "cancelled_by_host" | "room_ended" | "not_eligible" | "became_host" | "expired") | null;
  message?: string | null;
  previousInvitationId?: string | null;
  label?: string | null;
  timesSent?: number | null;
  resentAt?: string | null;
  seenAt?: string | null;
}
/**
 * The invitee has seen the pending invitation.
 */
export interface InvitationSeen {
  invitationId: string;
  roomId: string;
  userId: string;
  invitedBy: string;
  status: "pending" | "accepted" | "rejected" | "cancelled" | "expired";
  sentAt: string;
  expiresAt: string;
  respondedAt?: string | null;
  updatedAt: string;
  closeReason?: ("declined" | "cancelled_by_host" | "room_ended" | "not_eligible" | "became_host" | "expired") | null;
  message?: string | null;
  previousInvitationId?: string | null;
  label?: string | null;
  timesSent?: number | null;
  resentAt?: string | null;
  seenAt?: string | null;
}
/**
 * An invitation is pending.
 */
export interface InvitationSent {
  invitationId: string;
  roomId: string;
  userId: string;
  invitedBy: string;
  status: "pending" | "accepted" | "rejected" | "cancelled" | "expired";
  sentAt: string;
  expiresAt: string;
  respondedAt?: string | null;
  updatedAt: string;
  closeReason?: ("declined" | "cancelled_by_host" | "room_ended" | "not_eligible" | "became_host" | "expired") | null;
  message?: string | null;
  previousInvitationId?: string | null;
  label?: string | null;
  timesSent?: number | null;
  resentAt?: string | null;
  seenAt?: string | null;
}
/**
 * The connection quality that the host or a co-host has reported for a while, other than before.
 *
 * `round_trip_ms` is the last report's, `since` the time of the first report of this quality.
 */
export interface ParticipantQualityChanged {
  roomId: string;
  userId: string;
  quality: "excellent" | "good" | "poor" | "lost";
  roundTripMs?: number | null;
  since: string;
}
/**
 * A recording of the room ended; `files` are the locations of its files.
 */
export interface RecordingFinished {
  roomId: string;
  egressId: string;
  status: "complete" | "failed" | "aborted";
  files: string[];
  startedAt?: string | null;
  endedAt?: string | null;
}
/**
 * The host arranged the stage: `userIds` are all seated co-hosts, in their new order.
 */
export interface StageArranged {
  roomId: string;
  userIds: string[];
  arrangedBy: string;
  arrangedAt: string;
}
/**
 * The state of a room as invitations has read it, published whenever it changes.
 */
export interface StageChanged {
  roomId: string;
  hostId: string;
  status: "idle" | "live" | "waitingReconnect" | "ended" | "recorded" | "terminated" | "error";
  open: boolean;
  maxCoHosts: number;
}
