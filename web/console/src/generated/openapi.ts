// Generated from the published document by `npm run generate`; do not edit.
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
         * @description The log's last 15 minutes, as far as this copy of the gateway has read them since `since`.
         *
         *     `since` is null until the copy has reached Kafka. `unreadable` names the topics, without their prefix,
         *     that the copy may not read.
         */
        Activity: {
            since: string | null;
            /** @description The mean of the last ten seconds. */
            commandsPerSecond: number;
            samples: components["schemas"]["ActivitySample"][];
            refusals: components["schemas"]["RefusalCount"][];
            alarms: components["schemas"]["Alarm"][];
            newest: components["schemas"]["LogRecord"][];
            unreadable: string[];
        };
        /** @description Records of the five seconds from `at` on: outcomes of commands, dead letters, and events. */
        ActivitySample: {
            at: string;
            accepted: number;
            rejected: number;
            deadLetters: number;
            events: number;
        };
        /** @description Something that somebody should look at: a grant that failed for good, an intruder, a dead letter. */
        Alarm: {
            /** @enum {string} */
            kind: "grant_failed" | "intruder_removed" | "dead_letter";
            at: string;
            roomId: string | null;
            userId: string | null;
            detail: string | null;
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
        /**
         * @description A dead letter: its place `<service>:<partition>:<offset>`, and the record that it is a copy of.
         *
         *     `topic`, `partition` and `offset` are those of the record, `at` is its broker time. `key` is null if there
         *     is none, or none in UTF-8; `bytes` is the size of the value, before it was cut off where `isTruncated`.
         */
        DeadLetter: {
            id: string;
            /** @enum {string} */
            service: "invitations" | "broadcast";
            /** @enum {string} */
            reason: "not_a_cloud_event" | "wrong_partition" | "unknown_fact" | "invalid_fact";
            topic: string;
            partition: number;
            offset: number;
            at: string;
            key: string | null;
            bytes: number;
            isTruncated: boolean;
        };
        /**
         * @description A dead letter with its value and headers; `text` is null where the value is not UTF-8.
         *
         *     `base64` is null for a tombstone, whose value is null. `explanation` names the attribute or field, what it
         *     must be and what it is. `whyNot` is null where `canRedrive`.
         */
        DeadLetterDetails: {
            id: string;
            /** @enum {string} */
            service: "invitations" | "broadcast";
            /** @enum {string} */
            reason: "not_a_cloud_event" | "wrong_partition" | "unknown_fact" | "invalid_fact";
            topic: string;
            partition: number;
            offset: number;
            at: string;
            key: string | null;
            bytes: number;
            isTruncated: boolean;
            text: string | null;
            base64: string | null;
            headers: components["schemas"]["RecordHeader"][];
            explanation: string;
            canRedrive: boolean;
            whyNot: string | null;
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
        /**
         * @description A lane of a service; `owner` is null where no live member of the consumer group has it.
         *
         *     `lag` has the records not read yet by topic, without prefix. It and `owner` are null without Kafka.
         */
        LaneState: {
            /** @enum {string} */
            service: "invitations" | "broadcast";
            lane: number;
            owner: string | null;
            epoch: number;
            lag: {
                [key: string]: number;
            } | null;
            outboxBatches: number;
        };
        /** @description The lanes of both services, by service and lane. */
        LaneStates: {
            items: components["schemas"]["LaneState"][];
            /** @default [] */
            unavailable: ("invitations" | "broadcast" | "kafka")[];
        };
        /** @description The report of `python -m cohost.audit`, with the first 100 violations. */
        LastAudit: {
            at: string;
            commands: number;
            outcomes: number;
            events: number;
            violations: string[];
            unchecked: string[];
        };
        ListPage_DeadLetter_: {
            items: components["schemas"]["DeadLetter"][];
            nextCursor: string | null;
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
         * @description A record of a topic, which is named without its prefix; `at` is the record's time on the broker.
         *
         *     `event` is the CloudEvent as it is on the topic, null for a tombstone and for what is none.
         */
        LogRecord: {
            topic: string;
            partition: number;
            offset: number;
            at: string;
            key: string | null;
            event: {
                [key: string]: unknown;
            } | null;
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
        /** @description The users and rooms for whom LiveKit is not yet as it should be, and how long the oldest waits. */
        OpenCalls: {
            callsPending: number | null;
            oldestPendingSeconds: number | null;
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
        /** @description A header of a record; `text` is null where it is not UTF-8, both where the header is null. */
        RecordHeader: {
            name: string;
            text: string | null;
            base64: string | null;
        };
        /**
         * @description The result of a redrive or of its dry run; `topic` and `partition` are where the record belongs.
         *
         *     `commandId` is the id of a command, which has one outcome however often it is redriven. `causationId` is
         *     the `causationid` of what follows from the record; of a tombstone it is known once it is written.
         */
        RedriveResult: {
            id: string;
            written: boolean;
            /** @enum {string} */
            verdict: "ok" | "not_a_cloud_event" | "wrong_partition" | "unknown_fact" | "invalid_fact" | "unknown_command" | "invalid_command" | "not_redrivable" | "dead_letter_not_found";
            explanation: string | null;
            topic: string | null;
            partition: number | null;
            commandId: string | null;
            causationId: string | null;
            warning: string | null;
        };
        /** @description The results of a redrive of many dead letters, in the order in which they were named. */
        RedriveResults: {
            items: components["schemas"]["RedriveResult"][];
        };
        /** @description The number of commands refused with a reason. */
        RefusalCount: {
            reason: string;
            count: number;
        };
        /** @description The newest refusals that a copy of the gateway has read, each a `CommandRejected`, newest first. */
        Refusals: {
            items: components["schemas"]["LogRecord"][];
            unreadable: string[];
        };
        /**
         * @description A part of a room's records, oldest first; `before` continues into the past, null at the beginning.
         *
         *     `isComplete` is false if the bounds of a request ended the part early.
         */
        RoomHistory: {
            roomId: string;
            items: components["schemas"]["LogRecord"][];
            before: string | null;
            isComplete: boolean;
            unreadable: string[];
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
        /**
         * @description An open room's stage in numbers of users; `trouble` sorts stages.
         *
         *     It adds 1000 for each failing grant, 100 for each co-host in grace or never connected, 10 for each poor
         *     quality and 1 for each user out of sync.
         */
        StageCondition: {
            roomId: string;
            hostConnected: boolean;
            seats: number;
            connected: number;
            inGrace: number;
            neverConnected: number;
            poorQuality: number;
            outOfSync: number;
            failingGrants: number;
            trouble: number;
        };
        /** @description The stages of open rooms, the most trouble first, then by room id; none without broadcast. */
        StageConditions: {
            items: components["schemas"]["StageCondition"][];
            /** @default [] */
            unavailable: ("invitations" | "broadcast" | "kafka")[];
        };
        /**
         * @description The numbers of all lanes; one is null where a part that it comes from is unavailable.
         *
         *     `takeovers` grows with each interruption, `lag` are records not read yet, over both services.
         */
        StateOverview: {
            at: string;
            roomsOpen: number | null;
            pending: number | null;
            seats: number | null;
            connected: number | null;
            inGrace: number | null;
            outOfSync: number | null;
            failingGrants: number | null;
            lag: number | null;
            outboxBatches: number | null;
            lanes: number | null;
            lanesWithoutOwner: number | null;
            takeovers: number | null;
            /** @default [] */
            unavailable: ("invitations" | "broadcast" | "kafka")[];
        };
        /** @description A part of the system; `detail` says what is wrong with it or describes it, null where unknown. */
        SystemPart: {
            /** @enum {string} */
            name: "gateway" | "invitations" | "broadcast" | "kafka" | "postgres" | "livekit";
            version: string | null;
            detail: string | null;
        };
        /** @description The parts of the system, its open LiveKit calls, and the last audit if its report is configured. */
        SystemState: {
            items: components["schemas"]["SystemPart"][];
            contractVersion: string;
            liveKit: components["schemas"]["OpenCalls"];
            lastAudit: components["schemas"]["LastAudit"] | null;
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
        /** @description A redrive that wrote nothing, with the members of its result. */
        RedriveProblem: {
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
            id: string;
            /** @description Always false. */
            written: boolean;
            /** @enum {string} */
            verdict: "ok" | "not_a_cloud_event" | "wrong_partition" | "unknown_fact" | "invalid_fact" | "unknown_command" | "invalid_command" | "not_redrivable" | "dead_letter_not_found";
            /** @default null */
            explanation?: string | null;
            /** @default null */
            topic?: string | null;
            /** @default null */
            partition?: number | null;
            /** @default null */
            commandId?: string | null;
            /** @default null */
            causationId?: string | null;
            /** @default null */
            warning?: string | null;
        };
        /** @description A redrive of a dead letter, whose value (as text or as bytes) and key may be replaced. */
        RedriveRequest: {
            text?: string | null;
            base64?: string | null;
            key?: string | null;
            dryRun?: boolean | null;
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
