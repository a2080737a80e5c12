package cohost.peer;

import cohost.peer.Codec.CloudEvent;
import cohost.peer.Codec.Output;
import cohost.peer.Model.Command;
import cohost.peer.Model.CommandRejected;
import cohost.peer.Model.Event;
import cohost.peer.Model.Invitation;
import cohost.peer.Model.RoomChanged;
import cohost.peer.Model.Stage;
import cohost.peer.Model.UserChanged;
import cohost.peer.Rules.Decision;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Properties;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * The invitations service as a Kafka Streams application with exactly_once_v2.
 *
 * <p>Rooms and commands are co-partitioned and meet in one processor; a task is what the pipeline calls a lane.
 * Users are keyed by another id, hence a global store. Stages, invitations, ids of commands and the sequences of
 * the outputs are state stores with changelog topics, so they are committed with what is published.
 */
public final class InvitationsTopology {
    private static final String STAGES = "stages";
    private static final String INVITATIONS = "invitations";
    private static final String COMMANDS = "commands";
    private static final String SEQUENCES = "sequences";
    private static final String USERS = "users";
    private static final String EVENTS = "events";
    private static final String REJECTIONS = "rejections";

    private InvitationsTopology() {}

    /** Run until SIGTERM. The arguments: bootstrap servers, prefix, commit interval in ms, state folder. */
    public static void main(String[] arguments) {
        String prefix = arguments[1];
        KafkaStreams streams =
                new KafkaStreams(build(prefix), configure(arguments[0], prefix, arguments[2], arguments[3]));
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(5))));
        streams.start();
    }

    private static Properties configure(String bootstrap, String prefix, String commitMs, String stateFolder) {
        Properties config = new Properties();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, prefix + "streams");
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        config.put(StreamsConfig.STATE_DIR_CONFIG, stateFolder);
        config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, commitMs);
        config.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, "1");
        // A state that changes often is then written to RocksDB and to its changelog once per commit.
        config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, String.valueOf(128L << 20));
        config.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), String.valueOf(256 << 10));
        return config;
    }

    private static Topology build(String prefix) {
        StringDeserializer text = new StringDeserializer();
        ByteArrayDeserializer bytes = new ByteArrayDeserializer();
        return new Topology()
                .addGlobalStore(
                        Stores.keyValueStoreBuilder(
                                        Stores.inMemoryKeyValueStore(USERS),
                                        Serdes.String(),
                                        Codec.serde(UserChanged.class))
                                .withLoggingDisabled(),
                        "users-source", text, bytes, prefix + "users", "users-updater", UserUpdater::new)
                .addSource("rooms-source", text, bytes, prefix + "rooms")
                .addSource("commands-source", text, bytes, prefix + "invitations.commands")
                .addProcessor("decider", () -> new Decider(prefix), "rooms-source", "commands-source")
                .addStateStore(persistent(STAGES, Stage.class), "decider")
                .addStateStore(persistent(INVITATIONS, Invitation.class), "decider")
                .addStateStore(persistent(COMMANDS, Long.class), "decider")
                .addStateStore(persistent(SEQUENCES, Long.class), "decider")
                .addSink(EVENTS, prefix + "invitations.events",
                        new StringSerializer(), new ByteArraySerializer(), "decider")
                .addSink(REJECTIONS, prefix + "invitations.rejections",
                        new StringSerializer(), new ByteArraySerializer(), "decider");
    }

    private static <T> StoreBuilder<KeyValueStore<String, T>> persistent(String name, Class<T> type) {
        return Stores.keyValueStoreBuilder(
                        Stores.persistentKeyValueStore(name),
                        Serdes.String(),
                        type == Long.class ? Serdes.serdeFrom(type) : Codec.serde(type))
                .withCachingEnabled();
    }

    /** Keeps the global store of users. */
    private static final class UserUpdater extends ContextualProcessor<String, byte[], Void, Void> {
        @Override
        public void process(Record<String, byte[]> record) {
            KeyValueStore<String, UserChanged> users = context().getStateStore(USERS);
            if (record.value() == null) {
                users.delete(record.key());
            } else {
                Codec.readEvent(record.value())
                        .ifPresent(event -> users.put(record.key(), Codec.readFact(event, UserChanged.class)));
            }
        }
    }

    /** Decides room facts and commands in the order of the task, and numbers what it publishes. */
    private static final class Decider implements Processor<String, byte[], String, byte[]> {
        private static final byte[] CONTENT_TYPE =
                "application/cloudevents+json; charset=utf-8".getBytes(StandardCharsets.UTF_8);

        private final String prefix;
        private ProcessorContext<String, byte[]> context;
        private KeyValueStore<String, Stage> stages;
        private KeyValueStore<String, Long> commands;
        private KeyValueStore<String, Long> sequences;
        private Rules rules;

        Decider(String prefix) {
            this.prefix = prefix;
        }

        @Override
        public void init(ProcessorContext<String, byte[]> context) {
            this.context = context;
            stages = context.getStateStore(STAGES);
            commands = context.getStateStore(COMMANDS);
            sequences = context.getStateStore(SEQUENCES);
            rules = new Rules(context.getStateStore(INVITATIONS), context.getStateStore(USERS));
        }

        @Override
        public void process(Record<String, byte[]> record) {
            Optional<CloudEvent> event = Codec.readEvent(record.value());
            if (event.isEmpty()) {
                return;
            }
            if (context.recordMetadata().orElseThrow().topic().equals(prefix + "rooms")) {
                applyRoomFact(record, event.get());
            } else if (commands.putIfAbsent(event.get().id(), record.timestamp()) == null) {
                decideCommand(record, event.get());
            }
        }

        private void applyRoomFact(Record<String, byte[]> record, CloudEvent fact) {
            Stage stage = loadStage(record.key());
            List<Event> events = rules.applyRoomFact(
                    record.key(), Codec.readFact(fact, RoomChanged.class),
                    Codec.formatTime(record.timestamp()), stage);
            stages.put(record.key(), stage);
            events.forEach(event -> publish(record, fact, EVENTS, event.name(), event.data()));
        }

        private void decideCommand(Record<String, byte[]> record, CloudEvent event) {
            if (!Codec.isCommandType(event.type())) {
                reject(record, event, Decision.reject("unknown_command"));
                return;
            }
            Optional<Command> command =
                    record.key().equals(event.subject()) ? Codec.readCommand(event) : Optional.empty();
            if (command.isEmpty()) {
                reject(record, event, Decision.reject("invalid_command"));
                return;
            }
            Stage stage = loadStage(record.key());
            Decision decision = rules.decide(command.get(), event.id(), record.timestamp(), stage);
            if (decision.reason() != null) {
                reject(record, event, decision);
                return;
            }
            stages.put(record.key(), stage);
            decision.events().forEach(made -> publish(record, event, EVENTS, made.name(), made.data()));
        }

        private Stage loadStage(String roomId) {
            Stage stage = stages.get(roomId);
            return stage == null ? new Stage() : stage;
        }

        private void reject(Record<String, byte[]> record, CloudEvent command, Decision decision) {
            publish(record, command, REJECTIONS, "CommandRejected", new CommandRejected(
                    command.id(), command.type(), decision.reason(), Codec.MESSAGES.get(decision.reason()),
                    Codec.readId(command.data(), "roomId"), Codec.readId(command.data(), "invitationId"),
                    Codec.readId(command.data(), "actorId"), decision.current(), null));
        }

        private void publish(Record<String, byte[]> record, CloudEvent cause, String sink, String name, Object data) {
            Long last = sequences.get(sink);
            long sequence = last == null ? 1 : last + 1;
            sequences.put(sink, sequence);
            String id = String.join(":", sink, context.taskId().toString(), Long.toString(sequence));
            Output output = Output.of(
                    cause, id, name, record.key(), Codec.formatTime(record.timestamp()), sequence, data);
            Headers headers = new RecordHeaders()
                    .add("content-type", CONTENT_TYPE)
                    .add("sequence", Long.toString(sequence).getBytes(StandardCharsets.UTF_8));
            context.forward(
                    new Record<>(record.key(), Codec.write(output), record.timestamp(), headers), sink);
        }
    }
}
