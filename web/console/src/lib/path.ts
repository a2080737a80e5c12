/** Paths behind `#`, matched against patterns such as `/rooms/:roomId`. */

/** Return the decoded parameters if the path has the pattern's form, else null. */
export function matchPath(pattern: string, path: string): Record<string, string> | null {
  const names = split(pattern);
  const parts = split(path);
  if (names.length !== parts.length) {
    return null;
  }
  const parameters: Record<string, string> = {};
  for (const [index, name] of names.entries()) {
    const part = parts[index] ?? "";
    if (name.startsWith(":")) {
      parameters[name.slice(1)] = decode(part);
    } else if (name !== part) {
      return null;
    }
  }
  return parameters;
}

function split(path: string): string[] {
  return path.split("/").filter((part) => part !== "");
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
