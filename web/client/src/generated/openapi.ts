// Generated from the published documents by `npm run generate`; do not edit.
export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description A command that took effect; `events` are CloudEvents as on the topic, its own event last. */
        AcceptedCommand: {
            commandId: string;
            /** @constant */
            outcome: "accepted";
            events: {
                [key: string]: unknown;
            }[];
        };
        /**
         * @description Data for a connection to LiveKit; `token` is short-lived and secret.
         *
         *     `publishDefaults` is null for a viewer.
         */
        BroadcastData: {
            roomId: string;
            userId: string;
            /** @enum {string} */
            role: "host" | "coHost" | "viewer";
            serverUrl: string;
            token: string;
            expiresAt: string;
            livekitRoom: string;
            permissions: components["schemas"]["Permissions"];
            publishDefaults: components["schemas"]["PublishDefaults"] | null;
        };
        /** @description A user with a seat, the time at which the seat began, and the place in the speaking order, from 1. */
        CoHost: {
            userId: string;
            invitationId: string;
            since: string;
            label: string | null;
            /** @default 0 */
            order: number;
        };
        /** @description All users with a seat, in their order. */
        CoHosts: {
            items: components["schemas"]["CoHost"][];
        };
        /** @description The outcome of a command; `events` are wire types, `invitationId` is the invitation concerned. */
        CommandOutcome: {
            commandId: string;
            commandType: string;
            /** @enum {string} */
            outcome: "accepted" | "rejected";
            decidedAt: string;
            roomId: string | null;
            invitationId: string | null;
            actorId: string | null;
            events: string[];
            reason: string | null;
            message: string | null;
        };
        /** @description The outcome of a command as ops read it; `detail` is the cause of `user_not_eligible`. */
        DetailedOutcome: {
            commandId: string;
            commandType: string;
            /** @enum {string} */
            outcome: "accepted" | "rejected";
            decidedAt: string;
            roomId: string | null;
            invitationId: string | null;
            actorId: string | null;
            events: string[];
            reason: string | null;
            message: string | null;
            detail: string | null;
        };
        /**
         * @description Why a user is not on air in a room: the first step that is not `ok`.
         *
         *     A service answers with the steps that it knows; together, in the order of `StepName`, they are all steps.
         */
        Diagnosis: {
            roomId: string;
            userId: string;
            steps: components["schemas"]["DiagnosisStep"][];
        };
        /**
         * @description A step on the way to being on air; `detail` is a reason's word, `advice` a sentence, null where `ok`.
         *
         *     `waiting` means that someone has yet to act, `failed` that the step ended otherwise.
         */
        DiagnosisStep: {
            /** @enum {string} */
            step: "room_known" | "room_open" | "user_known" | "user_eligible" | "invited" | "seen" | "accepted" | "seated" | "granted" | "connected" | "publishing" | "quality";
            /** @enum {string} */
            state: "ok" | "failed" | "waiting" | "unknown";
            at: string | null;
            detail: string | null;
            advice: string | null;
        };
        /** @description An invitation, with the room's title and the users' names as they are now; null where unknown. */
        InvitationDetails: {
            invitationId: string;
            roomId: string;
            userId: string;
            invitedBy: string;
            /** @enum {string} */
            status: "pending" | "accepted" | "rejected" | "cancelled" | "expired";
            sentAt: string;
            expiresAt: string;
            respondedAt: string | null;
            updatedAt: string;
            closeReason: ("declined" | "cancelled_by_host" | "room_ended" | "not_eligible" | "became_host" | "expired") | null;
            message: string | null;
            previousInvitationId: string | null;
            label: string | null;
            /** @default 1 */
            timesSent: number;
            resentAt: string | null;
            seenAt: string | null;
            roomTitle: string | null;
            inviterName: string | null;
            userName: string | null;
        };
        ListPage_InvitationDetails_: {
            items: components["schemas"]["InvitationDetails"][];
            nextCursor: string | null;
        };
        ListPage_RoomSummary_: {
            items: components["schemas"]["RoomSummary"][];
            nextCursor: string | null;
        };
        /**
         * @description A user with a badge; `graceEndsAt` is set while a disconnected co-host's seat is kept.
         *
         *     `order` is the co-host's place in the speaking order, from 1; the host has 0.
         */
        OnStage: {
            userId: string;
            /** @enum {string} */
            role: "host" | "coHost";
            /** @enum {string} */
            badge: "host" | "coHost";
            invitationId: string | null;
            since: string;
            /** @enum {string} */
            grant: "pending" | "provisioned" | "failed";
            /** @enum {string} */
            connection: "never" | "connected" | "disconnected";
            graceEndsAt: string | null;
            tracks: components["schemas"]["Track"][];
            published: ("camera" | "microphone" | "screen_share" | "screen_share_audio")[];
            hardMuted: ("microphone" | "camera" | "screen_share")[];
            label: string | null;
            /** @default 0 */
            order: number;
        };
        /** @description A participant's LiveKit permissions. */
        Permissions: {
            canPublish: boolean;
            canPublishData: boolean;
            canSubscribe: boolean;
            canPublishSources: ("camera" | "microphone" | "screen_share" | "screen_share_audio")[];
        };
        /** @description How to publish video: with at most `videoMaxBitrate` bit/s and `videoMaxFramerate` frames a second. */
        PublishDefaults: {
            videoMaxBitrate: number;
            videoMaxFramerate: number;
            simulcast: boolean;
        };
        /**
         * @description A room's host from an event on: the `sequence` on `invitations.events`, and the time, of that event.
         *
         *     The sequence is 0 if the room is older than the record of its hosts.
         */
        RoomHost: {
            hostId: string;
            sequence: number;
            since: string;
        };
        /** @description The hosts that a room has had, oldest first. */
        RoomHosts: {
            items: components["schemas"]["RoomHost"][];
        };
        /**
         * @description A room by its last fact, and the numbers of its pending invitations and seats.
         *
         *     `pending` is null for a reader who may not see the room's invitations.
         */
        RoomSummary: {
            roomId: string;
            hostId: string;
            title: string | null;
            /** @enum {string} */
            status: "idle" | "live" | "waitingReconnect" | "ended" | "recorded" | "terminated" | "error";
            open: boolean;
            maxCoHosts: number;
            pending: number | null;
            seats: number;
        };
        /** @description A room and the users on its stage: the host first, then the co-hosts in their order. */
        Stage: {
            roomId: string;
            /** @enum {string} */
            status: "idle" | "live" | "waitingReconnect" | "ended" | "recorded" | "terminated" | "error";
            items: components["schemas"]["OnStage"][];
        };
        /** @description A published track. */
        Track: {
            sid: string;
            source: ("camera" | "microphone" | "screen_share" | "screen_share_audio") | "unknown";
            muted: boolean;
        };
        /** @description A command whose outcome is not known yet. */
        UndecidedCommand: {
            commandId: string;
            /** @constant */
            outcome: "pending";
        };
        /** @description A fact that Kafka has; `causationId` is the `causationid` of the events that follow from it. */
        WrittenFact: {
            causationId: string;
        };
        /** @description The body of every error. */
        ProblemDetails: {
            /**
             * @description Always `about:blank`; see `reason`.
             * @default about:blank
             */
            type?: string;
            /** @description The HTTP status phrase. */
            title: string;
            status: number;
            /** @description One of the contract's reasons. */
            reason: string;
            /**
             * @description A sentence for people.
             * @default null
             */
            detail?: string | null;
        };
        /**
         * @description An invitation's current state: the data of every invitation event, and the HTTP representation.
         *
         *     The last four fields have the values of an invitation from before version 1.1, whose records lack them.
         */
        Invitation: {
            invitationId: string;
            roomId: string;
            userId: string;
            invitedBy: string;
            /** @enum {string} */
            status: "pending" | "accepted" | "rejected" | "cancelled" | "expired";
            sentAt: string;
            expiresAt: string;
            /** @default null */
            respondedAt: string | null;
            updatedAt: string;
            /** @default null */
            closeReason: ("declined" | "cancelled_by_host" | "room_ended" | "not_eligible" | "became_host" | "expired") | null;
            /** @default null */
            message: string | null;
            /** @default null */
            previousInvitationId: string | null;
            /** @default null */
            label: string | null;
            /** @default 1 */
            timesSent: number;
            /** @default null */
            resentAt: string | null;
            /** @default null */
            seenAt: string | null;
        };
        /** @description A command that was refused, or not confirmed; `current` and `retryAt` are as in the rejection. */
        CommandProblem: {
            /**
             * @description Always `about:blank`; see `reason`.
             * @default about:blank
             */
            type?: string;
            /** @description The HTTP status phrase. */
            title: string;
            status: number;
            /** @description One of the contract's reasons. */
            reason: string;
            /**
             * @description A sentence for people.
             * @default null
             */
            detail?: string | null;
            /**
             * @description A sentence for people, of a refused command.
             * @default null
             */
            message?: string | null;
            /** @default null */
            commandId?: string | null;
            /** @default null */
            current?: components["schemas"]["Invitation"] | null;
            /** @default null */
            retryAt?: string | null;
        };
        /** @description The current state of a room; replaces the previous fact completely. */
        RoomFact: {
            hostId: string;
            /** @enum {string} */
            status: "idle" | "live" | "waitingReconnect" | "ended" | "recorded" | "terminated" | "error";
            /** @default 5 */
            maxCoHosts?: number | null;
            title?: string | null;
        };
        /** @description The current state of a user; replaces the previous fact completely. */
        UserFact: {
            /** @enum {string} */
            status: "active" | "banned" | "deleted";
            /** @default true */
            canReceiveInvitations?: boolean | null;
            /** @default [] */
            blockedUserIds?: string[] | null;
            displayName?: string | null;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
