import { describe, expect, it } from "vitest";
import { links } from "../src/lib/links";
import { matchPath } from "../src/lib/path";

describe("a path", () => {
  it.each([
    ["/", "/", {}],
    ["/rooms", "/rooms", {}],
    ["/rooms/:roomId", "/rooms/a%2Fb%40c", { roomId: "a/b@c" }],
    ["/why/:roomId/:userId", "/why/room-1/bob", { roomId: "room-1", userId: "bob" }],
    ["/rooms/:roomId", "/rooms/%E0%A4%A", { roomId: "%E0%A4%A" }],
  ])("has the form %s: %s", (pattern, path, parameters) => {
    expect(matchPath(pattern, path)).toEqual(parameters);
  });

  it.each([
    ["/", "/rooms"],
    ["/rooms/:roomId", "/rooms"],
    ["/rooms/:roomId", "/rooms/a/b"],
    ["/rooms/:roomId", "/users/a"],
  ])("has not the form %s: %s", (pattern, path) => expect(matchPath(pattern, path)).toBeNull());

  it("comes back from a link as it was", () => {
    const id = "invitations:3:17";
    expect(matchPath("/dead-letters/:id", links.deadLetter(id).slice(1))).toEqual({ id });
  });
});
