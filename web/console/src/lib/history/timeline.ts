import type { LogRecord } from "../api-types";
import { LinkFinder, type Link, type LinkKind } from "./causes";
import { kindOf, nameOf, positionOf, userOf, type RecordKind } from "./records";

/** A record in its chain of causes. Times are milliseconds. */
export interface TimelineNode {
  /** `<topic>:<partition>:<offset>`. */
  id: string;
  record: LogRecord;
  kind: RecordKind;
  name: string;
  at: number;
  /** How the record hangs on the one above it, null for the first. */
  link: LinkKind | null;
  /** Whether this is a command that was sent again: it has no outcome of its own. */
  isRepeat: boolean;
  sinceParent: number | null;
  depth: number;
  /** For each depth up to its own whether the line goes on below this node. */
  rails: boolean[];
}

/** What belongs to one command, fact or report: it and all that follows from it, each after its parent. */
export interface Chain {
  id: string;
  nodes: TimelineNode[];
  startedAt: number;
  /** From the first record to the last. */
  duration: number;
  userIds: string[];
  /** The id of a cause that these records share and that is not among them: it is older, or of another topic. */
  missingCause: string | null;
}

/** Return the chains of a history, the newest beginning first. Records come oldest first. */
export function buildTimeline(records: readonly LogRecord[]): Chain[] {
  const { roots, children } = linkRecords(records);
  return groupByMissingCause(roots)
    .map(({ cause, records: first }) => buildChain(cause, first, children))
    .sort((one, other) => other.startedAt - one.startedAt || compareText(other.id, one.id));
}

type Children = Map<LogRecord, { record: LogRecord; kind: LinkKind }[]>;

interface Group {
  cause: string | null;
  records: LogRecord[];
}

function linkRecords(records: readonly LogRecord[]): { roots: LogRecord[]; children: Children } {
  const finder = new LinkFinder(records);
  const links = new Map<LogRecord, Link>();
  const children: Children = new Map();
  const roots: LogRecord[] = [];
  for (const record of records) {
    const link = finder.next(record);
    if (link === null || isBelow(record, link.parent, links)) {
      roots.push(record);
      continue;
    }
    links.set(record, link);
    children.set(link.parent, [...(children.get(link.parent) ?? []), { record, kind: link.kind }]);
  }
  return { roots, children };
}

/** Return whether a record is above another one already: anybody may write ids that form a ring. */
function isBelow(record: LogRecord, parent: LogRecord, links: ReadonlyMap<LogRecord, Link>): boolean {
  for (let above: LogRecord | undefined = parent; above; above = links.get(above)?.parent) {
    if (above === record) {
      return true;
    }
  }
  return false;
}

/** Put records side by side that name the same cause, such as all that the end of a room closes. */
function groupByMissingCause(roots: readonly LogRecord[]): Group[] {
  const groups = new Map<string, Group>();
  for (const record of roots) {
    const cause = record.event?.causationid ?? null;
    const key = cause ?? positionOf(record);
    const group = groups.get(key) ?? { cause, records: [] };
    group.records.push(record);
    groups.set(key, group);
  }
  return [...groups.values()];
}

function buildChain(cause: string | null, first: LogRecord[], children: Children): Chain {
  const nodes: TimelineNode[] = [];
  first.forEach((record, index) => {
    addNodes(nodes, children, { record, link: null, parent: null, rails: [index < first.length - 1] });
  });
  const times = nodes.map(({ at }) => at);
  const startedAt = times[0] ?? 0;
  return {
    id: first.map(positionOf)[0] ?? "",
    nodes,
    startedAt,
    duration: Math.max(0, Math.max(...times) - startedAt),
    userIds: [...new Set(nodes.flatMap(({ record }) => userOf(record) ?? []))],
    missingCause: cause,
  };
}

interface Place {
  record: LogRecord;
  link: LinkKind | null;
  parent: TimelineNode | null;
  rails: boolean[];
}

function addNodes(nodes: TimelineNode[], children: Children, { record, link, parent, rails }: Place): void {
  const node = toNode(record, link, parent, rails);
  nodes.push(node);
  const below = children.get(record) ?? [];
  below.forEach((child, index) => {
    const goesOn = index < below.length - 1;
    addNodes(nodes, children, {
      record: child.record,
      link: child.kind,
      parent: node,
      rails: [...rails, goesOn],
    });
  });
}

function toNode(
  record: LogRecord,
  link: LinkKind | null,
  parent: TimelineNode | null,
  rails: boolean[],
): TimelineNode {
  const at = Date.parse(record.at);
  const kind = kindOf(record);
  return {
    id: positionOf(record),
    record,
    kind,
    name: nameOf(record),
    at,
    link,
    isRepeat: kind === "command" && link === "followed" && parent?.kind === "command",
    // The clocks of broker and producers differ by a little.
    sinceParent: parent === null ? null : Math.max(0, at - parent.at),
    depth: rails.length - 1,
    rails,
  };
}

function compareText(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}
