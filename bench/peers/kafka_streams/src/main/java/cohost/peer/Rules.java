package cohost.peer;

import cohost.peer.Model.AcceptInvitation;
import cohost.peer.Model.CancelInvitation;
import cohost.peer.Model.CoHostLeft;
import cohost.peer.Model.Command;
import cohost.peer.Model.DeclineInvitation;
import cohost.peer.Model.Event;
import cohost.peer.Model.ExcludeUser;
import cohost.peer.Model.ExpireInvitation;
import cohost.peer.Model.Invitation;
import cohost.peer.Model.LeaveStage;
import cohost.peer.Model.ReleaseSeat;
import cohost.peer.Model.RemoveCoHost;
import cohost.peer.Model.Room;
import cohost.peer.Model.RoomChanged;
import cohost.peer.Model.Seat;
import cohost.peer.Model.SendInvitation;
import cohost.peer.Model.Stage;
import cohost.peer.Model.StageChanged;
import cohost.peer.Model.UserChanged;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.ReadOnlyKeyValueStore;

/** The rules of the contract's section 3, in its order: they change the stage, and return what to publish. */
final class Rules {
    private static final int MAX_PENDING = 100;
    private static final int EXPIRY_SECONDS = 86_400;
    private static final int MAX_CO_HOSTS = 5;

    private final KeyValueStore<String, Invitation> invitations;
    private final ReadOnlyKeyValueStore<String, UserChanged> users;

    Rules(KeyValueStore<String, Invitation> invitations, ReadOnlyKeyValueStore<String, UserChanged> users) {
        this.invitations = invitations;
        this.users = users;
    }

    /** Events, or the reason of a rejection and the invitation that it shows. */
    record Decision(List<Event> events, String reason, Invitation current) {
        static Decision accept(Event... events) {
            return new Decision(List.of(events), null, null);
        }

        static Decision reject(String reason, Invitation current) {
            return new Decision(List.of(), reason, current);
        }

        static Decision reject(String reason) {
            return reject(reason, null);
        }
    }

    Decision decide(Command command, String commandId, long timestamp, Stage stage) {
        String at = Codec.formatTime(timestamp);
        if (stage.room == null) {
            return Decision.reject("room_not_found");
        } else if (command instanceof SendInvitation send) {
            return sendInvitation(send, commandId, timestamp, stage);
        } else if (command instanceof AcceptInvitation accept) {
            return acceptInvitation(accept, at, stage);
        } else if (command instanceof DeclineInvitation decline) {
            return declineInvitation(decline, at, stage);
        } else if (command instanceof CancelInvitation cancel) {
            return cancelInvitation(cancel, at, stage);
        } else if (command instanceof RemoveCoHost remove) {
            return removeCoHost(remove, at, stage);
        } else if (command instanceof LeaveStage leave) {
            return leaveStage(leave, at, stage);
        } else if (command instanceof ExpireInvitation expire) {
            return expireInvitation(expire, at, stage);
        } else if (command instanceof ReleaseSeat release) {
            return releaseSeat(release, at, stage);
        } else if (command instanceof ExcludeUser exclude) {
            return excludeUser(exclude, at, stage);
        }
        throw new IllegalArgumentException("no rules for " + command.getClass());
    }

    /** Set the room of a fact, and close what ends with it. */
    List<Event> applyRoomFact(String roomId, RoomChanged fact, String at, Stage stage) {
        Room before = stage.room;
        int seats = fact.maxCoHosts() == null ? MAX_CO_HOSTS : fact.maxCoHosts();
        Room room = new Room(fact.hostId(), fact.status(), seats);
        stage.room = room;
        List<Event> events = new ArrayList<>();
        if (!room.equals(before)) {
            events.add(new Event("StageChanged",
                    new StageChanged(roomId, room.hostId(), room.status(), room.isOpen(), seats)));
        }
        if (room.isOpen()) {
            events.addAll(closeForUser(roomId, room.hostId(), at, "became_host", stage));
        } else {
            for (String userId : List.copyOf(stage.pending.keySet())) {
                events.add(cancelPending(findPending(userId, stage), at, "room_ended", stage));
            }
            for (String userId : List.copyOf(stage.seats.keySet())) {
                events.add(endSeat(roomId, userId, at, "room_ended", null, stage));
            }
        }
        return events;
    }

    private Decision sendInvitation(SendInvitation command, String commandId, long timestamp, Stage stage) {
        Room room = stage.room;
        String at = Codec.formatTime(timestamp);
        String userId = command.userId();
        if (!room.isOpen()) {
            return Decision.reject("room_not_open");
        }
        if (!command.actorId().equals(room.hostId())) {
            return Decision.reject("not_room_host");
        }
        if (userId.equals(room.hostId())) {
            return Decision.reject("invalid_target");
        }
        UserChanged user = users.get(userId);
        if (user == null) {
            return Decision.reject("user_not_found");
        }
        if (!user.isActive() || !user.takesInvitations() || user.blocks(room.hostId())) {
            return Decision.reject("user_not_eligible");
        }
        if (stage.seats.containsKey(userId)) {
            return Decision.reject("already_co_host");
        }
        Invitation pending = findPending(userId, stage);
        if (pending != null && !pending.isOverdue(at)) {
            return Decision.reject("already_invited", pending);
        }
        if (stage.pending.size() - (pending == null ? 0 : 1) >= MAX_PENDING) {
            return Decision.reject("too_many_pending");
        }
        List<Event> events = new ArrayList<>();
        if (pending != null) {
            events.add(expire(pending, stage));
        }
        int seconds = command.expiresInSeconds() == null ? EXPIRY_SECONDS : command.expiresInSeconds();
        Invitation sent = new Invitation(
                commandId, command.roomId(), userId, command.actorId(), "pending", at,
                Codec.formatTime(timestamp + 1000L * seconds), null, at, null, command.message(),
                stage.last.get(userId), command.label(), 1, null, null);
        invitations.put(commandId, sent);
        stage.pending.put(userId, commandId);
        stage.last.put(userId, commandId);
        events.add(new Event("InvitationSent", sent));
        return new Decision(events, null, null);
    }

    private Decision acceptInvitation(AcceptInvitation command, String at, Stage stage) {
        Invitation invitation = find(command.invitationId(), command.roomId());
        Decision rejection = checkAnswerable(invitation, command.actorId(), at, stage);
        if (rejection != null) {
            return rejection;
        }
        UserChanged user = users.get(command.actorId());
        if (user == null || !user.isActive()) {
            return Decision.reject(user == null ? "user_not_found" : "user_not_eligible", invitation);
        }
        if (stage.seats.size() >= stage.room.maxCoHosts()) {
            return Decision.reject("room_full", invitation);
        }
        stage.seats.put(invitation.userId(), new Seat(invitation.invitationId(), at));
        return Decision.accept(close("InvitationAccepted", invitation.answered("accepted", at, null), stage));
    }

    private Decision declineInvitation(DeclineInvitation command, String at, Stage stage) {
        Invitation invitation = find(command.invitationId(), command.roomId());
        Decision rejection = checkAnswerable(invitation, command.actorId(), at, stage);
        return rejection != null
                ? rejection
                : Decision.accept(
                        close("InvitationDeclined", invitation.answered("rejected", at, "declined"), stage));
    }

    private Decision cancelInvitation(CancelInvitation command, String at, Stage stage) {
        Invitation invitation = find(command.invitationId(), command.roomId());
        if (invitation == null) {
            return Decision.reject("invitation_not_found");
        }
        if (!command.actorId().equals(stage.room.hostId())) {
            return Decision.reject("not_room_host", visibleTo(command.actorId(), invitation, stage));
        }
        String reason = closedReason(invitation, at);
        return reason != null
                ? Decision.reject(reason, invitation)
                : Decision.accept(cancelPending(invitation, at, "cancelled_by_host", stage));
    }

    private Decision expireInvitation(ExpireInvitation command, String at, Stage stage) {
        Invitation invitation = find(command.invitationId(), command.roomId());
        if (invitation == null) {
            return Decision.reject("invitation_not_found");
        }
        if (!invitation.isPending()) {
            return Decision.reject("invitation_not_pending");
        }
        return invitation.isOverdue(at) ? Decision.accept(expire(invitation, stage)) : Decision.reject("not_due");
    }

    private Decision removeCoHost(RemoveCoHost command, String at, Stage stage) {
        if (!command.actorId().equals(stage.room.hostId())) {
            return Decision.reject("not_room_host");
        }
        if (!stage.seats.containsKey(command.userId())) {
            return Decision.reject("not_co_host");
        }
        return Decision.accept(endSeat(
                command.roomId(), command.userId(), at, "removed_by_host", command.actorId(), stage));
    }

    private Decision leaveStage(LeaveStage command, String at, Stage stage) {
        return stage.seats.containsKey(command.actorId())
                ? Decision.accept(endSeat(command.roomId(), command.actorId(), at, "left", null, stage))
                : Decision.reject("not_co_host");
    }

    private Decision releaseSeat(ReleaseSeat command, String at, Stage stage) {
        Seat seat = stage.seats.get(command.userId());
        return seat != null && seat.invitationId().equals(command.invitationId())
                ? Decision.accept(endSeat(command.roomId(), command.userId(), at, command.reason(), null, stage))
                : Decision.reject("not_co_host");
    }

    private Decision excludeUser(ExcludeUser command, String at, Stage stage) {
        UserChanged user = users.get(command.userId());
        if (user != null && user.isActive()) {
            return Decision.reject("user_eligible");
        }
        List<Event> events = closeForUser(command.roomId(), command.userId(), at, "not_eligible", stage);
        return events.isEmpty() ? Decision.reject("not_involved") : new Decision(events, null, null);
    }

    private Decision checkAnswerable(Invitation invitation, String actorId, String at, Stage stage) {
        if (invitation == null) {
            return Decision.reject("invitation_not_found");
        }
        if (!actorId.equals(invitation.userId())) {
            return Decision.reject("not_invitee", visibleTo(actorId, invitation, stage));
        }
        String reason = closedReason(invitation, at);
        return reason == null ? null : Decision.reject(reason, invitation);
    }

    private static String closedReason(Invitation invitation, String at) {
        if (!invitation.isPending()) {
            return "invitation_not_pending";
        }
        return invitation.isOverdue(at) ? "invitation_expired" : null;
    }

    private static Invitation visibleTo(String actorId, Invitation invitation, Stage stage) {
        return List.of(stage.room.hostId(), invitation.invitedBy(), invitation.userId()).contains(actorId)
                ? invitation
                : null;
    }

    private List<Event> closeForUser(String roomId, String userId, String at, String reason, Stage stage) {
        List<Event> events = new ArrayList<>();
        Invitation pending = findPending(userId, stage);
        if (pending != null) {
            events.add(cancelPending(pending, at, reason, stage));
        }
        if (stage.seats.containsKey(userId)) {
            events.add(endSeat(roomId, userId, at, reason, null, stage));
        }
        return events;
    }

    private Event cancelPending(Invitation invitation, String at, String reason, Stage stage) {
        return invitation.isOverdue(at)
                ? expire(invitation, stage)
                : close("InvitationCancelled", invitation.closed("cancelled", at, reason), stage);
    }

    private Event expire(Invitation invitation, Stage stage) {
        return close("InvitationExpired", invitation.closed("expired", invitation.expiresAt(), "expired"), stage);
    }

    private Event close(String name, Invitation invitation, Stage stage) {
        invitations.put(invitation.invitationId(), invitation);
        stage.pending.remove(invitation.userId());
        return new Event(name, invitation);
    }

    private static Event endSeat(
            String roomId, String userId, String at, String reason, String removedBy, Stage stage) {
        Seat seat = stage.seats.remove(userId);
        return new Event(
                "CoHostLeft", new CoHostLeft(roomId, userId, seat.invitationId(), reason, at, removedBy));
    }

    private Invitation findPending(String userId, Stage stage) {
        String invitationId = stage.pending.get(userId);
        return invitationId == null ? null : invitations.get(invitationId);
    }

    private Invitation find(String invitationId, String roomId) {
        Invitation invitation = invitations.get(invitationId);
        return invitation != null && invitation.roomId().equals(roomId) ? invitation : null;
    }
}
