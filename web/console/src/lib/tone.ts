/** What a colour says: `accent` marks, `good`, `warn` and `bad` judge. */
export type Tone = "neutral" | "accent" | "good" | "warn" | "bad";
