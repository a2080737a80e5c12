import { describe, expect, it } from "vitest";
import { mergeRecords } from "../src/lib/history/records";
import { buildTimeline, type Chain } from "../src/lib/history/timeline";
import { LogBuilder, playToAir } from "./log-builder";

/** Return a chain as one reads it: the depth, the name, how it hangs on the one above, milliseconds between. */
function outline(chain: Chain | undefined): string[] {
  return (chain?.nodes ?? []).map(({ depth, name, link, sinceParent }) =>
    `${"  ".repeat(depth)}${name} ${link === null ? "" : `${link} +${sinceParent}`}`.trimEnd(),
  );
}

const SEAT = { roomId: "room-1", userId: "bob", invitationId: "inv-1" };

describe("the timeline", () => {
  it("draws a command down to the connection that follows from it", () => {
    const log = new LogBuilder();
    playToAir(log);
    const [accepting, sending] = buildTimeline(log.records);
    expect(outline(sending)).toEqual(["SendInvitation", "  InvitationSent caused +12"]);
    expect(outline(accepting)).toEqual([
      "AcceptInvitation",
      "  InvitationAccepted caused +9",
      "    BadgeChanged caused +14",
      "    GrantProvisioned followed +44",
      "      CoHostConnected followed +700",
      "        CoHostMediaChanged followed +90",
    ]);
    expect(accepting).toMatchObject({ duration: 843, userIds: ["bob"], missingCause: null });
  });

  it("draws a line on below a record only where its parent has others to come", () => {
    const log = new LogBuilder();
    playToAir(log);
    const [accepting] = buildTimeline(log.records);
    expect(accepting?.nodes.map(({ rails }) => rails)).toEqual([
      [false],
      [false, false],
      [false, false, true],
      [false, false, false],
      [false, false, false, false],
      [false, false, false, false, false],
    ]);
  });

  it("puts a refusal under its command", () => {
    const log = new LogBuilder();
    const command = log.command("broadcast", "MuteCoHost", "m-1", { userId: "bob", source: "camera" });
    log.wait(7);
    log.effect("broadcast.rejections", "CommandRejected", command, { reason: "not_co_host" });
    const [chain] = buildTimeline(log.records);
    expect(outline(chain)).toEqual(["MuteCoHost", "  CommandRejected caused +7"]);
    expect(chain?.nodes.map(({ kind }) => kind)).toEqual(["command", "rejection"]);
  });

  it("links an outcome to the command of its own service where both have the id", () => {
    const log = new LogBuilder();
    const first = log.command("invitations", "LeaveStage", "same", {});
    log.wait(1);
    log.command("broadcast", "MuteCoHost", "same", {});
    log.effect("broadcast.rejections", "CommandRejected", "same", { reason: "not_co_host" });
    log.effect("invitations.events", "CoHostLeft", first, SEAT);
    expect(buildTimeline(log.records).map(outline)).toEqual([
      ["MuteCoHost", "  CommandRejected caused +0"],
      ["LeaveStage", "  CoHostLeft caused +1"],
    ]);
  });

  it("shows a command that was sent again under the first, without an outcome", () => {
    const log = new LogBuilder();
    const command = log.command("invitations", "LeaveStage", "again", {});
    log.wait(10);
    log.effect("invitations.events", "CoHostLeft", command, SEAT);
    log.wait(90);
    log.command("invitations", "LeaveStage", "again", {});
    const [chain, ...others] = buildTimeline(log.records);
    expect(others).toEqual([]);
    expect(outline(chain)).toEqual(["LeaveStage", "  CoHostLeft caused +10", "  LeaveStage followed +100"]);
    expect(chain?.nodes.map(({ isRepeat }) => isRepeat)).toEqual([false, false, true]);
  });

  it("puts all that a tombstone closes under it, whatever the topics' prefix", () => {
    const log = new LogBuilder();
    log.tombstone("rooms", "room-1");
    log.wait(5);
    const changed = log.effect("invitations.events", "StageChanged", "live.rooms:3:0", { open: false });
    log.effect("invitations.events", "CoHostLeft", "live.rooms:3:0", SEAT);
    log.wait(5);
    log.effect("broadcast.events", "GrantRevoked", "signal-9", SEAT, changed.event?.correlationid);
    log.tombstone("badges", "room-1/bob");
    expect(buildTimeline(log.records).map(outline)).toEqual([
      [
        "RoomRemoved",
        "  StageChanged caused +5",
        "  CoHostLeft caused +5",
        "    GrantRevoked followed +5",
        "    BadgeRemoved followed +5",
      ],
    ]);
  });

  it("tells a drop as one chain, from the disconnection to the seat's end", () => {
    const log = new LogBuilder();
    playToAir(log);
    log.wait(60_000);
    log.effect("broadcast.events", "CoHostDisconnected", "signal-4", SEAT);
    log.wait(10_000);
    log.effect("broadcast.events", "CoHostLost", "signal-5", SEAT);
    log.wait(4);
    const release = log.command("invitations", "ReleaseSeat", "r-1", { ...SEAT, reason: "connection_lost" });
    log.wait(4);
    log.effect("invitations.events", "CoHostLeft", release, { ...SEAT, reason: "connection_lost" });
    const [drop] = buildTimeline(log.records);
    expect(outline(drop)).toEqual([
      "CoHostDisconnected",
      "  CoHostLost followed +10000",
      "    ReleaseSeat followed +4",
      "      CoHostLeft caused +4",
    ]);
  });

  it("begins a chain of its own with a change of tracks that nothing led to", () => {
    const log = new LogBuilder();
    playToAir(log);
    log.wait(1_000);
    log.effect("broadcast.events", "CoHostMediaChanged", "signal-6", { ...SEAT, published: [] });
    expect(outline(buildTimeline(log.records)[0])).toEqual(["CoHostMediaChanged"]);
  });

  it("puts a change of tracks under the mute that it carries the correlation of", () => {
    const log = new LogBuilder();
    playToAir(log);
    log.wait(1_000);
    const mute = log.command("broadcast", "MuteCoHost", "m-1", { ...SEAT, actorId: "alice" });
    log.effect("broadcast.events", "CoHostMuted", mute, { userId: "bob", source: "camera", by: "alice" });
    log.wait(40);
    log.effect("broadcast.events", "CoHostMediaChanged", "s-7", { ...SEAT, published: ["camera"] }, "m-1");
    expect(outline(buildTimeline(log.records)[0])).toEqual([
      "MuteCoHost",
      "  CoHostMuted caused +0",
      "    CoHostMediaChanged followed +40",
    ]);
  });

  it("puts a change of tracks under the mute just before that took the source away", () => {
    const log = new LogBuilder();
    playToAir(log);
    log.wait(1_000);
    const mute = log.command("broadcast", "MuteCoHost", "m-1", { ...SEAT, actorId: "alice" });
    log.effect("broadcast.events", "CoHostMuted", mute, { userId: "bob", source: "camera", by: "alice" });
    log.wait(600);
    log.effect("broadcast.events", "CoHostMediaChanged", "s-7", { ...SEAT, published: ["microphone"] });
    log.wait(600);
    log.effect("broadcast.events", "CoHostMediaChanged", "s-8", { ...SEAT, published: [] });
    expect(buildTimeline(log.records).slice(0, 2).map(outline)).toEqual([
      ["CoHostMediaChanged"],
      ["MuteCoHost", "  CoHostMuted caused +0", "    CoHostMediaChanged followed +600"],
    ]);
  });

  it("groups what shares a cause that is not in the history", () => {
    const log = new LogBuilder();
    log.effect("invitations.events", "InvitationExpired", "old-command", SEAT);
    log.effect("invitations.events", "InvitationSent", "old-command", { ...SEAT, invitationId: "inv-2" });
    const [chain, ...others] = buildTimeline(log.records);
    expect(others).toEqual([]);
    expect(chain?.missingCause).toBe("old-command");
    expect(outline(chain)).toEqual(["InvitationExpired", "InvitationSent"]);
  });

  it("does not go in circles where commands name each other as their cause", () => {
    const log = new LogBuilder();
    const one = log.command("invitations", "LeaveStage", "one", {});
    const other = log.command("invitations", "LeaveStage", "other", {});
    Object.assign(one.event ?? {}, { causationid: "other" });
    Object.assign(other.event ?? {}, { causationid: "one" });
    expect(buildTimeline(log.records).map(outline)).toEqual([["LeaveStage", "  LeaveStage caused +0"]]);
  });

  it("shows no negative time where an effect has the earlier clock", () => {
    const log = new LogBuilder();
    const command = log.command("invitations", "LeaveStage", "c-1", {});
    log.wait(-3);
    log.effect("invitations.events", "CoHostLeft", command, SEAT);
    const ordered = mergeRecords([], log.records);
    expect(outline(buildTimeline(ordered)[0])).toEqual(["LeaveStage", "  CoHostLeft caused +0"]);
  });

  it("takes data of any kind from a command that anybody wrote", () => {
    const log = new LogBuilder();
    const command = log.command("invitations", "SendInvitation", "odd", { userId: 7 });
    Object.assign(command.event ?? {}, { data: [1, 2] });
    expect(buildTimeline(log.records)).toMatchObject([{ userIds: [] }]);
  });
});

describe("pages of a history", () => {
  it("are one list, with each record once and in the order of time", () => {
    const log = new LogBuilder();
    playToAir(log);
    const newest = log.records.slice(3);
    const older = log.records.slice(0, 5);
    const merged = mergeRecords(newest, older);
    expect(merged).toEqual(log.records);
    expect(mergeRecords(merged, structuredClone(older))).toBe(merged);
  });

  it("keep a log's order where its times do not, and causes before effects at one time", () => {
    const log = new LogBuilder();
    log.effect("invitations.events", "CoHostLeft", "c-1", SEAT);
    log.command("invitations", "LeaveStage", "c-1", {});
    log.wait(10);
    log.command("invitations", "LeaveStage", "c-2", {});
    log.wait(-5);
    log.command("invitations", "LeaveStage", "c-3", {});
    log.wait(2);
    log.effect("invitations.events", "StageArranged", "c-9", {});
    const ids = mergeRecords([], log.records).map(({ event }) => event?.id);
    expect(ids).toEqual(["c-1", "CoHostLeft-0", "StageArranged-4", "c-2", "c-3"]);
  });
});
