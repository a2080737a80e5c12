/** The addresses of pages, for links: their paths are behind `#`. */

const part = encodeURIComponent;

export const links = {
  now: () => "#/",
  rooms: () => "#/rooms",
  room: (roomId?: string) => (roomId === undefined ? "#/room" : `#/rooms/${part(roomId)}`),
  invitation: (invitationId?: string) =>
    invitationId === undefined ? "#/invitation" : `#/invitations/${part(invitationId)}`,
  why: (roomId?: string, userId?: string) =>
    roomId === undefined || userId === undefined ? "#/why" : `#/why/${part(roomId)}/${part(userId)}`,
  commands: () => "#/commands",
  refusals: (reason: string) => `#/refusals/${part(reason)}`,
  command: (commandId: string) => `#/commands/${part(commandId)}`,
  deadLetters: () => "#/dead-letters",
  deadLetter: (id: string) => `#/dead-letters/${part(id)}`,
  system: () => "#/system",
};

/** Open a page from code, as a click on its link does. */
export function openPage(link: string): void {
  location.hash = link;
}
