import type { Lane, Overview } from "./api-types";

/** The lanes of a service, and the workers that own them. */
export interface ServiceLanes {
  service: string;
  lanes: Lane[];
  workers: { owner: string; lanes: Set<number> }[];
  ownerless: number;
}

/** Return lanes by service, in the order in which services come first. */
export function groupLanes(items: Lane[]): ServiceLanes[] {
  const services = [...new Set(items.map(({ service }) => service))];
  return services.map((service) => {
    const lanes = items.filter((lane) => lane.service === service).sort((a, b) => a.lane - b.lane);
    const owners = [...new Set(lanes.map(({ owner }) => owner))].filter((owner) => owner !== null).sort();
    const workers = owners.map((owner) => ({
      owner,
      lanes: new Set(lanes.filter((lane) => lane.owner === owner).map(({ lane }) => lane)),
    }));
    return { service, lanes, workers, ownerless: lanes.filter(({ owner }) => owner === null).length };
  });
}

/** Return the records that a lane has not read yet, over all its topics; null where that is not known. */
export function totalLag({ lag }: Lane): number | null {
  return lag === null ? null : Object.values(lag).reduce((sum, records) => sum + records, 0);
}

/** Return the lag by topic as text, the topics without lag left out. */
export function describeLag({ lag }: Lane): string {
  if (lag === null) {
    return "not known";
  }
  const parts = Object.entries(lag).filter(([, records]) => records > 0);
  return parts.length === 0
    ? "everything is read"
    : parts.map(([topic, count]) => `${topic}: ${count}`).join(", ");
}

/** Return how often a lane went to another session of a worker; its first one interrupted nothing. */
export function countInterruptions({
  takeovers,
  lanes,
}: Pick<Overview, "takeovers" | "lanes">): number | null {
  return takeovers === null || lanes === null ? null : Math.max(0, takeovers - lanes);
}
