import type { components } from "./generated/openapi.js";

/** The state of a room; an option that is left out has its default. */
export type RoomFact = components["schemas"]["RoomFact"];

/** The state of a user; an option that is left out has its default. */
export type UserFact = components["schemas"]["UserFact"];
