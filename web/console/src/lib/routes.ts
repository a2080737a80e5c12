import type { Component } from "svelte";
import CommandsPage from "../pages/CommandsPage.svelte";
import DeadLetterPage from "../pages/DeadLetterPage.svelte";
import DeadLettersPage from "../pages/DeadLettersPage.svelte";
import InvitationPage from "../pages/InvitationPage.svelte";
import NotFoundPage from "../pages/NotFoundPage.svelte";
import NowPage from "../pages/NowPage.svelte";
import RoomPage from "../pages/RoomPage.svelte";
import RoomsPage from "../pages/RoomsPage.svelte";
import SystemPage from "../pages/SystemPage.svelte";
import WhyPage from "../pages/WhyPage.svelte";
import { links } from "./links";
import { matchPath } from "./path";

/** What a page is given: the parameters of its path, e.g. `parameters.roomId`; those that it lacks are undefined. */
export interface PageProps {
  parameters: Record<string, string | undefined>;
}

export interface Route {
  pattern: string;
  page: Component<PageProps>;
  /** The navigation's entry that is marked while the page is open. */
  section: string;
}

export const sections = [
  { name: "Now", link: links.now() },
  { name: "Rooms", link: links.rooms() },
  { name: "Room", link: links.room() },
  { name: "Invitation", link: links.invitation() },
  { name: "Why", link: links.why() },
  { name: "Commands", link: links.commands() },
  { name: "Dead letters", link: links.deadLetters() },
  { name: "System", link: links.system() },
];

const routes: Route[] = [
  { pattern: "/", page: NowPage, section: "Now" },
  { pattern: "/rooms", page: RoomsPage, section: "Rooms" },
  { pattern: "/room", page: RoomPage, section: "Room" },
  { pattern: "/rooms/:roomId", page: RoomPage, section: "Room" },
  { pattern: "/invitation", page: InvitationPage, section: "Invitation" },
  { pattern: "/invitations/:invitationId", page: InvitationPage, section: "Invitation" },
  { pattern: "/why", page: WhyPage, section: "Why" },
  { pattern: "/why/:roomId/:userId", page: WhyPage, section: "Why" },
  { pattern: "/commands", page: CommandsPage, section: "Commands" },
  { pattern: "/commands/:commandId", page: CommandsPage, section: "Commands" },
  { pattern: "/refusals/:reason", page: CommandsPage, section: "Commands" },
  { pattern: "/dead-letters", page: DeadLettersPage, section: "Dead letters" },
  { pattern: "/dead-letters/:id", page: DeadLetterPage, section: "Dead letters" },
  { pattern: "/system", page: SystemPage, section: "System" },
];

/** Return the route of a path with the path's parameters. */
export function findRoute(path: string): { route: Route; parameters: Record<string, string> } {
  for (const route of routes) {
    const parameters = matchPath(route.pattern, path);
    if (parameters !== null) {
      return { route, parameters };
    }
  }
  return { route: { pattern: path, page: NotFoundPage, section: "" }, parameters: {} };
}
