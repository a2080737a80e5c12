/** The path behind `#`, which the browser's history keeps. */
class Router {
  path = $state(currentPath());

  constructor() {
    addEventListener("hashchange", () => {
      this.path = currentPath();
    });
  }
}

function currentPath(): string {
  return location.hash.replace(/^#/, "") || "/";
}

export const router = new Router();
