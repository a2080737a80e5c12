import type { Activity, Alarm, Overview } from "./api-types";
import { humanize } from "./format";
import { links } from "./links";

/** Something that an operator should look at now. */
export interface ShownAlarm {
  title: string;
  detail: string | null;
  at: string | null;
  /** Where to look, with the text of the link. */
  link: string;
  linkText: string;
}

const TITLES: Record<Alarm["kind"], string> = {
  grant_failed: "A grant failed for good",
  intruder_removed: "An intruder was removed",
  dead_letter: "A dead letter came",
};

/** Return all alarms: the state's first, then the log's, newest first; those that are alike are one. */
export function collectAlarms(overview: Overview | null, activity: Activity | null): ShownAlarm[] {
  return [...stateAlarms(overview), ...topicAlarms(activity), ...logAlarms(activity)];
}

/** A burst of the same would hide all others. */
function logAlarms(activity: Activity | null): ShownAlarm[] {
  const groups = new Map<string, { first: ShownAlarm; count: number }>();
  for (const alarm of (activity?.alarms ?? []).map(showAlarm)) {
    const { title, detail, link } = alarm;
    const key = JSON.stringify([title, detail, link]);
    groups.set(key, { first: alarm, ...groups.get(key), count: (groups.get(key)?.count ?? 0) + 1 });
  }
  return [...groups.values()].map(({ first, count }) => ({
    ...first,
    title: count === 1 ? first.title : `${first.title} × ${count}`,
  }));
}

function topicAlarms(activity: Activity | null): ShownAlarm[] {
  return (activity?.unreadable ?? []).map((topic) => ({
    title: "A topic cannot be read",
    detail: `The gateway may not read ${topic}: what is in it is missing here.`,
    at: null,
    link: links.system(),
    linkText: "System",
  }));
}

function stateAlarms(overview: Overview | null): ShownAlarm[] {
  const alarms: ShownAlarm[] = [];
  const toSystem = { at: null, link: links.system(), linkText: "System" };
  const ownerless = overview?.lanesWithoutOwner ?? 0;
  if (ownerless > 0) {
    const title = ownerless === 1 ? "A lane has no owner" : `${ownerless} lanes have no owner`;
    alarms.push({ title, detail: "Their commands wait until a worker takes them over.", ...toSystem });
  }
  for (const service of overview?.unavailable ?? []) {
    alarms.push({ title: `${service} does not answer`, detail: "Its numbers are not known.", ...toSystem });
  }
  const failing = overview?.failingGrants ?? 0;
  if (failing > 0) {
    const title = failing === 1 ? "A grant is failing" : `${failing} grants are failing`;
    alarms.push({ title, detail: null, at: null, link: links.rooms(), linkText: "Rooms" });
  }
  return alarms;
}

function showAlarm({ kind, at, roomId, userId, detail }: Alarm): ShownAlarm {
  const isLetter = kind === "dead_letter" || roomId === null;
  const parts = [userId, detail === null ? null : humanize(detail)].filter((part) => part !== null);
  return {
    title: TITLES[kind],
    detail: parts.length === 0 ? null : parts.join(": "),
    at,
    link: isLetter ? links.deadLetters() : links.room(roomId),
    linkText: isLetter ? "Dead letters" : roomId,
  };
}
