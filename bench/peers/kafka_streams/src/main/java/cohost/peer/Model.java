package cohost.peer;

import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Commands, facts, events and states, as docs/contract.md names them. */
final class Model {

    private Model() {}

    sealed interface Command {
        String roomId();
    }

    record SendInvitation(
            @JsonProperty(required = true) String roomId,
            @JsonProperty(required = true) String userId,
            @JsonProperty(required = true) String actorId,
            Integer expiresInSeconds,
            String message,
            String label)
            implements Command {}

    record AcceptInvitation(
            @JsonProperty(required = true) String roomId,
            @JsonProperty(required = true) String invitationId,
            @JsonProperty(required = true) String actorId)
            implements Command {}

    record DeclineInvitation(
            @JsonProperty(required = true) String roomId,
            @JsonProperty(required = true) String invitationId,
            @JsonProperty(required = true) String actorId)
            implements Command {}

    record CancelInvitation(
            @JsonProperty(required = true) String roomId,
            @JsonProperty(required = true) String invitationId,
            @JsonProperty(required = true) String actorId)
            implements Command {}

    record RemoveCoHost(
            @JsonProperty(required = true) String roomId,
            @JsonProperty(required = true) String userId,
            @JsonProperty(required = true) String actorId)
            implements Command {}

    record LeaveStage(
            @JsonProperty(required = true) String roomId, @JsonProperty(required = true) String actorId)
            implements Command {}

    record ExpireInvitation(
            @JsonProperty(required = true) String roomId, @JsonProperty(required = true) String invitationId)
            implements Command {}

    record ReleaseSeat(
            @JsonProperty(required = true) String roomId,
            @JsonProperty(required = true) String userId,
            @JsonProperty(required = true) String invitationId,
            @JsonProperty(required = true) String reason)
            implements Command {}

    record ExcludeUser(
            @JsonProperty(required = true) String roomId, @JsonProperty(required = true) String userId)
            implements Command {}

    record RoomChanged(String roomId, String hostId, String status, Integer maxCoHosts) {}

    record UserChanged(String userId, String status, Boolean canReceiveInvitations, List<String> blockedUserIds) {
        @JsonIgnore
        boolean isActive() {
            return status.equals("active");
        }

        boolean blocks(String userId) {
            return blockedUserIds != null && blockedUserIds.contains(userId);
        }

        boolean takesInvitations() {
            return canReceiveInvitations == null || canReceiveInvitations;
        }
    }

    record StageChanged(String roomId, String hostId, String status, boolean open, int maxCoHosts) {}

    record CoHostLeft(
            String roomId, String userId, String invitationId, String reason, String leftAt, String removedBy) {}

    record CommandRejected(
            String commandId,
            String commandType,
            String reason,
            String message,
            String roomId,
            String invitationId,
            String actorId,
            Invitation current,
            String retryAt) {}

    record Room(String hostId, String status, int maxCoHosts) {
        private static final Set<String> OPEN_STATUSES = Set.of("idle", "live", "waitingReconnect");

        @JsonIgnore
        boolean isOpen() {
            return OPEN_STATUSES.contains(status);
        }
    }

    record Seat(String invitationId, String since) {}

    /** An invitation as it is stored, and as the data of its events. Timestamps order as text. */
    record Invitation(
            String invitationId,
            String roomId,
            String userId,
            String invitedBy,
            String status,
            String sentAt,
            String expiresAt,
            String respondedAt,
            String updatedAt,
            String closeReason,
            String message,
            String previousInvitationId,
            String label,
            int timesSent,
            String resentAt,
            String seenAt) {

        @JsonIgnore
        boolean isPending() {
            return status.equals("pending");
        }

        @JsonIgnore
        boolean isOverdue(String at) {
            return at.compareTo(expiresAt) >= 0;
        }

        Invitation answered(String newStatus, String at, String newCloseReason) {
            return with(newStatus, at, at, newCloseReason);
        }

        Invitation closed(String newStatus, String at, String newCloseReason) {
            return with(newStatus, respondedAt, at, newCloseReason);
        }

        private Invitation with(String newStatus, String newRespondedAt, String at, String newCloseReason) {
            return new Invitation(
                    invitationId, roomId, userId, invitedBy, newStatus, sentAt, expiresAt, newRespondedAt, at,
                    newCloseReason, message, previousInvitationId, label, timesSent, resentAt, seenAt);
        }
    }

    /** A room with its seats, pending invitations and last invitations, by user. */
    static final class Stage {
        public Room room;
        public Map<String, String> pending = new HashMap<>();
        public Map<String, Seat> seats = new LinkedHashMap<>();
        public Map<String, String> last = new HashMap<>();
    }

    /** An event to publish; its name is that of its wire type. */
    record Event(String name, Object data) {}
}
