import type { LogRecord } from "../api-types";
import { formatDuration, humanize } from "../format";
import { kindOf, listOf, nameOf, textOf } from "./records";

// What tells a record from others of its type, in this order.
const FIELDS = ["reason", "closeReason", "source", "mode", "quality"];

/** Return a few words about what is in a record. */
export function noteOf(record: LogRecord): string {
  const words = FIELDS.flatMap((field) => textOf(record, field) ?? []).map(humanize);
  words.push(...sentencesOf(record));
  return [...words, ...mediaOf(record), ...roomOf(record), ...graceOf(record), ...writerOf(record)].join(
    " · ",
  );
}

/** The words of a person or of LiveKit, as they are; a label where it is given. */
function sentencesOf(record: LogRecord): string[] {
  const label = nameOf(record) === "SendInvitation" ? textOf(record, "label") : null;
  const badge = textOf(record, "badge") === "coHost" ? "co-host" : textOf(record, "badge");
  return [badge, textOf(record, "error"), label].flatMap((text) => text ?? []);
}

function mediaOf(record: LogRecord): string[] {
  if (nameOf(record) !== "CoHostMediaChanged") {
    return [];
  }
  const muted = listOf(record, "muted");
  const published = listOf(record, "published").map(
    (source) => `${humanize(source)}${muted.includes(source) ? " (muted)" : ""}`,
  );
  return [published.length === 0 ? "publishes nothing" : `publishes ${published.join(", ")}`];
}

/** The status of an invitation is in its event's name; a room's is not. */
function roomOf(record: LogRecord): string[] {
  const isRoom = ["RoomChanged", "StageChanged"].includes(nameOf(record));
  const [status, hostId] = [textOf(record, "status"), textOf(record, "hostId")];
  return isRoom ? [...(status ? [humanize(status)] : []), ...(hostId ? [`host ${hostId}`] : [])] : [];
}

function graceOf(record: LogRecord): string[] {
  const [at, ends] = [textOf(record, "at"), textOf(record, "graceEndsAt")];
  return at && ends ? [`grace of ${formatDuration(Date.parse(ends) - Date.parse(at))}`] : [];
}

function writerOf(record: LogRecord): string[] {
  const actor = kindOf(record) === "command" ? textOf(record, "actorId") : null;
  return actor === null ? [] : [`by ${actor}`];
}
