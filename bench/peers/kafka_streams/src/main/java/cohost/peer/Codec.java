package cohost.peer;

import cohost.peer.Model.Command;
import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MapperFeature;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Iterator;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/** CloudEvents in structured mode, and states, as JSON. */
final class Codec {
    private static final JsonMapper JSON =
            JsonMapper.builder().disable(MapperFeature.ALLOW_COERCION_OF_SCALARS).build();
    private static final ObjectReader TOLERANT =
            JSON.reader().without(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES);
    private static final ObjectReader CLOUD_EVENT = JSON.readerFor(CloudEvent.class);
    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSS'Z'").withZone(ZoneOffset.UTC);
    private static final Pattern ID = Pattern.compile("(?!\\.\\.?$)[A-Za-z0-9._:@-]{1,64}");
    private static final Map<String, ObjectReader> COMMANDS = Stream.of(
                    Model.SendInvitation.class,
                    Model.AcceptInvitation.class,
                    Model.DeclineInvitation.class,
                    Model.CancelInvitation.class,
                    Model.RemoveCoHost.class,
                    Model.LeaveStage.class,
                    Model.ExpireInvitation.class,
                    Model.ReleaseSeat.class,
                    Model.ExcludeUser.class)
            .collect(Collectors.toMap(type -> wireType(type.getSimpleName()), JSON::readerFor));

    private Codec() {}

    /** A received event: what the rules and their outcome need of it. */
    @JsonIgnoreProperties(ignoreUnknown = true)
    record CloudEvent(
            String specversion,
            String id,
            String source,
            String type,
            String subject,
            String correlationid,
            String traceparent,
            String tracestate,
            JsonNode data) {}

    /** An event to publish, with its attributes in the order in which they are written. */
    record Output(
            String specversion,
            String id,
            String source,
            String type,
            String subject,
            String time,
            String datacontenttype,
            String correlationid,
            String causationid,
            String sequence,
            @JsonInclude(JsonInclude.Include.NON_NULL) String traceparent,
            @JsonInclude(JsonInclude.Include.NON_NULL) String tracestate,
            Object data) {

        static Output of(CloudEvent cause, String id, String name, String subject, String at, long sequence, Object data) {
            return new Output(
                    "1.0", id, "/cohost/invitations", wireType(name), subject, at, "application/json",
                    cause.correlationid() == null ? cause.id() : cause.correlationid(), cause.id(),
                    String.format("%020d", sequence), cause.traceparent(), cause.tracestate(), data);
        }
    }

    static String wireType(String name) {
        return "cohost." + name + ".v1";
    }

    static boolean isCommandType(String type) {
        return COMMANDS.containsKey(type);
    }

    static String formatTime(long milliseconds) {
        return TIME.format(Instant.ofEpochMilli(milliseconds));
    }

    /** Return the event, or nothing if the record is not a CloudEvent. */
    static Optional<CloudEvent> readEvent(byte[] value) {
        try {
            CloudEvent event = CLOUD_EVENT.readValue(value);
            return Optional.of(event)
                    .filter(found -> "1.0".equals(found.specversion()) && found.id() != null && found.type() != null);
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    /** Return the command, or nothing if its data breaks its schema. */
    static Optional<Command> readCommand(CloudEvent event) {
        if (event.data() == null || !hasValidIds(event.data())) {
            return Optional.empty();
        }
        try {
            Command command = COMMANDS.get(event.type()).readValue(event.data());
            return Optional.ofNullable(command).filter(found -> found.roomId().equals(event.subject()));
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    static <T> T readFact(CloudEvent event, Class<T> type) {
        try {
            return TOLERANT.treeToValue(event.data(), type);
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Return the text of a field if it is an id, else null. */
    static String readId(JsonNode data, String field) {
        JsonNode found = data == null ? null : data.get(field);
        return found != null && isId(found) ? found.textValue() : null;
    }

    static byte[] write(Object value) {
        try {
            return JSON.writeValueAsBytes(value);
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e);
        }
    }

    static <T> Serde<T> serde(Class<T> type) {
        ObjectReader reader = JSON.readerFor(type);
        return Serdes.serdeFrom(
                (topic, value) -> value == null ? null : write(value),
                (topic, bytes) -> {
                    try {
                        return bytes == null ? null : reader.readValue(bytes);
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                });
    }

    private static boolean hasValidIds(JsonNode data) {
        for (Iterator<Map.Entry<String, JsonNode>> fields = data.fields(); fields.hasNext(); ) {
            Map.Entry<String, JsonNode> field = fields.next();
            if (field.getKey().endsWith("Id") && !isId(field.getValue())) {
                return false;
            }
        }
        return true;
    }

    private static boolean isId(JsonNode value) {
        return value.isTextual() && ID.matcher(value.textValue()).matches();
    }

    /** The sentences of rejections, by reason. */
    static final Map<String, String> MESSAGES = Map.ofEntries(
            Map.entry("unknown_command", "There is no command of this type on this topic."),
            Map.entry("invalid_command", "The command breaks its schema."),
            Map.entry("room_not_found", "There is no such room."),
            Map.entry("room_not_open", "The room is not open."),
            Map.entry("not_room_host", "Only the room's host may do this."),
            Map.entry("invalid_target", "The host cannot invite the host."),
            Map.entry("user_not_found", "There is no such user."),
            Map.entry("user_not_eligible", "The user may not be invited or seated."),
            Map.entry("already_co_host", "The user has a seat already."),
            Map.entry("already_invited", "The user has a pending invitation already."),
            Map.entry("too_many_pending", "The room has too many pending invitations."),
            Map.entry("invitation_not_found", "There is no such invitation in this room."),
            Map.entry("not_invitee", "The invitation is for somebody else."),
            Map.entry("invitation_not_pending", "The invitation has been answered or closed already."),
            Map.entry("invitation_expired", "The invitation's time is over."),
            Map.entry("room_full", "Every seat is taken; the invitation stays pending."),
            Map.entry("not_co_host", "The user has no such seat."),
            Map.entry("not_due", "The invitation's time is not over yet."),
            Map.entry("user_eligible", "The user may take part again."),
            Map.entry("not_involved", "The user has neither an invitation nor a seat here."));
}
